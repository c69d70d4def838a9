-- Grain: one row per game: its newest play-by-play payload.
with source as (
    select * from {{ source('nba', 'playbyplay') }}
),

ranked as (
    select
        game_id,
        content_hash,
        payload,
        source,
        fetched_at,
        row_number() over (
            partition by game_id order by fetched_at desc, _dlt_load_id desc
        ) as recency
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
