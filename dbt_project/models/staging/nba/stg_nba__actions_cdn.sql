-- Grain: one row per play-by-play action of a game whose play-by-play is the live data's.
-- Incremental by game (macros/incremental_by_game.sql). Unknown action types pass.
{{ incremental_by_game(['game_id', 'order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

payloads as (
    select
        playbyplay.game_id,
        playbyplay.payload
    from {{ ref('stg_nba__playbyplay_versions') }} as playbyplay
    inner join changed_games on playbyplay.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions
        on playbyplay.game_id = versions.game_id
    where versions.playbyplay_resource = 'playbyplay'
),

actions as (
    select
        payloads.game_id,
        action.value
    from payloads
    {{ json_each(json_path('payloads.payload', ['game', 'actions']), 'action') }}
)

select
    game_id,
    {{ json_text('value', 'orderNumber') }}::integer as order_number,
    {{ json_text('value', 'actionNumber') }}::integer as action_number,
    {{ json_text('value', 'period') }}::smallint as period,
    {{ duration_seconds(json_text('value', 'clock')) }} as seconds_remaining,
    {{ safe_utc_timestamp(json_text('value', 'timeActual')) }} as recorded_at,
    {{ safe_utc_timestamp(json_text('value', 'edited')) }} as edited_at,
    {{ json_text('value', 'actionType') }} as action_type,
    -- the full form writes an empty text where the sparse form leaves the key out
    nullif({{ json_text('value', 'subType') }}, '') as action_subtype,
    nullif({{ json_text('value', 'descriptor') }}, '') as descriptor,
    {{ json_text_list('value', 'qualifiers') }} as qualifiers,
    nullif({{ json_text('value', 'teamId') }}, '0') as team_id,
    -- 0 is nobody: a team rebound, a timeout, the end of a period
    nullif({{ json_text('value', 'personId') }}, '0') as player_id,
    nullif({{ json_text('value', 'possession') }}, '0') as possession_team_id,
    {{ json_text('value', 'scoreHome') }}::smallint as score_home,
    {{ json_text('value', 'scoreAway') }}::smallint as score_away,
    coalesce({{ json_text('value', 'isFieldGoal') }} = '1', false) as is_field_goal_attempt,
    {{ json_text('value', 'shotResult') }} as shot_result,
    {{ safe_float(json_text('value', 'shotDistance')) }} as shot_distance_feet,
    {{ safe_integer(json_text('value', 'xLegacy')) }} as shot_x_tenths_of_feet,
    {{ safe_integer(json_text('value', 'yLegacy')) }} as shot_y_tenths_of_feet,
    {{ safe_integer(json_text('value', 'shotActionNumber')) }} as shot_action_number,
    nullif({{ json_text('value', 'assistPersonId') }}, '0') as assist_player_id,
    nullif({{ json_text('value', 'blockPersonId') }}, '0') as block_player_id,
    nullif({{ json_text('value', 'stealPersonId') }}, '0') as steal_player_id,
    nullif({{ json_text('value', 'foulDrawnPersonId') }}, '0') as foul_drawn_player_id
from actions
