-- Grain: one row per game and player who shot a free throw in it.
-- His make rate from games that ended before this one, pulled to the league's where attempts are few.
{{ config(indexes=[{'columns': ['game_id', 'player_id'], 'unique': true}]) }}

with games as (
    select
        game_id,
        utc_date,
        is_final or {{ var('include_live_games') }} as is_counted
    from {{ ref('int_games_described') }}
    -- without a date nobody can tell what came before
    where utc_date is not null
),

free_throws as (
    select * from {{ ref('int_free_throws_by_game_and_player') }}
),

dated as (
    select
        free_throws.game_id,
        free_throws.player_id,
        games.utc_date,
        -- a game in progress has the rates of its shooters, it adds nothing to them
        case when games.is_counted then free_throws.attempts else 0 end as attempts,
        case when games.is_counted then free_throws.makes else 0 end as makes
    from free_throws
    inner join games on free_throws.game_id = games.game_id
),

counted as (
    select
        game_id,
        player_id,
        coalesce(sum(attempts) over known_games, 0) as attempts_before,
        coalesce(sum(makes) over known_games, 0) as makes_before
    from dated
    window known_games as (
        partition by player_id
        order by utc_date
        range between unbounded preceding
        and interval '{{ var("expected_points_lag_days") }} days' preceding
    )
)

select
    *,
    (
        (makes_before + {{ var('free_throw_prior_attempts') }} * {{ var('free_throw_prior_rate') }})
        / (attempts_before + {{ var('free_throw_prior_attempts') }})
    )::numeric(6, 5) as make_rate
from counted
