-- What the actions of a finished game added is its outcome less the probability before the tip, to 1e-9; and its last action leaves
-- exactly 0 or 1.
with games as (
    select * from {{ ref('game_win_probability') }}
    where has_home_won is not null
),

last_actions as (
    select
        game_id,
        home_win_probability,
        row_number() over (partition by game_id order by period desc, order_number desc) as place
    from {{ ref('win_probability') }}
)

select games.game_id
from games
inner join last_actions on games.game_id = last_actions.game_id and last_actions.place = 1
where
    last_actions.home_win_probability <> case when games.has_home_won then 1 else 0 end
    or abs(
        games.home_win_probability_added
        - (last_actions.home_win_probability - games.pregame_home_win_probability)
    ) > 1e-9
