-- Grain: one row per date (UTC, of tip-off) and cell of direction or clock that a game of the date shot in.
-- How much likelier shots of the cell were made than their distance tells, on the logit, in games the date may know.
{{ config(indexes=[{'columns': ['utc_date', 'cell'], 'unique': true}]) }}

with daily as (
    select
        utc_date,
        cell,
        sum(residual_millionths) as residual_millionths,
        sum(information_millionths) as information_millionths
    from {{ ref('int_shot_place_residuals') }}
    group by utc_date, cell
)

select
    utc_date,
    cell,
    case
        -- cells of the clock; those of directions begin at 20000 (int_shots)
        when cell < 1000
            then {{ logit_adjustment('known_games', var('expected_points_clock_weight')) }}
        else {{ logit_adjustment('known_games', var('expected_points_place_weight')) }}
    end as adjustment
from daily
window known_games as (
    partition by cell
    order by utc_date
    {{ known_days(var('expected_points_window_days')) }}
)
