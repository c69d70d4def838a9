-- Grain: one row per game that comes up within two days, by the newest schedule, of which nothing is loaded yet.
-- Only games that count in a table of the league or decide something: preseason and all-star games are not loaded either.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with fixtures as (
    select * from {{ ref('stg_nba__scheduled_games') }}
    where
        season_type_digit in (2, 4, 5, 6)
        and not is_postponed
        -- a pairing that is open has no sides to tell anything of
        and home_team_id is not null
        and away_team_id is not null
),

season_types as (
    select * from {{ ref('season_types') }}
),

games as (
    select game_id from {{ ref('int_games_described') }}
),

clock as (
    select
        -- a game that is being played is loaded within minutes; where that fails it stays here for some hours
        observed_at - interval '6 hours' as from_tipoff_at,
        observed_at + interval '{{ var("upcoming_games_hours") }} hours' as before_tipoff_at
    from {{ ref('int_observation_time') }}
)

select
    fixtures.game_id,
    fixtures.season,
    season_types.season_type,
    season_types.is_playoff as playoff_game,
    fixtures.tipoff_at,
    coalesce(
        {{ local_date('fixtures.tipoff_at', 'fixtures.arena_timezone') }},
        fixtures.game_date_eastern
    ) as game_date,
    {{ local_date('fixtures.tipoff_at', "'UTC'") }} as utc_date,
    fixtures.home_team_id,
    fixtures.away_team_id
from fixtures
inner join clock
    on
        fixtures.tipoff_at > clock.from_tipoff_at
        and fixtures.tipoff_at < clock.before_tipoff_at
inner join season_types on fixtures.season_type_digit = season_types.type_digit
left join games on fixtures.game_id = games.game_id
where games.game_id is null
