-- Grain: one row per night of an athlete who allows research, under a name that is no id of his. No date, no game, no player.
-- At the moment of reading; nothing with fewer than five athletes.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}
{{ readable_by_analysts(alone=true) }}

with days as (
    select * from {{ ref('wearables_daily_summary') }}
),

permitted as (
    select
        device_id,
        athlete_key
    from {{ ref('stg_operations__wearable_devices') }}
    where is_readable and permits_modeling and {{ read_is_noted() }}
),

nights as (
    select
        permitted.athlete_key,
        days.hrv_rmssd_avg as hrv_rmssd,
        days.hrv_baseline_deviation,
        days.recovery_score,
        days.resting_heart_rate,
        days.resting_heart_rate_deviation,
        days.sleep_performance_score,
        days.asleep_minutes,
        days.day_strain,
        days.data_completeness,
        row_number() over (partition by permitted.athlete_key order by days.summary_date)::integer
            as night_number
    from days
    inner join permitted on days.device_id = permitted.device_id
),

athletes as (
    select count(distinct athlete_key) >= {{ var('group_min_athletes') }} as are_enough
    from nights
)

select
    nights.athlete_key,
    nights.night_number,
    nights.hrv_rmssd,
    nights.hrv_baseline_deviation,
    nights.recovery_score,
    nights.resting_heart_rate,
    nights.resting_heart_rate_deviation,
    nights.sleep_performance_score,
    nights.asleep_minutes,
    nights.day_strain,
    nights.data_completeness
from nights
inner join athletes on athletes.are_enough
