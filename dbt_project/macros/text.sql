{#- What a regular expression's only group matched, null when the text does not match. -#}
{% macro text_match(text_expression, pattern) -%}
    {{ return(adapter.dispatch('text_match')(text_expression, pattern)) }}
{%- endmacro %}

{% macro default__text_match(text_expression, pattern) -%}
    substring({{ text_expression }} from '{{ pattern }}')
{%- endmacro %}

{#-
A name as the sentences of the stats service spell it: Latin letters without their marks, in lower case. Its fields
keep the marks (Vučević), its sentences do not (Vucevic).
-#}
{% macro plain_name(text_expression) -%}
    lower(translate(
        {{ text_expression }},
        'ÀÁÂÃÄÅĀĂĄàáâãäåāăąÇĆĈČçćĉčĎĐďđÈÉÊËĒĖĘĚèéêëēėęěĞĢğģÌÍÎÏĪĮİìíîïīįıĶķĹĻĽŁĺļľłÑŃŅŇñńņňÒÓÔÕÖØŌŐòóôõöøōőŔŘŕřŚŞŠȘśşšșŢŤȚţťțÙÚÛÜŪŮŰŲùúûüūůűųÝŸýÿŹŻŽźżž',
        'AAAAAAAAAaaaaaaaaaCCCCccccDDddEEEEEEEEeeeeeeeeGGggIIIIIIIiiiiiiiKkLLLLllllNNNNnnnnOOOOOOOOooooooooRRrrSSSSssssTTTtttUUUUUUUUuuuuuuuuYYyyZZZzzz'
    ))
{%- endmacro %}
