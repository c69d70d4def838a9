-- Grain: one row per workout as WHOOP holds it now. Those recorded in games where that is forbidden are not here.
{{ refilled_table() }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

forbidden as (
    select distinct
        device_id,
        workout_id
    from {{ ref('int_recordings_in_games') }}
    where not is_permitted
),

ranked as (
    select
        workouts.*,
        devices.player_id,
        row_number() over (
            partition by workouts.device_id, workouts.workout_end_at
            order by workouts.known_from desc, workouts.workout_id asc
        ) as place
    from {{ ref('stg_whoop__workouts') }} as workouts
    inner join devices on workouts.device_id = devices.device_id
    left join forbidden
        on
            workouts.device_id = forbidden.device_id
            and workouts.workout_id = forbidden.workout_id
    where
        workouts.is_newest
        and workouts.workout_end_at is not null
        and forbidden.workout_id is null
)

select
    player_id,
    device_id,
    workout_id as session_id,
    workout_start_at as start_at,
    workout_end_at as reading_at,
    utc_offset_minutes,
    'workout' as activity_state,
    score_state,
    sport_name,
    strain,
    energy_kilojoule,
    average_heart_rate_bpm,
    max_heart_rate_bpm,
    recorded_pct,
    distance_meters,
    altitude_gain_meters,
    altitude_change_meters,
    zone_0_minutes,
    zone_1_minutes,
    zone_2_minutes,
    zone_3_minutes,
    zone_4_minutes,
    zone_5_minutes,
    -- wrist heart rate fails first where it matters: at high intensity
    least(greatest(recorded_pct, 0), 100) / 100 as quality_ratio
from ranked
where place = 1
