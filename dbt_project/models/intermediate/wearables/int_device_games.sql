-- Grain: one row per account that may be read and game of its athlete with a tip-off.
-- A table, for the planner: it finds records of a device in a stretch of time by their index only where device and time
-- come from one place. From a join of games and devices it compared every record of an athlete with each of his games.
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

games as (
    select * from {{ ref('int_athlete_games') }}
    where tipoff_at is not null
)

select
    devices.device_id,
    devices.player_id,
    devices.connected_at,
    games.game_id,
    games.tipoff_at,
    games.game_ends_at,
    games.has_played,
    games.is_upcoming
from games
inner join devices on games.player_id = devices.player_id
