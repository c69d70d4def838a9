{#-
Incremental by game.

A heavy model holds rows of many games. A game is rebuilt when, and only when, its version differs from the one
the model was last built with; `intermediate.built_game_versions` (the ledger) keeps that per model and game. The
ledger is written in the same transaction as the rows, so a build that dies in the middle leaves both as they
were; a game without a single row (no clutch time) is on it too and is not looked at again.

A model uses it like this:

    {{ config(
        materialized='incremental', incremental_strategy='append',
        pre_hook="{{ forget_changed_games(ref('stg_nba__game_versions')) }}",
        post_hook="{{ record_built_games(ref('stg_nba__game_versions')) }}"
    ) }}
    with changed_games as (
        {{ changed_games(ref('stg_nba__game_versions')) }}
    ), ...

`versions` is a table with one row per game: game_id, game_version.
-#}

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

{% macro changed_games(versions) -%}
    select
        versions.game_id,
        versions.game_version
    from {{ versions }} as versions
    {%- if is_incremental() %}
    where not exists (
        select 1 from {{ build_ledger() }} as built
        where
            built.model_name = '{{ this.identifier }}'
            and built.game_id = versions.game_id
            and built.game_version = versions.game_version
    )
    {%- endif %}
{%- endmacro %}

{% macro forget_changed_games(versions) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where game_id in (select game_id from ({{ changed_games(versions) }}) as changed)
    {%- else -%}
    delete from {{ build_ledger() }} where model_name = '{{ this.identifier }}'
    {%- endif -%}
{%- endmacro %}

{% macro record_built_games(versions) -%}
    insert into {{ build_ledger() }} as built (model_name, game_id, game_version)
    select '{{ this.identifier }}', changed.game_id, changed.game_version
    from ({{ changed_games(versions) }}) as changed
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
        'clutch_min_period', 'clutch_max_seconds_remaining', 'clutch_max_score_margin', 'clutch_min_games',
        'expected_points_window_days', 'expected_points_lag_days', 'expected_points_prior_attempts',
        'free_throw_prior_rate', 'free_throw_prior_attempts',
    ]) }}
{%- endmacro %}
