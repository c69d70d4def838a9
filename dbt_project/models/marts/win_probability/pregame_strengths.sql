-- Grain: one row per dated game that has been loaded.
select
    game_id,
    home_rating,
    away_rating,
    home_edge_points,
    home_games_before,
    away_games_before,
    home_rest_days,
    away_rest_days,
    is_home_back_to_back,
    is_away_back_to_back
from {{ ref('int_pregame_strengths') }}
where not is_upcoming
