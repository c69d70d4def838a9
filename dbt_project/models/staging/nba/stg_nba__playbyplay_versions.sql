-- Grain: one row per game: its newest play-by-play payload.
{{ newest_payloads(source('nba', 'playbyplay')) }}
