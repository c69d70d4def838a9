-- Grain: one row per date (UTC, of tip-off) and cell of the moment that a game of the date shot in.
-- How much likelier such shots are made than all the rest tells, on the logit. Ends of games are too few to tell how the
-- league shoots just now: they differ from its other shots as they did in seasons, and from there drift with them.
{{ config(indexes=[{'columns': ['utc_date', 'cell'], 'unique': true}]) }}

with residuals as (
    select * from {{ ref('int_shot_moment_residuals') }}
),

daily as (
    select
        utc_date,
        cell,
        sum(residual_millionths) as residual_millionths,
        sum(information_millionths) as information_millionths
    from (
        select
            utc_date,
            cell,
            residual_millionths,
            information_millionths
        from residuals
        union all
        -- the other shots of the range are compared with, whether or not a game of the date has one
        select
            utc_date,
            cell - mod(cell, 10) as cell,
            0 as residual_millionths,
            0 as information_millionths
        from residuals
    ) as with_other_shots
    group by utc_date, cell
),

counted as (
    select
        utc_date,
        cell,
        {{ logit_adjustment('known_weeks', var('expected_points_drift_weight')) }} as of_weeks,
        {{ logit_adjustment('known_seasons', var('expected_points_place_weight')) }} as of_seasons
    from daily
    window
        known_weeks as (
            partition by cell
            order by utc_date
            {{ known_days(var('expected_points_drift_days')) }}
        ),
        known_seasons as (
            partition by cell
            order by utc_date
            {{ known_days(var('expected_points_window_days')) }}
        )
)

select
    counted.utc_date,
    counted.cell,
    case
        when mod(counted.cell, 10) = 0 then counted.of_weeks
        else counted.of_seasons - others.of_seasons + others.of_weeks
    end as adjustment
from counted
inner join counted as others
    on
        counted.utc_date = others.utc_date
        and counted.cell - mod(counted.cell, 10) = others.cell
