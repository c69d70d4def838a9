-- Grain: one row per game, later version of its play-by-play, and action that is not what it was in the version before.
-- Only versions that follow a final one: what a live game adds is no restatement. Both sides stay JSON.
{{ incremental_by_game(
    ['game_id', 'version_number', 'action_number'], versions='stg_nba__revised_games'
) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__revised_games')) }}
),

versions as (
    select versions.*
    from {{ ref('stg_nba__playbyplay_history') }} as versions
    inner join changed_games on versions.game_id = changed_games.game_id
    where versions.version_count > 1
),

closings as (
    select
        versions.game_id,
        versions.version_number
    from versions
    {{ json_each(json_path('versions.payload', ['game', 'actions']), 'action') }}
    where
        {{ json_text('action.value', 'actionType') }} = 'game'
        and {{ json_text('action.value', 'subType') }} = 'end'
    group by versions.game_id, versions.version_number
),

final_boxscores as (
    select
        boxscores.game_id,
        boxscores.fetched_at,
        boxscores._dlt_load_id
    from {{ ref('stg_nba__boxscore_history') }} as boxscores
    inner join changed_games on boxscores.game_id = changed_games.game_id
    where {{ json_path_text('boxscores.payload', ['game', 'gameStatus']) }} = '3'
),

final_versions as (
    select
        versions.game_id,
        versions.version_number
    from versions
    inner join closings
        on
            versions.game_id = closings.game_id
            and versions.version_number = closings.version_number
    union
    -- a game may lack the closing action; the box score of the same load is told a moment later
    select
        versions.game_id,
        versions.version_number
    from versions
    inner join final_boxscores
        on
            versions.game_id = final_boxscores.game_id
            and (
                versions.fetched_at >= final_boxscores.fetched_at
                or versions._dlt_load_id = final_boxscores._dlt_load_id
            )
),

steps as (
    select
        current_version.game_id,
        current_version.version_number,
        previous_version.fetched_at as previous_seen_at,
        current_version.fetched_at as seen_at,
        previous_version.payload as old_payload,
        current_version.payload as new_payload
    from versions as current_version
    inner join versions as previous_version
        on
            current_version.game_id = previous_version.game_id
            and current_version.version_number = previous_version.version_number + 1
    inner join final_versions
        on
            previous_version.game_id = final_versions.game_id
            and previous_version.version_number = final_versions.version_number
),

sides as (
    select
        steps.game_id,
        steps.version_number,
        'old' as side,
        action.value as action
    from steps
    {{ json_each(json_path('steps.old_payload', ['game', 'actions']), 'action') }}
    union all
    select
        steps.game_id,
        steps.version_number,
        'new' as side,
        action.value as action
    from steps
    {{ json_each(json_path('steps.new_payload', ['game', 'actions']), 'action') }}
),

numbered as (
    select
        *,
        {{ json_text('action', 'actionNumber') }}::integer as action_number
    from sides
),

ranked as (
    select
        *,
        -- a payload that has a number twice must not stop the build
        row_number() over (
            partition by game_id, version_number, side, action_number
            order by {{ json_text('action', 'orderNumber') }}::integer
        ) as place
    from numbered
    where action_number is not null
),

old_actions as (
    select * from ranked
    where side = 'old' and place = 1
),

new_actions as (
    select * from ranked
    where side = 'new' and place = 1
),

paired as (
    select
        coalesce(old_actions.game_id, new_actions.game_id) as game_id,
        coalesce(old_actions.version_number, new_actions.version_number) as version_number,
        coalesce(old_actions.action_number, new_actions.action_number) as action_number,
        old_actions.action as old_action,
        new_actions.action as new_action
    from old_actions
    full outer join new_actions
        on
            old_actions.game_id = new_actions.game_id
            and old_actions.version_number = new_actions.version_number
            and old_actions.action_number = new_actions.action_number
    where old_actions.action is distinct from new_actions.action
)

select
    paired.game_id,
    paired.version_number::integer as version_number,
    paired.action_number,
    steps.previous_seen_at,
    steps.seen_at,
    paired.old_action,
    paired.new_action
from paired
inner join steps
    on paired.game_id = steps.game_id and paired.version_number = steps.version_number
