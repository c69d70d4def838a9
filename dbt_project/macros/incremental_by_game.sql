{#-
Incremental by game.

A heavy model holds rows of many games. A game is rebuilt when, and only when, its version differs from the one
the model was last built with; `intermediate.built_game_versions` (the ledger) keeps that per model and game. The
ledger is written in the same transaction as the rows, so a build that dies in the middle leaves both as they
were; a game without a single row (no clutch time) is on it too and is not looked at again.

A model uses it like this:

    {{ incremental_by_game(['game_id', 'order_number']) }}

    with changed_games as (
        {{ changed_games(ref('stg_nba__game_versions')) }}
    ), ...

-#}

{#-
The configuration of such a model.

grain: columns of a unique index that begins with game_id; none for a mart, whose contract has the primary key.
versions: name of the table with one row per game (game_id, game_version) that the model reads.
unpacks_json: whether the model joins what it has just read out of payloads. The planner takes that for a handful of
rows and compares every one with every other: seen to go on for minutes on a season that takes seconds.
-#}
{% macro incremental_by_game(grain=none, versions='stg_nba__game_versions', unpacks_json=false) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='sync_all_columns' if grain else 'append_new_columns',
        indexes=[{'columns': grain, 'unique': true}] if grain else [{'columns': ['game_id']}],
        pre_hook=[
            "{{ forget_changed_games(ref('" ~ versions ~ "')) }}",
            "{{ prefer_hash_joins(" ~ unpacks_json ~ ") }}",
        ],
        post_hook=[
            "{{ record_built_games(ref('" ~ versions ~ "')) }}",
            "{{ count_rows_of_new_table() }}",
        ]
    ) }}
{%- endmacro %}

{% macro build_ledger() -%}
    {{ return(api.Relation.create(database=target.database, schema='intermediate', identifier='built_game_versions')) }}
{%- endmacro %}

{% macro create_build_ledger() -%}
    create table if not exists {{ build_ledger() }} (
        model_name text not null,
        game_id text not null,
        game_version text not null,
        primary key (model_name, game_id)
    )
{%- endmacro %}

{#- Games whose version is not on the ledger of this model. -#}
{% macro games_not_built(versions) -%}
    select
        versions.game_id,
        versions.game_version
    from {{ versions }} as versions
    where not exists (
        select 1 from {{ build_ledger() }} as built
        where
            built.model_name = '{{ this.identifier }}'
            and built.game_id = versions.game_id
            and built.game_version = versions.game_version
    )
{%- endmacro %}

{#-
A list of changed games that the planner has counted: left to itself it takes "not on the ledger" for a third of all
games and reads whole tables for the twelve that are new.
-#}
{% macro changed_games_table() -%}
    changed_games_of_{{ this.identifier }}
{%- endmacro %}

{% macro changed_games(versions) -%}
    select
        game_id,
        game_version
    from {% if is_incremental() %}{{ changed_games_table() }}{% else %}{{ versions }}{% endif %}
{%- endmacro %}

{% macro forget_changed_games(versions) -%}
    {%- if is_incremental() -%}
    create temporary table {{ changed_games_table() }} on commit drop as {{ games_not_built(versions) }};
    analyze {{ changed_games_table() }};
    delete from {{ this }} where game_id in (select game_id from {{ changed_games_table() }})
    {%- else -%}
    delete from {{ build_ledger() }} where model_name = '{{ this.identifier }}'
    {%- endif -%}
{%- endmacro %}

{#- Until the end of the transaction. A whole season has nothing that a loop over an index would find sooner. -#}
{% macro prefer_hash_joins(unpacks_json) -%}
    {% if unpacks_json or not is_incremental() %}set local enable_nestloop = off{% endif %}
{%- endmacro %}

{#- A table that has just been made has no statistics until the server finds the time, and what stands on it is planned blindly. -#}
{% macro count_rows_of_new_table() -%}
    {% if not is_incremental() %}analyze {{ this }}{% endif %}
{%- endmacro %}

{% macro record_built_games(versions) -%}
    insert into {{ build_ledger() }} as built (model_name, game_id, game_version)
    select '{{ this.identifier }}', changed.game_id, changed.game_version
    from ({{ games_not_built(versions) }}) as changed
    on conflict (model_name, game_id) do update set game_version = excluded.game_version
{%- endmacro %}

{#-
One hash over every model and seed of the project and the vars that define a metric. It is part of each game's
version, so that an incremental run after a change equals a full refresh.
-#}
{% macro transformation_fingerprint() -%}
    {%- if not execute -%}
        {{ return('not executed') }}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for node in graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed']) | sort(attribute='unique_id') -%}
        {%- do parts.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {%- for name in metric_vars() -%}
        {%- do parts.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join(';'))) }}
{%- endmacro %}

{#- The vars of dbt_project.yml; a test compares the two lists. -#}
{% macro metric_vars() -%}
    {{ return([
        'clutch_min_period', 'clutch_max_seconds_remaining', 'clutch_max_score_margin', 'clutch_min_games', 'include_live_games',
        'expected_points_window_days', 'expected_points_lag_days', 'expected_points_prior_attempts',
        'expected_points_max_feet', 'expected_points_angle_step_degrees', 'expected_points_angle_step_feet',
        'expected_points_clock_edges', 'expected_points_place_weight', 'expected_points_clock_weight',
        'expected_points_shooter_weight', 'expected_points_drift_weight', 'expected_points_shooter_days', 'expected_points_drift_days',
        'free_throw_prior_rate', 'free_throw_prior_attempts',
        'rating_margin_cap', 'rating_game_decay', 'rating_season_decay', 'rating_prior_games',
        'home_edge_window_days', 'home_edge_prior_games', 'home_edge_prior_points',
        'win_probability_assist_share',
        'wall_clock_max_hours_from_median', 'wall_clock_max_minutes_to_last_action',
        'game_quality_max_gap_seconds', 'game_quality_max_statistics_differing',
        'game_quality_max_contradicting_shots', 'game_quality_shot_tolerance_feet',
        'game_quality_max_players_without_minutes', 'game_quality_max_duration_minutes',
        'wall_clock_max_implausible_share',
        'baseline_window_nights', 'baseline_min_nights', 'rolling_window_nights',
        'rolling_mean_min_nights', 'rolling_variation_min_nights', 'normal_range_half_width_sd',
        'night_max_hours_before_tipoff', 'night_close_hours_before_tipoff', 'waking_window_start_hour',
        'waking_window_end_hour', 'strain_max_hours_before_tipoff', 'sleep_max_unrecorded_share',
        'late_sync_hours', 'long_cycle_hours', 'far_from_arena_hours',
        'calibrating_quality_ratio', 'upcoming_games_hours', 'upcoming_players_team_games', 'game_duration_minutes',
        'days_before_device', 'possession_min_seconds', 'group_min_athletes', 'normal_quantile_95',
    ]) }}
{%- endmacro %}
