-- Grain: one row per pair of actions whose wall clocks stand in the wrong order.
-- A table of its own because the planner takes such a join for billions of rows; what reads it needs the true, small number.
{{ incremental_by_game(['game_id', 'earlier_order_number', 'later_order_number']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

plausible as (
    select
        actions.game_id,
        actions.order_number,
        actions.recorded_at
    from {{ ref('stg_nba__actions') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    left join {{ ref('int_game_time_limits') }} as limits on actions.game_id = limits.game_id
    where
        limits.game_id is null
        or actions.recorded_at between limits.earliest_at and limits.latest_at
),

sequenced as (
    select
        *,
        max(recorded_at) over (
            partition by game_id order by order_number
        ) as latest_at
    from plausible
)

select
    later.game_id,
    earlier.order_number as earlier_order_number,
    later.order_number as later_order_number
from sequenced as later
inner join sequenced as earlier
    on
        later.game_id = earlier.game_id
        and later.order_number > earlier.order_number
        and later.recorded_at < earlier.recorded_at
-- tells at once the few rows that have such a partner before them
where later.recorded_at < later.latest_at
