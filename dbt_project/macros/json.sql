{#- Everything adapter-specific about JSON. A second adapter adds its own `<adapter>__json_...` macros, not models. -#}

{#- Text of one key, null when the key is absent or null. -#}
{% macro json_text(object, key) -%}
    {{ return(adapter.dispatch('json_text')(object, key)) }}
{%- endmacro %}

{% macro default__json_text(object, key) -%}
    ({{ object }} ->> '{{ key }}')
{%- endmacro %}

{#- Text at a path of keys, e.g. ['game', 'arena', 'arenaName']. -#}
{% macro json_path_text(object, keys) -%}
    {{ return(adapter.dispatch('json_path_text')(object, keys)) }}
{%- endmacro %}

{% macro default__json_path_text(object, keys) -%}
    ({{ object }} #>> '{{ '{' ~ keys | join(',') ~ '}' }}')
{%- endmacro %}

{#- The JSON value at a path of keys, still JSON. -#}
{% macro json_path(object, keys) -%}
    {{ return(adapter.dispatch('json_path')(object, keys)) }}
{%- endmacro %}

{% macro default__json_path(object, keys) -%}
    ({{ object }} #> '{{ '{' ~ keys | join(',') ~ '}' }}')
{%- endmacro %}

{#- A lateral join with one row per element of a JSON array: the element is `<alias>.value`. -#}
{% macro json_each(array, alias) -%}
    {{ return(adapter.dispatch('json_each')(array, alias)) }}
{%- endmacro %}

{% macro default__json_each(array, alias) -%}
    cross join lateral jsonb_array_elements({{ array }}) as {{ alias }} (value)
{%- endmacro %}

{#- An array of text as one text, elements separated by a comma; null when absent or empty. -#}
{% macro json_text_list(object, key) -%}
    {{ return(adapter.dispatch('json_text_list')(object, key)) }}
{%- endmacro %}

{% macro default__json_text_list(object, key) -%}
    nullif(translate({{ object }} ->> '{{ key }}', '[]" ', ''), '')
{%- endmacro %}

{#- As json_each, with the place of the element in the array (1 and more) as `<alias>.place`. -#}
{% macro json_each_numbered(array, alias) -%}
    {{ return(adapter.dispatch('json_each_numbered')(array, alias)) }}
{%- endmacro %}

{% macro default__json_each_numbered(array, alias) -%}
    cross join lateral jsonb_array_elements({{ array }}) with ordinality as {{ alias }} (value, place)
{%- endmacro %}

{#- Text of the element at a place of a JSON array (1 and more), null when there is none. -#}
{% macro json_element_text(array, place) -%}
    {{ return(adapter.dispatch('json_element_text')(array, place)) }}
{%- endmacro %}

{% macro default__json_element_text(array, place) -%}
    ({{ array }} ->> ({{ place }} - 1)::integer)
{%- endmacro %}

{#- Text of a JSON value that is itself a text or a number, without its quotation marks. -#}
{% macro json_scalar_text(value) -%}
    {{ return(adapter.dispatch('json_scalar_text')(value)) }}
{%- endmacro %}

{% macro default__json_scalar_text(value) -%}
    ({{ value }} #>> '{}')
{%- endmacro %}

{#- True when the array at a path of keys has an element. -#}
{% macro json_has_elements(object, keys) -%}
    {{ return(adapter.dispatch('json_has_elements')(object, keys)) }}
{%- endmacro %}

{% macro default__json_has_elements(object, keys) -%}
    ({{ object }} #> '{{ '{' ~ keys | join(',') ~ ',0}' }}') is not null
{%- endmacro %}

{#- A value of more than 2 kB as stored is not an empty table: only smaller ones are unpacked, as unpacking all costs 1 ms a game. -#}
{% macro postgres__json_has_elements(object, keys) -%}
    case
        when pg_column_size({{ object }}) > 2000 then true
        else {{ default__json_has_elements(object, keys) }}
    end
{%- endmacro %}

{#- A number of a JSON object as float8; null when it is absent, no number, or longer than any measurement. -#}
{% macro json_number(object, key) -%}
    {{ return(adapter.dispatch('json_number')(object, key)) }}
{%- endmacro %}

{% macro default__json_number(object, key) -%}
    case
        when
            jsonb_typeof({{ object }} -> '{{ key }}') = 'number'
            and length({{ object }} ->> '{{ key }}') <= 30
            then ({{ object }} ->> '{{ key }}')::float8
    end
{%- endmacro %}
