-- Grain: one row per game that has a play-by-play with an action, from whichever source; a box score is optional.
-- The live data come before the newer form of the stats service, that before the older one.
-- A table, so that every model of one run sees the same versions whatever is loaded meanwhile.
{{ config(materialized='table', indexes=[{'columns': ['game_id'], 'unique': true}]) }}

-- Counted, not joined: the planner takes each view for a handful of rows and would compare every pair of games.
with payloads as (
    select
        game_id,
        'playbyplay' as resource,
        content_hash,
        fetched_at
    from {{ ref('stg_nba__playbyplay_versions') }}
    where {{ json_has_elements('payload', ['game', 'actions']) }}
    union all
    select
        game_id,
        'playbyplayv3' as resource,
        content_hash,
        fetched_at
    from {{ ref('stg_nba__playbyplayv3_versions') }}
    where {{ json_has_elements('payload', ['game', 'actions']) }}
    union all
    select
        game_id,
        'playbyplayv2' as resource,
        content_hash,
        fetched_at
    from {{ ref('stg_nba__playbyplayv2_versions') }}
    where {{ json_has_elements('payload', ['resultSets', '0', 'rowSet']) }}
    union all
    select
        game_id,
        'boxscore' as resource,
        content_hash,
        fetched_at
    from {{ ref('stg_nba__boxscore_versions') }}
    union all
    select
        game_id,
        'boxscoretraditionalv3' as resource,
        content_hash,
        fetched_at
    from {{ ref('stg_nba__boxscoretraditionalv3_versions') }}
    union all
    select
        game_id,
        'schedule' as resource,
        fixture_hash as content_hash,
        null as fetched_at
    from {{ ref('stg_nba__scheduled_games') }}
),

found as (
    select
        game_id,
        min(case
            when resource = 'playbyplay' then 1
            when resource = 'playbyplayv3' then 2
            when resource = 'playbyplayv2' then 3
        end) as playbyplay_rank,
        min(case
            when resource = 'boxscore' then 1
            when resource = 'boxscoretraditionalv3' then 2
        end) as boxscore_rank
    from payloads
    group by game_id
),

chosen as (
    select
        game_id,
        case playbyplay_rank
            when 1 then 'playbyplay'
            when 2 then 'playbyplayv3'
            else 'playbyplayv2'
        end as playbyplay_resource,
        case boxscore_rank
            when 1 then 'boxscore'
            when 2 then 'boxscoretraditionalv3'
        end as boxscore_resource,
        case playbyplay_rank
            when 1 then 'nba_cdn'
            when 2 then 'nba_stats_v3'
            else 'nba_stats_v2'
        end as data_source
    from found
    where playbyplay_rank is not null
),

used as (
    select
        chosen.*,
        payloads.resource,
        payloads.content_hash,
        payloads.fetched_at
    from chosen
    inner join payloads
        on
            chosen.game_id = payloads.game_id
            and (
                payloads.resource in (chosen.playbyplay_resource, chosen.boxscore_resource)
                -- only the live data's box score knows time and place; else the schedule tells them
                or (
                    payloads.resource = 'schedule'
                    and coalesce(chosen.boxscore_resource, '') <> 'boxscore'
                )
            )
)

select
    game_id,
    -- Who was on the floor comes from both payloads, so a change of either is a new version of the game.
    -- So is a change of the SQL, of a rule table or of a var: an incremental run after it rebuilds every game.
    md5(
        string_agg(resource || ':' || content_hash, ',' order by resource)
        || '{{ transformation_fingerprint() }}'
    ) as game_version,
    playbyplay_resource,
    boxscore_resource,
    data_source,
    max(fetched_at) as fetched_at
from used
group by game_id, playbyplay_resource, boxscore_resource, data_source
