-- Grain: one row per game that the newest schedule of its season lists, whatever its season type.
{{ config(materialized='table', indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with versions as (
    select
        *,
        row_number() over (partition by game_id order by fetched_at desc) as recency
    from {{ ref('stg_nba__fixture_versions') }}
),

zones as (
    select * from {{ ref('stg_nba__arena_zones') }}
)

select
    versions.game_id,
    versions.season,
    versions.season_type_digit,
    versions.tipoff_at,
    versions.game_date_eastern,
    versions.is_postponed,
    versions.is_if_necessary,
    versions.arena_name,
    versions.arena_city,
    versions.arena_state,
    zones.arena_timezone,
    versions.home_team_id,
    versions.home_tricode,
    versions.home_city,
    versions.home_name,
    versions.away_team_id,
    versions.away_tricode,
    versions.away_city,
    versions.away_name,
    {{ row_hash(['versions.fixture_hash', 'zones.arena_timezone']) }} as fixture_hash,
    versions.fetched_at
from versions
left join zones
    on
        versions.arena_city = zones.arena_city
        and coalesce(versions.arena_state, '') = zones.arena_state
where versions.recency = 1 and versions.is_listed
