-- Grain: one row per game: its newest play-by-play payload of the stats service, newer form.
{{ newest_payloads(source('nba', 'playbyplayv3')) }}
