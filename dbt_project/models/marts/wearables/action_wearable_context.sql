-- Grain: one row per action in clutch time credited to an athlete who may be read.
-- The body at the moment of the action: by its repaired wall clock, by tip-off where it has none.
-- Shown at the moment of reading while he permits it.
-- depends_on: {{ ref('wearables_permissions') }}
{{ refilled_table() }}
{{ shown_by_consent() }}

with policies as (
    select * from {{ ref('recording_policies') }}
),

athletes as (
    select distinct player_id from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

actions as (
    select
        actions.action_id,
        actions.game_id,
        actions.player_id,
        coalesce(actions.action_timestamp, games.tipoff_at) as happened_at,
        case
            when actions.action_timestamp is not null then 'wall_clock'
            when games.tipoff_at is not null then 'tipoff'
            else 'none'
        end as time_basis
    from {{ ref('clutch_player_actions') }} as actions
    inner join athletes on actions.player_id = athletes.player_id
    inner join {{ ref('int_games_described') }} as games on actions.game_id = games.game_id
),

cycles as (
    select
        actions.action_id,
        cycles.device_id,
        cycles.cycle_id,
        row_number() over (
            partition by actions.action_id order by cycles.cycle_start_at desc, cycles.cycle_id asc
        ) as place
    from actions
    inner join {{ ref('int_game_cycles') }} as cycles
        on
            actions.player_id = cycles.player_id
            and actions.game_id = cycles.game_id
            and actions.happened_at >= cycles.cycle_start_at
            and (cycles.cycle_end_at is null or actions.happened_at < cycles.cycle_end_at)
),

wakings as (
    select
        actions.action_id,
        max(sleeps.sleep_end_at) as woke_at
    from actions
    inner join {{ ref('int_game_sleeps') }} as sleeps
        on
            actions.player_id = sleeps.player_id
            and actions.game_id = sleeps.game_id
            and actions.happened_at >= sleeps.sleep_end_at
    group by actions.action_id
),

recordings as (
    select
        actions.action_id,
        max(case when recordings.is_permitted then recordings.workout_id end) as workout_id,
        max(case when recordings.is_permitted then 0 else 1 end) = 1 as has_forbidden_recording
    from actions
    inner join {{ ref('int_recordings_in_games') }} as recordings
        on
            actions.player_id = recordings.player_id
            and actions.game_id = recordings.game_id
            and actions.happened_at >= recordings.workout_start_at
            and actions.happened_at < recordings.workout_end_at
    where recordings.is_newest and actions.time_basis = 'wall_clock'
    group by actions.action_id
)

select
    actions.action_id,
    actions.game_id,
    actions.player_id,
    actions.time_basis,
    actions.happened_at,
    cycles.device_id,
    cycles.cycle_id,
    recoveries.sleep_id as recovery_sleep_id,
    case when recoveries.score_state = 'SCORED' then recoveries.recovery_score_pct end
        as recovery_score,
    case when recoveries.score_state = 'SCORED' then recoveries.hrv_rmssd_ms end as hrv_rmssd,
    wakings.woke_at,
    {{ hours_between('wakings.woke_at', 'actions.happened_at') }} as hours_since_waking,
    recordings.workout_id,
    coalesce(recordings.has_forbidden_recording, false) as has_forbidden_recording,
    coalesce(policies.in_game_recording_permitted, false) as permitted
from actions
left join cycles on actions.action_id = cycles.action_id and cycles.place = 1
-- as it was held then: what was corrected afterwards was not the athlete's morning
left join {{ ref('stg_whoop__recoveries') }} as recoveries
    on
        cycles.device_id = recoveries.device_id
        and cycles.cycle_id = recoveries.cycle_id
        and {{ held_at('recoveries', 'actions.happened_at') }}
left join wakings on actions.action_id = wakings.action_id
left join recordings on actions.action_id = recordings.action_id
left join policies on substr(actions.game_id, 1, 2) = policies.league_digits
