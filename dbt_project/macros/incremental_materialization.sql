{#-
dbt's incremental materialization, with a shorter way for what a cron job does a thousand times: append rows to a
table that this very SQL was the last to write.

dbt cannot know that it was, so it writes the rows to a temporary table, asks five times for columns and copies them.
Half of a one-game run was spent on that. Here `intermediate.built_definitions` keeps a hash of the SQL (and of the
contract) that made or last extended a table, with the table's columns. Where the hash is the same, the rows go straight
in; anywhere else (first run, full refresh, changed SQL) dbt's own materialization does it all, and is remembered.
The hash is forgotten before it starts, so that a run that dies in the middle goes the long way the next time.
-#}
{% materialization incremental, adapter='postgres' -%}
    {%- set definition = local_md5(sql ~ tojson(model.columns)) -%}
    {%- set columns = columns_last_written(definition) if is_incremental() -%}

    {%- if not columns or config.get('incremental_strategy') != 'append' -%}
        {%- call statement('forget_definition') -%}
            delete from {{ built_definitions() }} where model_name = '{{ this.identifier }}'
        {%- endcall -%}
        {%- set made = dbt.materialization_incremental_default() -%}
        {{ remember_definition(definition) }}
        {{ return(made) }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        insert into {{ this }} ({{ columns }})
        select {{ columns }} from (
            {{ sql }}
        ) as built
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{%- endmaterialization %}

{% macro built_definitions() -%}
    {{ return(api.Relation.create(database=target.database, schema='intermediate', identifier='built_definitions')) }}
{%- endmacro %}

{% macro create_built_definitions() -%}
    create table if not exists {{ built_definitions() }} (
        model_name text not null primary key,
        definition text not null,
        columns text not null
    )
{%- endmacro %}

{#- Columns of the model's table, quoted, if this definition was the last to write it. -#}
{% macro columns_last_written(definition) -%}
    {%- set found = run_query(
        "select columns from " ~ built_definitions() ~ " where model_name = '" ~ this.identifier
        ~ "' and definition = '" ~ definition ~ "'"
    ) -%}
    {{ return(found.columns[0].values() | first) }}
{%- endmacro %}

{#- Without a contract the columns of the table are by now those of the SQL; with one its columns are. -#}
{% macro remember_definition(definition) -%}
    {%- if config.get('contract').enforced -%}
        {%- set names = model.columns.keys() -%}
    {%- else -%}
        {%- set names = adapter.get_columns_in_relation(this) | map(attribute='name') -%}
    {%- endif -%}
    {%- set columns = [] -%}
    {%- for name in names -%}
        {%- do columns.append(adapter.quote(name)) -%}
    {%- endfor -%}
    {%- call statement('remember_definition') -%}
        insert into {{ built_definitions() }} (model_name, definition, columns)
        values ('{{ this.identifier }}', '{{ definition }}', '{{ columns | join(', ') }}')
        on conflict (model_name) do update
        set definition = excluded.definition, columns = excluded.columns
    {%- endcall -%}
    {% do adapter.commit() %}
{%- endmacro %}
