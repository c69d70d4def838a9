{#-
Casts that give null for text that is not what it should be, for fields a game can do without: one unreadable wall
clock or coordinate must not stop the build of every game. PostgreSQL 16 and newer say cheaply whether a text can be
cast (0.5 us a play-by-play action, 2 % of its build); older ones need a regular expression first (12 us).
-#}

{#- True on a server that has pg_input_is_valid. -#}
{% macro has_input_checks() -%}
    {%- if not execute or not flags.INTROSPECT -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query("select current_setting('server_version_num')::integer").columns[0].values()[0] >= 160000) }}
{%- endmacro %}

{#- A point in time of 1900 to 2099 from ISO 8601 text with offset or Z; null for anything else, also for 30 February. -#}
{% macro safe_utc_timestamp(text_expression) -%}
    {{ return(adapter.dispatch('safe_utc_timestamp')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_utc_timestamp(text_expression) -%}
    {#- days 1-28 of any month, 29 and 30 of all but February, 31 of the long months, 29 February of leap years -#}
    {%- set date_pattern = (
        '(?:19|20)[0-9][0-9]-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)'
        '|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29'
    ) -%}
    {%- set time_pattern = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])' -%}
    case
        when {{ text_expression }} ~ '^(?:{{ date_pattern }})T{{ time_pattern }}$'
            then ({{ text_expression }})::timestamptz
    end
{%- endmacro %}

{% macro postgres__safe_utc_timestamp(text_expression) -%}
    {%- if not has_input_checks() -%}
        {{ return(default__safe_utc_timestamp(text_expression)) }}
    {%- endif -%}
    case
        when
            {{ text_expression }} like '20__-__-__T__:__:__%Z'
            -- what the server alone would take as the next day or minute
            and not ({{ text_expression }} like '%T24%' or {{ text_expression }} like '%:60%')
            and pg_input_is_valid({{ text_expression }}, 'timestamptz')
            then ({{ text_expression }})::timestamptz
        when {{ text_expression }} is not null then {{ default__safe_utc_timestamp(text_expression) }}
    end
{%- endmacro %}

{#- A whole number of at most nine characters, also written 5.0; null for anything else. -#}
{% macro safe_integer(text_expression) -%}
    {{ return(adapter.dispatch('safe_integer')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_integer(text_expression) -%}
    case
        when length({{ text_expression }}) <= 9 and {{ text_expression }} ~ '^-?[0-9]+(?:[.]0+)?$'
            then split_part({{ text_expression }}, '.', 1)::integer
    end
{%- endmacro %}

{% macro postgres__safe_integer(text_expression) -%}
    {%- if not has_input_checks() -%}
        {{ return(default__safe_integer(text_expression)) }}
    {%- endif -%}
    case
        when
            length({{ text_expression }}) <= 9
            and translate({{ text_expression }}, '-0123456789', '') = ''
            and pg_input_is_valid({{ text_expression }}, 'integer')
            then ({{ text_expression }})::integer
        when {{ text_expression }} is not null then {{ default__safe_integer(text_expression) }}
    end
{%- endmacro %}

{#- A decimal number of at most 30 characters, with or without an exponent of at most two digits; null for anything else. -#}
{% macro safe_float(text_expression) -%}
    {{ return(adapter.dispatch('safe_float')(text_expression)) }}
{%- endmacro %}

{% macro default__safe_float(text_expression) -%}
    case
        when
            length({{ text_expression }}) <= 30
            and {{ text_expression }} ~ '^-?[0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]{1,2})?$'
            then ({{ text_expression }})::float8
    end
{%- endmacro %}

{% macro postgres__safe_float(text_expression) -%}
    {%- if not has_input_checks() -%}
        {{ return(default__safe_float(text_expression)) }}
    {%- endif -%}
    case
        when
            length({{ text_expression }}) <= 30
            and translate({{ text_expression }}, '-.0123456789', '') = ''
            and pg_input_is_valid({{ text_expression }}, 'float8')
            then ({{ text_expression }})::float8
        when {{ text_expression }} is not null then {{ default__safe_float(text_expression) }}
    end
{%- endmacro %}
