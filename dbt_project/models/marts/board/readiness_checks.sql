-- Grain: one row per player, upcoming game and rule whose value is known, to those who may see it.
{{ config(materialized='view') }}
{{ with_readers_rights() }}

with board as (
    select * from {{ ref('morning_board') }}
),

rules as (
    select * from {{ ref('alert_rules') }}
),

measured as (
    select
        board.player_id,
        board.game_id,
        board.full_name,
        board.tipoff_at,
        board.team_id,
        board.team_tricode,
        board.opponent_tricode,
        board.is_home,
        rules.rule_id,
        rules.metric,
        rules.comparison,
        rules.threshold,
        rules.unit,
        rules.severity,
        rules.words,
        rules.min_quality_score,
        board.quality_score,
        board.quality_reasons,
        case rules.metric
            when 'hrv_baseline_deviation' then board.hrv_baseline_deviation
            when 'recovery_score_pregame' then board.recovery_score_pregame
            when 'resting_heart_rate_deviation' then board.resting_heart_rate_deviation
            when 'sleep_performance_pregame' then board.sleep_performance_pregame
            when 'asleep_minutes_pregame' then board.asleep_minutes_pregame
            when 'asleep_deviation' then board.asleep_deviation
            when 'day_strain_pregame' then board.day_strain_pregame
        end as value
    from board
    cross join rules
),

judged as (
    select
        *,
        case
            when comparison = 'below' then value < threshold
            else value > threshold
        end as is_beyond
    from measured
    where value is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by player_id, game_id, metric, comparison, is_beyond
            order by
                case severity when 'act' then 1 else 2 end asc,
                rule_id asc
        ) as place
    from judged
)

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
    metric,
    value,
    comparison,
    threshold,
    unit,
    severity,
    words,
    quality_score,
    quality_reasons,
    min_quality_score,
    case
        -- said of every rule alike, whatever the value: what is not good enough says nothing either way
        when quality_score < min_quality_score then 'quality_too_low'
        when not is_beyond then 'within'
        when place > 1 then 'graver_rule'
        else 'alert'
    end as outcome
from ranked
