-- Inside a period the sides take turns: two possessions of one side in a row mean that a row is
-- missing or in the wrong place. 12 in 1.5 million possessions of six seasons.
-- A warning, not an error: a damaged game must be seen, it must not stop the build.
{{ config(severity='warn') }}

with neighbours as (
    select
        *,
        lag(offense_team_id) over (
            partition by game_id, period order by possession_number
        ) as offense_team_id_before
    from {{ ref('possessions') }}
)

select
    possession_id,
    offense_team_id
from neighbours
where offense_team_id = offense_team_id_before
