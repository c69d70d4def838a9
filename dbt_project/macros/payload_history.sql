{#- Every version of every game's payload in a raw table, numbered in the order in which they were seen. -#}
{% macro payload_history(raw_table) -%}
with source as (
    select * from {{ raw_table }}
)

select
    game_id,
    content_hash,
    payload,
    fetched_at,
    _dlt_load_id,
    row_number() over (partition by game_id order by fetched_at) as version_number,
    count(*) over (partition by game_id) as version_count
from source
{%- endmacro %}

{#- A lateral join with one row per key of a JSON object: the value is text, `<alias>.name` and `<alias>.text_value`. -#}
{% macro json_each_text(object, alias) -%}
    {{ return(adapter.dispatch('json_each_text')(object, alias)) }}
{%- endmacro %}

{% macro default__json_each_text(object, alias) -%}
    cross join lateral jsonb_each_text({{ object }}) as {{ alias }} (name, text_value)
{%- endmacro %}

{#-
Text of a value in one form, whatever form of JSON it came in: no value, an empty text and an empty list are null;
5.0 and 5 are 5.
-#}
{% macro json_normal_text(text_expression) -%}
    {{ return(adapter.dispatch('json_normal_text')(text_expression)) }}
{%- endmacro %}

{% macro default__json_normal_text(text_expression) -%}
    nullif(nullif(
        case
            when {{ text_expression }} ~ '^-?[0-9]+[.][0-9]+$'
                then regexp_replace({{ text_expression }}, '[.]?0+$', '')
            else {{ text_expression }}
        end,
        ''), '[]')
{%- endmacro %}
