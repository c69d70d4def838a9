-- A field goal whose distance is known, or a free throw whose shooter is, of a game with a date has an expectation; without a date
-- none can be told.
with shots as (
    select * from {{ ref('int_shots') }}
),

expectations as (
    select * from {{ ref('expected_points') }}
)

select
    shots.game_id,
    shots.order_number
from shots
left join expectations
    on shots.game_id = expectations.game_id and shots.order_number = expectations.order_number
where
    expectations.shot_id is null
    or (expectations.expected_points is not null) <> (
        shots.utc_date is not null
        and case
            when shots.shot_value = 1 then shots.player_id
            else shots.distance_feet::text
        end is not null
    )
