-- Grain: one row per athlete who connected a wearable and game of his, played or coming up within two days.
-- What was known of his body at tip-off, and how good it is (docs/methods/pregame_baselines.md).
-- Shown at the moment of reading while he permits it.
-- depends_on: {{ ref('wearables_permissions') }}
{{ refilled_table() }}
{{ shown_by_consent() }}

with weights as (
    select
        sum(weight)::float8 as total,
        max(case when part = 'scored' then weight end)::float8 as scored,
        max(case when part = 'baseline' then weight end)::float8 as baseline,
        max(case when part = 'calibrated' then weight end)::float8 as calibrated,
        max(case when part = 'recorded' then weight end)::float8 as recorded,
        max(case when part = 'in_window' then weight end)::float8 as in_window,
        max(case when part = 'close' then weight end)::float8 as close
    from {{ ref('wearable_quality_weights') }}
),

ranges as (
    select * from {{ ref('int_plausible_ranges') }}
),

athletes as (
    select
        player_id,
        max(case when is_readable then 1 else 0 end) = 1 as is_readable,
        max(case when consent_decision = 'granted' and not consent_granted then 1 else 0 end) = 1
            as is_expired
    from {{ ref('stg_operations__wearable_devices') }}
    group by player_id
),

gathered as (
    select
        games.player_id,
        games.game_id,
        games.season,
        games.tipoff_at,
        games.is_upcoming,
        games.arena_timezone,
        nights.device_id,
        nights.sleep_id,
        nights.cycle_id,
        nights.sleep_start_at,
        nights.sleep_end_at,
        nights.utc_offset_minutes,
        nights.recorded_share,
        nights.is_calibrating,
        nights.strap_generation,
        nights.created_at,
        greatest(nights.known_at, strains.strain_known_at) as known_at,
        {{ local_clock('nights.sleep_end_at', 'nights.utc_offset_minutes') }} as woke_at_local,
        {{ hours_between('nights.sleep_end_at', 'games.tipoff_at') }} as hours_to_tipoff,
        coalesce(baselines.baseline_nights, 0) as baseline_nights,
        coalesce(baselines.other_strap_nights, 0) as other_strap_nights,
        baselines.ln_hrv_baseline_mean,
        baselines.ln_hrv_baseline_sd,
        baselines.hrv_baseline_deviation,
        baselines.ln_hrv_rolling_mean,
        baselines.ln_hrv_rolling_variation_pct,
        baselines.resting_heart_rate_deviation,
        baselines.asleep_deviation,
        strains.strain_cycle_id,
        strains.day_strain,
        coalesce(strains.is_contaminated, false) as is_strain_contaminated,
        {{ plausible('nights.hrv_rmssd_ms', 'hrv_rmssd', 'nights.recovery_score_state') }}
            as hrv_rmssd_pregame,
        {{ plausible(
            'nights.recovery_score_pct', 'recovery_score', 'nights.recovery_score_state'
        ) }} as recovery_score_pregame,
        {{ plausible(
            'nights.resting_heart_rate_bpm', 'resting_heart_rate', 'nights.recovery_score_state'
        ) }} as resting_heart_rate_pregame,
        {{ plausible(
            'nights.sleep_performance_pct', 'sleep_performance', 'nights.sleep_score_state'
        ) }} as sleep_performance_pregame,
        {{ plausible('nights.asleep_minutes', 'time_asleep', 'nights.sleep_score_state') }}
            as asleep_minutes_pregame,
        case
            when athletes.is_expired and not athletes.is_readable then 'consent_expired'
            when not athletes.is_readable then 'withdrawn'
            when games.tipoff_at is null then 'no_tipoff_time'
            when nights.sleep_id is not null then null
            when not activity.is_connected then 'before_device'
            when activity.has_nap then 'nap_only'
            when activity.has_activity then 'not_worn'
            else 'not_synced'
        end as night_missing_reason,
        case
            when nights.sleep_id is null then null
            when 'UNSCORABLE' in (nights.sleep_score_state, nights.recovery_score_state)
                then 'unscorable'
            when nights.recovery_score_state = 'SCORED' then null
            when nights.sleep_score_state = 'SCORED' and nights.recovery_score_state is null
                then 'no_recovery'
            else 'pending'
        end as score_missing_reason
    from {{ ref('int_athlete_games') }} as games
    inner join athletes on games.player_id = athletes.player_id
    cross join ranges
    left join {{ ref('int_pregame_nights') }} as nights
        on games.player_id = nights.player_id and games.game_id = nights.game_id
    left join {{ ref('int_night_baselines') }} as baselines
        on games.player_id = baselines.player_id and games.game_id = baselines.game_id
    left join {{ ref('int_pregame_strain') }} as strains
        on games.player_id = strains.player_id and games.game_id = strains.game_id
    left join {{ ref('int_pregame_activity') }} as activity
        on games.player_id = activity.player_id and games.game_id = activity.game_id
),

explained as (
    select
        *,
        coalesce(
            night_missing_reason,
            case
                when hrv_rmssd_pregame is null then coalesce(score_missing_reason, 'implausible')
            end
        ) as missing_reason,
        coalesce(
            {{ minutes_of_day('woke_at_local') }}
            between 60 * {{ var('waking_window_start_hour') }}
            and 60 * {{ var('waking_window_end_hour') }},
            false
        ) as is_in_window
    from gathered
),

parts as (
    select
        *,
        case when hrv_rmssd_pregame is not null then 1 else 0 end::float8 as scored_part,
        case
            when sleep_id is null or baseline_nights < {{ var('baseline_min_nights') }} then 0
            else least(baseline_nights / {{ var('baseline_window_nights') }}::float8, 1)
        end::float8 as baseline_part,
        case when hrv_rmssd_pregame is not null and not is_calibrating then 1 else 0 end::float8
            as calibrated_part,
        coalesce(recorded_share, 0)::float8 as recorded_part,
        case when is_in_window then 1 else 0 end::float8 as in_window_part,
        case
            when sleep_id is null then 0
            else least(greatest(
                ({{ var('night_max_hours_before_tipoff') }} - hours_to_tipoff)
                / (
                    {{ var('night_max_hours_before_tipoff') }}
                    - {{ var('night_close_hours_before_tipoff') }}
                ),
                0
            ), 1)
        end::float8 as close_part
    from explained
),

judged as (
    select
        parts.*,
        (
            (
                weights.scored * parts.scored_part
                + weights.baseline * parts.baseline_part
                + weights.calibrated * parts.calibrated_part
                + weights.recorded * parts.recorded_part
                + weights.in_window * parts.in_window_part
                + weights.close * parts.close_part
            ) / weights.total
        )::numeric(5, 4) as quality_score,
        nullif({{ listed_reasons([
            ('missing_reason', 'missing_reason is not null'),
            ("'outside_window'", 'sleep_id is not null and not is_in_window'),
            ("'calibrating'", 'is_calibrating'),
            ("'strap_changed'", 'other_strap_nights > 0 and baseline_nights < ' ~ var('baseline_min_nights')),
            ("'no_baseline'", 'sleep_id is not null and baseline_nights < ' ~ var('baseline_min_nights')),
            (
                "'short_baseline'",
                'baseline_nights >= ' ~ var('baseline_min_nights')
                ~ ' and 2 * baseline_nights < ' ~ var('baseline_window_nights')
            ),
            ("'long_before_tipoff'", 'hours_to_tipoff > ' ~ var('night_close_hours_before_tipoff')),
            ("'sleep_gaps'", '1 - recorded_share > ' ~ var('sleep_max_unrecorded_share') ~ '::float8'),
            (
                "'late_sync'",
                "created_at > sleep_end_at + interval '" ~ var('late_sync_hours') ~ " hours'"
            ),
            ("'strain_with_game_recording'", 'is_strain_contaminated'),
            ("'no_strain'", "sleep_id is not null and day_strain is null and not is_strain_contaminated"),
        ]) }}, '') as quality_reasons
    from parts
    cross join weights
)

select
    player_id,
    game_id,
    season,
    tipoff_at,
    is_upcoming,
    device_id,
    sleep_id,
    cycle_id,
    sleep_start_at as fell_asleep_at,
    sleep_end_at as woke_at,
    utc_offset_minutes,
    woke_at_local,
    hours_to_tipoff,
    -- positive: his clock is ahead of the arena's
    (utc_offset_minutes - {{ zone_offset_minutes('tipoff_at', 'arena_timezone') }}) / 60.0::float8
        as hours_ahead_of_arena,
    strap_generation,
    hrv_rmssd_pregame,
    hrv_baseline_deviation,
    recovery_score_pregame,
    resting_heart_rate_pregame,
    resting_heart_rate_deviation,
    sleep_performance_pregame,
    asleep_minutes_pregame,
    asleep_deviation,
    day_strain as day_strain_pregame,
    strain_cycle_id,
    baseline_nights,
    ln_hrv_baseline_mean,
    ln_hrv_baseline_sd,
    ln_hrv_rolling_mean,
    ln_hrv_rolling_variation_pct,
    is_in_window,
    scored_part,
    baseline_part,
    calibrated_part,
    recorded_part,
    in_window_part,
    close_part,
    quality_score,
    quality_reasons,
    missing_reason,
    known_at
from judged
