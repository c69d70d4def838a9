-- Grain: one row per player, game and stretch of clutch time in which he was credited with an action.
-- What he did beside what was known of his body before the game.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

select
    scores.player_id,
    scores.game_id,
    scores.situation_id,
    scores.actions_total,
    scores.actions_successful,
    scores.success_rate,
    scores.points_scored,
    scores.expected_points,
    scores.points_over_expected,
    scores.clutch_score,
    scores.clutch_percentile,
    scores.win_probability_added,
    pregame.hrv_rmssd_pregame,
    pregame.hrv_baseline_deviation,
    pregame.recovery_score_pregame,
    pregame.sleep_performance_pregame,
    pregame.day_strain_pregame,
    coalesce(
        pregame.hrv_rmssd_pregame,
        pregame.hrv_baseline_deviation,
        pregame.recovery_score_pregame,
        pregame.sleep_performance_pregame,
        pregame.day_strain_pregame
    ) is not null as has_wearables_data,
    pregame.quality_score::float8 as wearables_quality_score,
    scores.calculation_method,
    scores.updated_at
from {{ ref('clutch_descriptive_scores') }} as scores
left join {{ ref('pregame_baselines') }} as pregame
    on scores.player_id = pregame.player_id and scores.game_id = pregame.game_id
