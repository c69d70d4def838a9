-- Grain: one row per player and game that he shot in, or that comes up for his team within two days.
-- What was known of the circumstances before tip-off, and how many shots he took: nothing of how they went.
{{ refilled_table() }}

with shots as (
    select
        player_id,
        game_id,
        max(team_id) as team_id,
        sum(case when shot_kind = 'freethrow' then 0 else attempts end)::integer
            as field_goal_attempts,
        sum(case when shot_kind = 'freethrow' then attempts else 0 end)::integer
            as free_throw_attempts,
        sum(case when is_clutch and shot_kind <> 'freethrow' then attempts else 0 end)::integer
            as clutch_field_goal_attempts,
        sum(case when is_clutch and shot_kind = 'freethrow' then attempts else 0 end)::integer
            as clutch_free_throw_attempts
    from {{ ref('player_game_shots') }}
    group by player_id, game_id
),

clutch_players as (
    select distinct
        player_id,
        game_id
    from {{ ref('clutch_player_actions') }}
),

team_games as (
    select
        teams.game_id,
        teams.team_id,
        row_number() over (
            partition by teams.team_id order by teams.tipoff_at desc, teams.game_id desc
        ) as recency
    from (
        select
            game_id,
            tipoff_at,
            home_team_id as team_id
        from {{ ref('games') }}
        where is_final and tipoff_at is not null
        union all
        select
            game_id,
            tipoff_at,
            away_team_id as team_id
        from {{ ref('games') }}
        where is_final and tipoff_at is not null
    ) as teams
),

-- a team's players of these days, as long as no other one has them by now
regular_shooters as (
    select distinct
        shots.player_id,
        shots.team_id
    from shots
    inner join team_games
        on shots.game_id = team_games.game_id and shots.team_id = team_games.team_id
    inner join {{ ref('players') }} as players
        on shots.player_id = players.player_id and shots.team_id = players.team_id
    where team_games.recency <= {{ var('upcoming_players_team_games') }}
),

player_games as (
    select
        shots.player_id,
        shots.game_id,
        shots.team_id,
        games.season,
        games.season_type,
        games.game_date,
        games.tipoff_at,
        games.is_final,
        games.playoff_game,
        games.home_team_id,
        games.away_team_id,
        shots.clutch_field_goal_attempts,
        shots.clutch_free_throw_attempts,
        shots.field_goal_attempts,
        shots.free_throw_attempts
    from shots
    inner join {{ ref('games') }} as games on shots.game_id = games.game_id
    union all
    select
        regular_shooters.player_id,
        upcoming.game_id,
        regular_shooters.team_id,
        upcoming.season,
        upcoming.season_type,
        upcoming.game_date,
        upcoming.tipoff_at,
        false as is_final,
        upcoming.playoff_game,
        upcoming.home_team_id,
        upcoming.away_team_id,
        0 as clutch_field_goal_attempts,
        0 as clutch_free_throw_attempts,
        0 as field_goal_attempts,
        0 as free_throw_attempts
    from {{ ref('int_upcoming_games') }} as upcoming
    inner join regular_shooters
        on regular_shooters.team_id in (upcoming.home_team_id, upcoming.away_team_id)
),

sided as (
    select
        player_games.*,
        coalesce(player_games.team_id = player_games.home_team_id, false) as is_home,
        -- a feed that names no team, or a third one, tells no side
        coalesce(player_games.team_id = player_games.away_team_id, false) as is_away,
        strengths.home_rating,
        strengths.away_rating,
        strengths.home_rest_days,
        strengths.away_rest_days,
        strengths.is_home_back_to_back,
        strengths.is_away_back_to_back,
        coalesce(strengths.is_upcoming, false) as is_upcoming
    from player_games
    left join {{ ref('int_pregame_strengths') }} as strengths
        on player_games.game_id = strengths.game_id
)

select
    sided.player_id,
    sided.game_id,
    sided.season,
    sided.season_type,
    sided.game_date,
    sided.tipoff_at,
    sided.is_final,
    sided.is_upcoming,
    sided.team_id,
    case
        when sided.is_home then sided.away_team_id
        when sided.is_away then sided.home_team_id
    end as opponent_team_id,
    sided.is_home,
    sided.playoff_game,
    (case
        when sided.is_home then sided.home_rest_days
        when sided.is_away then sided.away_rest_days
    end)::integer as rest_days,
    coalesce(
        case
            when sided.is_home then sided.is_home_back_to_back
            when sided.is_away then sided.is_away_back_to_back
        end,
        false
    ) as is_back_to_back,
    coalesce(
        case
            when sided.is_home then sided.home_rating
            when sided.is_away then sided.away_rating
        end,
        0
    )::numeric(7, 4) as team_rating,
    coalesce(
        case
            when sided.is_home then sided.away_rating
            when sided.is_away then sided.home_rating
        end,
        0
    )::numeric(7, 4) as opponent_rating,
    sided.clutch_field_goal_attempts,
    sided.clutch_free_throw_attempts,
    sided.field_goal_attempts,
    sided.free_throw_attempts,
    clutch_players.player_id is not null as has_clutch_action
from sided
left join clutch_players
    on sided.player_id = clutch_players.player_id and sided.game_id = clutch_players.game_id
