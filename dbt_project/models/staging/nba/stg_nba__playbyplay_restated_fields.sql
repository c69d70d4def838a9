-- Grain: one row per game, later version of its play-by-play, action and field that is not what it was.
-- An action that came or went is one row, field "row".
with revisions as (
    select * from {{ ref('stg_nba__playbyplay_revisions') }}
),

fields_left_out as (
    select field from {{ ref('restatement_fields_left_out') }}
    where resource = 'playbyplay'
),

sides as (
    select
        revisions.game_id,
        revisions.version_number,
        revisions.action_number,
        field.name as field,
        field.text_value as old_value,
        null::text as new_value
    from revisions
    {{ json_each_text('revisions.old_action', 'field') }}
    where revisions.new_action is not null
    union all
    select
        revisions.game_id,
        revisions.version_number,
        revisions.action_number,
        field.name as field,
        null::text as old_value,
        field.text_value as new_value
    from revisions
    {{ json_each_text('revisions.new_action', 'field') }}
    where revisions.old_action is not null
),

compared as (
    select
        game_id,
        version_number,
        action_number,
        field,
        max({{ json_normal_text('old_value') }}) as old_value,
        max({{ json_normal_text('new_value') }}) as new_value
    from sides
    where field not in (select fields_left_out.field from fields_left_out)
    group by game_id, version_number, action_number, field
),

changed as (
    select * from compared
    where old_value is distinct from new_value
    union all
    select
        game_id,
        version_number,
        action_number,
        'row' as field,
        coalesce(
            {{ json_text('old_action', 'description') }},
            {{ json_text('old_action', 'actionType') }}
        ) as old_value,
        coalesce(
            {{ json_text('new_action', 'description') }},
            {{ json_text('new_action', 'actionType') }}
        ) as new_value
    from revisions
    where old_action is null or new_action is null
),

described as (
    select
        *,
        coalesce(new_action, old_action) as action
    from revisions
)

select
    changed.game_id,
    changed.version_number,
    changed.action_number,
    changed.field,
    changed.old_value,
    changed.new_value,
    described.previous_seen_at,
    described.seen_at,
    {{ safe_utc_timestamp(json_text('described.action', 'edited')) }} as edited_at,
    {{ json_text('described.action', 'period') }}::integer as period,
    {{ duration_seconds(json_text('described.action', 'clock')) }} as seconds_remaining,
    nullif({{ json_text('described.action', 'personId') }}, '0') as player_id,
    {{ json_text('described.action', 'scoreHome') }}::integer as score_home,
    {{ json_text('described.action', 'scoreAway') }}::integer as score_away
from changed
inner join described
    on
        changed.game_id = described.game_id
        and changed.version_number = described.version_number
        and changed.action_number = described.action_number
