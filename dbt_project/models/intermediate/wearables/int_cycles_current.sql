-- Grain: one row per closed cycle as WHOOP holds it now. The open one grows until the next sleep and is left out.
{{ refilled_table() }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
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
    where cycles.is_newest and cycles.cycle_end_at is not null
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
