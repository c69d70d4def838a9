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
        row_number() over (partition by player_id order by summary_date desc) as recency
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
),

-- how many nights he has had by each date: the same from one night until the next
dates as (
    select
        bounded.*,
        dates.on_date,
        nights.utc_offset_minutes,
        count(nights.summary_date) over (
            partition by bounded.player_id order by dates.on_date
            rows between unbounded preceding and current row
        ) as night_number
    from bounded
    {{ each_date('bounded.begins_on', 'bounded.last_date', 'dates') }}
    left join nights
        on bounded.player_id = nights.player_id and dates.on_date = nights.summary_date
),

clocks as (
    select
        *,
        -- the offset he last woke at
        coalesce(max(utc_offset_minutes) over (partition by player_id, night_number), 0)
            as last_utc_offset_minutes
    from dates
)

select
    player_id,
    on_date as summary_date,
    last_utc_offset_minutes as utc_offset_minutes,
    is_readable,
    is_expired,
    on_date < least(first_date, connected_date) as is_before_device,
    coalesce(
        last_activity_at
        > {{ moment_of_clock("(on_date + interval '12 hours')", 'last_utc_offset_minutes') }},
        false
    ) as has_later_activity
from clocks
