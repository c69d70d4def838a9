{#- The newest payload of each game in a raw table; that of the largest fetched_at. -#}
{% macro newest_payloads(raw_table) -%}
with source as (
    select * from {{ raw_table }}
),

ranked as (
    select
        game_id,
        content_hash,
        payload,
        source,
        fetched_at,
        row_number() over (partition by game_id order by fetched_at desc) as recency
    from source
)

select
    game_id,
    content_hash,
    payload,
    source,
    fetched_at
from ranked
where recency = 1
{%- endmacro %}
