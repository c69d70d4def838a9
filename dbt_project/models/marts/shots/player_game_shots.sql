-- Grain: one row per player, game, kind of shot and phase of the game he shot in.
-- Sums over his shots, all that a model needs which is linear in what is known of a shot: cells of a game add up to any coarser
-- ones. Every sum is of decimals or whole numbers and so exact, in whatever order it was made.
{{ incremental_by_game(versions='int_game_valuation_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_valuation_versions')) }}
),

games as (
    select games.*
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
),

shots as (
    select
        shots.shot_id,
        shots.game_id,
        shots.order_number,
        shots.player_id,
        shots.team_id,
        games.season,
        shots.shot_type as shot_kind,
        case
            when shots.is_clutch and shots.period <= 4 then 'clutch'
            when shots.is_clutch then 'clutch_overtime'
            when shots.period < 4 then 'early'
            when shots.period = 4 then 'fourth'
            else 'overtime'
        end as phase,
        shots.is_clutch,
        shots.is_made,
        shots.points_scored,
        shots.expected_points,
        shots.average_expected_points,
        shots.points_scored - shots.average_expected_points as residual
    from {{ ref('expected_points') }} as shots
    inner join games on shots.game_id = games.game_id
    where
        shots.player_id is not null
        and shots.average_expected_points is not null
        -- it counts for the team and not for the shooter
        and shots.shot_type <> 'heave'
),

leverages as (
    select
        win_probability.game_id,
        win_probability.order_number,
        win_probability.leverage::numeric(7, 6) as leverage
    from {{ ref('win_probability') }} as win_probability
    inner join changed_games on win_probability.game_id = changed_games.game_id
    where win_probability.is_clutch
),

-- what was at stake, and by how much his team led
clutch_moments as (
    select
        shots.shot_id,
        leverages.leverage,
        actions.score_margin
    from shots
    inner join leverages
        on
            shots.game_id = leverages.game_id
            and shots.order_number = leverages.order_number
    inner join {{ ref('clutch_player_actions') }} as actions on shots.shot_id = actions.action_id
    where shots.is_clutch
)

select
    shots.player_id,
    shots.game_id,
    shots.shot_kind,
    shots.phase,
    shots.season,
    max(shots.team_id) as team_id,
    shots.is_clutch,
    count(*)::integer as attempts,
    sum(case when shots.is_made then 1 else 0 end)::integer as makes,
    sum(shots.points_scored)::integer as points_scored,
    sum(shots.expected_points)::numeric(10, 4) as expected_points,
    sum(shots.average_expected_points)::numeric(10, 4) as average_expected_points,
    sum(shots.residual * shots.residual)::numeric(14, 8) as residual_squares,
    coalesce(sum(moments.leverage), 0)::numeric(12, 6) as leverage_sum,
    coalesce(sum(moments.leverage * moments.leverage), 0)::numeric(18, 12) as leverage_squares,
    coalesce(sum(moments.leverage * shots.residual), 0)::numeric(16, 10) as leverage_residuals,
    coalesce(sum(moments.score_margin), 0)::integer as margin_sum,
    coalesce(sum(moments.score_margin * moments.score_margin), 0)::integer as margin_squares,
    coalesce(sum(moments.score_margin * shots.residual), 0)::numeric(12, 4) as margin_residuals,
    coalesce(sum(moments.leverage * moments.score_margin), 0)::numeric(14, 6)
        as leverage_margin_products
from shots
left join clutch_moments as moments on shots.shot_id = moments.shot_id
group by
    shots.player_id, shots.game_id, shots.shot_kind, shots.phase, shots.season, shots.is_clutch
