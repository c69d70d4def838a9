-- Grain: one row per unbroken stay of a player on the floor.
-- Starters come from the box score, everybody else from substitutions. A player is on the floor for an action
-- when order_number_in < the action's order number <= order_number_out.
{{ incremental_by_game(['game_id', 'player_id', 'order_number_in']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

starters as (
    select
        players.game_id,
        players.team_id,
        players.player_id,
        -1 as order_number,
        'in' as direction
    from {{ ref('stg_nba__box_score_players') }} as players
    inner join changed_games on players.game_id = changed_games.game_id
    where players.is_starter
),

substitutions as (
    select
        actions.game_id,
        actions.team_id,
        actions.player_id,
        actions.order_number,
        actions.action_subtype as direction
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where actions.action_type = 'substitution' and actions.player_id is not null
),

moves as (
    select * from starters
    union all
    select * from substitutions
),

paired as (
    select
        *,
        lead(order_number) over (
            partition by game_id, player_id order by order_number
        ) as next_order_number
    from moves
)

select
    game_id,
    team_id,
    player_id,
    order_number as order_number_in,
    -- whoever is on the floor at the end stays to the last action
    coalesce(next_order_number, 2147483647) as order_number_out
from paired
where direction = 'in'
