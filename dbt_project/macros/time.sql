{#- A point in time from ISO 8601 text with offset or Z. -#}
{% macro utc_timestamp(text_expression) -%}
    {{ return(adapter.dispatch('utc_timestamp')(text_expression)) }}
{%- endmacro %}

{% macro default__utc_timestamp(text_expression) -%}
    ({{ text_expression }})::timestamptz
{%- endmacro %}

{#- The calendar date of a point in time at an IANA zone. -#}
{% macro local_date(timestamp_expression, zone_expression) -%}
    {{ return(adapter.dispatch('local_date')(timestamp_expression, zone_expression)) }}
{%- endmacro %}

{% macro default__local_date(timestamp_expression, zone_expression) -%}
    ({{ timestamp_expression }} at time zone {{ zone_expression }})::date
{%- endmacro %}

{#- Seconds of an ISO 8601 duration as the league writes it, PTmmMss.ffS. -#}
{% macro duration_seconds(text_expression) -%}
    (
        split_part(substr({{ text_expression }}, 3), 'M', 1)::integer * 60
        + replace(split_part({{ text_expression }}, 'M', 2), 'S', '')::numeric(6, 2)
    )::numeric(8, 2)
{%- endmacro %}

{#- Seconds of a time on the floor: the live data's duration, or mm:ss of the stats service, where empty is none. -#}
{% macro played_seconds(text_expression) -%}
    case
        when {{ text_expression }} like 'PT%' then {{ duration_seconds(text_expression) }}
        when {{ text_expression }} like '%:%' then (
            split_part({{ text_expression }}, ':', 1)::numeric * 60
            + split_part({{ text_expression }}, ':', 2)::numeric
        )::numeric(8, 2)
        when {{ text_expression }} = '' then 0::numeric(8, 2)
    end
{%- endmacro %}

{#- The clock as people write it, mm:ss.f with a leading zero so that it sorts as text. -#}
{% macro clock_text(seconds_expression) -%}
    (
        lpad(floor({{ seconds_expression }} / 60)::integer::text, 2, '0') || ':'
        || lpad(mod({{ seconds_expression }}, 60)::numeric(4, 1)::text, 4, '0')
    )
{%- endmacro %}
