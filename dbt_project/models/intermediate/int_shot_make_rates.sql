-- Grain: one row per date (UTC, of tip-off), shot value and distance in half feet that a game of the date shot from.
-- The make rate that a game of that date may know: games of the trailing window that ended before any tip-off
-- of the date, pulled to a prior where attempts are few (docs/methods/expected_points.md).
{{ config(indexes=[{'columns': ['utc_date', 'shot_value', 'half_feet'], 'unique': true}]) }}

with priors as (
    select * from {{ ref('shot_ranges') }}
),

daily as (
    select
        utc_date,
        shot_value,
        half_feet,
        sum(attempts) as attempts,
        sum(makes) as makes
    from {{ ref('int_shots_by_game_and_distance') }}
    group by utc_date, shot_value, half_feet
),

counted as (
    select
        utc_date,
        shot_value,
        half_feet,
        coalesce(sum(attempts) over known_games, 0)::integer as attempts_before,
        coalesce(sum(makes) over known_games, 0)::integer as makes_before
    from daily
    window known_games as (
        partition by shot_value, half_feet
        order by utc_date
        {{ known_days(var('expected_points_window_days')) }}
    )
)

select
    counted.utc_date,
    counted.shot_value,
    counted.half_feet,
    counted.attempts_before,
    counted.makes_before,
    (
        counted.makes_before
        + {{ var('expected_points_prior_attempts') }}::float8 * priors.prior_make_rate::float8
    )
    / (counted.attempts_before + {{ var('expected_points_prior_attempts') }})::float8 as make_rate
from counted
inner join priors
    on
        counted.shot_value = priors.shot_value
        and counted.half_feet >= 2 * priors.from_feet
        and counted.half_feet < 2 * priors.below_feet
