-- On each of the two accounts of an action its players together have what the action added, or that of the row before it
-- (steals, blocks), or - a basket with an unknown passer apart - nothing.
with credits as (
    select
        game_id,
        order_number,
        team_id,
        min(credit_type) as credit_type,
        count(*) as players,
        sum(win_probability_added) as credited
    from {{ ref('win_probability_credits') }}
    where credit_type not in ('steal', 'block')
    group by game_id, order_number, team_id
)

select
    credits.game_id,
    credits.order_number
from credits
inner join {{ ref('win_probability') }} as win_probability
    on
        credits.game_id = win_probability.game_id
        and credits.order_number = win_probability.order_number
where
    abs(abs(credits.credited) - abs(win_probability.home_win_probability_added)) > 1e-12
    or credits.players > 2
