-- Grain: one row per player and season with a clutch game: how well his games tell his season's average.
-- Exact decimals up to the last step: floating sums depend on the order of rows.
-- Games scatter around a player's level, players around the league's (docs/methods/clutch_score_reliability.md).
{{ config(materialized='view') }}

with scores as (
    select * from {{ ref('clutch_descriptive_scores') }}
),

games as (
    select * from {{ ref('games') }}
    where is_final or {{ var('include_live_games') }}
),

-- stretches of one game are not independent: a game is one observation
player_games as (
    select
        scores.player_id,
        games.season,
        scores.game_id,
        avg(scores.clutch_score) as mean_score,
        sum(scores.clutch_score) as total_score,
        count(*) as stretches
    from scores
    inner join games on scores.game_id = games.game_id
    -- as on the leaderboard: a coach with a technical foul is no player
    inner join {{ ref('players') }} as known_players on scores.player_id = known_players.player_id
    group by scores.player_id, games.season, scores.game_id
),

players as (
    select
        player_id,
        season,
        count(*)::integer as clutch_games,
        sum(total_score) / sum(stretches) as avg_clutch_score,
        avg(mean_score) as mean_of_games,
        var_samp(mean_score) as variance_of_games
    from player_games
    group by player_id, season
),

-- of all players together: one player's few games say little about how much games scatter
within_players as (
    select
        season,
        sum((clutch_games - 1) * variance_of_games) / sum(clutch_games - 1) as variance
    from players
    where clutch_games > 1
    group by season
),

between_players as (
    select
        players.season,
        avg(players.mean_of_games) as mean_score,
        greatest(
            var_samp(players.mean_of_games)
            - avg(within_players.variance / players.clutch_games),
            0
        ) as variance
    from players
    inner join within_players on players.season = within_players.season
    where players.clutch_games >= {{ var('clutch_min_games') }}
    group by players.season
),

judged as (
    select
        players.player_id,
        players.season,
        players.clutch_games,
        players.avg_clutch_score::float8 as avg_clutch_score,
        between_players.mean_score::float8 as league_mean,
        sqrt((within_players.variance / players.clutch_games)::float8) as standard_error,
        (
            between_players.variance / nullif(
                between_players.variance + within_players.variance / players.clutch_games, 0
            )
        )::float8 as reliability
    from players
    left join within_players on players.season = within_players.season
    left join between_players on players.season = between_players.season
)

select
    player_id,
    season,
    clutch_games,
    avg_clutch_score,
    standard_error,
    avg_clutch_score - {{ var('normal_quantile_95') }} * standard_error as lower_90,
    avg_clutch_score + {{ var('normal_quantile_95') }} * standard_error as upper_90,
    reliability,
    league_mean + reliability * (avg_clutch_score - league_mean) as expected_clutch_score
from judged
