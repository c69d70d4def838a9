-- Grain: one row per date, from a year before the first game here to a year after the last.
-- Metrics over a window of days need every date, also those without a game.
{{ config(materialized='view') }}

with bounded as (
    select
        min(game_date) - 365 as first_date,
        max(game_date) + 365 as last_date
    from {{ ref('games') }}
)

select days.on_date as date_day
from bounded
{{ each_date('bounded.first_date', 'bounded.last_date', 'days') }}
