-- Grain: one row per player on the box score of a game, whether he played or not; from either service.
{{ incremental_by_game(['game_id', 'player_id']) }}

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
),

sides as (
    select
        game_id,
        {{ json_path('game', ['homeTeam']) }} as team
    from boxscores
    union all
    select
        game_id,
        {{ json_path('game', ['awayTeam']) }} as team
    from boxscores
),

players as (
    select
        sides.game_id,
        {{ json_text('sides.team', 'teamId') }} as team_id,
        player.value
    from sides
    {{ json_each(json_path('sides.team', ['players']), 'player') }}
)

select
    game_id,
    team_id,
    {{ json_text('value', 'personId') }} as player_id,
    coalesce(
        {{ json_text('value', 'name') }},
        {{ json_text('value', 'firstName') }} || ' ' || {{ json_text('value', 'familyName') }}
    ) as full_name,
    -- the stats service sends an empty text for those who did not start
    nullif({{ json_text('value', 'position') }}, '') as position,
    coalesce(
        {{ json_text('value', 'starter') }} = '1',
        {{ json_text('value', 'position') }} <> '',
        false
    ) as is_starter,
    coalesce(
        {{ json_text('value', 'played') }} = '1',
        {{ json_path_text('value', ['statistics', 'minutes']) }} <> '',
        false
    ) as has_played,
    {{ played_seconds(json_path_text('value', ['statistics', 'minutes'])) }} as played_seconds,
    {{ json_path_text('value', ['statistics', 'points']) }}::integer as points,
    {{ json_path_text('value', ['statistics', 'fieldGoalsMade']) }}::integer as field_goals_made,
    {{ json_path_text('value', ['statistics', 'fieldGoalsAttempted']) }}::integer
        as field_goals_attempted,
    {{ json_path_text('value', ['statistics', 'threePointersMade']) }}::integer
        as three_pointers_made,
    {{ json_path_text('value', ['statistics', 'threePointersAttempted']) }}::integer
        as three_pointers_attempted,
    {{ json_path_text('value', ['statistics', 'freeThrowsMade']) }}::integer as free_throws_made,
    {{ json_path_text('value', ['statistics', 'freeThrowsAttempted']) }}::integer
        as free_throws_attempted,
    {{ json_path_text('value', ['statistics', 'reboundsOffensive']) }}::integer
        as offensive_rebounds,
    {{ json_path_text('value', ['statistics', 'reboundsDefensive']) }}::integer
        as defensive_rebounds,
    {{ json_path_text('value', ['statistics', 'assists']) }}::integer as assists,
    {{ json_path_text('value', ['statistics', 'turnovers']) }}::integer as turnovers,
    {{ json_path_text('value', ['statistics', 'steals']) }}::integer as steals,
    {{ json_path_text('value', ['statistics', 'blocks']) }}::integer as blocks,
    {{ json_path_text('value', ['statistics', 'foulsPersonal']) }}::integer as personal_fouls,
    {{ json_path_text('value', ['statistics', 'plusMinusPoints']) }}::float8 as plus_minus_points
from players
