-- Grain: one row per game and player who stands on both teams, in play-by-play and box score together.
{{ incremental_by_game(['game_id', 'player_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

sides as (
    select
        actions.game_id,
        actions.player_id,
        actions.team_id
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    union all
    select
        players.game_id,
        players.player_id,
        players.team_id
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join changed_games on players.game_id = changed_games.game_id
)

select
    game_id,
    player_id,
    min(team_id) as first_team_id,
    max(team_id) as second_team_id
from sides
where player_id is not null and team_id is not null
group by game_id, player_id
having min(team_id) <> max(team_id)
