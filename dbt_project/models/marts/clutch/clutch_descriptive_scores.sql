-- Grain: one row per player, game and stretch of clutch time in which he was credited with an action.
-- The play-by-play half of clutch_performance_scores, with the descriptive score of the data contract. One stretch has few
-- actions: the score says what happened in it, not how good the player is.
{{ refilled_table() }}

with actions as (
    select * from {{ ref('clutch_player_actions') }}
),

games as (
    select * from {{ ref('games') }}
),

versions as (
    select * from {{ ref('stg_nba__game_versions') }}
),

totals as (
    select
        player_id,
        game_id,
        situation_id,
        count(*)::integer as actions_total,
        sum(case when is_successful then 1 else 0 end)::integer as actions_successful,
        sum(points_scored)::integer as points_scored,
        -- only shots have an expectation; what a player did without one adds nothing to either side
        coalesce(sum(expected_points), 0)::numeric(8, 4) as expected_points,
        coalesce(sum(points_scored - expected_points), 0)::numeric(8, 4) as points_over_expected,
        -- in one order: a sum of floats in another differs in its last digits
        sum(win_probability_added order by action_id) as win_probability_added
    from actions
    group by player_id, game_id, situation_id
),

rated as (
    select
        *,
        (actions_successful / actions_total::numeric)::numeric(5, 4) as success_rate,
        (
            40 * (actions_successful / actions_total::numeric)
            + 4 * least(greatest(points_over_expected + 5, 0), 10)
            + least(20, 2 * actions_total)
        )::numeric(5, 2) as clutch_score
    from totals
),

season_games as (
    select
        rated.player_id,
        games.season,
        count(distinct rated.game_id) as clutch_games
    from rated
    inner join games on rated.game_id = games.game_id
    where games.is_final or {{ var('include_live_games') }}
    group by rated.player_id, games.season
),

qualified as (
    select
        rated.player_id,
        rated.game_id,
        rated.situation_id,
        100 * percent_rank() over (
            partition by games.season order by rated.clutch_score
        ) as clutch_percentile
    from rated
    inner join games on rated.game_id = games.game_id
    inner join season_games
        on rated.player_id = season_games.player_id and games.season = season_games.season
    where
        (games.is_final or {{ var('include_live_games') }})
        and season_games.clutch_games >= {{ var('clutch_min_games') }}
)

select
    rated.player_id,
    rated.game_id,
    rated.situation_id,
    rated.actions_total,
    rated.actions_successful,
    rated.success_rate,
    rated.points_scored,
    rated.expected_points,
    rated.points_over_expected,
    rated.clutch_score,
    qualified.clutch_percentile::numeric(5, 2) as clutch_percentile,
    rated.win_probability_added,
    'descriptive_v1' as calculation_method,
    versions.fetched_at as updated_at
from rated
inner join versions on rated.game_id = versions.game_id
left join qualified
    on
        rated.player_id = qualified.player_id
        and rated.game_id = qualified.game_id
        and rated.situation_id = qualified.situation_id
