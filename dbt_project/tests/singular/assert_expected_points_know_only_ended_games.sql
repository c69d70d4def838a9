-- No leakage: the newest game that a date may know must have ended before the first tip-off of the date.
-- A game is over twelve hours after its scheduled tip-off (longest of four seasons: 3:18; one box score says 7:07).
with dates as (
    select
        utc_date,
        min(tipoff_at) as first_tipoff_at,
        max(tipoff_at) as last_tipoff_at
    from {{ ref('int_games_described') }}
    group by utc_date
),

known as (
    select
        utc_date,
        first_tipoff_at,
        max(last_tipoff_at) over (
            order by utc_date
            range between unbounded preceding
            and interval '{{ var("expected_points_lag_days") }} days' preceding
        ) as newest_known_tipoff_at
    from dates
)

select * from known
where newest_known_tipoff_at + interval '12 hours' > first_tipoff_at
