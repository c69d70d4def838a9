-- Grain: one row per unbroken stay of a player on the floor.
-- Who begins stands in int_period_starters, everybody else comes from substitutions. A player is on the floor for an
-- action when order_number_in < the action's order number <= order_number_out.
{{ incremental_by_game(['game_id', 'player_id', 'order_number_in']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

-- The live data record substitutions between periods: there a stay runs on. Elsewhere it ends with the period.
period_bounds as (
    select
        actions.game_id,
        actions.period,
        min(actions.order_number) - 1 as order_number_start,
        max(actions.order_number) as order_number_end
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    inner join {{ ref('stg_nba__game_versions') }} as versions
        on actions.game_id = versions.game_id
    where versions.playbyplay_resource <> 'playbyplay'
    group by actions.game_id, actions.period
),

starters as (
    select
        starters.game_id,
        starters.team_id,
        starters.player_id,
        starters.period,
        case when starters.period = 1 then -1 else period_bounds.order_number_start end
            as order_number,
        'in' as direction
    from {{ ref('int_period_starters') }} as starters
    inner join changed_games on starters.game_id = changed_games.game_id
    left join period_bounds
        on
            starters.game_id = period_bounds.game_id
            and starters.period = period_bounds.period
),

substitutions as (
    select
        actions.game_id,
        actions.team_id,
        actions.player_id,
        actions.period,
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

bounded as (
    select
        moves.*,
        period_bounds.order_number_end,
        case when period_bounds.game_id is null then 0 else moves.period end as segment
    from moves
    left join period_bounds
        on moves.game_id = period_bounds.game_id and moves.period = period_bounds.period
),

paired as (
    select
        *,
        lead(order_number) over (
            partition by game_id, player_id, segment order by order_number
        ) as next_order_number
    from bounded
)

select
    game_id,
    team_id,
    player_id,
    order_number as order_number_in,
    -- whoever is on the floor at the end stays to the last action
    coalesce(next_order_number, order_number_end, 2147483647) as order_number_out
from paired
where direction = 'in'
