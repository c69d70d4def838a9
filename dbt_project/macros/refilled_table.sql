{#-
A table whose rows are replaced in one transaction, while the table itself stays.

dbt's own `table` makes a new one and drops the old, and with it every view that stands on it; until those are made
again a reader finds nothing. Here readers see the old rows until the new ones are committed, and views stay.
-#}
{% macro refilled_table(indexes=[]) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=indexes,
        pre_hook="{% if is_incremental() %}delete from {{ this }}{% else %}select 1{% endif %}",
    ) }}
{%- endmacro %}
