-- Grain: one row per account that may be read now, by whoever asks and for what it says.
-- A view: whoever reads the body's tables between two builds asks here whether he still may.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}

select
    device_id,
    player_id
from {{ ref('stg_operations__wearable_devices') }}
where is_readable and permits_reader
