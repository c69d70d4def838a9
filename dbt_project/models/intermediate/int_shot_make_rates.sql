-- Grain: one row per date (UTC, of tip-off), shot value and distance in whole feet.
-- The make rate that a game of that date may know: games of the trailing window that ended before any tip-off
-- of the date, pulled to a prior where attempts are few (docs/methods/expected_points.md).
{{ config(indexes=[{'columns': ['utc_date', 'shot_value', 'distance_feet'], 'unique': true}]) }}

with games as (
    select
        game_id,
        utc_date,
        is_final or {{ var('include_live_games') }} as is_counted
    from {{ ref('int_games_described') }}
    -- without a date nobody can tell what came before
    where utc_date is not null
),

shots as (
    select * from {{ ref('int_shots_by_game_and_distance') }}
),

priors as (
    select * from {{ ref('shot_distance_priors') }}
),

daily as (
    select
        games.utc_date,
        shots.shot_value,
        shots.distance_feet,
        -- a game in progress has the rates of its distances, it adds nothing to them
        sum(case when games.is_counted then shots.attempts else 0 end) as attempts,
        sum(case when games.is_counted then shots.makes else 0 end) as makes
    from shots
    inner join games on shots.game_id = games.game_id
    group by games.utc_date, shots.shot_value, shots.distance_feet
),

dates as (
    select distinct utc_date from games
),

distances as (
    select distinct
        shot_value,
        distance_feet
    from daily
),

-- every date has every distance, also one that nobody shot from on that day; added up, not joined, because
-- the planner compares every day with every day of a distance
grid as (
    select
        utc_date,
        shot_value,
        distance_feet,
        sum(attempts) as attempts,
        sum(makes) as makes
    from (
        select * from daily
        union all
        select
            dates.utc_date,
            distances.shot_value,
            distances.distance_feet,
            0 as attempts,
            0 as makes
        from dates
        cross join distances
    ) as every_day
    group by utc_date, shot_value, distance_feet
),

counted as (
    select
        utc_date,
        shot_value,
        distance_feet,
        coalesce(sum(attempts) over known_games, 0) as attempts_before,
        coalesce(sum(makes) over known_games, 0) as makes_before
    from grid
    window known_games as (
        partition by shot_value, distance_feet
        order by utc_date
        range between
        interval '{{ var("expected_points_window_days") }} days' preceding
        and interval '{{ var("expected_points_lag_days") }} days' preceding
    )
)

select
    counted.utc_date,
    counted.shot_value,
    counted.distance_feet,
    counted.attempts_before,
    counted.makes_before,
    (
        (
            counted.makes_before
            + {{ var('expected_points_prior_attempts') }} * coalesce(priors.prior_make_rate, 0.4)
        )
        / (counted.attempts_before + {{ var('expected_points_prior_attempts') }})
    )::numeric(6, 5) as make_rate
from counted
left join priors
    on
        counted.shot_value = priors.shot_value
        and counted.distance_feet between priors.min_feet and priors.max_feet
