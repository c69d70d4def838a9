-- Grain: one row per athlete and game for which a night was known at tip-off: the last main sleep before it.
-- Everything is as WHOOP held it at tip-off; what it wrote later does not enter, not even a correction.
{{ config(materialized='table') }}

with candidates as (
    select
        games.player_id,
        games.game_id,
        games.tipoff_at,
        sleeps.device_id,
        sleeps.sleep_id,
        sleeps.cycle_id,
        sleeps.sleep_start_at,
        sleeps.sleep_end_at,
        sleeps.utc_offset_minutes,
        sleeps.score_state,
        sleeps.created_at,
        sleeps.known_from,
        sleeps.light_sleep_minutes + sleeps.slow_wave_sleep_minutes + sleeps.rem_sleep_minutes
            as asleep_minutes,
        sleeps.sleep_performance_pct,
        {{ recorded_share('sleeps.no_data_minutes', 'sleeps.in_bed_minutes') }} as recorded_share,
        row_number() over (
            partition by games.player_id, games.game_id
            order by sleeps.sleep_end_at desc, games.connected_at desc, sleeps.sleep_id asc
        ) as place
    from {{ ref('int_device_games') }} as games
    inner join {{ ref('stg_whoop__sleeps') }} as sleeps
        on
            games.device_id = sleeps.device_id
            and games.tipoff_at >= sleeps.sleep_end_at
            and games.tipoff_at - interval '{{ var("night_max_hours_before_tipoff") }} hours'
            <= sleeps.sleep_end_at
            and {{ held_at('sleeps', 'games.tipoff_at') }}
    -- A night opens a cycle, and without a later night that is the one that contains tip-off. Where the
    -- cycle itself was known it must say so: one closed before tip-off belongs to a day that was over.
    left join {{ ref('stg_whoop__cycles') }} as cycles
        on
            sleeps.device_id = cycles.device_id
            and sleeps.cycle_id = cycles.cycle_id
            and {{ held_at('cycles', 'games.tipoff_at') }}
    where
        not sleeps.is_nap
        and (cycles.cycle_end_at is null or cycles.cycle_end_at > games.tipoff_at)
),

nights as (
    select * from candidates
    where place = 1
)

select
    nights.player_id,
    nights.game_id,
    nights.tipoff_at,
    nights.device_id,
    nights.sleep_id,
    nights.cycle_id,
    nights.sleep_start_at,
    nights.sleep_end_at,
    nights.utc_offset_minutes,
    nights.created_at,
    nights.score_state as sleep_score_state,
    nights.asleep_minutes,
    nights.sleep_performance_pct,
    nights.recorded_share,
    recoveries.score_state as recovery_score_state,
    coalesce(recoveries.is_calibrating, false) as is_calibrating,
    {{ strap_generation('recoveries') }} as strap_generation,
    recoveries.hrv_rmssd_ms,
    recoveries.resting_heart_rate_bpm,
    recoveries.recovery_score_pct,
    greatest(nights.known_from, recoveries.known_from) as known_at
from nights
left join {{ ref('stg_whoop__recoveries') }} as recoveries
    on
        nights.device_id = recoveries.device_id
        and nights.cycle_id = recoveries.cycle_id
        and nights.sleep_id = recoveries.sleep_id
        and {{ held_at('recoveries', 'nights.tipoff_at') }}
