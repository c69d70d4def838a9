-- Grain: one row per version of a workout and stretch of time in which WHOOP held it.
{{ config(
    materialized='table',
    indexes=[{'columns': ['device_id', 'workout_end_at']}],
    post_hook='analyze {{ this }}'
) }}

with records as (
    {{ held_records('workout') }}
),

parts as (
    select
        *,
        {{ json_path('score', ['zone_durations']) }} as zones
    from records
)

select
    device_id,
    record_key as workout_id,
    {{ safe_utc_timestamp(json_text('payload', 'start')) }} as workout_start_at,
    {{ safe_utc_timestamp(json_text('payload', 'end')) }} as workout_end_at,
    {{ utc_offset_minutes(json_text('payload', 'timezone_offset')) }} as utc_offset_minutes,
    {{ json_text('payload', 'sport_name') }} as sport_name,
    {{ json_text('payload', 'score_state') }} as score_state,
    {{ safe_utc_timestamp(json_text('payload', 'created_at')) }} as created_at,
    known_from,
    known_until,
    known_until is null as is_newest,
    {{ json_number('score', 'strain') }} as strain,
    {{ json_number('score', 'kilojoule') }} as energy_kilojoule,
    {{ json_number('score', 'average_heart_rate') }} as average_heart_rate_bpm,
    {{ json_number('score', 'max_heart_rate') }} as max_heart_rate_bpm,
    {{ json_number('score', 'percent_recorded') }} as recorded_pct,
    {{ json_number('score', 'distance_meter') }} as distance_meters,
    {{ json_number('score', 'altitude_gain_meter') }} as altitude_gain_meters,
    {{ json_number('score', 'altitude_change_meter') }} as altitude_change_meters,
    {{ json_number('zones', 'zone_zero_milli') }} / 60000 as zone_0_minutes,
    {{ json_number('zones', 'zone_one_milli') }} / 60000 as zone_1_minutes,
    {{ json_number('zones', 'zone_two_milli') }} / 60000 as zone_2_minutes,
    {{ json_number('zones', 'zone_three_milli') }} / 60000 as zone_3_minutes,
    {{ json_number('zones', 'zone_four_milli') }} / 60000 as zone_4_minutes,
    {{ json_number('zones', 'zone_five_milli') }} / 60000 as zone_5_minutes
from parts
