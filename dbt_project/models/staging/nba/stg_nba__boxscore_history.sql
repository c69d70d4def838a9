-- Grain: one row per game and version of its box score payload.
{{ payload_history(source('nba', 'boxscore')) }}
