{#-
dbt's view materialization, but in place where the view is there already.

dbt makes a new view and drops the old, and with it every view that stands on it: what reads model_runs would be gone from when
staging is made until its own turn comes, minutes later, and after a run of staging alone for good. A view whose columns are the
same, or more at the end, is replaced as it is; with others there is no way but dbt's.
-#}
{% materialization view, adapter='postgres' -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is none or existing.type != 'view' -%}
        {{ return(dbt.materialization_view_default()) }}
    {%- endif -%}
    {%- set created = get_create_view_as_sql(this, sql) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        do $replacing$
        begin
            execute $view${{ created | replace('create view', 'create or replace view', 1) }}$view$;
        exception when invalid_table_definition then
            drop view {{ this }} cascade;
            execute $view${{ created }}$view$;
        end
        $replacing$
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{%- endmaterialization %}
