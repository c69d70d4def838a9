-- Grain: one row per game and version of its play-by-play payload.
{{ payload_history(source('nba', 'playbyplay')) }}
