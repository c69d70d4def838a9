create table operations.quarantine (
    quarantine_id bigint generated always as identity primary key,
    source text not null,
    resource text not null,
    record_key text,
    reason text not null,
    detail text,
    origin text,
    content_hash text,
    body bytea,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    seen_count integer not null default 1 check (seen_count >= 1),
    resolved_at timestamptz,
    check (last_seen_at >= first_seen_at),
    -- the same refusal again counts up instead of adding a row
    unique nulls not distinct (source, resource, record_key, reason, content_hash)
);

create index quarantine_open on operations.quarantine (source, resource) where resolved_at is null;

comment on table operations.quarantine is
'Records that ingestion refused to store. One row per source, resource, record, reason and content.';
comment on column operations.quarantine.quarantine_id is 'Number of the row.';
comment on column operations.quarantine.source is 'Where the record came from: nba or whoop.';
comment on column operations.quarantine.resource is 'Kind of record, e.g. play_by_play.';
comment on column operations.quarantine.record_key is
'The record''s key in its resource, e.g. a game id; null when it could not be read.';
comment on column operations.quarantine.reason is 'Short code of why it was refused, e.g. not_json.';
comment on column operations.quarantine.detail is 'The reason in a sentence, naming the field.';
comment on column operations.quarantine.origin is 'File or address it was read from.';
comment on column operations.quarantine.content_hash is
'SHA-256 of the bytes, hexadecimal; null when nothing was received.';
comment on column operations.quarantine.body is
'The bytes as received; null when they were too large to keep or none came.';
comment on column operations.quarantine.first_seen_at is 'When it was first refused (UTC).';
comment on column operations.quarantine.last_seen_at is 'When it was last refused (UTC).';
comment on column operations.quarantine.seen_count is 'How many times it was refused, 1 or more.';
comment on column operations.quarantine.resolved_at is
'When a good version arrived or a person settled it (UTC); null while open.';

create table operations.ingest_runs (
    run_id uuid primary key,
    command text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    status text not null default 'running'
        check (status in ('running', 'done', 'failed', 'partly_done')),
    counts jsonb not null default '{}',
    check (finished_at >= started_at),
    -- one statement ends a run: status and time cannot disagree
    check ((status = 'running') = (finished_at is null))
);

create index ingest_runs_started_at on operations.ingest_runs (started_at);

comment on table operations.ingest_runs is 'Runs of ingestion commands. One row per run.';
comment on column operations.ingest_runs.run_id is 'Random id that the run chose.';
comment on column operations.ingest_runs.command is
'The command as it was called, without secrets, e.g. ingest nba --season 2023-24.';
comment on column operations.ingest_runs.started_at is 'When the run began (UTC).';
comment on column operations.ingest_runs.finished_at is
'When the run ended (UTC); null while it runs, or if it was killed.';
comment on column operations.ingest_runs.status is
'running (or killed), done, failed, or partly_done: some of it was not possible.';
comment on column operations.ingest_runs.counts is
'Numbers of records by outcome, e.g. {"play_by_play": {"new": 12, "unchanged": 1218}}.';

grant select, insert, update, delete on operations.quarantine to clutch_ingest;
grant select, insert, update on operations.ingest_runs to clutch_ingest;
