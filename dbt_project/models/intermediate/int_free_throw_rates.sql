-- Grain: one row per game and player who shot a free throw in it.
-- His make rate from games that ended before this one, pulled to the league's where attempts are few.
{{ config(indexes=[{'columns': ['game_id', 'player_id'], 'unique': true}]) }}

with games as (
    select * from {{ ref('int_games_described') }}
),

free_throws as (
    select * from {{ ref('int_free_throws_by_game_and_player') }}
),

dated as (
    select
        free_throws.*,
        games.utc_date
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
