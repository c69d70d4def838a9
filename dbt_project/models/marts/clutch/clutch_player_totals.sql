-- Grain: one row per player, season and season type: his line in clutch time by the league's own rule.
with player_games as (
    select * from {{ ref('int_clutch_player_games') }}
),

games as (
    select * from {{ ref('games') }}
    where is_final or {{ var('include_live_games') }}
)

select
    player_games.player_id,
    games.season,
    games.season_type,
    sum(case when player_games.has_played then 1 else 0 end)::integer as gp,
    sum(case
        when
            player_games.has_played
            -- only a game in progress can be tied: neither won nor lost
            and games.home_score <> games.away_score
            and (player_games.team_id = games.home_team_id) = (games.home_score > games.away_score)
            then 1
        else 0
    end)::integer as w,
    sum(case
        when
            player_games.has_played
            and games.home_score <> games.away_score
            and (player_games.team_id = games.home_team_id) <> (games.home_score > games.away_score)
            then 1
        else 0
    end)::integer as l,
    (sum(player_games.clutch_seconds) / 60)::numeric(8, 4) as minutes,
    sum(player_games.pts)::integer as pts,
    sum(player_games.fgm)::integer as fgm,
    sum(player_games.fga)::integer as fga,
    sum(player_games.fg3m)::integer as fg3m,
    sum(player_games.fg3a)::integer as fg3a,
    sum(player_games.ftm)::integer as ftm,
    sum(player_games.fta)::integer as fta,
    sum(player_games.oreb)::integer as oreb,
    sum(player_games.dreb)::integer as dreb,
    sum(player_games.ast)::integer as ast,
    sum(player_games.tov)::integer as tov,
    sum(player_games.stl)::integer as stl,
    sum(player_games.blk)::integer as blk,
    sum(player_games.pf)::integer as pf,
    sum(player_games.plus_minus)::integer as plus_minus
from player_games
inner join games on player_games.game_id = games.game_id
group by player_games.player_id, games.season, games.season_type
having sum(case when player_games.has_played then 1 else 0 end) > 0
