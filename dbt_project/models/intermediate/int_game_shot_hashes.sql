-- Grain: one row per game with a shot.
-- What later games may learn from this one, as a hash: a correction that leaves every shot as it was is none to them.
{{ incremental_by_game(['game_id']) }}

with changed_games as (
    {{ changed_games(ref('stg_nba__game_versions')) }}
),

shots as (
    select shots.*
    from {{ ref('int_shots') }} as shots
    inner join changed_games on shots.game_id = changed_games.game_id
)

select
    game_id,
    utc_date,
    is_counted,
    -- any change of the SQL comes with a new version of every game and is hashed with it
    md5({{ joined_text(
        "concat_ws(':', order_number, shot_value, half_feet, angle_cell, clock_cell, player_id, is_made)",
        'order_number'
    ) }}) as shots_hash
from shots
group by game_id, utc_date, is_counted
