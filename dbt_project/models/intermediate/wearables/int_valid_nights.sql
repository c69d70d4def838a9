-- Grain: one row per night that may stand in a baseline, and stretch of time in which WHOOP held it like that.
-- Valid is a main sleep whose score and recovery are there, plausible, and not of the days of calibration.
{{ config(
    materialized='table',
    indexes=[{'columns': ['device_id', 'sleep_end_at']}],
    pre_hook='{{ prefer_hash_joins(true) }}',
    post_hook='analyze {{ this }}'
) }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

ranges as (
    select * from {{ ref('int_plausible_ranges') }}
),

nights as (
    select
        sleeps.device_id,
        sleeps.sleep_id,
        sleeps.sleep_end_at,
        recoveries.hrv_rmssd_ms,
        recoveries.resting_heart_rate_bpm,
        sleeps.light_sleep_minutes + sleeps.slow_wave_sleep_minutes + sleeps.rem_sleep_minutes
            as asleep_minutes,
        {{ strap_generation('recoveries') }} as strap_generation,
        greatest(sleeps.known_from, recoveries.known_from) as known_from,
        -- least() passes over a null, which stands for "still held"
        least(sleeps.known_until, recoveries.known_until) as known_until
    from {{ ref('stg_whoop__sleeps') }} as sleeps
    inner join devices on sleeps.device_id = devices.device_id
    inner join {{ ref('stg_whoop__recoveries') }} as recoveries
        on
            sleeps.device_id = recoveries.device_id
            and sleeps.cycle_id = recoveries.cycle_id
            and sleeps.sleep_id = recoveries.sleep_id
            and (sleeps.known_until is null or sleeps.known_until > recoveries.known_from)
            and (recoveries.known_until is null or sleeps.known_from < recoveries.known_until)
    where
        not sleeps.is_nap
        and sleeps.score_state = 'SCORED'
        and recoveries.score_state = 'SCORED'
        and not recoveries.is_calibrating
),

exact as (
    select
        nights.*,
        -- Whole numbers of a small unit: their sums are exact, do not depend on the order of rows, so that equal nights
        -- give equal bits, and are taken several times faster than those of decimals.
        (ln(nights.hrv_rmssd_ms)::numeric(12, 9) * 1000000000)::bigint as ln_hrv_billionths,
        (nights.resting_heart_rate_bpm::numeric(9, 4) * 10000)::bigint
            as resting_heart_rate_ten_thousandths,
        (nights.asleep_minutes::numeric(12, 6) * 1000000)::bigint as asleep_millionths
    from nights
    cross join ranges
    where
        nights.hrv_rmssd_ms between ranges.hrv_rmssd_lowest and ranges.hrv_rmssd_highest
        and nights.resting_heart_rate_bpm
        between ranges.resting_heart_rate_lowest and ranges.resting_heart_rate_highest
        and nights.asleep_minutes between ranges.time_asleep_lowest and ranges.time_asleep_highest
)

select
    device_id,
    sleep_id,
    sleep_end_at,
    strap_generation,
    ln_hrv_billionths,
    -- the only square too large for a bigint
    ln_hrv_billionths::numeric * ln_hrv_billionths as ln_hrv_billionths_squared,
    resting_heart_rate_ten_thousandths,
    asleep_millionths,
    known_from,
    known_until,
    known_until is null as is_newest
from exact
-- the nights of one window lie side by side
order by device_id, sleep_end_at
