-- Grain: one row per version of a cycle and stretch of time in which WHOOP held it.
{{ config(
    materialized='table',
    indexes=[
        {'columns': ['device_id', 'cycle_start_at']},
        {'columns': ['device_id', 'cycle_end_at']},
        {'columns': ['device_id', 'cycle_id']},
    ],
    post_hook='analyze {{ this }}'
) }}

with records as (
    {{ held_records('cycle') }}
)

select
    device_id,
    record_key as cycle_id,
    {{ safe_utc_timestamp(json_text('payload', 'start')) }} as cycle_start_at,
    {{ safe_utc_timestamp(json_text('payload', 'end')) }} as cycle_end_at,
    {{ utc_offset_minutes(json_text('payload', 'timezone_offset')) }} as utc_offset_minutes,
    {{ json_text('payload', 'score_state') }} as score_state,
    {{ safe_utc_timestamp(json_text('payload', 'created_at')) }} as created_at,
    known_from,
    known_until,
    known_until is null as is_newest,
    {{ json_number('score', 'strain') }} as strain,
    {{ json_number('score', 'kilojoule') }} as energy_kilojoule,
    {{ json_number('score', 'average_heart_rate') }} as average_heart_rate_bpm,
    {{ json_number('score', 'max_heart_rate') }} as max_heart_rate_bpm,
    {{ json_number('payload', 'step_count') }} as step_count
from records
