-- Grain: one row per athlete, game and main sleep that ended in the three days before its end.
{{ config(materialized='table') }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

games as (
    select * from {{ ref('int_athlete_games') }}
    where tipoff_at is not null and not is_upcoming
)

select
    games.player_id,
    games.game_id,
    sleeps.device_id,
    sleeps.sleep_id,
    sleeps.sleep_end_at
from games
inner join devices on games.player_id = devices.player_id
inner join {{ ref('stg_whoop__sleeps') }} as sleeps
    on
        devices.device_id = sleeps.device_id
        and sleeps.sleep_end_at > games.tipoff_at - interval '72 hours'
        and games.game_ends_at >= sleeps.sleep_end_at
where sleeps.is_newest and not sleeps.is_nap
