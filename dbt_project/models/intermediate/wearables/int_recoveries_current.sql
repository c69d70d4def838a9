-- Grain: one row per recovery as WHOOP holds it now, with the times of its sleep.
{{ refilled_table() }}

with sleeps as (
    select * from {{ ref('int_sleeps_current') }}
    where not is_nap
)

select
    sleeps.player_id,
    recoveries.device_id,
    sleeps.session_id,
    recoveries.cycle_id,
    sleeps.reading_at,
    sleeps.activity_state,
    recoveries.score_state,
    recoveries.known_from,
    recoveries.is_calibrating,
    recoveries.recovery_score_pct,
    recoveries.resting_heart_rate_bpm,
    recoveries.hrv_rmssd_ms,
    recoveries.spo2_pct,
    recoveries.skin_temperature_celsius,
    {{ strap_generation('recoveries') }} as strap_generation,
    sleeps.quality_ratio
    * case
        when recoveries.is_calibrating then {{ var('calibrating_quality_ratio') }}::float8
        else 1.0::float8
    end as quality_ratio
from {{ ref('stg_whoop__recoveries') }} as recoveries
inner join sleeps
    on
        recoveries.device_id = sleeps.device_id
        and recoveries.cycle_id = sleeps.cycle_id
        and recoveries.sleep_id = sleeps.session_id
where recoveries.is_newest
