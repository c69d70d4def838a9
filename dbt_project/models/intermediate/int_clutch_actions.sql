-- Grain: one row per action in clutch time, with the stretch of clutch time it belongs to.
-- A stretch is unbroken: no action outside clutch time and no end of a period inside it.
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

actions as (
    select actions.*
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.period >= {{ var('clutch_min_period') }}
),

marked as (
    select
        *,
        case
            when is_clutch and not lag(is_clutch, 1, false) over (
                partition by game_id, period order by order_number
            ) then 1
            else 0
        end as starts_stretch
    from actions
),

numbered as (
    select
        *,
        sum(starts_stretch) over (
            partition by game_id, period order by order_number
        ) as stretch_number
    from marked
)

select
    game_id,
    order_number,
    game_id || '-' || period::text || '-' || stretch_number::text as situation_id,
    period,
    seconds_remaining,
    action_number,
    action_timestamp,
    recorded_at,
    is_action_timestamp_repaired,
    action_type,
    action_subtype,
    team_id,
    player_id,
    assist_player_id,
    is_field_goal_attempt,
    is_made,
    shot_distance_feet,
    score_home,
    score_away,
    score_home_before,
    score_away_before,
    points_home,
    points_away
from numbered
where is_clutch
