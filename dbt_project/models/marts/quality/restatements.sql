-- Grain: one row per game, resource, later version, record and field that the league changed after the game was final.
{{ incremental_by_game(versions='stg_nba__revised_games') }}

with changed_games as (
    {{ changed_games(ref('stg_nba__revised_games')) }}
),

clutch_actions as (
    select
        actions.game_id,
        actions.action_number
    from {{ ref('int_clutch_actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
),

sequenced_actions as (
    select
        actions.game_id,
        actions.action_number
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
),

playbyplay as (
    select
        fields.*,
        sequenced_actions.action_number is not null as is_in_newest,
        clutch_actions.action_number is not null as is_clutch_in_newest
    from {{ ref('stg_nba__playbyplay_restated_fields') }} as fields
    inner join changed_games on fields.game_id = changed_games.game_id
    left join sequenced_actions
        on
            fields.game_id = sequenced_actions.game_id
            and fields.action_number = sequenced_actions.action_number
    left join clutch_actions
        on
            fields.game_id = clutch_actions.game_id
            and fields.action_number = clutch_actions.action_number
),

restated as (
    select
        game_id,
        'playbyplay' as resource,
        'action' as record_type,
        action_number::text as record_id,
        field,
        version_number,
        old_value,
        new_value,
        previous_seen_at,
        seen_at,
        edited_at,
        period,
        {{ clock_text('seconds_remaining') }} as game_clock,
        player_id,
        -- an action that is gone has no margin before it; the score that it carried stands in
        case
            when is_in_newest then is_clutch_in_newest
            else
                period >= {{ var('clutch_min_period') }}
                and seconds_remaining <= {{ var('clutch_max_seconds_remaining') }}
                and abs(score_home - score_away) <= {{ var('clutch_max_score_margin') }}
        end as is_clutch_time
    from playbyplay
    union all
    select
        fields.game_id,
        'boxscore' as resource,
        fields.record_type,
        fields.record_id,
        fields.field,
        fields.version_number,
        fields.old_value,
        fields.new_value,
        fields.previous_seen_at,
        fields.seen_at,
        null::timestamptz as edited_at,
        null::integer as period,
        null::text as game_clock,
        case when fields.record_type = 'player' then fields.record_id end as player_id,
        null::boolean as is_clutch_time
    from {{ ref('stg_nba__boxscore_restated_fields') }} as fields
    inner join changed_games on fields.game_id = changed_games.game_id
)

select
    game_id || '-' || resource || '-' || version_number::text || '-' || record_id || '-' || field
        as restatement_id,
    game_id,
    resource,
    record_type,
    record_id,
    field,
    version_number,
    old_value,
    new_value,
    previous_seen_at,
    seen_at,
    edited_at,
    period,
    game_clock,
    player_id,
    is_clutch_time
from restated
