-- Grain: one row per player, finished game and stretch of clutch time (var include_live_games: also games in progress).
-- What the leaderboard adds up, beside season and date: the semantic layer needs the time of a figure in the relation of the figure.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

select
    scores.player_id,
    scores.game_id,
    scores.situation_id,
    games.season,
    games.season_type,
    games.playoff_game,
    games.game_date,
    scores.actions_total,
    scores.actions_successful,
    scores.points_scored,
    scores.expected_points,
    scores.points_over_expected,
    scores.clutch_score,
    scores.win_probability_added,
    scores.recovery_score_pregame,
    scores.has_wearables_data
from {{ ref('clutch_performance_scores') }} as scores
inner join {{ ref('games') }} as games on scores.game_id = games.game_id
where games.is_final or {{ var('include_live_games') }}
