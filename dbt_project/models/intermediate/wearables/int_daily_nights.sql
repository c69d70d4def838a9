-- Grain: one row per athlete and local date on which he woke from a main sleep.
-- A date may have two main sleeps, each with a cycle and a recovery of its own: HRV is their mean, the rest is the last scored one's.
{{ config(materialized='table') }}

with ranges as (
    select * from {{ ref('int_plausible_ranges') }}
),

cycles as (
    select * from {{ ref('int_cycles_current') }}
),

nights as (
    select
        sleeps.player_id,
        sleeps.device_id,
        sleeps.session_id,
        sleeps.reading_at,
        sleeps.utc_offset_minutes,
        sleeps.score_state as sleep_score_state,
        recoveries.score_state as recovery_score_state,
        coalesce(recoveries.is_calibrating, false) as is_calibrating,
        -- a date as people of the place wrote it when he woke
        {{ local_day('sleeps.reading_at', 'sleeps.utc_offset_minutes') }} as summary_date,
        {{ plausible('recoveries.hrv_rmssd_ms', 'hrv_rmssd', 'recoveries.score_state') }}
            as hrv_rmssd_ms,
        {{ plausible('recoveries.recovery_score_pct', 'recovery_score', 'recoveries.score_state') }}
            as recovery_score_pct,
        {{ plausible(
            'recoveries.resting_heart_rate_bpm', 'resting_heart_rate', 'recoveries.score_state'
        ) }} as resting_heart_rate_bpm,
        {{ plausible('sleeps.sleep_performance_pct', 'sleep_performance', 'sleeps.score_state') }}
            as sleep_performance_pct,
        {{ plausible('sleeps.asleep_minutes', 'time_asleep', 'sleeps.score_state') }}
            as asleep_minutes,
        {{ plausible('cycles.strain', 'day_strain', 'cycles.score_state') }} as day_strain
    from {{ ref('int_sleeps_current') }} as sleeps
    cross join ranges
    left join {{ ref('int_recoveries_current') }} as recoveries
        on
            sleeps.device_id = recoveries.device_id
            and sleeps.session_id = recoveries.session_id
    left join cycles
        on sleeps.device_id = cycles.device_id and sleeps.cycle_id = cycles.session_id
    where not sleeps.is_nap
),

ranked as (
    select
        *,
        row_number() over (
            partition by player_id, summary_date
            order by
                case when hrv_rmssd_ms is null then 1 else 0 end asc,
                reading_at desc,
                session_id asc
        ) as place
    from nights
),

by_date as (
    select
        player_id,
        summary_date,
        count(*)::integer as main_sleep_count,
        avg(hrv_rmssd_ms::numeric(12, 6))::float8 as hrv_rmssd_avg,
        -- two days' strains cannot be added: the scale is not linear
        max(day_strain) as day_strain
    from nights
    group by player_id, summary_date
)

select
    ranked.player_id,
    ranked.summary_date,
    ranked.device_id,
    ranked.session_id as sleep_id,
    ranked.reading_at as woke_at,
    ranked.utc_offset_minutes,
    ranked.sleep_score_state,
    ranked.recovery_score_state,
    ranked.is_calibrating,
    by_date.main_sleep_count,
    by_date.hrv_rmssd_avg,
    ranked.recovery_score_pct,
    ranked.resting_heart_rate_bpm,
    ranked.sleep_performance_pct,
    ranked.asleep_minutes,
    by_date.day_strain
from ranked
inner join by_date
    on ranked.player_id = by_date.player_id and ranked.summary_date = by_date.summary_date
where ranked.place = 1
