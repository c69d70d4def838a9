-- Grain: one row per game, shooter and range he shot from in it.
-- How much likelier he makes such shots than the league, on the logit, from games that ended before this one.
{{ incremental_by_game(
    ['game_id', 'player_id', 'shot_range'], versions='int_game_scoring_versions'
) }}

with changed_games as (
    {{ changed_games(ref('int_game_scoring_versions')) }}
),

residuals as (
    select * from {{ ref('int_shot_shooter_residuals') }}
),

-- whoever shoots in a game that is new or changed
shooters as (
    select distinct residuals.player_id
    from residuals
    inner join changed_games on residuals.game_id = changed_games.game_id
),

known as (
    select
        residuals.game_id,
        residuals.player_id,
        residuals.shot_range,
        {{ logit_adjustment('known_games', var('expected_points_shooter_weight')) }} as adjustment
    from residuals
    inner join shooters on residuals.player_id = shooters.player_id
    window known_games as (
        partition by residuals.player_id, residuals.shot_range
        order by residuals.utc_date
        {{ known_days(var('expected_points_shooter_days')) }}
    )
)

select known.*
from known
inner join changed_games on known.game_id = changed_games.game_id
