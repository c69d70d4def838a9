-- Grain: one row per player, game and published run of the model that is not stale.
-- A run is told as a whole or not at all: one athlete's withdrawal takes every row of the runs that know his nights.
-- A prediction that stands on an athlete's nights is shown to those who may see them.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}

with permitted as (
    select player_id from {{ ref('wearables_permissions') }}
    where {{ read_is_noted() }}
)

select
    predictions.player_id,
    predictions.game_id,
    predictions.model_run_id,
    runs.fitted_at,
    runs.is_current,
    predictions.is_upcoming,
    predictions.is_in_fit,
    predictions.predicted_clutch_score,
    predictions.score_sd,
    predictions.lower_50,
    predictions.upper_50,
    predictions.lower_90,
    predictions.upper_90,
    predictions.probability_above_median,
    predictions.confidence,
    predictions.reliability,
    predictions.predicted_points_over_expected,
    predictions.points_lower_90,
    predictions.points_upper_90,
    predictions.game_reliability,
    predictions.used_wearables,
    predictions.wearables_score_effect,
    predictions.wearables_score_effect_lower_90,
    predictions.wearables_score_effect_upper_90
from {{ ref('model_runs') }} as runs
inner join {{ ref('stg_model_output__predictions') }} as predictions
    on runs.model_run_id = predictions.model_run_id
where
    runs.is_published
    and not runs.is_stale
    and (
        not predictions.used_wearables
        or predictions.player_id in (select permitted.player_id from permitted)
    )
