-- Grain: one row per game, shooter and range.
-- By how much he beat what place and clock tell of his shots.
{{ incremental_by_game(
    ['game_id', 'player_id', 'shot_range'], versions='int_game_scoring_versions'
) }}

with changed_games as (
    {{ changed_games(ref('int_game_scoring_versions')) }}
),

rated as (
    select * from ({{ shots_rated(['place']) }}) as every_shot
    where rated_probability is not null and player_id is not null
)

select
    game_id,
    utc_date,
    player_id,
    shot_range,
    {{ residual_sums() }}
from rated
group by game_id, utc_date, player_id, shot_range
