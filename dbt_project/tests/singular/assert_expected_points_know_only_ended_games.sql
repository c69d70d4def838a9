-- No leakage: the newest game that a date may know must have ended before the first tip-off of the date.
-- A game lasts less than six hours (the longest of five seasons took 3:24).
with games as (
    select * from {{ ref('int_games_described') }}
),

dates as (
    select
        utc_date,
        min(tipoff_at) as first_tipoff_at
    from games
    group by utc_date
)

select
    dates.utc_date,
    games.game_id
from dates
inner join games
    on games.utc_date <= dates.utc_date - {{ var('expected_points_lag_days') }}
where games.tipoff_at + interval '6 hours' > dates.first_tipoff_at
