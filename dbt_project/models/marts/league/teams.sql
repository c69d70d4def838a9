-- Grain: one row per team that ever played.
with games as (
    select
        game_id,
        home_team_id,
        away_team_id,
        -- games of the older sources may have no time: they come before those of their season that have
        row_number() over (order by season, coalesce(tipoff_at, timestamptz '1900-01-01'), game_id)
            as place_in_time
    from {{ ref('int_games_described') }}
),

box_scores as (
    select * from {{ ref('stg_nba__games') }}
),

fixtures as (
    select * from {{ ref('stg_nba__scheduled_games') }}
),

-- of games without a box score; its players carry their team's names as far as the source has them
playbyplay_teams as (
    select
        game_id,
        team_id,
        max(tricode) as tricode,
        max(team_city) as city,
        max(team_name) as name
    from {{ ref('stg_nba__playbyplay_players') }}
    group by game_id, team_id
),

sides as (
    {% for side in ['home', 'away'] %}
        select
            games.{{ side }}_team_id as team_id,
            coalesce(
                box_scores.{{ side }}_tricode, playbyplay_teams.tricode, fixtures.{{ side }}_tricode
            ) as tricode,
            coalesce(
                box_scores.{{ side }}_city, playbyplay_teams.city, fixtures.{{ side }}_city
            ) as city,
            coalesce(
                box_scores.{{ side }}_name, playbyplay_teams.name, fixtures.{{ side }}_name
            ) as name,
            games.place_in_time
        from games
        left join box_scores on games.game_id = box_scores.game_id
        left join fixtures on games.game_id = fixtures.game_id
        left join playbyplay_teams
            on
                games.game_id = playbyplay_teams.game_id
                and games.{{ side }}_team_id = playbyplay_teams.team_id
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

ranked as (
    select
        *,
        -- a game that tells the name comes before a later one that does not
        row_number() over (
            partition by team_id
            order by case when name is null then 1 else 0 end, place_in_time desc
        ) as recency
    from sides
)

select
    team_id,
    tricode,
    city,
    name
from ranked
where recency = 1
