-- Grain: one row per game: the longest stretches of playing time without an action, and how long the game took.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

periods as (
    select
        actions.game_id,
        actions.period,
        max(actions.elapsed_hundredths) as longest_hundredths,
        -- what is left of the period when its actions end
        case when actions.period <= 4 then 72000 else 30000 end - sum(actions.elapsed_hundredths)
            as left_hundredths,
        min(actions.action_timestamp) as first_at,
        max(actions.action_timestamp) as last_at
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    group by actions.game_id, actions.period
)

select
    game_id,
    (max(longest_hundredths) / 100::numeric)::numeric(8, 2) as longest_gap_seconds,
    (max(left_hundredths) / 100::numeric)::numeric(8, 2) as longest_left_seconds,
    (extract(epoch from max(last_at) - min(first_at)) / 60)::numeric(8, 1) as duration_minutes
from periods
group by game_id
