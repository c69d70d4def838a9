-- Grain: one row per game and cell of the moment: range, and whether the game comes to its end.
-- By how much its shots beat what place, clock and shooters tell.
{{ incremental_by_game(['game_id', 'cell'], versions='int_game_scoring_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_scoring_versions')) }}
),

rated as (
    select * from ({{ shots_rated(['place', 'shooter']) }}) as every_shot
    where rated_probability is not null
)

select
    game_id,
    utc_date,
    moment_cell as cell,
    {{ residual_sums() }}
from rated
group by game_id, utc_date, moment_cell
