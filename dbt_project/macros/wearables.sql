{#- SQL about wearables that stands in several models, and what is adapter-specific about it. -#}

{#-
When each stored version of a record was what WHOOP held: the interval [known_from, known_until), null for "until
now". This is what makes "as of tip-off" a plain condition on two columns.

A version holds from its own `updated_at`, not from when it was fetched: reading a record late does not change what
the service knew. It gives way to the next one in the order of (updated_at, arrival), however they arrived, and to
a deletion, of which only the time of its arrival is known. What was read again after a deletion
holds from its updated_at where that lies behind the deletion, else from its arrival. So nothing that is dated after a
moment changes which version held at that moment; and the version without an end is the one that
raw_whoop.record_versions calls the newest (a test holds that).

A record that was deleted and came back has a row per stretch between deletions.
-#}
{% macro record_timeline(raw_table) -%}
    with versions as (
        select
            _dlt_id,
            connection_id,
            record_key,
            is_deleted,
            source_updated_at,
            fetched_at
        from {{ raw_table }}
    ),

    deletions as (
        select
            connection_id,
            record_key,
            fetched_at as deleted_at
        from versions
        where is_deleted
    ),

    stretches as (
        select
            connection_id,
            record_key,
            null::timestamptz as begins_at,
            min(deleted_at) as ends_at
        from deletions
        group by connection_id, record_key
        union all
        select
            connection_id,
            record_key,
            deleted_at as begins_at,
            lead(deleted_at) over (
                partition by connection_id, record_key order by deleted_at
            ) as ends_at
        from deletions
    ),

    placed as (
        select
            versions.*,
            stretches.begins_at,
            stretches.ends_at,
            case
                when versions.source_updated_at is null then versions.fetched_at
                when stretches.begins_at is null then versions.source_updated_at
                when versions.source_updated_at >= stretches.begins_at
                    then versions.source_updated_at
                else versions.fetched_at
            end as holds_from
        from versions
        left join stretches
            on
                versions.connection_id = stretches.connection_id
                and versions.record_key = stretches.record_key
        where
            not versions.is_deleted
            and (stretches.begins_at is null or versions.fetched_at > stretches.begins_at)
    ),

    begun as (
        select
            *,
            max(holds_from) over (
                partition by connection_id, record_key, begins_at
                order by source_updated_at nulls first, fetched_at
                rows between unbounded preceding and current row
            ) as known_from
        from placed
        where ends_at is null or holds_from < ends_at
    ),

    ended as (
        select
            *,
            coalesce(
                lead(known_from) over (
                    partition by connection_id, record_key, begins_at
                    order by source_updated_at nulls first, fetched_at
                ),
                ends_at
            ) as known_until
        from begun
    )

    select
        _dlt_id,
        connection_id as device_id,
        record_key,
        known_from,
        known_until
    from ended
    where known_until is null or known_from < known_until
{%- endmacro %}

{#- The versions of a kind of record with the time in which each held, its payload, and the score in it. -#}
{% macro held_records(resource) -%}
    select
        timeline.*,
        raw_records.payload,
        {{ json_path('raw_records.payload', ['score']) }} as score
    from (
        {{ record_timeline(source('whoop', resource)) }}
    ) as timeline
    inner join {{ source('whoop', resource) }} as raw_records
        on timeline._dlt_id = raw_records._dlt_id
{%- endmacro %}

{#- True when the version of a row was the one that held at a moment. -#}
{% macro held_at(versions, moment) -%}
    {{ moment }} >= {{ versions }}.known_from
    and ({{ versions }}.known_until is null or {{ moment }} < {{ versions }}.known_until)
{%- endmacro %}

{#- Minutes east of UTC from +hh:mm, -hh:mm or Z; null for anything else. -#}
{% macro utc_offset_minutes(text_expression) -%}
    case
        when {{ text_expression }} = 'Z' then 0
        when
            length({{ text_expression }}) = 6
            and translate({{ text_expression }}, '0123456789', '9999999999') in ('+99:99', '-99:99')
            and substr({{ text_expression }}, 2, 2) <= '14'
            and substr({{ text_expression }}, 5, 2) <= '59'
            then
                case when substr({{ text_expression }}, 1, 1) = '-' then -1 else 1 end
                * (
                    60 * substr({{ text_expression }}, 2, 2)::integer
                    + substr({{ text_expression }}, 5, 2)::integer
                )
    end
{%- endmacro %}

{#- The wall clock of a moment at an offset in minutes east of UTC: a timestamp without zone. -#}
{% macro local_clock(moment, offset_minutes) -%}
    {{ return(adapter.dispatch('local_clock')(moment, offset_minutes)) }}
{%- endmacro %}

{% macro default__local_clock(moment, offset_minutes) -%}
    (({{ moment }}) at time zone 'UTC' + ({{ offset_minutes }}) * interval '1 minute')
{%- endmacro %}

{#- The moment of a wall clock at an offset: the inverse of local_clock. -#}
{% macro moment_of_clock(clock, offset_minutes) -%}
    {{ return(adapter.dispatch('moment_of_clock')(clock, offset_minutes)) }}
{%- endmacro %}

{% macro default__moment_of_clock(clock, offset_minutes) -%}
    (({{ clock }} - ({{ offset_minutes }}) * interval '1 minute') at time zone 'UTC')
{%- endmacro %}

{#- Hours from one moment to another. -#}
{% macro hours_between(earlier, later) -%}
    (extract(epoch from {{ later }} - {{ earlier }}) / 3600)::float8
{%- endmacro %}

{#- A lateral join with one row per date of a range, both ends included: the date is `<alias>.on_date`. -#}
{% macro each_date(first_date, last_date, alias) -%}
    {{ return(adapter.dispatch('each_date')(first_date, last_date, alias)) }}
{%- endmacro %}

{% macro default__each_date(first_date, last_date, alias) -%}
    cross join lateral (
        select {{ first_date }} + series.place as on_date
        from generate_series(0, {{ last_date }} - {{ first_date }}) as series (place)
    ) as {{ alias }}
{%- endmacro %}

{#- The metrics of wearables_readings: name, the model that has one row per record, its column. Units and ranges are in the seed. -#}
{% macro wearable_metrics() -%}
    {%- set metrics = [] -%}
    {%- for model, names in [
        ('int_recoveries_current', {
            'recovery_score': 'recovery_score_pct', 'hrv_rmssd': 'hrv_rmssd_ms',
            'resting_heart_rate': 'resting_heart_rate_bpm', 'spo2': 'spo2_pct',
            'skin_temperature': 'skin_temperature_celsius',
        }),
        ('int_sleeps_current', {
            'sleep_performance': 'sleep_performance_pct', 'sleep_consistency': 'sleep_consistency_pct',
            'sleep_efficiency': 'sleep_efficiency_pct', 'respiratory_rate': 'respiratory_rate_per_minute',
            'time_in_bed': 'in_bed_minutes', 'time_asleep': 'asleep_minutes', 'time_awake': 'awake_minutes',
            'time_without_data': 'no_data_minutes', 'light_sleep': 'light_sleep_minutes',
            'slow_wave_sleep': 'slow_wave_sleep_minutes', 'rem_sleep': 'rem_sleep_minutes',
            'sleep_cycles': 'sleep_cycle_count', 'disturbances': 'disturbance_count',
            'sleep_needed': 'sleep_needed_minutes',
        }),
        ('int_cycles_current', {
            'day_strain': 'strain', 'day_energy': 'energy_kilojoule',
            'day_average_heart_rate': 'average_heart_rate_bpm', 'day_max_heart_rate': 'max_heart_rate_bpm',
            'day_steps': 'step_count',
        }),
        ('int_workouts_current', {
            'workout_strain': 'strain', 'workout_energy': 'energy_kilojoule',
            'workout_average_heart_rate': 'average_heart_rate_bpm',
            'workout_max_heart_rate': 'max_heart_rate_bpm', 'workout_recorded': 'recorded_pct',
            'workout_distance': 'distance_meters', 'workout_altitude_gain': 'altitude_gain_meters',
            'workout_altitude_change': 'altitude_change_meters',
            'workout_zone_0': 'zone_0_minutes', 'workout_zone_1': 'zone_1_minutes',
            'workout_zone_2': 'zone_2_minutes', 'workout_zone_3': 'zone_3_minutes',
            'workout_zone_4': 'zone_4_minutes', 'workout_zone_5': 'zone_5_minutes',
        }),
    ] -%}
        {%- for metric_type, column in names.items() -%}
            {%- do metrics.append({'metric_type': metric_type, 'model': model, 'column': column}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(metrics) }}
{%- endmacro %}

{#- A value of a scored record, null outside the range of its metric; `ranges` is int_plausible_ranges. -#}
{% macro plausible(value, metric_type, score_state) -%}
    case
        when
            {{ score_state }} = 'SCORED'
            and {{ value }} between ranges.{{ metric_type }}_lowest and ranges.{{ metric_type }}_highest
            then {{ value }}
    end
{%- endmacro %}

{#- Share of a sleep in which the strap recorded, 0-1; null where the sleep has no score. -#}
{% macro recorded_share(no_data_minutes, in_bed_minutes) -%}
    case
        when {{ in_bed_minutes }} > 0
            then 1 - least(greatest({{ no_data_minutes }} / {{ in_bed_minutes }}, 0), 1)
    end
{%- endmacro %}

{#- Records do not name the strap: WHOOP 4.0 and newer measure oxygen and skin temperature, older ones do not. -#}
{% macro strap_generation(recoveries) -%}
    case
        when {{ recoveries }}.score_state <> 'SCORED' then null
        when
            {{ recoveries }}.spo2_pct is not null
            or {{ recoveries }}.skin_temperature_celsius is not null
            then '4.0+'
        else 'before 4.0'
    end
{%- endmacro %}

{#-
The length of a window of nights, counted back from a waking: so many days and half a day. Wakings of one athlete
differ by hours, so that the night a whole window back may lie on either side of it; half a day decides it the same way
for all. `but` nights are taken off where the night itself belongs to the window.
-#}
{% macro nights_back(window_var, but) -%}
    interval '{{ var(window_var) - but }} days 12 hours'
{%- endmacro %}

{#-
The sums of a view's window of valid nights, for a lateral join: nights of the view's strap back to so many before it.

has_own: whether the night itself belongs to the window; then one fewer before it does.
-#}
{% macro sums_of_window(window_var, has_own) -%}
    (
        select
            count(*)::integer as nights,
            sum(valid.ln_hrv_billionths) as ln_hrv,
            sum(valid.ln_hrv_billionths_squared) as ln_hrv_squared,
            sum(valid.resting_heart_rate_ten_thousandths) as resting_heart_rate,
            sum(valid.resting_heart_rate_ten_thousandths * valid.resting_heart_rate_ten_thousandths)
                as resting_heart_rate_squared,
            sum(valid.asleep_millionths) as asleep,
            sum(valid.asleep_millionths * valid.asleep_millionths) as asleep_squared
        from {{ ref('int_valid_nights') }} as valid
        where
            valid.device_id = views.device_id
            and valid.sleep_end_at <{{ '=' if has_own }} views.sleep_end_at
            and valid.sleep_end_at > views.sleep_end_at - {{ nights_back(window_var, 1 if has_own else 0) }}
            -- like is compared with like: another generation of strap measures otherwise
            and valid.strap_generation = coalesce(views.strap_generation, valid.strap_generation)
            and {{ is_in_view('valid') }}
    )
{%- endmacro %}

{#- Nights of another strap in the window of a baseline, likewise. Hardly anybody has two: for the others nothing is looked up. -#}
{% macro count_of_other_straps() -%}
    (
        select count(*)::integer as nights
        from {{ ref('int_valid_nights') }} as valid
        where
            (
                views.strap_generation <> straps.one_generation
                or views.strap_generation <> straps.another_generation
            )
            and valid.device_id = views.device_id
            and valid.sleep_end_at <= views.sleep_end_at
            and valid.sleep_end_at > views.sleep_end_at - {{ nights_back('baseline_window_nights', 0) }}
            and valid.strap_generation <> views.strap_generation
            and {{ is_in_view('valid') }}
    )
{%- endmacro %}

{#- True when a version of a night is what a view sees: what held at its moment, or what holds now where it has none. -#}
{% macro is_in_view(nights) -%}
    (
        (views.viewed_at is null and {{ nights }}.is_newest)
        or ({{ held_at(nights, 'views.viewed_at') }})
    )
{%- endmacro %}

{#- A decimal from a whole number of units of so many decimal places; exact. -#}
{% macro exact(units, places) -%}
    {{ units }} * 1e-{{ places }}::numeric
{%- endmacro %}

{#- Mean and standard deviation (n - 1) from sums over whole numbers of such units: exact until the division. -#}
{% macro exact_mean(total, nights, places) -%}
    {{ total }} * 1e-{{ places }}::numeric / nullif({{ nights }}, 0)
{%- endmacro %}

{% macro exact_sd(total, total_of_squares, nights, places) -%}
    sqrt(
        ({{ nights }} * {{ total_of_squares }} - {{ total }} * {{ total }}) * 1e-{{ 2 * places }}::numeric
        / nullif({{ nights }} * ({{ nights }} - 1), 0)
    )
{%- endmacro %}

{#- Minutes east of UTC of an IANA zone at a moment. -#}
{% macro zone_offset_minutes(moment, zone) -%}
    {{ return(adapter.dispatch('zone_offset_minutes')(moment, zone)) }}
{%- endmacro %}

{% macro default__zone_offset_minutes(moment, zone) -%}
    (extract(epoch from ({{ moment }} at time zone {{ zone }}) - ({{ moment }} at time zone 'UTC')) / 60)::integer
{%- endmacro %}

{#- The words whose condition holds, in the order given, separated by a comma; empty when none does. -#}
{% macro listed_reasons(words) -%}
    concat_ws(
        ','
        {%- for word, condition in words -%}
        ,
        case when {{ condition }} then {{ word }} end
        {%- endfor %}
    )
{%- endmacro %}

{#- Minutes since midnight of a wall clock. -#}
{% macro minutes_of_day(clock) -%}
    (
        60 * extract(hour from {{ clock }}) + extract(minute from {{ clock }})
        + extract(second from {{ clock }}) / 60
    )
{%- endmacro %}

{#- The calendar date of a moment at an offset in minutes east of UTC. -#}
{% macro local_day(moment, offset_minutes) -%}
    {{ local_clock(moment, offset_minutes) }}::date
{%- endmacro %}

{#- Columns <metric>_lowest and <metric>_highest of every metric. -#}
{% macro plausible_range_columns() -%}
    {%- for metric in wearable_metrics() %}
    max(case when metric_type = '{{ metric.metric_type }}' then lowest end) as {{ metric.metric_type }}_lowest,
    max(case when metric_type = '{{ metric.metric_type }}' then highest end) as {{ metric.metric_type }}_highest
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
{%- endmacro %}

{#- Every metric of every scored record, one below the other: a filter on metric_type then reads that metric's table only. -#}
{% macro every_wearable_reading() -%}
    {%- for metric in wearable_metrics() %}
    select
        device_id,
        player_id,
        '{{ metric.metric_type }}' as metric_type,
        reading_at,
        {{ metric.column }} as metric_value,
        activity_state,
        session_id,
        quality_ratio
    from {{ ref(metric.model) }}
    where score_state = 'SCORED' and {{ metric.column }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#-
The versions of the four kinds of record, one below the other, without their payloads, with the newest updated_at that
had arrived before. It is sought for each kind by itself: sorted all at once they would not fit into memory.
-#}
{% macro every_record_version() -%}
    {%- for resource in ['cycle', 'recovery', 'sleep', 'workout'] %}
    select
        '{{ resource }}' as resource,
        connection_id,
        record_key,
        source_updated_at,
        fetched_at,
        max(source_updated_at) over (
            partition by connection_id, record_key
            order by fetched_at
            rows between unbounded preceding and 1 preceding
        ) as newest_before
    from {{ source('whoop', resource) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- When records of athletes who may be read were last read, for `dbt source freshness`; now where nobody may be. -#}
{% macro whoop_last_read() -%}
    select coalesce(max(coalesce(last_sync_at, connected_at)), current_timestamp) as last_read_at
    from operations.wearable_devices
    where consent_granted and status = 'active'
{%- endmacro %}

{#- Where the rolling week lies against the normal range around the baseline: below, within or above; null where one of them is missing. -#}
{% macro hrv_normal_range(nights) -%}
    case
        when {{ nights }}.ln_hrv_rolling_mean is null or {{ nights }}.ln_hrv_baseline_sd is null then null
        when
            {{ nights }}.ln_hrv_baseline_mean - {{ nights }}.ln_hrv_rolling_mean
            > {{ var('normal_range_half_width_sd') }}::float8 * {{ nights }}.ln_hrv_baseline_sd
            then 'below'
        when
            {{ nights }}.ln_hrv_rolling_mean - {{ nights }}.ln_hrv_baseline_mean
            > {{ var('normal_range_half_width_sd') }}::float8 * {{ nights }}.ln_hrv_baseline_sd
            then 'above'
        else 'within'
    end
{%- endmacro %}
