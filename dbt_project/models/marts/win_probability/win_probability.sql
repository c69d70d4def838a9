-- Grain: one row per play-by-play action.
-- The home side's probability of winning after the action, what the action added, and how much was at stake before it
-- (docs/methods/win_probability.md). Scored with the newest coefficients that were in force when the game was played.
{{ incremental_by_game(versions='int_game_strength_versions') }}

with changed_games as (
    {{ changed_games(ref('int_game_strength_versions')) }}
),

models as (
    select * from {{ ref('win_probability_coefficients') }}
),

games as (
    select
        games.game_id,
        games.is_final,
        games.home_score > games.away_score as is_home_ahead,
        coalesce(games.playoff_game, false) as is_playoff,
        coalesce(strengths.home_rating - strengths.away_rating, 0)::float8 as rating_difference,
        coalesce(
            strengths.home_edge_points, {{ var('home_edge_prior_points') }}
        )::float8 as home_edge_points,
        coalesce(strengths.is_home_back_to_back, false) as is_home_back_to_back,
        coalesce(strengths.is_away_back_to_back, false) as is_away_back_to_back,
        (
            select max(models.valid_from) from models
            where models.valid_from <= coalesce(games.game_date, date '1946-01-01')
        ) as model_valid_from
    from {{ ref('int_games_described') }} as games
    inner join changed_games on games.game_id = changed_games.game_id
    left join {{ ref('int_pregame_strengths') }} as strengths on games.game_id = strengths.game_id
),

game_models as (
    select
        models.*,
        games.game_id,
        models.rating * games.rating_difference
        + models.home * games.home_edge_points
        + models.home_back_to_back
        * case when games.is_home_back_to_back then 1 else 0 end::float8
        + models.away_back_to_back
        * case when games.is_away_back_to_back then 1 else 0 end::float8
        + models.playoff * case when games.is_playoff then 1 else 0 end::float8 as strength
    from games
    inner join models on games.model_valid_from = models.valid_from
),

states as (
    select
        game_id,
        order_number,
        action_number,
        action_timestamp,
        period,
        seconds_remaining,
        is_over,
        is_clutch,
        home_margin,
        seconds_left::float8 as seconds_left,
        is_overtime,
        ball_side,
        is_loose_after_shot,
        is_loose_after_free_throw,
        home_pending_free_throws
    from {{ ref('game_states') }}
    where game_id in (select changed_games.game_id from changed_games)
    union all
    -- before the first action: the whole game is left and nobody has the ball
    select
        game_id,
        -1 as order_number,
        null as action_number,
        null as action_timestamp,
        0 as period,
        720 as seconds_remaining,
        false as is_over,
        false as is_clutch,
        0 as home_margin,
        2880 as seconds_left,
        false as is_overtime,
        0 as ball_side,
        false as is_loose_after_shot,
        false as is_loose_after_free_throw,
        0 as home_pending_free_throws
    from games
),

terms as (
    select
        states.game_id,
        states.order_number,
        states.action_number,
        states.action_timestamp,
        states.period,
        states.seconds_remaining,
        states.is_over,
        states.is_clutch,
        states.home_margin,
        model.model_version,
        model.step_1,
        model.step_2,
        model.step_3,
        {{ fading('step_seconds') }} as step_fade,
        {{ expected_lead_beyond_margin() }} as lead_beyond_margin,
        {{ spread_of_lead() }} as spread
    from states
    inner join game_models as model on states.game_id = model.game_id
    {{ computed_once() }}
),

standardised as (
    select
        terms.*,
        {{ standardised_lead('terms.home_margin') }} as lead_in_spreads,
        {{ standardised_lead('(terms.home_margin + 3)') }} as lead_after_home_three,
        {{ standardised_lead('(terms.home_margin - 3)') }} as lead_after_away_three
    from terms
    {{ computed_once() }}
),

probable as (
    select
        game_id,
        order_number,
        action_number,
        action_timestamp,
        period,
        seconds_remaining,
        is_clutch,
        home_margin,
        model_version,
        case
            when is_over and home_margin > 0 then 1::float8
            when is_over and home_margin < 0 then 0::float8
            else {{ normal_probability('lead_in_spreads') }}
        end as home_win_probability,
        case
            when is_over then 0::float8
            else
                {{ normal_probability('lead_after_home_three') }}
                - {{ normal_probability('lead_after_away_three') }}
        end as leverage_after
    from standardised
    {{ computed_once() }}
),

sequenced as (
    select
        *,
        lag(home_win_probability) over game_so_far as home_win_probability_before,
        lag(leverage_after) over game_so_far as leverage
    from probable
    window game_so_far as (partition by game_id order by period, order_number)
)

select
    game_id,
    order_number,
    action_number,
    action_timestamp,
    period,
    seconds_remaining,
    home_margin,
    is_clutch,
    home_win_probability_before,
    home_win_probability,
    1::float8 - home_win_probability as away_win_probability,
    home_win_probability - home_win_probability_before as home_win_probability_added,
    leverage,
    model_version
from sequenced
where order_number >= 0
