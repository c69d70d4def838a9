-- Grain: one row per game of which a payload has more than one version. Few games; the others cost nothing.
-- A table, so that every model of one run sees the same versions whatever is loaded meanwhile.
{{ config(materialized='table', indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with versions as (
    select
        game_id,
        'playbyplay ' || content_hash as version,
        version_number,
        version_count
    from {{ ref('stg_nba__playbyplay_history') }}
    union all
    select
        game_id,
        'boxscore ' || content_hash as version,
        version_number,
        version_count
    from {{ ref('stg_nba__boxscore_history') }}
)

select
    game_id,
    md5(
        {{ joined_text('version', 'version_number, version') }}
        || '{{ transformation_fingerprint() }}'
    ) as game_version
from versions
group by game_id
having max(version_count) > 1
