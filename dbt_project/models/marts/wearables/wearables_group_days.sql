-- Grain: one row per date on which enough athletes who allow it have a night.
-- Means of five athletes or more, rounded so that one more or less does not tell his value. At the moment of reading.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}
{{ readable_by_analysts() }}

with days as (
    select * from {{ ref('wearables_daily_summary') }}
),

permitted as (
    select device_id from {{ ref('stg_operations__wearable_devices') }}
    where is_readable and permits_modeling
),

counted as (
    select
        days.summary_date,
        count(distinct days.player_id)::integer as athletes,
        count(days.recovery_score) as recoveries,
        count(days.hrv_baseline_deviation) as deviations,
        count(days.asleep_minutes) as sleeps,
        avg(days.recovery_score) as recovery_score,
        avg(days.hrv_baseline_deviation) as hrv_baseline_deviation,
        avg(days.asleep_minutes) as asleep_minutes
    from days
    inner join permitted on days.device_id = permitted.device_id
    where days.hrv_rmssd_avg is not null
    group by days.summary_date
)

select
    counted.summary_date,
    counted.athletes,
    case
        when counted.recoveries >= {{ var('group_min_athletes') }}
            then round(counted.recovery_score::numeric, 0)::integer
    end as recovery_score_mean,
    case
        when counted.deviations >= {{ var('group_min_athletes') }}
            then round(counted.hrv_baseline_deviation::numeric, 1)
    end as hrv_baseline_deviation_mean,
    case
        when counted.sleeps >= {{ var('group_min_athletes') }}
            then (10 * round(counted.asleep_minutes::numeric / 10, 0))::integer
    end as asleep_minutes_mean
from counted
inner join {{ ref('stg_operations__reader_groups') }} as reader on reader.may_see_groups
where counted.athletes >= {{ var('group_min_athletes') }}
