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

straps as (
    select
        device_id,
        min(strap_generation) as one_generation,
        max(strap_generation) as another_generation
    from {{ ref('int_valid_nights') }}
    group by device_id
),

-- Each view looks its windows up in the index and sums them on the spot. A join of all views and nights, grouped, makes
-- five million rows for the nights of a league's season, and writes them to disk.
summed as (
    select
        views.device_id,
        views.sleep_id,
        views.player_id,
        views.game_id,
        {{ exact('own.ln_hrv_billionths', 9) }} as ln_hrv,
        {{ exact('own.resting_heart_rate_ten_thousandths', 4) }} as resting_heart_rate_bpm,
        {{ exact('own.asleep_millionths', 6) }} as asleep_minutes,
        baseline.nights as baseline_nights,
        other_strap.nights as other_strap_nights,
        {{ exact_mean('baseline.ln_hrv', 'baseline.nights', 9) }} as ln_hrv_mean,
        {{ exact_sd('baseline.ln_hrv', 'baseline.ln_hrv_squared', 'baseline.nights', 9) }}
            as ln_hrv_sd,
        {{ exact_mean('baseline.resting_heart_rate', 'baseline.nights', 4) }}
            as resting_heart_rate_mean,
        {{ exact_sd(
            'baseline.resting_heart_rate', 'baseline.resting_heart_rate_squared', 'baseline.nights', 4
        ) }} as resting_heart_rate_sd,
        {{ exact_mean('baseline.asleep', 'baseline.nights', 6) }} as asleep_mean,
        {{ exact_sd('baseline.asleep', 'baseline.asleep_squared', 'baseline.nights', 6) }}
            as asleep_sd,
        rolling.nights as rolling_nights,
        {{ exact_mean('rolling.ln_hrv', 'rolling.nights', 9) }} as ln_hrv_rolling_mean,
        {{ exact_sd('rolling.ln_hrv', 'rolling.ln_hrv_squared', 'rolling.nights', 9) }}
            as ln_hrv_rolling_sd,
        {{ exact_mean('rolling.resting_heart_rate', 'rolling.nights', 4) }}
            as resting_heart_rate_rolling_mean,
        {{ exact_sd(
            'rolling.resting_heart_rate', 'rolling.resting_heart_rate_squared', 'rolling.nights', 4
        ) }} as resting_heart_rate_rolling_sd,
        {{ exact_mean('rolling.asleep', 'rolling.nights', 6) }} as asleep_rolling_mean,
        {{ exact_sd('rolling.asleep', 'rolling.asleep_squared', 'rolling.nights', 6) }}
            as asleep_rolling_sd
    from views
    left join {{ ref('int_valid_nights') }} as own
        on
            views.device_id = own.device_id
            and views.sleep_id = own.sleep_id
            and {{ is_in_view('own') }}
    left join straps on views.device_id = straps.device_id
    cross join lateral {{ sums_of_window('baseline_window_nights', has_own=false) }} as baseline
    cross join lateral {{ sums_of_window('rolling_window_nights', has_own=true) }} as rolling
    cross join lateral {{ count_of_other_straps() }} as other_strap
    where baseline.nights + rolling.nights + other_strap.nights > 0
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
    case
        when has_rolling_variation
            then (100 * resting_heart_rate_rolling_sd / resting_heart_rate_rolling_mean)::float8
    end as resting_heart_rate_rolling_variation_pct,
    case when has_baseline then asleep_mean::float8 end as asleep_minutes_baseline_mean,
    case when has_baseline then ((asleep_minutes - asleep_mean) / nullif(asleep_sd, 0))::float8 end
        as asleep_deviation,
    case when has_rolling_mean then asleep_rolling_mean::float8 end as asleep_minutes_rolling_mean,
    case
        when has_rolling_variation
            then (100 * asleep_rolling_sd / nullif(asleep_rolling_mean, 0))::float8
    end as asleep_rolling_variation_pct
from gated
