-- Grain: one row per game that has both payloads.
-- The version of a game together with the strength of its sides: an earlier game that comes late or is corrected changes
-- the win probabilities of later ones, and this version with them.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with versions as (
    select * from {{ ref('stg_nba__game_versions') }}
),

strengths as (
    select * from {{ ref('int_pregame_strengths') }}
)

select
    versions.game_id,
    md5(
        versions.game_version
        || coalesce(
            (strengths.home_rating - strengths.away_rating)::text
            || ':' || strengths.home_edge_points::text
            || ':' || strengths.is_home_back_to_back::text
            || ':' || strengths.is_away_back_to_back::text,
            ''
        )
    ) as game_version
from versions
left join strengths on versions.game_id = strengths.game_id
