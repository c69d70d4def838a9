-- Grain: one row per play-by-play action, in the true order of the game.
-- Everything that needs the action before it: margin before, points of the action, seconds that led to it,
-- and whose five were on the floor. The rule is the league's own (docs/methods/clutch_time.md).
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    indexes=[{'columns': ['game_id', 'order_number'], 'unique': true}],
    pre_hook="{{ forget_changed_games(ref('stg_nba__game_versions')) }}",
    post_hook="{{ record_built_games(ref('stg_nba__game_versions')) }}"
) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select actions.*
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
),

-- the foul that a free throw comes from: the last one at the same clock
free_throw_fouls as (
    select
        actions.game_id,
        actions.order_number,
        max(case when actions.action_type = 'foul' then actions.order_number end) over (
            partition by actions.game_id, actions.period, actions.seconds_remaining
            order by actions.order_number
        ) as foul_order_number
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.action_type in ('foul', 'freethrow')
),

sequenced as (
    select
        *,
        lag(score_home, 1, 0::smallint) over game_so_far as score_home_before,
        lag(score_away, 1, 0::smallint) over game_so_far as score_away_before,
        -- substitutions and corrections entered late make the clock step back: the running minimum is the
        -- time that has really been played
        min(seconds_remaining) over period_so_far as clock_reached
    from actions
    -- the same order in both windows, so that one sort serves them
    window
        game_so_far as (partition by game_id order by period, order_number),
        period_so_far as (partition by game_id, period order by order_number)
),

timed as (
    select
        *,
        lag(clock_reached, 1, (case when period <= 4 then 720 else 300 end)::numeric(8, 2)) over (
            partition by game_id, period order by order_number
        ) - clock_reached as elapsed_seconds
    from sequenced
)

select
    timed.game_id,
    timed.order_number,
    timed.action_number,
    timed.period,
    timed.seconds_remaining,
    timed.action_timestamp,
    timed.action_type,
    timed.action_subtype,
    timed.team_id,
    timed.player_id,
    timed.assist_player_id,
    timed.is_field_goal_attempt,
    coalesce(timed.shot_result = 'Made', false) as is_made,
    timed.shot_distance_feet,
    timed.score_home,
    timed.score_away,
    timed.score_home_before,
    timed.score_away_before,
    timed.score_home - timed.score_home_before as points_home,
    timed.score_away - timed.score_away_before as points_away,
    timed.elapsed_seconds::numeric(8, 2) as elapsed_seconds,
    -- the five at the foul own its free throws, whoever comes in before the last of them
    case
        when timed.action_type = 'freethrow'
            then coalesce(free_throw_fouls.foul_order_number, timed.order_number)
        else timed.order_number
    end as floor_order_number,
    timed.period >= {{ var('clutch_min_period') }}
    and timed.seconds_remaining <= {{ var('clutch_max_seconds_remaining') }}
    and abs(timed.score_home_before - timed.score_away_before)
    <= {{ var('clutch_max_score_margin') }} as is_clutch
from timed
left join free_throw_fouls
    on
        timed.game_id = free_throw_fouls.game_id
        and timed.order_number = free_throw_fouls.order_number
