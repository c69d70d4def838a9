-- Grain: one row per version of a workout and game of the athlete that it overlaps.
-- Whether that is allowed is the league's policy (seed recording_policies). Where it is not, the recording enters nothing.
{{ config(materialized='table') }}

with policies as (
    select * from {{ ref('recording_policies') }}
),

games as (
    select * from {{ ref('int_device_games') }}
    where has_played or is_upcoming
)

select
    games.device_id,
    games.player_id,
    workouts.workout_id,
    workouts.workout_start_at,
    workouts.workout_end_at,
    workouts.known_from,
    workouts.known_until,
    workouts.is_newest,
    games.game_id,
    -- a league without a policy permits nothing
    coalesce(policies.in_game_recording_permitted, false) as is_permitted
from {{ ref('stg_whoop__workouts') }} as workouts
inner join games
    on
        workouts.device_id = games.device_id
        and workouts.workout_start_at < games.game_ends_at
        and workouts.workout_end_at > games.tipoff_at
left join policies on substr(games.game_id, 1, 2) = policies.league_digits
