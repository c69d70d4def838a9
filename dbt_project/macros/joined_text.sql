{#- The texts of a group as one text, in their own order, separated by a comma. -#}
{% macro joined_text(text_expression, order_expression=none) -%}
    {{ return(adapter.dispatch('joined_text')(text_expression, order_expression or text_expression)) }}
{%- endmacro %}

{% macro default__joined_text(text_expression, order_expression) -%}
    string_agg({{ text_expression }}, ',' order by {{ order_expression }})
{%- endmacro %}
