-- Grain: one row per sleep or nap as WHOOP holds it now, of athletes whose consent stands.
{{ refilled_table() }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

ranked as (
    select
        sleeps.*,
        devices.player_id,
        -- two that end at the same moment are one sleep under two ids
        row_number() over (
            partition by sleeps.device_id, sleeps.sleep_end_at
            order by sleeps.known_from desc, sleeps.sleep_id asc
        ) as place
    from {{ ref('stg_whoop__sleeps') }} as sleeps
    inner join devices on sleeps.device_id = devices.device_id
    where sleeps.is_newest and sleeps.sleep_end_at is not null
)

select
    player_id,
    device_id,
    sleep_id as session_id,
    cycle_id,
    sleep_start_at as start_at,
    sleep_end_at as reading_at,
    utc_offset_minutes,
    is_nap,
    case when is_nap then 'nap' else 'sleep' end as activity_state,
    score_state,
    created_at,
    known_from,
    in_bed_minutes,
    awake_minutes,
    no_data_minutes,
    light_sleep_minutes,
    slow_wave_sleep_minutes,
    rem_sleep_minutes,
    light_sleep_minutes + slow_wave_sleep_minutes + rem_sleep_minutes as asleep_minutes,
    sleep_cycle_count,
    disturbance_count,
    sleep_needed_minutes,
    respiratory_rate_per_minute,
    sleep_performance_pct,
    sleep_consistency_pct,
    sleep_efficiency_pct,
    {{ recorded_share('no_data_minutes', 'in_bed_minutes') }} as quality_ratio
from ranked
where place = 1
