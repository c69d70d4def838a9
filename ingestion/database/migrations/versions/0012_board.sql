-- Counts and times of our own work. No athlete, no account, no key of a record and no option of a command is among them;
-- dbt tells figures of WHOOP where five accounts or more are behind them.

create view operations.quarantine_counts as
select
    source,
    resource,
    reason,
    count(*) as entries,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at
from operations.quarantine
where resolved_at is null
group by source, resource, reason;

comment on view operations.quarantine_counts is
'Open quarantine entries, counted. One row per source, kind of record and reason.';
comment on column operations.quarantine_counts.source is 'nba or whoop.';
comment on column operations.quarantine_counts.resource is 'Kind of record, e.g. playbyplay.';
comment on column operations.quarantine_counts.reason is 'Short code of why they were refused, e.g. not_json.';
comment on column operations.quarantine_counts.entries is 'How many, 1 or more.';
comment on column operations.quarantine_counts.first_seen_at is 'When the first of them was first refused (UTC).';
comment on column operations.quarantine_counts.last_seen_at is 'When one of them was last refused (UTC).';

create view operations.newest_runs as
select
    kind,
    status,
    started_at,
    finished_at,
    last_done_at
from (
    select
        runs.*,
        max(case when runs.status in ('done', 'partly_done') then runs.finished_at end) over (
            partition by runs.kind
        ) as last_done_at,
        row_number() over (partition by runs.kind order by runs.started_at desc, runs.run_id) as recency
    from (
        select
            -- an option may name an athlete
            substring(command from '^[a-z]+(?: [a-z]+)?') as kind,
            run_id,
            status,
            started_at,
            finished_at
        from operations.ingest_runs
    ) as runs
) as ranked
where recency = 1 and kind is not null;

comment on view operations.newest_runs is 'The newest run of each ingestion command. One row per command.';
comment on column operations.newest_runs.kind is 'The command without options, e.g. ingest nba.';
comment on column operations.newest_runs.status is 'running (or killed), done, failed or partly_done.';
comment on column operations.newest_runs.started_at is 'When it began (UTC).';
comment on column operations.newest_runs.finished_at is 'When it ended (UTC); null while it runs, or if it was killed.';
comment on column operations.newest_runs.last_done_at is
'When one of the command last ended as done or partly_done (UTC); null where none did.';

create view operations.whoop_health as
select
    accounts.accounts,
    accounts.newest_sync_at,
    accounts.oldest_sync_at,
    requests.requests_of_day,
    -- WHOOP's documented limit, until its headers tell another
    coalesce((select max(limits.limit_per_day) from operations.whoop_rate_limits as limits), 10000) as limit_per_day,
    (select max(limits.blocked_until) from operations.whoop_rate_limits as limits) as blocked_until,
    deliveries.oldest_waiting_at,
    deliveries.failed_of_day,
    (
        select coalesce(sum(refusals.refused), 0)::bigint from operations.webhook_refusals as refusals
        where refusals.hour > now() - interval '24 hours'
    ) as refused_of_day
from (
    select
        count(*) as accounts,
        max(reads.synced_at) as newest_sync_at,
        min(coalesce(reads.synced_at, device.connected_at)) as oldest_sync_at
    from operations.wearable_connections as device
    -- of an athlete who permits nothing any more nothing is read, and nothing is late
    inner join operations.newest_consents as newest on device.player_id = newest.player_id and newest.is_live
    left join (
        select connection_id, max(synced_at) as synced_at
        from operations.whoop_sync_positions
        group by connection_id
    ) as reads on device.connection_id = reads.connection_id
    where device.status = 'active'
) as accounts
cross join (
    select count(*) as requests_of_day from operations.whoop_requests
    where requested_at > now() - interval '24 hours'
) as requests
cross join (
    select
        min(received_at) filter (where status = 'waiting') as oldest_waiting_at,
        count(*) filter (where status = 'failed' and received_at > now() - interval '24 hours') as failed_of_day
    from operations.webhook_inbox
) as deliveries;

comment on view operations.whoop_health is 'How reading WHOOP goes, over all accounts. One row.';
comment on column operations.whoop_health.accounts is 'Active connections of athletes who permit them.';
comment on column operations.whoop_health.newest_sync_at is 'When any of them was last read (UTC); null before the first.';
comment on column operations.whoop_health.oldest_sync_at is
'Last read of the one that was read longest ago, or when it was connected (UTC); null without any.';
comment on column operations.whoop_health.requests_of_day is 'Requests of the last 24 h.';
comment on column operations.whoop_health.limit_per_day is 'How many WHOOP takes in 24 h.';
comment on column operations.whoop_health.blocked_until is 'Until when WHOOP answers nothing (UTC); null where it never said so.';
comment on column operations.whoop_health.oldest_waiting_at is
'When the delivery came that waits longest (UTC); null where none waits.';
comment on column operations.whoop_health.failed_of_day is 'Deliveries of the last 24 h that were given up.';
comment on column operations.whoop_health.refused_of_day is 'Deliveries of the last 24 h that were turned away.';

grant select on
operations.quarantine_counts, operations.newest_runs, operations.whoop_health
to clutch_transform;

create table operations.alert_announcements (
    player_id text not null,
    game_id text not null,
    rule_id text not null,
    audience text not null,
    service_hash text not null check (service_hash ~ '^[0-9a-f]{16}$'),
    announced_at timestamptz not null default now(),
    primary key (player_id, game_id, rule_id, audience, service_hash)
);

create index alert_announcements_in_time on operations.alert_announcements (announced_at);

comment on table operations.alert_announcements is
'Alerts that a service was told of, so that none is told twice. One row per athlete, game, rule, audience and service; no value.';
comment on column operations.alert_announcements.player_id is 'NBA player id; no message names it.';
comment on column operations.alert_announcements.game_id is 'League game id.';
comment on column operations.alert_announcements.rule_id is 'Rule that fired (seed alert_rules).';
comment on column operations.alert_announcements.audience is 'Whose eyes saw it.';
comment on column operations.alert_announcements.service_hash is
'First 16 hexadecimal digits of the SHA-256 of the service''s address; the address itself is nowhere.';
comment on column operations.alert_announcements.announced_at is 'When the service took it (UTC).';

grant select, insert, delete on operations.alert_announcements to clutch_ingest;
