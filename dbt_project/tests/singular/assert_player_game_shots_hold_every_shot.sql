-- Of every game the cells together have each shot once, with its points, its expectation and, in clutch time, its leverage and lead.
with shots as (
    select
        shots.game_id,
        count(*) as attempts,
        sum(shots.points_scored) as points_scored,
        sum(shots.average_expected_points) as average_expected_points,
        sum(case when shots.is_clutch then 1 else 0 end) as clutch_attempts,
        coalesce(sum(
            case when shots.is_clutch then win_probability.leverage::numeric(7, 6) end
        ), 0) as leverage_sum,
        coalesce(sum(case
            when not shots.is_clutch then 0
            when shots.team_id = games.home_team_id
                then actions.score_home_before - actions.score_away_before
            else actions.score_away_before - actions.score_home_before
        end), 0) as margin_sum
    from {{ ref('expected_points') }} as shots
    left join {{ ref('games') }} as games on shots.game_id = games.game_id
    left join {{ ref('win_probability') }} as win_probability
        on
            shots.game_id = win_probability.game_id
            and shots.order_number = win_probability.order_number
    left join {{ ref('int_actions_sequenced') }} as actions
        on shots.game_id = actions.game_id and shots.order_number = actions.order_number
    where
        shots.player_id is not null
        and shots.average_expected_points is not null
        and shots.shot_type <> 'heave'
    group by shots.game_id
),

cells as (
    select
        game_id,
        sum(attempts) as attempts,
        sum(points_scored) as points_scored,
        sum(average_expected_points) as average_expected_points,
        sum(case when is_clutch then attempts else 0 end) as clutch_attempts,
        sum(leverage_sum) as leverage_sum,
        sum(margin_sum) as margin_sum
    from {{ ref('player_game_shots') }}
    group by game_id
)

select coalesce(shots.game_id, cells.game_id) as game_id
from shots
full outer join cells on shots.game_id = cells.game_id
where
    shots.attempts is distinct from cells.attempts
    or shots.points_scored is distinct from cells.points_scored
    or shots.average_expected_points is distinct from cells.average_expected_points
    or shots.clutch_attempts is distinct from cells.clutch_attempts
    or shots.leverage_sum is distinct from cells.leverage_sum
    or shots.margin_sum is distinct from cells.margin_sum
