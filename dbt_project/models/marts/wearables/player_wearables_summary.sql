-- Grain: one row per athlete who may be read: his newest night, and means over the last 7 and 28 dates before his last.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

with days as (
    select
        *,
        max(summary_date) over (partition by player_id) as last_date,
        row_number() over (
            partition by player_id
            order by case when hrv_rmssd_avg is null then 1 else 0 end asc, summary_date desc
        ) as place
    from {{ ref('wearables_daily_summary') }}
    where coalesce(missing_reason, '') not in ('withdrawn', 'consent_expired')
),

windows as (
    select
        player_id,
        max(last_date) as last_date,
        count(case when summary_date > last_date - 7 then hrv_rmssd_avg end)::integer as nights_7d,
        count(case when summary_date > last_date - 28 then hrv_rmssd_avg end)::integer
            as nights_28d,
        avg(case when summary_date > last_date - 7 then hrv_rmssd_avg end) as hrv_rmssd_7d,
        avg(case when summary_date > last_date - 28 then hrv_rmssd_avg end) as hrv_rmssd_28d,
        avg(case when summary_date > last_date - 7 then recovery_score end) as recovery_score_7d,
        avg(case when summary_date > last_date - 28 then recovery_score end) as recovery_score_28d,
        avg(case when summary_date > last_date - 7 then resting_heart_rate end)
            as resting_heart_rate_7d,
        avg(case when summary_date > last_date - 28 then resting_heart_rate end)
            as resting_heart_rate_28d,
        avg(case when summary_date > last_date - 7 then sleep_performance_score end)
            as sleep_performance_7d,
        avg(case when summary_date > last_date - 28 then sleep_performance_score end)
            as sleep_performance_28d,
        avg(case when summary_date > last_date - 7 then asleep_minutes end) as asleep_minutes_7d,
        avg(case when summary_date > last_date - 28 then asleep_minutes end) as asleep_minutes_28d,
        avg(case when summary_date > last_date - 7 then data_completeness end)
            as data_completeness_7d,
        avg(case when summary_date > last_date - 28 then data_completeness end)
            as data_completeness_28d
    from days
    group by player_id
)

select
    windows.player_id,
    windows.last_date,
    case when days.hrv_rmssd_avg is not null then days.summary_date end as latest_night,
    days.hrv_rmssd_avg as hrv_rmssd_latest,
    days.hrv_baseline_deviation as hrv_baseline_deviation_latest,
    days.hrv_normal_range as hrv_normal_range_latest,
    days.recovery_score as recovery_score_latest,
    days.resting_heart_rate as resting_heart_rate_latest,
    days.sleep_performance_score as sleep_performance_latest,
    days.asleep_minutes as asleep_minutes_latest,
    days.day_strain as day_strain_latest,
    windows.nights_7d,
    windows.nights_28d,
    windows.hrv_rmssd_7d,
    windows.hrv_rmssd_28d,
    windows.recovery_score_7d,
    windows.recovery_score_28d,
    windows.resting_heart_rate_7d,
    windows.resting_heart_rate_28d,
    windows.sleep_performance_7d,
    windows.sleep_performance_28d,
    windows.asleep_minutes_7d,
    windows.asleep_minutes_28d,
    windows.data_completeness_7d,
    windows.data_completeness_28d
from windows
inner join days on windows.player_id = days.player_id and days.place = 1
