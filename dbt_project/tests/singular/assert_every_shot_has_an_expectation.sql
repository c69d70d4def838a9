-- A shot whose distance is known, or a free throw, of a game with a date has an expectation; without a date none can be told.
with actions as (
    select * from {{ ref('clutch_player_actions') }}
    where action_type in ('2pt', '3pt', 'freethrow')
),

games as (
    select * from {{ ref('int_games_described') }}
),

distances as (
    select * from {{ ref('int_clutch_actions') }}
)

select actions.action_id
from actions
inner join games on actions.game_id = games.game_id
inner join distances
    on actions.game_id = distances.game_id and actions.order_number = distances.order_number
where
    (actions.expected_points is not null) <> (
        games.utc_date is not null
        and (actions.action_type = 'freethrow' or distances.shot_distance_feet is not null)
    )
