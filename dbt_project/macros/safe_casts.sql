{#-
Casts that give null for text that is not what it should be, for fields a game can do without: one unreadable wall
clock or coordinate must not stop the build of every game. The pattern is checked first, because a failed cast ends
the statement.
-#}

{#- A point in time from ISO 8601 text with offset or Z, 1900 to 2099; null for anything else, also for 30 February. -#}
{% macro safe_utc_timestamp(text_expression) -%}
    {{ return(adapter.dispatch('safe_utc_timestamp')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_utc_timestamp(text_expression) -%}
    {#- days 1-28 of any month, 29 and 30 of all but February, 31 of the long months, 29 February of leap years -#}
    {%- set date_pattern = (
        '(?:19|20)\\d\\d-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)'
        '|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29'
    ) -%}
    {%- set time_pattern = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:0\\d|1[0-4]):[0-5]\\d)' -%}
    case
        when {{ text_expression }} ~ '^(?:{{ date_pattern }})T{{ time_pattern }}$'
            then ({{ text_expression }})::timestamptz
    end
{%- endmacro %}

{#- A whole number of at most nine digits, also written 5.0; null for anything else. -#}
{% macro safe_integer(text_expression) -%}
    {{ return(adapter.dispatch('safe_integer')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_integer(text_expression) -%}
    case
        when {{ text_expression }} ~ '^-?\d{1,9}(?:\.0+)?$'
            then split_part({{ text_expression }}, '.', 1)::integer
    end
{%- endmacro %}

{#- A decimal number below 1e15, with or without an exponent of at most two digits; null for anything else. -#}
{% macro safe_float(text_expression) -%}
    {{ return(adapter.dispatch('safe_float')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_float(text_expression) -%}
    case
        when {{ text_expression }} ~ '^-?\d{1,15}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?$'
            then ({{ text_expression }})::float8
    end
{%- endmacro %}
