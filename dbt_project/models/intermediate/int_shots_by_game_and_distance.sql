-- Grain: one row per game, shot value and distance in half feet: what was tried and made.
-- The small change from which rates are counted.
{{ incremental_by_game(['game_id', 'shot_value', 'half_feet']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

shots as (
    select shots.*
    from {{ ref('int_shots') }} as shots
    inner join changed_games on shots.game_id = changed_games.game_id
    -- without a date nobody can tell what came before
    where shots.half_feet is not null and shots.utc_date is not null
)

select
    game_id,
    utc_date,
    shot_value,
    half_feet,
    -- a game in progress has the rates of its distances, it adds nothing to them
    sum(case when is_counted then 1 else 0 end)::integer as attempts,
    sum(case when is_counted and is_made then 1 else 0 end)::integer as makes
from shots
group by game_id, utc_date, shot_value, half_feet
