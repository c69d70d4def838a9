-- Grain: one row per run of the model, published or refused.
-- A view, so that a finished fit shows without another build, and a withdrawal of consent at once.
{{ config(materialized='view') }}

with runs as (
    select * from {{ ref('stg_model_output__runs') }}
),

-- an account that is gone may be read no more than one whose athlete withdrew
accounts as (
    select
        run_devices.model_run_id,
        count(*) as accounts,
        sum(case
            when devices.is_readable and devices.permits_modeling then 0 else 1
        end) as unreadable
    from {{ ref('stg_model_output__run_devices') }} as run_devices
    left join {{ ref('stg_operations__wearable_devices') }} as devices
        on run_devices.device_id = devices.device_id
    group by run_devices.model_run_id
),

judged as (
    select
        runs.*,
        case
            when accounts.unreadable > 0
                then
                    accounts.unreadable::text || ' of ' || accounts.accounts::text
                    || ' wearable accounts in the fit may no longer be read: fit again'
            when runs.used_wearables and accounts.accounts is null
                then 'nothing says whose wearables are in the fit: fit again'
        end as stale_reason
    from runs
    left join accounts on runs.model_run_id = accounts.model_run_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by is_published and stale_reason is null
            order by fitted_at desc, model_run_id desc
        ) as recency
    from judged
)

select
    model_run_id,
    started_at,
    fitted_at,
    model_name,
    model_version,
    data_hash,
    code_hash,
    seed,
    seasons,
    first_game_date,
    last_game_date,
    games,
    players,
    athletes,
    attempts,
    clutch_attempts,
    used_wearables,
    chains,
    tune,
    draws,
    seconds,
    max_r_hat,
    min_ess_bulk,
    min_ess_tail,
    divergences,
    min_e_bfmi,
    max_tree_depth_hits,
    predictive_checks,
    is_published,
    refusal_reasons,
    stale_reason is not null as is_stale,
    stale_reason,
    is_published and stale_reason is null and recency = 1 as is_current
from ranked
