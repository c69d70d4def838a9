-- Grain: one row per game and cell of direction or clock.
-- By how much the shots of the cell beat the rate of their distance.
{{ incremental_by_game(['game_id', 'cell'], versions='int_game_scoring_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_scoring_versions')) }}
),

rated as (
    select * from ({{ shots_rated() }}) as every_shot
    where rated_probability is not null
),

cells as (
    select
        game_id,
        utc_date,
        angle_cell as cell,
        {{ residual_sums() }}
    from rated
    where angle_cell is not null
    group by game_id, utc_date, angle_cell
    union all
    select
        game_id,
        utc_date,
        clock_cell as cell,
        {{ residual_sums() }}
    from rated
    group by game_id, utc_date, clock_cell
)

select * from cells
