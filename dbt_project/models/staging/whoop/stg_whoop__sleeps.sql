-- Grain: one row per version of a sleep and stretch of time in which WHOOP held it.
{{ config(
    materialized='table',
    indexes=[{'columns': ['device_id', 'sleep_end_at']}],
    post_hook='analyze {{ this }}'
) }}

with records as (
    {{ held_records('sleep') }}
),

parts as (
    select
        *,
        {{ json_path('score', ['stage_summary']) }} as stages,
        {{ json_path('score', ['sleep_needed']) }} as needed
    from records
)

select
    device_id,
    record_key as sleep_id,
    {{ json_text('payload', 'cycle_id') }} as cycle_id,
    {{ safe_utc_timestamp(json_text('payload', 'start')) }} as sleep_start_at,
    {{ safe_utc_timestamp(json_text('payload', 'end')) }} as sleep_end_at,
    {{ utc_offset_minutes(json_text('payload', 'timezone_offset')) }} as utc_offset_minutes,
    coalesce({{ json_text('payload', 'nap') }} = 'true', false) as is_nap,
    {{ json_text('payload', 'score_state') }} as score_state,
    {{ safe_utc_timestamp(json_text('payload', 'created_at')) }} as created_at,
    known_from,
    known_until,
    known_until is null as is_newest,
    {{ json_number('stages', 'total_in_bed_time_milli') }} / 60000 as in_bed_minutes,
    {{ json_number('stages', 'total_awake_time_milli') }} / 60000 as awake_minutes,
    {{ json_number('stages', 'total_no_data_time_milli') }} / 60000 as no_data_minutes,
    {{ json_number('stages', 'total_light_sleep_time_milli') }} / 60000 as light_sleep_minutes,
    {{ json_number('stages', 'total_slow_wave_sleep_time_milli') }} / 60000
        as slow_wave_sleep_minutes,
    {{ json_number('stages', 'total_rem_sleep_time_milli') }} / 60000 as rem_sleep_minutes,
    {{ json_number('stages', 'sleep_cycle_count') }} as sleep_cycle_count,
    {{ json_number('stages', 'disturbance_count') }} as disturbance_count,
    (
        {{ json_number('needed', 'baseline_milli') }}
        + {{ json_number('needed', 'need_from_sleep_debt_milli') }}
        + {{ json_number('needed', 'need_from_recent_strain_milli') }}
        + {{ json_number('needed', 'need_from_recent_nap_milli') }}
    ) / 60000 as sleep_needed_minutes,
    {{ json_number('score', 'respiratory_rate') }} as respiratory_rate_per_minute,
    {{ json_number('score', 'sleep_performance_percentage') }} as sleep_performance_pct,
    {{ json_number('score', 'sleep_consistency_percentage') }} as sleep_consistency_pct,
    {{ json_number('score', 'sleep_efficiency_percentage') }} as sleep_efficiency_pct
from parts
