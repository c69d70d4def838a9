-- Grain: one row per athlete and game with a tip-off: what of him was known then, to tell why a night is missing.
{{ config(materialized='table') }}

with devices as (
    select * from {{ ref('stg_operations__wearable_devices') }}
    where is_readable
),

games as (
    select * from {{ ref('int_athlete_games') }}
    where tipoff_at is not null
),

first_records as (
    select
        device_id,
        min(known_from) as first_known_at
    from (
        select
            device_id,
            known_from
        from {{ ref('stg_whoop__sleeps') }}
        union all
        select
            device_id,
            known_from
        from {{ ref('stg_whoop__cycles') }}
        union all
        select
            device_id,
            known_from
        from {{ ref('stg_whoop__workouts') }}
    ) as firsts
    group by device_id
),

known_devices as (
    select
        devices.device_id,
        devices.player_id,
        least(devices.connected_at, first_records.first_known_at) as known_since
    from devices
    left join first_records on devices.device_id = first_records.device_id
),

recent_sleeps as (
    select
        games.player_id,
        games.game_id,
        max(case when sleeps.is_nap then 1 else 0 end) = 1 as has_nap,
        true as has_activity
    from {{ ref('int_device_games') }} as games
    inner join {{ ref('stg_whoop__sleeps') }} as sleeps
        on
            games.device_id = sleeps.device_id
            and games.tipoff_at >= sleeps.sleep_end_at
            and games.tipoff_at - interval '{{ var("night_max_hours_before_tipoff") }} hours'
            <= sleeps.sleep_end_at
            and {{ held_at('sleeps', 'games.tipoff_at') }}
    group by games.player_id, games.game_id
),

recent_workouts as (
    select
        games.player_id,
        games.game_id,
        true as has_activity
    from {{ ref('int_device_games') }} as games
    inner join {{ ref('stg_whoop__workouts') }} as workouts
        on
            games.device_id = workouts.device_id
            and games.tipoff_at >= workouts.workout_end_at
            -- half of a night's reach: one of last evening says nothing of the night after it
            and games.tipoff_at - interval '{{ var("night_max_hours_before_tipoff") }} hours' / 2
            <= workouts.workout_end_at
            and {{ held_at('workouts', 'games.tipoff_at') }}
    group by games.player_id, games.game_id
)

select
    games.player_id,
    games.game_id,
    coalesce(
        max(case when known_devices.known_since <= games.tipoff_at then 1 else 0 end) = 1, false
    ) as is_connected,
    coalesce(max(case when recent_sleeps.has_nap then 1 else 0 end) = 1, false) as has_nap,
    coalesce(
        max(case
            when recent_sleeps.has_activity or recent_workouts.has_activity then 1 else 0
        end) = 1,
        false
    ) as has_activity
from games
left join known_devices on games.player_id = known_devices.player_id
left join recent_sleeps
    on games.player_id = recent_sleeps.player_id and games.game_id = recent_sleeps.game_id
left join recent_workouts
    on games.player_id = recent_workouts.player_id and games.game_id = recent_workouts.game_id
group by games.player_id, games.game_id
