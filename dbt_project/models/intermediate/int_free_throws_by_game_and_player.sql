-- Grain: one row per game and player who shot a free throw.
{{ incremental_by_game(['game_id', 'player_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

free_throws as (
    select actions.*
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.action_type = 'freethrow' and actions.player_id is not null
)

select
    game_id,
    player_id,
    count(*)::integer as attempts,
    sum(case when is_made then 1 else 0 end)::integer as makes
from free_throws
group by game_id, player_id
