-- Grain: one row per game that has both payloads, play-by-play and box score.
-- A table, so that every model of one run sees the same versions whatever is loaded meanwhile.
{{ config(materialized='table', indexes=[{'columns': ['game_id'], 'unique': true}]) }}

-- Counted, not joined: the planner takes each view for a handful of rows and would compare every pair of games.
with payloads as (
    select
        game_id,
        content_hash as playbyplay_hash,
        null as boxscore_hash,
        source as data_source,
        fetched_at
    from {{ ref('stg_nba__playbyplay_versions') }}
    union all
    select
        game_id,
        null as playbyplay_hash,
        content_hash as boxscore_hash,
        null as data_source,
        fetched_at
    from {{ ref('stg_nba__boxscore_versions') }}
)

select
    game_id,
    -- Who was on the floor comes from both payloads, so a change of either is a new version of the game.
    -- So is a change of the SQL, of a rule table or of a var: an incremental run after it rebuilds every game.
    md5(
        max(playbyplay_hash) || max(boxscore_hash) || '{{ transformation_fingerprint() }}'
    ) as game_version,
    max(data_source) as data_source,
    max(fetched_at) as fetched_at
from payloads
group by game_id
having count(*) = 2
