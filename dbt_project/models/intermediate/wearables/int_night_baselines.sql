-- Grain: one row per night and point of view: as everything is held now (game_id null), and as it was held at the
-- tip-off of each game that the night was used for. One formula for both.
{{ config(materialized='table', indexes=[{'columns': ['device_id', 'sleep_id']}]) }}

with views as (
    select
        sleeps.device_id,
        sleeps.session_id as sleep_id,
        sleeps.reading_at as sleep_end_at,
        recoveries.strap_generation,
        null::text as player_id,
        null::text as game_id,
        null::timestamptz as viewed_at
    from {{ ref('int_sleeps_current') }} as sleeps
    left join {{ ref('int_recoveries_current') }} as recoveries
        on
            sleeps.device_id = recoveries.device_id
            and sleeps.session_id = recoveries.session_id
    where not sleeps.is_nap
    union all
    select
        device_id,
        sleep_id,
        sleep_end_at,
        strap_generation,
        player_id,
        game_id,
        tipoff_at as viewed_at
    from {{ ref('int_pregame_nights') }}
),

nights as (
    select
        views.device_id,
        views.sleep_id,
        views.player_id,
        views.game_id,
        valid.sleep_id = views.sleep_id as is_own,
        -- like is compared with like: another generation of strap measures otherwise
        valid.sleep_end_at < views.sleep_end_at
        and valid.strap_generation = coalesce(views.strap_generation, valid.strap_generation)
            as is_baseline,
        valid.sleep_end_at > views.sleep_end_at - {{ nights_back('rolling_window_nights', 1) }}
        and valid.strap_generation = coalesce(views.strap_generation, valid.strap_generation)
            as is_recent,
        valid.strap_generation <> views.strap_generation as is_other_strap,
        valid.ln_hrv,
        valid.resting_heart_rate_bpm,
        valid.asleep_minutes
    from views
    inner join {{ ref('int_valid_nights') }} as valid
        on
            views.device_id = valid.device_id
            and views.sleep_end_at >= valid.sleep_end_at
            and views.sleep_end_at - {{ nights_back('baseline_window_nights', 0) }}
            < valid.sleep_end_at
            and (
                (views.viewed_at is null and valid.is_newest)
                or {{ held_at('valid', 'views.viewed_at') }}
            )
),

summed as (
    select
        device_id,
        sleep_id,
        player_id,
        game_id,
        max(case when is_own then ln_hrv end) as ln_hrv,
        max(case when is_own then resting_heart_rate_bpm end) as resting_heart_rate_bpm,
        max(case when is_own then asleep_minutes end) as asleep_minutes,
        count(case when is_baseline then 1 end)::integer as baseline_nights,
        count(case when is_other_strap then 1 end)::integer as other_strap_nights,
        avg(case when is_baseline then ln_hrv end) as ln_hrv_mean,
        stddev_samp(case when is_baseline then ln_hrv end) as ln_hrv_sd,
        avg(case when is_baseline then resting_heart_rate_bpm end) as resting_heart_rate_mean,
        stddev_samp(case when is_baseline then resting_heart_rate_bpm end) as resting_heart_rate_sd,
        avg(case when is_baseline then asleep_minutes end) as asleep_mean,
        stddev_samp(case when is_baseline then asleep_minutes end) as asleep_sd,
        count(case when is_recent then 1 end)::integer as rolling_nights,
        avg(case when is_recent then ln_hrv end) as ln_hrv_rolling_mean,
        stddev_samp(case when is_recent then ln_hrv end) as ln_hrv_rolling_sd,
        avg(case when is_recent then resting_heart_rate_bpm end) as resting_heart_rate_rolling_mean,
        avg(case when is_recent then asleep_minutes end) as asleep_rolling_mean
    from nights
    group by device_id, sleep_id, player_id, game_id
),

gated as (
    select
        *,
        baseline_nights >= {{ var('baseline_min_nights') }} as has_baseline,
        rolling_nights >= {{ var('rolling_mean_min_nights') }} as has_rolling_mean,
        rolling_nights >= {{ var('rolling_variation_min_nights') }} as has_rolling_variation
    from summed
)

select
    device_id,
    sleep_id,
    player_id,
    game_id,
    ln_hrv is not null as is_valid,
    baseline_nights,
    other_strap_nights,
    rolling_nights,
    case when has_baseline then ln_hrv_mean::float8 end as ln_hrv_baseline_mean,
    case when has_baseline then ln_hrv_sd::float8 end as ln_hrv_baseline_sd,
    -- equal nights have no spread to measure by
    case when has_baseline then ((ln_hrv - ln_hrv_mean) / nullif(ln_hrv_sd, 0))::float8 end
        as hrv_baseline_deviation,
    case when has_rolling_mean then ln_hrv_rolling_mean::float8 end as ln_hrv_rolling_mean,
    case
        when has_rolling_variation then (100 * ln_hrv_rolling_sd / ln_hrv_rolling_mean)::float8
    end as ln_hrv_rolling_variation_pct,
    case when has_baseline then resting_heart_rate_mean::float8 end
        as resting_heart_rate_baseline_mean,
    case
        when has_baseline
            then (
                (resting_heart_rate_bpm - resting_heart_rate_mean)
                / nullif(resting_heart_rate_sd, 0)
            )::float8
    end as resting_heart_rate_deviation,
    case when has_rolling_mean then resting_heart_rate_rolling_mean::float8 end
        as resting_heart_rate_rolling_mean,
    case when has_baseline then asleep_mean::float8 end as asleep_minutes_baseline_mean,
    case when has_baseline then ((asleep_minutes - asleep_mean) / nullif(asleep_sd, 0))::float8 end
        as asleep_deviation,
    case when has_rolling_mean then asleep_rolling_mean::float8 end as asleep_minutes_rolling_mean
from gated
