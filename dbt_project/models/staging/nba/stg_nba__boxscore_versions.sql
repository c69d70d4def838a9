-- Grain: one row per game: its newest box score payload.
{{ newest_payloads(source('nba', 'boxscore')) }}
