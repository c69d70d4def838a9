-- Grain: one row per athlete, game and main sleep that ended in the three days before its end.
{{ config(materialized='table') }}

with games as (
    select * from {{ ref('int_device_games') }}
    where not is_upcoming
)

select
    games.player_id,
    games.game_id,
    sleeps.device_id,
    sleeps.sleep_id,
    sleeps.sleep_end_at
from games
inner join {{ ref('stg_whoop__sleeps') }} as sleeps
    on
        games.device_id = sleeps.device_id
        and sleeps.sleep_end_at > games.tipoff_at - interval '72 hours'
        and games.game_ends_at >= sleeps.sleep_end_at
where sleeps.is_newest and not sleeps.is_nap
