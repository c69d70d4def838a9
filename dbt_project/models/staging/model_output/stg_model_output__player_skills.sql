-- Grain: one row per run of the model and player.
select
    model_run_id,
    player_id,
    attempts,
    clutch_attempts,
    overall_skill,
    overall_skill_lower_90,
    overall_skill_upper_90,
    clutch_deviation,
    clutch_deviation_lower_90,
    clutch_deviation_upper_90,
    probability_clutch_deviation_positive,
    clutch_reliability,
    clutch_skill,
    clutch_skill_lower_90,
    clutch_skill_upper_90,
    statement
from {{ source('model_output', 'player_skills') }}
