-- Grain: one row per game with a play-by-play: season, time, place, sides, score, and whether it is over.
-- Time and place come from the box score, else from the schedule; who is at home else from whose points count there.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

games as (
    select
        versions.game_id,
        versions.boxscore_resource,
        substr(versions.game_id, 3, 1)::integer as season_type_digit,
        -- league ids carry two digits of the season's first year; the league began in 1946
        case when substr(versions.game_id, 4, 2) >= '46' then 1900 else 2000 end
        + substr(versions.game_id, 4, 2)::integer as season_first_year
    from {{ ref('stg_nba__game_versions') }} as versions
    inner join changed_games on versions.game_id = changed_games.game_id
),

box_scores as (
    select * from {{ ref('stg_nba__games') }}
),

-- the schedule is part of a game's version only where it is used
fixtures as (
    select fixtures.*
    from {{ ref('stg_nba__scheduled_games') }} as fixtures
    inner join games on fixtures.game_id = games.game_id
    where coalesce(games.boxscore_resource, '') <> 'boxscore'
),

season_types as (
    select * from {{ ref('season_types') }}
),

endings as (
    select
        actions.game_id,
        max(actions.score_home) as home_score,
        max(actions.score_away) as away_score,
        max(actions.period) as periods,
        max(case
            when actions.action_type = 'game' and actions.action_subtype = 'end' then 1 else 0
        end) = 1 as has_closing_action,
        max(case
            when actions.action_type = 'period' and actions.action_subtype = 'end'
                then actions.period
        end) as last_period_ended
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    group by actions.game_id
),

scoring as (
    select
        actions.game_id,
        actions.team_id,
        actions.score_home
        > lag(actions.score_home, 1, 0::smallint) over game_so_far as is_home_scoring,
        actions.score_away
        > lag(actions.score_away, 1, 0::smallint) over game_so_far as is_away_scoring
    from {{ ref('stg_nba__actions') }} as actions
    inner join games on actions.game_id = games.game_id
    where games.boxscore_resource is null
    window game_so_far as (partition by actions.game_id order by actions.order_number)
),

scorers as (
    select
        game_id,
        team_id,
        -- single scores are entered late: at home is whose points count there more often than not
        row_number() over (
            partition by game_id
            order by
                sum(case when is_home_scoring then 1 else 0 end)
                - sum(case when is_away_scoring then 1 else 0 end) desc
        ) as home_place,
        row_number() over (
            partition by game_id
            order by
                sum(case when is_away_scoring then 1 else 0 end)
                - sum(case when is_home_scoring then 1 else 0 end) desc
        ) as away_place,
        max(case when is_home_scoring then 1 else 0 end) as has_home_points,
        max(case when is_away_scoring then 1 else 0 end) as has_away_points
    from scoring
    where team_id is not null
    group by game_id, team_id
),

scoring_sides as (
    select
        game_id,
        max(case when home_place = 1 and has_home_points = 1 then team_id end) as home_team_id,
        max(case when away_place = 1 and has_away_points = 1 then team_id end) as away_team_id
    from scorers
    group by game_id
),

described as (
    select
        games.game_id,
        games.season_first_year::text
        || '-' || lpad(mod(games.season_first_year + 1, 100)::text, 2, '0') as season,
        coalesce(season_types.season_type, 'Unknown') as season_type,
        coalesce(season_types.is_playoff, false) as playoff_game,
        coalesce(box_scores.tipoff_at, fixtures.tipoff_at) as tipoff_at,
        coalesce(box_scores.arena_timezone, fixtures.arena_timezone) as arena_timezone,
        fixtures.game_date_eastern,
        coalesce(box_scores.arena_name, fixtures.arena_name) as arena_name,
        coalesce(box_scores.arena_city, fixtures.arena_city) as arena_city,
        coalesce(box_scores.home_team_id, scoring_sides.home_team_id, fixtures.home_team_id)
            as home_team_id,
        coalesce(box_scores.away_team_id, scoring_sides.away_team_id, fixtures.away_team_id)
            as away_team_id,
        -- a box score saved before the end has a score of its own time; the last action is never older
        coalesce(endings.home_score, box_scores.home_score) as home_score,
        coalesce(endings.away_score, box_scores.away_score) as away_score,
        endings.periods,
        -- Some games lack the closing action, and one box score was saved before the end: either says it.
        -- Where neither is told, the last period of a decided game ended it.
        coalesce(box_scores.game_status = 3, false)
        or endings.has_closing_action
        or (
            box_scores.game_status is null
            and endings.periods >= 4
            and coalesce(endings.last_period_ended = endings.periods, false)
            and endings.home_score <> endings.away_score
        ) as is_final
    from games
    inner join endings on games.game_id = endings.game_id
    left join box_scores on games.game_id = box_scores.game_id
    left join fixtures on games.game_id = fixtures.game_id
    left join scoring_sides on games.game_id = scoring_sides.game_id
    left join season_types on games.season_type_digit = season_types.type_digit
)

select
    game_id,
    season,
    season_type,
    playoff_game,
    tipoff_at,
    arena_timezone,
    -- the schedule's own day is that of New York, the arena's for every game of the league's evening
    coalesce({{ local_date('tipoff_at', 'arena_timezone') }}, game_date_eastern) as game_date,
    {{ local_date('tipoff_at', "'UTC'") }} as utc_date,
    arena_name,
    arena_city,
    home_team_id,
    away_team_id,
    home_score,
    away_score,
    periods,
    is_final
from described
-- before the first points nothing but a box score or the schedule tells the sides
where home_team_id is not null and away_team_id is not null
