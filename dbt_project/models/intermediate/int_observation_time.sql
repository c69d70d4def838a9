-- Grain: one row. "Now" is the newest time at which anything of the league was read: the same data give the same tables.
{{ config(materialized='view') }}

select max(seen_at) as observed_at
from (
    select max(last_read_at) as seen_at from {{ ref('stg_nba__last_reads') }}
    union all
    select max(fetched_at) as seen_at from {{ ref('stg_nba__game_versions') }}
    union all
    select max(fetched_at) as seen_at from {{ ref('stg_nba__fixture_versions') }}
) as seen
