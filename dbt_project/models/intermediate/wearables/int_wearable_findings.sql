-- Grain: one row per record that a quality rule found, and rule (seed wearable_quality_rules). Found, not removed: what a
-- finding means for the record stands with the rule.
{{ config(materialized='table') }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

ranges as (
    select * from {{ ref('int_plausible_ranges') }}
),

sleeps as (
    select
        sleeps.*,
        lag(sleeps.sleep_end_at) over (
            partition by sleeps.device_id order by sleeps.sleep_end_at, sleeps.known_from
        ) as end_before
    from {{ ref('stg_whoop__sleeps') }} as sleeps
    inner join devices on sleeps.device_id = devices.device_id
    where sleeps.is_newest
),

recoveries as (
    select
        recoveries.*,
        count(*) over (partition by recoveries.device_id, recoveries.sleep_id) as of_sleep_count
    from {{ ref('stg_whoop__recoveries') }} as recoveries
    inner join devices on recoveries.device_id = devices.device_id
    where recoveries.is_newest
),

cycles as (
    select
        cycles.*,
        lag(cycles.cycle_end_at) over (
            partition by cycles.device_id order by cycles.cycle_start_at
        ) as end_before
    from {{ ref('stg_whoop__cycles') }} as cycles
    inner join devices on cycles.device_id = devices.device_id
    where cycles.is_newest
),

workouts as (
    select workouts.*
    from {{ ref('stg_whoop__workouts') }} as workouts
    inner join devices on workouts.device_id = devices.device_id
    where workouts.is_newest
),

straps as (
    select
        *,
        lag(strap_generation) over (
            partition by device_id order by reading_at
        ) as generation_before
    from {{ ref('int_recoveries_current') }}
    where strap_generation is not null
),

clock as (
    select max(last_sync_at) as observed_at from devices
),

found as (
    select
        device_id,
        'score_missing' as rule,
        sleep_id as record_key
    from sleeps
    where (score_state = 'SCORED') <> (in_bed_minutes is not null)
    union all
    select
        device_id,
        'score_missing' as rule,
        cycle_id as record_key
    from recoveries
    where (score_state = 'SCORED') <> (hrv_rmssd_ms is not null)
    union all
    select
        device_id,
        'score_missing' as rule,
        cycle_id as record_key
    from cycles
    where (score_state = 'SCORED') <> (strain is not null)
    union all
    select
        device_id,
        'score_missing' as rule,
        workout_id as record_key
    from workouts
    where (score_state = 'SCORED') <> (strain is not null)
    union all
    select
        recoveries.device_id,
        'implausible_value' as rule,
        recoveries.cycle_id as record_key
    from recoveries
    cross join ranges
    where
        recoveries.hrv_rmssd_ms not between ranges.hrv_rmssd_lowest and ranges.hrv_rmssd_highest
        or recoveries.resting_heart_rate_bpm
        not between ranges.resting_heart_rate_lowest and ranges.resting_heart_rate_highest
        or recoveries.recovery_score_pct
        not between ranges.recovery_score_lowest and ranges.recovery_score_highest
        or recoveries.spo2_pct not between ranges.spo2_lowest and ranges.spo2_highest
        or recoveries.skin_temperature_celsius
        not between ranges.skin_temperature_lowest and ranges.skin_temperature_highest
    union all
    select
        sleeps.device_id,
        'implausible_value' as rule,
        sleeps.sleep_id as record_key
    from sleeps
    cross join ranges
    where
        sleeps.sleep_performance_pct
        not between ranges.sleep_performance_lowest and ranges.sleep_performance_highest
        or sleeps.respiratory_rate_per_minute
        not between ranges.respiratory_rate_lowest and ranges.respiratory_rate_highest
        or sleeps.in_bed_minutes
        not between ranges.time_in_bed_lowest and ranges.time_in_bed_highest
    union all
    select
        cycles.device_id,
        'implausible_value' as rule,
        cycles.cycle_id as record_key
    from cycles
    cross join ranges
    where cycles.strain not between ranges.day_strain_lowest and ranges.day_strain_highest
    union all
    select
        workouts.device_id,
        'implausible_value' as rule,
        workouts.workout_id as record_key
    from workouts
    cross join ranges
    where workouts.strain not between ranges.workout_strain_lowest and ranges.workout_strain_highest
    union all
    select
        device_id,
        'one_sleep_twice' as rule,
        sleep_id as record_key
    from sleeps
    where sleep_end_at = end_before
    union all
    select
        device_id,
        'two_recoveries' as rule,
        cycle_id as record_key
    from recoveries
    where of_sleep_count > 1
    union all
    select
        recoveries.device_id,
        'nap_with_recovery' as rule,
        recoveries.cycle_id as record_key
    from recoveries
    inner join sleeps
        on recoveries.device_id = sleeps.device_id and recoveries.sleep_id = sleeps.sleep_id
    where sleeps.is_nap
    union all
    select
        device_id,
        'sleep_gaps' as rule,
        sleep_id as record_key
    from sleeps
    where
        not is_nap
        and 1 - {{ recorded_share('no_data_minutes', 'in_bed_minutes') }}
        > {{ var('sleep_max_unrecorded_share') }}::float8
    union all
    select
        device_id,
        'cycles_overlap' as rule,
        cycle_id as record_key
    from cycles
    where cycle_start_at < end_before
    union all
    select
        device_id,
        'cycle_gap' as rule,
        cycle_id as record_key
    from cycles
    where cycle_start_at > end_before + interval '1 minute'
    union all
    select
        device_id,
        'long_cycle' as rule,
        cycle_id as record_key
    from cycles
    where cycle_end_at > cycle_start_at + interval '{{ var("long_cycle_hours") }} hours'
    union all
    select
        late.device_id,
        'older_after_newer' as rule,
        late.record_key
    from {{ ref('stg_whoop__late_versions') }} as late
    inner join devices on late.device_id = devices.device_id
    union all
    select
        device_id,
        'stages_do_not_add_up' as rule,
        sleep_id as record_key
    from sleeps
    where
        abs(
            in_bed_minutes - awake_minutes - no_data_minutes
            - light_sleep_minutes - slow_wave_sleep_minutes - rem_sleep_minutes
        ) > 1
    union all
    select
        device_id,
        'calibrating' as rule,
        cycle_id as record_key
    from recoveries
    where is_calibrating
    union all
    select
        device_id,
        'late_sync' as rule,
        sleep_id as record_key
    from sleeps
    where
        not is_nap
        and created_at > sleep_end_at + interval '{{ var("late_sync_hours") }} hours'
    union all
    select
        device_id,
        'strap_changed' as rule,
        cycle_id as record_key
    from straps
    where strap_generation <> generation_before
    union all
    select
        device_id,
        'recorded_in_game' as rule,
        workout_id as record_key
    from {{ ref('int_recordings_in_games') }}
    where is_newest and not is_permitted
    union all
    select
        pending.device_id,
        'pending_for_days' as rule,
        pending.record_key
    from (
        select
            device_id,
            sleep_id as record_key,
            score_state,
            known_from
        from sleeps
        union all
        select
            device_id,
            cycle_id as record_key,
            score_state,
            known_from
        from recoveries
        union all
        select
            device_id,
            workout_id as record_key,
            score_state,
            known_from
        from workouts
    ) as pending
    cross join clock
    where
        pending.score_state = 'PENDING_SCORE'
        and pending.known_from < clock.observed_at - interval '3 days'
)

select distinct
    found.rule,
    rules.resource,
    found.device_id,
    found.record_key
from found
inner join {{ ref('wearable_quality_rules') }} as rules on found.rule = rules.rule
