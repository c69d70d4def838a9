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
