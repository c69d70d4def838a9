-- Grain: one row per account that an athlete connected.
-- A view: whoever reads the body's tables between two builds asks here whether he still may.
{{ config(materialized='view') }}

select
    device_id,
    player_id,
    is_readable
from {{ ref('stg_operations__wearable_devices') }}
