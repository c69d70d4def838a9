-- Grain: one row per game: its newest box score payload of the stats service.
{{ newest_payloads(source('nba', 'boxscoretraditionalv3')) }}
