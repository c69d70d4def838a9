-- Grain: one row per device, metric and time of reading, while the athlete permits it. A view: it holds nothing that the
-- models below it do not.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}

with metrics as (
    select * from {{ ref('wearable_metrics') }}
),

readings as (
    {{ every_wearable_reading() }}
),

permitted as (
    select device_id from {{ ref('wearables_permissions') }}
    where {{ read_is_noted() }}
)

select
    readings.device_id,
    readings.player_id,
    readings.metric_type,
    readings.reading_at as reading_timestamp,
    readings.metric_value,
    metrics.unit as metric_unit,
    -- a value that cannot be is shown as it came, and is worth nothing
    case
        when readings.metric_value between metrics.lowest and metrics.highest
            then readings.quality_ratio
        else 0.0::float8
    end as quality_score,
    readings.activity_state,
    readings.session_id as source_session_id,
    'whoop_v2' as data_source
from readings
inner join metrics on readings.metric_type = metrics.metric_type
-- what the last build holds, while he permits it
inner join permitted on readings.device_id = permitted.device_id
