-- Grain: one row per closed cycle as WHOOP holds it now. The open one grows until the next sleep and is left out, and so is
-- one with a forbidden recording of a game in it: its strain holds the game.
{{ refilled_table() }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

forbidden as (
    select
        device_id,
        workout_start_at,
        workout_end_at
    from {{ ref('int_recordings_in_games') }}
    where is_newest and not is_permitted
),

with_recordings as (
    select distinct
        cycles.device_id,
        cycles.cycle_id
    from {{ ref('stg_whoop__cycles') }} as cycles
    inner join forbidden
        on
            cycles.device_id = forbidden.device_id
            and cycles.cycle_start_at < forbidden.workout_end_at
            and cycles.cycle_end_at > forbidden.workout_start_at
    where cycles.is_newest
),

ranked as (
    select
        cycles.*,
        devices.player_id,
        row_number() over (
            partition by cycles.device_id, cycles.cycle_end_at
            order by cycles.known_from desc, cycles.cycle_id asc
        ) as place
    from {{ ref('stg_whoop__cycles') }} as cycles
    inner join devices on cycles.device_id = devices.device_id
    left join with_recordings
        on
            cycles.device_id = with_recordings.device_id
            and cycles.cycle_id = with_recordings.cycle_id
    where
        cycles.is_newest
        and cycles.cycle_end_at is not null
        and with_recordings.cycle_id is null
)

select
    player_id,
    device_id,
    cycle_id as session_id,
    cycle_start_at as start_at,
    cycle_end_at as reading_at,
    utc_offset_minutes,
    'day' as activity_state,
    score_state,
    strain,
    energy_kilojoule,
    average_heart_rate_bpm,
    max_heart_rate_bpm,
    step_count,
    1.0::float8 as quality_ratio
from ranked
where place = 1
