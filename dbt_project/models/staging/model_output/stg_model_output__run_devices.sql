-- Grain: one row per run of the model and wearable account whose nights entered it.
select
    model_run_id,
    device_id
from {{ source('model_output', 'run_devices') }}
