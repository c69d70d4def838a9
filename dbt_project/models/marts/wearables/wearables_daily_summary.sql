-- Grain: one row per athlete and local date of waking; dates without a night are here with the reason.
-- Shown at the moment of reading while he permits it.
-- depends_on: {{ ref('wearables_permissions') }}
{{ refilled_table() }}
{{ shown_by_consent() }}

with naps as (
    select
        player_id,
        {{ local_day('reading_at', 'utc_offset_minutes') }} as summary_date,
        count(*)::integer as nap_count
    from {{ ref('int_sleeps_current') }}
    where is_nap
    group by player_id, {{ local_day('reading_at', 'utc_offset_minutes') }}
),

joined as (
    select
        dates.player_id,
        dates.summary_date,
        nights.device_id,
        nights.woke_at,
        dates.utc_offset_minutes,
        coalesce(nights.main_sleep_count, 0) as main_sleep_count,
        coalesce(naps.nap_count, 0) as nap_count,
        nights.hrv_rmssd_avg,
        baselines.hrv_baseline_deviation,
        baselines.ln_hrv_baseline_mean,
        baselines.ln_hrv_baseline_sd,
        baselines.ln_hrv_rolling_mean,
        baselines.ln_hrv_rolling_variation_pct,
        coalesce(baselines.baseline_nights, 0) as baseline_nights,
        coalesce(baselines.other_strap_nights, 0) as other_strap_nights,
        coalesce(baselines.is_valid, false) as is_valid,
        nights.is_calibrating,
        nights.recovery_score_pct as recovery_score,
        nights.resting_heart_rate_bpm as resting_heart_rate,
        baselines.resting_heart_rate_baseline_mean,
        baselines.resting_heart_rate_deviation,
        baselines.resting_heart_rate_rolling_mean,
        baselines.resting_heart_rate_rolling_variation_pct,
        nights.sleep_performance_pct as sleep_performance_score,
        nights.asleep_minutes,
        baselines.asleep_minutes_baseline_mean,
        baselines.asleep_deviation,
        baselines.asleep_minutes_rolling_mean,
        baselines.asleep_rolling_variation_pct,
        nights.day_strain,
        case
            when nights.hrv_rmssd_avg is not null then null
            when dates.is_expired and not dates.is_readable then 'consent_expired'
            when not dates.is_readable then 'withdrawn'
            when
                nights.sleep_id is not null
                and 'UNSCORABLE' in (nights.sleep_score_state, nights.recovery_score_state)
                then 'unscorable'
            when nights.recovery_score_state = 'SCORED' then 'implausible'
            when nights.sleep_score_state = 'SCORED' and nights.recovery_score_state is null
                then 'no_recovery'
            when nights.sleep_id is not null then 'pending'
            when dates.is_before_device then 'before_device'
            when naps.nap_count > 0 then 'nap_only'
            when dates.has_later_activity then 'not_worn'
            else 'not_synced'
        end as missing_reason
    from {{ ref('int_athlete_dates') }} as dates
    left join {{ ref('int_daily_nights') }} as nights
        on dates.player_id = nights.player_id and dates.summary_date = nights.summary_date
    left join naps
        on dates.player_id = naps.player_id and dates.summary_date = naps.summary_date
    left join {{ ref('int_night_baselines') }} as baselines
        on
            nights.device_id = baselines.device_id
            and nights.sleep_id = baselines.sleep_id
            and baselines.game_id is null
)

select
    player_id,
    summary_date,
    device_id,
    woke_at,
    utc_offset_minutes,
    main_sleep_count,
    nap_count,
    hrv_rmssd_avg,
    hrv_baseline_deviation,
    baseline_nights,
    ln_hrv_baseline_mean,
    ln_hrv_baseline_sd,
    ln_hrv_rolling_mean,
    ln_hrv_rolling_variation_pct,
    {{ hrv_normal_range('joined') }} as hrv_normal_range,
    recovery_score,
    resting_heart_rate,
    resting_heart_rate_baseline_mean,
    resting_heart_rate_deviation,
    resting_heart_rate_rolling_mean,
    resting_heart_rate_rolling_variation_pct,
    sleep_performance_score,
    asleep_minutes,
    asleep_minutes_baseline_mean,
    asleep_deviation,
    asleep_minutes_rolling_mean,
    asleep_rolling_variation_pct,
    day_strain,
    (
        case when hrv_rmssd_avg is not null then 1 else 0 end
        + case when recovery_score is not null then 1 else 0 end
        + case when resting_heart_rate is not null then 1 else 0 end
        + case when sleep_performance_score is not null then 1 else 0 end
        + case when asleep_minutes is not null then 1 else 0 end
        + case when day_strain is not null then 1 else 0 end
    ) / 6.0::float8 as data_completeness,
    missing_reason,
    case
        when hrv_baseline_deviation is not null or hrv_rmssd_avg is null then null
        when is_calibrating then 'calibrating'
        when not is_valid then 'not_valid'
        when baseline_nights >= {{ var('baseline_min_nights') }} then 'no_spread'
        when other_strap_nights > 0 then 'strap_changed'
        else 'too_few_nights'
    end as deviation_missing_reason
from joined
