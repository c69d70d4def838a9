-- Grain: one row per athlete, game and cycle that was running at some moment of the game. As a rule one; two where he slept.
{{ config(materialized='table') }}

with games as (
    select * from {{ ref('int_device_games') }}
    where not is_upcoming
)

select
    games.player_id,
    games.game_id,
    cycles.device_id,
    cycles.cycle_id,
    cycles.cycle_start_at,
    cycles.cycle_end_at
from games
inner join {{ ref('stg_whoop__cycles') }} as cycles
    on
        games.device_id = cycles.device_id
        -- nobody is awake for longer; it lets an index find the cycle
        and cycles.cycle_start_at > games.tipoff_at - interval '7 days'
        and games.game_ends_at >= cycles.cycle_start_at
        and (cycles.cycle_end_at is null or games.tipoff_at < cycles.cycle_end_at)
where cycles.is_newest
