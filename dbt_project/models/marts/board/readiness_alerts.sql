-- Grain: one row per player, upcoming game and rule that fires, to those who may see his values.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

select
    player_id,
    game_id,
    rule_id,
    full_name,
    tipoff_at,
    team_id,
    team_tricode,
    opponent_tricode,
    is_home,
    severity,
    metric,
    value,
    comparison,
    threshold,
    unit,
    words,
    quality_score,
    quality_reasons
from {{ ref('readiness_checks') }}
where outcome = 'alert'
