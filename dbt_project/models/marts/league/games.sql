-- Grain: one row per game that has a play-by-play.
{{ refilled_table() }}

select
    game_id,
    season,
    season_type,
    game_date,
    tipoff_at,
    arena_timezone,
    arena_name,
    arena_city,
    home_team_id,
    away_team_id,
    home_score::integer as home_score,
    away_score::integer as away_score,
    periods::integer as periods,
    playoff_game,
    is_final
from {{ ref('int_games_described') }}
