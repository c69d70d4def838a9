-- Grain: one row, with the plausible range of each metric in two columns (seed wearable_metrics).
{{ config(materialized='view') }}

select
    {{ plausible_range_columns() }}
from {{ ref('wearable_metrics') }}
