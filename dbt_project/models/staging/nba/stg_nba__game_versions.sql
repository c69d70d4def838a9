-- Grain: one row per game that has both payloads, play-by-play and box score.
-- A table, so that every model of one run sees the same versions whatever is loaded meanwhile.
{{ config(materialized='table', indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with playbyplay as (
    select * from {{ ref('stg_nba__playbyplay_versions') }}
),

boxscores as (
    select * from {{ ref('stg_nba__boxscore_versions') }}
)

select
    playbyplay.game_id,
    -- Who was on the floor comes from both payloads, so a change of either is a new version of the game.
    -- So is a change of the SQL, of a rule table or of a var: an incremental run after it rebuilds every game.
    md5(
        playbyplay.content_hash || boxscores.content_hash || '{{ transformation_fingerprint() }}'
    ) as game_version,
    playbyplay.source as data_source,
    greatest(playbyplay.fetched_at, boxscores.fetched_at) as fetched_at
from playbyplay
inner join boxscores on playbyplay.game_id = boxscores.game_id
