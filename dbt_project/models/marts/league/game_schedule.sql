-- Grain: one row per game that counts and that any schedule version of its season has listed.
with versions as (
    select
        *,
        row_number() over (partition by game_id order by fetched_at desc) as recency
    from {{ ref('stg_nba__fixture_versions') }}
    -- preseason and all-star games count in no table and are not loaded
    where season_type_digit in (2, 4, 5, 6)
),

season_types as (
    select * from {{ ref('season_types') }}
),

zones as (
    select * from {{ ref('stg_nba__arena_zones') }}
),

games as (
    select * from {{ ref('games') }}
),

game_versions as (
    select * from {{ ref('stg_nba__game_versions') }}
),

clock as (
    select
        observed_at,
        observed_at - interval '6 hours' as six_hours_before
    from {{ ref('int_observation_time') }}
),

tipoffs as (
    select
        game_id,
        tipoff_at,
        lag(tipoff_at) over (partition by game_id order by fetched_at) as tipoff_before,
        row_number() over (partition by game_id order by fetched_at) as place
    from versions
    -- a time to be determined is no time: to learn it is no move
    where is_listed and tipoff_at is not null
),

moves as (
    select
        game_id,
        max(case when place = 1 then tipoff_at end) as first_tipoff_at,
        sum(case when tipoff_at <> tipoff_before then 1 else 0 end)::integer as times_moved
    from tipoffs
    group by game_id
),

history as (
    select
        game_id,
        max(case when is_postponed then 1 else 0 end) = 1 as was_postponed,
        max(case when recency = 1 and is_listed then 1 else 0 end) = 1 as is_listed,
        max(case when is_listed then fetched_at end) as last_fixture_at
    from versions
    group by game_id
),

fixtures as (
    select
        versions.*,
        history.was_postponed,
        history.is_listed as listed,
        -- six hours after tip-off a game is over and its payloads are out
        case
            when versions.tipoff_at is not null
                then versions.tipoff_at < clock.six_hours_before
            when versions.game_date_eastern is not null
                then
                    {{ local_date("clock.six_hours_before", "'America/New_York'") }}
                    > versions.game_date_eastern
            -- without any date: when the year in which its season ended is over
            else
                extract(year from {{ local_date('clock.observed_at', "'America/New_York'") }})
                > substr(versions.season, 1, 4)::integer + 1
        end as is_overdue
    from versions
    inner join history
        on
            versions.game_id = history.game_id
            and versions.fetched_at = history.last_fixture_at
    cross join clock
)

select
    fixtures.game_id,
    fixtures.season,
    coalesce(season_types.season_type, 'Unknown') as season_type,
    fixtures.tipoff_at,
    fixtures.game_date_eastern,
    moves.first_tipoff_at,
    coalesce(moves.times_moved, 0)::integer as times_moved,
    fixtures.is_postponed,
    fixtures.was_postponed,
    fixtures.is_if_necessary,
    fixtures.listed,
    case
        when games.is_final then 'final'
        when games.game_id is not null then 'live'
        when not fixtures.listed then 'withdrawn'
        when fixtures.is_postponed then 'postponed'
        when fixtures.is_overdue and not fixtures.is_if_necessary then 'missing'
        else 'scheduled'
    end as state,
    games.game_id is not null as is_loaded,
    game_versions.fetched_at as last_loaded_at,
    fixtures.arena_name,
    fixtures.arena_city,
    fixtures.arena_state,
    zones.arena_timezone,
    fixtures.home_team_id,
    fixtures.home_tricode,
    fixtures.home_city,
    fixtures.home_name,
    fixtures.away_team_id,
    fixtures.away_tricode,
    fixtures.away_city,
    fixtures.away_name
from fixtures
left join season_types on fixtures.season_type_digit = season_types.type_digit
left join moves on fixtures.game_id = moves.game_id
left join zones
    on
        fixtures.arena_city = zones.arena_city
        and coalesce(fixtures.arena_state, '') = zones.arena_state
left join games on fixtures.game_id = games.game_id
left join game_versions on fixtures.game_id = game_versions.game_id
