-- Grain: one row per quality rule, with how many records it found: of five athletes or more, so that it is nobody's.
{{ config(materialized='table') }}

with rules as (
    select * from {{ ref('wearable_quality_rules') }}
),

findings as (
    select
        rule,
        record_key
    from {{ ref('int_wearable_findings') }}
    union all
    -- needs the night of a game, which is only known further on
    select
        'far_from_arena' as rule,
        sleep_id as record_key
    from {{ ref('pregame_baselines') }}
    where abs(hours_ahead_of_arena) > {{ var('far_from_arena_hours') }}
),

athletes as (
    select count(distinct player_id) >= {{ var('group_min_athletes') }} as are_enough
    from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

counted as (
    select
        rule,
        count(distinct record_key)::integer as record_count
    from findings
    group by rule
)

select
    rules.rule,
    rules.resource,
    rules.meaning,
    rules.consequence,
    case when athletes.are_enough then coalesce(counted.record_count, 0)::integer end
        as record_count
from rules
cross join athletes
left join counted on rules.rule = counted.rule
