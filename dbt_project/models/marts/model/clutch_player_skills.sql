-- Grain: one row per player and published run of the model that is not stale.
{{ config(materialized='view') }}

select
    skills.player_id,
    skills.model_run_id,
    players.full_name,
    runs.fitted_at,
    runs.is_current,
    skills.attempts,
    skills.clutch_attempts,
    skills.overall_skill,
    skills.overall_skill_lower_90,
    skills.overall_skill_upper_90,
    skills.clutch_deviation,
    skills.clutch_deviation_lower_90,
    skills.clutch_deviation_upper_90,
    skills.probability_clutch_deviation_positive,
    skills.clutch_reliability,
    skills.clutch_skill,
    skills.clutch_skill_lower_90,
    skills.clutch_skill_upper_90,
    skills.statement
from {{ ref('model_runs') }} as runs
inner join {{ ref('stg_model_output__player_skills') }} as skills
    on runs.model_run_id = skills.model_run_id
left join {{ ref('players') }} as players on skills.player_id = players.player_id
where runs.is_published and not runs.is_stale
