-- Grain: one row per game that has both payloads.
-- The version of a game together with all that earlier games say about what its actions were worth: shots and win probability.
{{ config(indexes=[{'columns': ['game_id'], 'unique': true}]) }}

with scoring as (
    select * from {{ ref('int_game_scoring_versions') }}
),

strengths as (
    select * from {{ ref('int_game_strength_versions') }}
)

select
    scoring.game_id,
    md5(scoring.game_version || strengths.game_version) as game_version
from scoring
inner join strengths on scoring.game_id = strengths.game_id
