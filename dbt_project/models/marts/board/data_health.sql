-- Grain: one row per matter that is looked at (seed data_health_rules).
-- At the moment of reading. A figure of WHOOP is told of five connected accounts or more; its state is told in any case: it says
-- whether our own work is behind and nothing of an athlete.
{{ config(materialized='view') }}
{{ behind_a_barrier() }}

with rules as (
    select * from {{ ref('data_health_rules') }}
),

clock as (
    select
        current_timestamp as now_at,
        observed_at
    from {{ ref('int_observation_time') }}
),

reads as (
    select
        max(case when resource = 'schedule' then last_read_at end) as schedule_read_at,
        max(case when resource like 'playbyplay%' then last_read_at end) as playbyplay_read_at
    from {{ ref('stg_nba__last_reads') }}
),

scheduled as (
    select
        schedule.state = 'missing' as is_missing,
        -- a game that was being played when it was read is due again
        schedule.state not in ('postponed', 'withdrawn')
        and schedule.tipoff_at > reads.playbyplay_read_at - interval '3 hours'
        and schedule.tipoff_at < clock.now_at - interval '3 hours' as is_due
    from {{ ref('game_schedule') }} as schedule
    cross join reads
    cross join clock
),

due_games as (
    select
        sum(case when is_due then 1 else 0 end) as games_due,
        coalesce(sum(case when is_missing then 1 else 0 end), 0) as games_missing
    from scheduled
),

suspects as (
    select count(case when is_suspect then 1 end) as games_suspect
    from {{ ref('game_quality') }}
),

restated as (
    select
        coalesce(sum(
            case when restatements.seen_at > clock.observed_at - interval '7 days' then 1 else 0 end
        ), 0) as fields_changed
    from {{ ref('restatements') }} as restatements
    cross join clock
),

last_games as (
    select max(game_date) as last_game_date from {{ ref('games') }}
    where is_final
),

refused as (
    select
        coalesce(sum(case when source = 'nba' then entries end), 0) as nba_entries,
        coalesce(sum(case when source = 'whoop' then entries end), 0) as whoop_entries
    from {{ ref('stg_operations__quarantine_counts') }}
),

runs as (
    select
        max(case when kind = 'ingest nba' then last_done_at end) as nba_done_at,
        max(case when kind = 'ingest nba' and status = 'failed' then 1 else 0 end) as nba_failed,
        max(case when kind = 'ingest whoop' and status = 'failed' then 1 else 0 end)
            as whoop_failed
    from {{ ref('stg_operations__newest_runs') }}
),

whoop as (
    select * from {{ ref('stg_operations__whoop_health') }}
),

model_runs_ranked as (
    select
        *,
        row_number() over (order by started_at desc, model_run_id desc) as recency
    from {{ ref('model_runs') }}
),

fitted as (
    select
        max(case when is_current then 1 else 0 end) as runs_in_force,
        max(case when recency = 1 and not is_published then 1 else 0 end) as is_newest_refused,
        max(case when is_current then last_game_date end) as last_game_date
    from model_runs_ranked
),

gathered as (
    select
        clock.now_at,
        clock.observed_at,
        whoop.accounts >= {{ var('group_min_athletes') }} as are_enough_accounts,
        {{ hours_between('reads.schedule_read_at', 'clock.now_at') }} as schedule_read_hours,
        case
            when due_games.games_due > 0
                then {{ hours_between('reads.playbyplay_read_at', 'clock.now_at') }}
        end as playbyplay_read_hours,
        due_games.games_missing,
        suspects.games_suspect,
        refused.nba_entries,
        refused.whoop_entries,
        restated.fields_changed,
        {{ hours_between('runs.nba_done_at', 'clock.now_at') }} as nba_done_hours,
        runs.nba_failed,
        runs.whoop_failed,
        {{ hours_between('whoop.newest_sync_at', 'clock.now_at') }} as newest_sync_hours,
        {{ hours_between('whoop.oldest_sync_at', 'clock.now_at') }} as oldest_sync_hours,
        coalesce(60 * {{ hours_between('whoop.oldest_waiting_at', 'clock.now_at') }}, 0)
            as longest_wait_minutes,
        whoop.failed_of_day,
        whoop.refused_of_day,
        -- whole percents: a hundred requests, more than a single athlete causes in a day
        floor(100 * whoop.requests_of_day::float8 / whoop.limit_per_day) as percent_of_day,
        greatest(
            coalesce(60 * {{ hours_between('clock.now_at', 'whoop.blocked_until') }}, 0), 0
        ) as minutes_blocked,
        1 - coalesce(fitted.runs_in_force, 0) as runs_in_force_lacking,
        coalesce(fitted.is_newest_refused, 0) as newest_run_refused,
        last_games.last_game_date - fitted.last_game_date as days_behind_games
    from clock
    cross join reads
    cross join due_games
    cross join suspects
    cross join refused
    cross join restated
    cross join runs
    cross join whoop
    cross join fitted
    cross join last_games
),

measured as (
    select
        rules.*,
        not rules.is_of_accounts or gathered.are_enough_accounts as is_told,
        case
            when rules.subject in ('games', 'restatements') then gathered.observed_at
            else gathered.now_at
        end as measured_at,
        round((case rules.metric
            when 'schedule_read_hours' then gathered.schedule_read_hours
            when 'playbyplay_read_hours' then gathered.playbyplay_read_hours
            when 'games_missing' then gathered.games_missing
            when 'games_suspect' then gathered.games_suspect
            when 'nba_entries' then gathered.nba_entries
            when 'whoop_entries' then gathered.whoop_entries
            when 'fields_changed_7_days' then gathered.fields_changed
            when 'nba_done_hours' then gathered.nba_done_hours
            when 'nba_last_run_failed' then gathered.nba_failed
            when 'whoop_last_run_failed' then gathered.whoop_failed
            when 'newest_sync_hours' then gathered.newest_sync_hours
            when 'oldest_sync_hours' then gathered.oldest_sync_hours
            when 'longest_wait_minutes' then gathered.longest_wait_minutes
            when 'failed_24_hours' then gathered.failed_of_day
            when 'refused_24_hours' then gathered.refused_of_day
            when 'percent_of_day' then gathered.percent_of_day
            when 'minutes_blocked' then gathered.minutes_blocked
            when 'runs_in_force_lacking' then gathered.runs_in_force_lacking
            when 'newest_run_refused' then gathered.newest_run_refused
            when 'days_behind_games' then gathered.days_behind_games
        end)::numeric, 1)::float8 as rounded_value
    from rules
    cross join gathered
),

judged as (
    select
        *,
        case
            when rounded_value is null then state_without_value
            when rounded_value > bad_above then 'bad'
            when rounded_value > late_above then 'late'
            else 'good'
        end as state
    from measured
)

select
    subject,
    metric,
    -- a source's clock may be ahead of ours
    case when is_told and rounded_value is not null then greatest(rounded_value, 0) end as value,
    unit,
    late_above,
    bad_above,
    state,
    -- to the minute: who asks twice in it gets the same answer
    date_trunc('minute', measured_at) as measured_at,
    case
        when is_told then meaning
        else
            meaning || '. The figure is told of {{ var("group_min_athletes") }} connected accounts'
            || ' or more'
    end as explanation,
    case when state <> 'good' then remedy end as what_to_do
from judged
