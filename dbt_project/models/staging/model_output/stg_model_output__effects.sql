-- Grain: one row per run of the model and effect.
select
    model_run_id,
    effect,
    label,
    unit,
    mean,
    sd,
    lower_90,
    lower_50,
    median,
    upper_50,
    upper_90,
    rope_half_width,
    probability_in_rope,
    probability_positive,
    prior_sd,
    statement,
    ess_bulk,
    ess_tail,
    r_hat
from {{ source('model_output', 'effects') }}
