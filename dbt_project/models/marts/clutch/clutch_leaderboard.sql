-- Grain: one row per player and season, all finished games (var include_live_games: also those in progress).
{{ config(materialized='view') }}
{{ with_readers_rights() }}

with scores as (
    select * from {{ ref('clutch_performance_scores') }}
),

games as (
    select * from {{ ref('games') }}
    where is_final or {{ var('include_live_games') }}
),

players as (
    select * from {{ ref('players') }}
),

seasons as (
    select
        scores.player_id,
        games.season,
        count(distinct scores.game_id)::integer as total_clutch_games,
        avg(scores.clutch_score)::numeric(5, 2) as avg_clutch_score,
        sum(scores.points_scored)::integer as points_scored,
        sum(scores.points_over_expected)::numeric(8, 4) as points_over_expected,
        sum(scores.win_probability_added order by scores.game_id, scores.situation_id)
            as win_probability_added
    from scores
    inner join games on scores.game_id = games.game_id
    group by scores.player_id, games.season
),

-- each game counts once, however many stretches of clutch time it had
recoveries as (
    select
        player_id,
        season,
        count(recovery_score_pregame)::integer as recovery_games,
        avg(recovery_score_pregame) as avg_recovery_score
    from (
        select distinct
            scores.player_id,
            scores.game_id,
            games.season,
            scores.recovery_score_pregame
        from scores
        inner join games on scores.game_id = games.game_id
    ) as player_games
    group by player_id, season
),

ranked as (
    select
        player_id,
        season,
        (100 * percent_rank() over (partition by season order by avg_clutch_score))::numeric(5, 2)
            as clutch_percentile
    from seasons
    where total_clutch_games >= {{ var('clutch_min_games') }}
)

select
    seasons.player_id,
    seasons.season,
    players.full_name,
    seasons.total_clutch_games,
    seasons.avg_clutch_score,
    ranked.clutch_percentile,
    seasons.points_scored,
    seasons.points_over_expected,
    seasons.win_probability_added,
    recoveries.avg_recovery_score,
    recoveries.recovery_games
from seasons
inner join players on seasons.player_id = players.player_id
left join recoveries
    on seasons.player_id = recoveries.player_id and seasons.season = recoveries.season
left join ranked
    on seasons.player_id = ranked.player_id and seasons.season = ranked.season
