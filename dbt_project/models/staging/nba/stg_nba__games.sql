-- Grain: one row per game that has a box score, as it tells the game. That of the stats service knows no time and place.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

boxscores as (
    select
        boxscores.game_id,
        {{ json_path('boxscores.payload', ['game']) }} as game
    from {{ ref('stg_nba__boxscore_versions') }} as boxscores
    inner join changed_games on boxscores.game_id = changed_games.game_id
    union all
    select
        boxscores.game_id,
        {{ json_path('boxscores.payload', ['boxScoreTraditional']) }} as game
    from {{ ref('stg_nba__boxscoretraditionalv3_versions') }} as boxscores
    inner join changed_games on boxscores.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions
        on boxscores.game_id = versions.game_id
    where versions.boxscore_resource = 'boxscoretraditionalv3'
)

select
    game_id,
    substr(game_id, 3, 1)::integer as season_type_digit,
    substr(game_id, 4, 2)::integer as season_digits,
    {{ utc_timestamp(json_text('game', 'gameTimeUTC')) }} as tipoff_at,
    {{ json_text('game', 'gameStatus') }}::integer as game_status,
    {{ safe_integer(json_text('game', 'duration')) }} as duration_minutes,
    {{ safe_integer(json_text('game', 'attendance')) }} as attendance,
    {{ json_path_text('game', ['arena', 'arenaName']) }} as arena_name,
    {{ json_path_text('game', ['arena', 'arenaCity']) }} as arena_city,
    {{ json_path_text('game', ['arena', 'arenaTimezone']) }} as arena_timezone,
    {{ json_path_text('game', ['homeTeam', 'teamId']) }} as home_team_id,
    {{ json_path_text('game', ['homeTeam', 'teamTricode']) }} as home_tricode,
    {{ json_path_text('game', ['homeTeam', 'teamCity']) }} as home_city,
    {{ json_path_text('game', ['homeTeam', 'teamName']) }} as home_name,
    coalesce(
        {{ json_path_text('game', ['homeTeam', 'score']) }},
        {{ json_path_text('game', ['homeTeam', 'statistics', 'points']) }}
    )::integer as home_score,
    {{ json_path_text('game', ['awayTeam', 'teamId']) }} as away_team_id,
    {{ json_path_text('game', ['awayTeam', 'teamTricode']) }} as away_tricode,
    {{ json_path_text('game', ['awayTeam', 'teamCity']) }} as away_city,
    {{ json_path_text('game', ['awayTeam', 'teamName']) }} as away_name,
    coalesce(
        {{ json_path_text('game', ['awayTeam', 'score']) }},
        {{ json_path_text('game', ['awayTeam', 'statistics', 'points']) }}
    )::integer as away_score
from boxscores
