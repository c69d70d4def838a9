-- Grain: one row per team that ever played.
with sides as (
    select
        home_team_id as team_id,
        home_tricode as tricode,
        home_city as city,
        home_name as name,
        tipoff_at
    from {{ ref('stg_nba__games') }}
    union all
    select
        away_team_id as team_id,
        away_tricode as tricode,
        away_city as city,
        away_name as name,
        tipoff_at
    from {{ ref('stg_nba__games') }}
),

ranked as (
    select
        *,
        row_number() over (partition by team_id order by tipoff_at desc) as recency
    from sides
)

select
    team_id,
    tricode,
    city,
    name
from ranked
where recency = 1
