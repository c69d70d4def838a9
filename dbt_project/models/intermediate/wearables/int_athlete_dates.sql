-- Grain: one row per athlete who connected a wearable and local date, from the start of what is known of him (or of the games of
-- that season) to the day on which he was last read. Every date is here, also those without a record.
{{ config(materialized='table') }}

with athletes as (
    select
        player_id,
        max(case when is_readable then 1 else 0 end) = 1 as is_readable,
        max(case when consent_decision = 'granted' and not consent_granted then 1 else 0 end) = 1
            as is_expired,
        min(connected_at) as connected_at,
        max(last_sync_at) as last_sync_at
    from {{ ref('stg_operations__wearable_devices') }}
    group by player_id
),

activities as (
    select
        player_id,
        reading_at,
        {{ local_day('reading_at', 'utc_offset_minutes') }} as on_date
    from {{ ref('int_sleeps_current') }}
    union all
    select
        player_id,
        reading_at,
        {{ local_day('reading_at', 'utc_offset_minutes') }} as on_date
    from {{ ref('int_workouts_current') }}
),

extents as (
    select
        player_id,
        min(on_date) as first_date,
        max(on_date) as last_date,
        max(reading_at) as last_activity_at
    from activities
    group by player_id
),

nights as (
    select
        player_id,
        summary_date,
        utc_offset_minutes,
        row_number() over (partition by player_id order by summary_date desc) as recency,
        lead(summary_date) over (partition by player_id order by summary_date) as next_date
    from {{ ref('int_daily_nights') }}
),

known as (
    select
        athletes.*,
        extents.first_date,
        extents.last_activity_at,
        {{ local_day('athletes.connected_at', 'coalesce(nights.utc_offset_minutes, 0)') }}
            as connected_date,
        greatest(
            extents.last_date,
            {{ local_day('athletes.last_sync_at', 'coalesce(nights.utc_offset_minutes, 0)') }}
        ) as last_date
    from athletes
    left join extents on athletes.player_id = extents.player_id
    left join nights on athletes.player_id = nights.player_id and nights.recency = 1
),

first_games as (
    select
        known.player_id,
        min({{ local_date('games.tipoff_at', "coalesce(games.arena_timezone, 'UTC')") }})
            as first_game_date
    from known
    inner join {{ ref('int_athlete_games') }} as games
        on
            known.player_id = games.player_id
            -- his games of that season before he had a device: days without a reading, with their reason
            and games.tipoff_at
            >= coalesce(known.first_date, known.connected_date)
            - interval '{{ var("days_before_device") }} days'
    group by known.player_id
),

bounded as (
    select
        known.*,
        least(
            coalesce(known.first_date, known.connected_date), first_games.first_game_date
        ) as begins_on
    from known
    left join first_games on known.player_id = first_games.player_id
)

select
    bounded.player_id,
    dates.on_date as summary_date,
    -- the offset he last woke at
    coalesce(nights.utc_offset_minutes, 0) as utc_offset_minutes,
    bounded.is_readable,
    bounded.is_expired,
    dates.on_date < least(bounded.first_date, bounded.connected_date) as is_before_device,
    coalesce(
        bounded.last_activity_at
        > {{ moment_of_clock(
            "(dates.on_date + interval '12 hours')", 'coalesce(nights.utc_offset_minutes, 0)'
        ) }},
        false
    ) as has_later_activity
from bounded
{{ each_date('bounded.begins_on', 'bounded.last_date', 'dates') }}
left join nights
    on
        bounded.player_id = nights.player_id
        and dates.on_date >= nights.summary_date
        and (nights.next_date is null or dates.on_date < nights.next_date)
