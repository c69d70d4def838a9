-- Grain: one row per game, shot value and distance in whole feet: what was tried and made.
-- The small change from which expected points are counted; 35 stands for 35 feet and more.
{{ incremental_by_game(['game_id', 'shot_value', 'distance_feet']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

shots as (
    select
        actions.game_id,
        actions.is_made,
        case when actions.action_type = '3pt' then 3 else 2 end as shot_value,
        least(floor(actions.shot_distance_feet)::integer, 35) as distance_feet
    from {{ ref('int_actions_sequenced') }} as actions
    inner join changed_games on actions.game_id = changed_games.game_id
    where
        actions.action_type in ('2pt', '3pt')
        and actions.shot_distance_feet is not null
)

select
    game_id,
    shot_value,
    distance_feet,
    count(*)::integer as attempts,
    sum(case when is_made then 1 else 0 end)::integer as makes
from shots
group by game_id, shot_value, distance_feet
