-- Grain: one row per version of a recovery and stretch of time in which WHOOP held it.
{{ config(
    materialized='table',
    indexes=[{'columns': ['device_id', 'cycle_id']}],
    post_hook='analyze {{ this }}'
) }}

with records as (
    {{ held_records('recovery') }}
)

select
    device_id,
    record_key as cycle_id,
    {{ json_text('payload', 'sleep_id') }} as sleep_id,
    {{ json_text('payload', 'score_state') }} as score_state,
    {{ safe_utc_timestamp(json_text('payload', 'created_at')) }} as created_at,
    known_from,
    known_until,
    known_until is null as is_newest,
    coalesce({{ json_text('score', 'user_calibrating') }} = 'true', false) as is_calibrating,
    {{ json_number('score', 'recovery_score') }} as recovery_score_pct,
    {{ json_number('score', 'resting_heart_rate') }} as resting_heart_rate_bpm,
    -- "milli" is the unit, milliseconds: nothing to divide
    {{ json_number('score', 'hrv_rmssd_milli') }} as hrv_rmssd_ms,
    {{ json_number('score', 'spo2_percentage') }} as spo2_pct,
    {{ json_number('score', 'skin_temp_celsius') }} as skin_temperature_celsius
from records
