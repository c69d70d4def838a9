-- Grain: one row per game with a few wall clocks that are no time of the game, and between which times its own lie.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select
        actions.game_id,
        actions.recorded_at
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.recorded_at is not null
),

-- a row can be that far from the median only in a game that seems to last that long
long_games as (
    select game_id
    from actions
    group by game_id
    having
        max(recorded_at) - min(recorded_at)
        > interval '{{ var("wall_clock_max_hours_from_median") }} hours'
),

actions_of_long_games as (
    select
        actions.game_id,
        actions.recorded_at
    from actions
    inner join long_games on actions.game_id = long_games.game_id
),

medians as (
    select
        game_id,
        percentile_disc(0.5) within group (order by recorded_at) as median_at
    from actions_of_long_games
    group by game_id
),

limits as (
    select
        game_id,
        median_at - interval '{{ var("wall_clock_max_hours_from_median") }} hours' as earliest_at,
        median_at + interval '{{ var("wall_clock_max_hours_from_median") }} hours' as latest_at
    from medians
),

shares as (
    select
        actions_of_long_games.game_id,
        avg(case
            when actions_of_long_games.recorded_at between limits.earliest_at and limits.latest_at
                then 0
            else 1
        end) as implausible_share
    from actions_of_long_games
    inner join limits on actions_of_long_games.game_id = limits.game_id
    group by actions_of_long_games.game_id
)

select
    limits.game_id,
    limits.earliest_at,
    limits.latest_at
from limits
inner join shares on limits.game_id = shares.game_id
-- where many rows are that far off (scored again later, or resumed) nothing tells better
where
    shares.implausible_share > 0
    and shares.implausible_share <= {{ var('wall_clock_max_implausible_share') }}
