-- Grain: one row per effect and published run of the model that is not stale.
{{ config(materialized='view') }}

select
    effects.effect,
    effects.model_run_id,
    runs.fitted_at,
    runs.is_current,
    effects.label,
    effects.unit,
    effects.mean,
    effects.sd,
    effects.lower_90,
    effects.lower_50,
    effects.median,
    effects.upper_50,
    effects.upper_90,
    effects.rope_half_width,
    effects.probability_in_rope,
    effects.probability_positive,
    effects.prior_sd,
    effects.statement,
    effects.ess_bulk,
    effects.ess_tail,
    effects.r_hat
from {{ ref('model_runs') }} as runs
inner join {{ ref('stg_model_output__effects') }} as effects
    on runs.model_run_id = effects.model_run_id
where runs.is_published and not runs.is_stale
