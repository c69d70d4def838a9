-- Grain: one row per arena city as the schedule writes it, with its IANA zone.
-- The seed first; a city that it lacks has the zone that box scores of games played there give, or is not here.
{{ config(materialized='table') }}

with seed as (
    select * from {{ ref('arena_zones') }}
),

fixtures as (
    select * from {{ ref('stg_nba__fixture_versions') }}
),

unknown_cities as (
    select distinct
        fixtures.game_id,
        fixtures.arena_name,
        fixtures.arena_city,
        coalesce(fixtures.arena_state, '') as arena_state
    from fixtures
    left join seed
        on
            fixtures.arena_city = seed.arena_city
            and coalesce(fixtures.arena_state, '') = coalesce(seed.arena_state, '')
    where fixtures.arena_city is not null and seed.arena_city is null
),

boxscores as (
    select
        boxscores.game_id,
        {{ json_path_text('boxscores.payload', ['game', 'gameTimeUTC']) }} as tipoff,
        {{ json_path_text('boxscores.payload', ['game', 'arena', 'arenaName']) }} as arena_name,
        {{ json_path_text('boxscores.payload', ['game', 'arena', 'arenaCity']) }} as arena_city,
        {{ json_path_text('boxscores.payload', ['game', 'arena', 'arenaTimezone']) }}
            as arena_timezone
    from {{ ref('stg_nba__boxscore_versions') }} as boxscores
    where boxscores.game_id in (select unknown_cities.game_id from unknown_cities)
),

played_there as (
    select
        unknown_cities.arena_city,
        unknown_cities.arena_state,
        boxscores.arena_timezone,
        row_number() over (
            partition by unknown_cities.arena_city, unknown_cities.arena_state
            order by boxscores.tipoff desc, boxscores.game_id desc
        ) as recency
    from unknown_cities
    inner join boxscores on unknown_cities.game_id = boxscores.game_id
    where
        nullif(boxscores.arena_timezone, '') is not null
        -- a game that was moved says nothing about the city that it was moved from
        and (
            unknown_cities.arena_city = boxscores.arena_city
            or unknown_cities.arena_name = boxscores.arena_name
        )
)

select
    arena_city,
    coalesce(arena_state, '') as arena_state,
    timezone as arena_timezone
from seed
union all
select
    arena_city,
    arena_state,
    arena_timezone
from played_there
where recency = 1
