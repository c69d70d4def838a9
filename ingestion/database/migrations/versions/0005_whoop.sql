-- Consent comes first: a connection cannot exist without the entry that permits it.

create table operations.consent_texts (
    text_version text primary key,
    text_sha256 text not null check (text_sha256 ~ '^[0-9a-f]{64}$'),
    body text not null,
    published_at timestamptz not null default now()
);

create table operations.consents (
    consent_id bigint generated always as identity primary key,
    player_id text not null,
    decision text not null check (decision in ('granted', 'declined', 'withdrawn')),
    text_version text not null references operations.consent_texts (text_version),
    purposes text[] not null,
    audience text[] not null,
    scopes text[] not null,
    recorded_at timestamptz not null default now(),
    expires_at timestamptz,
    -- spelled out: a check whose value is null passes
    check (
        decision <> 'granted'
        or (cardinality(purposes) > 0 and expires_at is not null and expires_at > recorded_at)
    )
);

create index consents_of_a_player on operations.consents (player_id, consent_id desc);

create function operations.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'operations.% is append-only: rows are neither changed nor deleted', tg_table_name;
end
$$;

create trigger consents_append_only before update or delete or truncate on operations.consents
for each statement execute function operations.refuse_change();

create trigger consent_texts_append_only before update or delete or truncate on operations.consent_texts
for each statement execute function operations.refuse_change();

comment on function operations.refuse_change() is 'Trigger of the append-only tables.';

comment on table operations.consent_texts is
'What athletes were asked, word for word. One row per version; append-only.';
comment on column operations.consent_texts.text_version is 'Version, e.g. 2026-11.';
comment on column operations.consent_texts.text_sha256 is 'SHA-256 of the body, hexadecimal.';
comment on column operations.consent_texts.body is 'The text as shown.';
comment on column operations.consent_texts.published_at is 'When it was first shown (UTC).';

comment on table operations.consents is
'What athletes decided. One row per decision, the newest counts; append-only.';
comment on column operations.consents.consent_id is 'Number of the entry, ascending.';
comment on column operations.consents.player_id is 'NBA player id.';
comment on column operations.consents.decision is 'granted, declined or withdrawn.';
comment on column operations.consents.text_version is 'The text that was shown.';
comment on column operations.consents.purposes is 'What the data may be used for.';
comment on column operations.consents.audience is 'Who may see the athlete''s own values.';
comment on column operations.consents.scopes is 'WHOOP scopes that the athlete was asked for.';
comment on column operations.consents.recorded_at is 'When the athlete decided (UTC).';
comment on column operations.consents.expires_at is
'End of the permission (UTC); null for a decision that permits nothing.';

create table operations.consent_invitations (
    invitation_hash text primary key,
    player_id text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    check (expires_at > created_at)
);

comment on table operations.consent_invitations is
'Personal links to the consent page that operators gave out. One row per link.';
comment on column operations.consent_invitations.invitation_hash is
'SHA-256 of the secret in the link, hexadecimal; the secret itself is nowhere.';
comment on column operations.consent_invitations.player_id is 'NBA player id it was made for.';
comment on column operations.consent_invitations.created_at is 'When it was made (UTC).';
comment on column operations.consent_invitations.expires_at is 'Until when it opens the page (UTC).';
comment on column operations.consent_invitations.used_at is
'When its athlete decided (UTC); null before.';

create table operations.oauth_attempts (
    state_hash text primary key,
    player_id text not null,
    consent_id bigint not null references operations.consents (consent_id),
    browser_hash text not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    outcome text,
    check (expires_at > created_at)
);

comment on table operations.oauth_attempts is
'Walks to WHOOP''s consent page that have begun. One row per OAuth state.';
comment on column operations.oauth_attempts.state_hash is
'SHA-256 of the state, hexadecimal; the state itself is nowhere.';
comment on column operations.oauth_attempts.player_id is 'NBA player id.';
comment on column operations.oauth_attempts.consent_id is 'The entry that permits it.';
comment on column operations.oauth_attempts.browser_hash is
'SHA-256 of the cookie of the browser that began, hexadecimal: another browser cannot end it.';
comment on column operations.oauth_attempts.scopes is 'WHOOP scopes asked for.';
comment on column operations.oauth_attempts.created_at is 'When it began (UTC).';
comment on column operations.oauth_attempts.expires_at is 'Until when a callback is taken (UTC).';
comment on column operations.oauth_attempts.used_at is
'When the first callback came (UTC): a second one is refused; null before.';
comment on column operations.oauth_attempts.outcome is
'connected, or a short code of why not, e.g. access_denied; null before the end.';

create table operations.wearable_connections (
    connection_id uuid primary key,
    player_id text not null,
    provider text not null default 'whoop' check (provider = 'whoop'),
    provider_user_id bigint,
    consent_id bigint not null references operations.consents (consent_id),
    status text not null default 'active' check (status in ('active', 'reconnect', 'revoked')),
    status_reason text,
    status_at timestamptz not null default now(),
    generation integer not null default 1 check (generation >= 1),
    scopes text[] not null,
    connected_at timestamptz not null default now()
);

-- a WHOOP account belongs to one athlete
create unique index wearable_connections_account
on operations.wearable_connections (provider, provider_user_id) where status <> 'revoked';
create index wearable_connections_of_a_player on operations.wearable_connections (player_id);

comment on table operations.wearable_connections is
'WHOOP accounts that athletes connected. One row per account and athlete.';
comment on column operations.wearable_connections.connection_id is
'Random id; the device_id of the marts.';
comment on column operations.wearable_connections.player_id is 'NBA player id.';
comment on column operations.wearable_connections.provider is 'whoop.';
comment on column operations.wearable_connections.provider_user_id is
'The account''s user id at WHOOP; null until the first record names it.';
comment on column operations.wearable_connections.consent_id is
'The entry of the consent ledger that permitted it.';
comment on column operations.wearable_connections.status is
'active; reconnect: tokens no longer work and the athlete must connect again; or revoked.';
comment on column operations.wearable_connections.status_reason is
'Short code of why it is not active; null while it is.';
comment on column operations.wearable_connections.status_at is 'When the status began (UTC).';
comment on column operations.wearable_connections.generation is
'Rises when the account is connected again or revoked; work begun under an older one writes nothing.';
comment on column operations.wearable_connections.scopes is 'WHOOP scopes that were granted.';
comment on column operations.wearable_connections.connected_at is
'When it was last connected (UTC).';

create table operations.wearable_tokens (
    connection_id uuid primary key references operations.wearable_connections (connection_id)
    on delete cascade,
    token_version integer not null default 1 check (token_version >= 1),
    access_token bytea not null,
    refresh_token bytea,
    expires_at timestamptz not null,
    stored_at timestamptz not null default now(),
    refresh_started_at timestamptz
);

comment on table operations.wearable_tokens is
'Tokens of connections, encrypted (Fernet). One row per connection that has any.';
comment on column operations.wearable_tokens.connection_id is 'The connection.';
comment on column operations.wearable_tokens.token_version is
'Rises with every refresh: tells a worker that another one was faster.';
comment on column operations.wearable_tokens.access_token is 'Access token, ciphertext.';
comment on column operations.wearable_tokens.refresh_token is
'Refresh token, ciphertext; null if WHOOP gave none.';
comment on column operations.wearable_tokens.expires_at is 'When the access token ends (UTC).';
comment on column operations.wearable_tokens.stored_at is 'When this pair was stored (UTC).';
comment on column operations.wearable_tokens.refresh_started_at is
'When a refresh was sent whose answer is not stored yet (UTC); null otherwise.';

create table operations.whoop_requests (
    request_id bigint generated always as identity primary key,
    requested_at timestamptz not null,
    priority smallint not null check (priority between 0 and 3),
    endpoint text not null,
    connection_id uuid,
    http_status smallint,
    answered_at timestamptz,
    was_held boolean not null default false
);

create index whoop_requests_requested_at on operations.whoop_requests (requested_at);

comment on table operations.whoop_requests is
'Requests to WHOOP of this app, from all processes; the budget counts them. One row per request.';
comment on column operations.whoop_requests.request_id is 'Number of the request.';
comment on column operations.whoop_requests.requested_at is
'When the budget let it go (UTC, by the clock of the process).';
comment on column operations.whoop_requests.priority is
'0 webhook fetch, 1 pre-game window, 2 reconcile, 3 backfill.';
comment on column operations.whoop_requests.endpoint is
'Path without ids, e.g. /v2/cycle/{id}/recovery; token for the token endpoint; elsewhere for a '
'request of the same app that only WHOOP''s headers told of.';
comment on column operations.whoop_requests.connection_id is
'The athlete''s connection; null where none is concerned.';
comment on column operations.whoop_requests.http_status is
'Status of the answer; null while none came.';
comment on column operations.whoop_requests.answered_at is
'When the answer or its failure was there (UTC, by the same clock); null while it is under way.';
comment on column operations.whoop_requests.was_held is 'Whether it had to wait for the budget.';

create table operations.whoop_rate_limits (
    app text primary key,
    blocked_until timestamptz,
    limit_per_minute integer not null check (limit_per_minute > 0),
    limit_per_day integer not null check (limit_per_day > 0),
    told_at timestamptz
);

comment on table operations.whoop_rate_limits is
'What WHOOP last said of this app''s limits. One row per app.';
comment on column operations.whoop_rate_limits.app is
'First 16 hexadecimal digits of the SHA-256 of the client id.';
comment on column operations.whoop_rate_limits.blocked_until is
'No request before this (UTC), from X-RateLimit-Reset or Retry-After; null when free.';
comment on column operations.whoop_rate_limits.limit_per_minute is 'Requests per 60 s.';
comment on column operations.whoop_rate_limits.limit_per_day is 'Requests per 86,400 s.';
comment on column operations.whoop_rate_limits.told_at is
'When the headers last said so (UTC); null while the documented limits are assumed.';

create table operations.webhook_inbox (
    trace_id text primary key,
    event_type text not null,
    provider_user_id bigint not null,
    object_id text not null,
    body bytea not null,
    signed_at timestamptz not null,
    received_at timestamptz not null default now(),
    duplicates integer not null default 0 check (duplicates >= 0),
    status text not null default 'waiting' check (status in ('waiting', 'done', 'ignored', 'failed')),
    attempts integer not null default 0 check (attempts >= 0),
    not_before timestamptz not null default now(),
    claimed_until timestamptz,
    outcome text,
    finished_at timestamptz
);

create index webhook_inbox_waiting on operations.webhook_inbox (not_before) where status = 'waiting';
create index webhook_inbox_account on operations.webhook_inbox (provider_user_id);

comment on table operations.webhook_inbox is
'Webhook deliveries with a true signature. One row per trace id, however often it came.';
comment on column operations.webhook_inbox.trace_id is 'WHOOP''s id of the event.';
comment on column operations.webhook_inbox.event_type is 'For example sleep.updated.';
comment on column operations.webhook_inbox.provider_user_id is 'WHOOP user id.';
comment on column operations.webhook_inbox.object_id is
'UUID of the sleep (also of recovery events) or workout.';
comment on column operations.webhook_inbox.body is 'The body as received.';
comment on column operations.webhook_inbox.signed_at is 'X-WHOOP-Signature-Timestamp (UTC).';
comment on column operations.webhook_inbox.received_at is 'When it first came (UTC).';
comment on column operations.webhook_inbox.duplicates is 'How often it came again.';
comment on column operations.webhook_inbox.status is
'waiting, done, ignored (nobody here is concerned) or failed (given up; the reconcile job finds it).';
comment on column operations.webhook_inbox.attempts is 'How often a worker took it.';
comment on column operations.webhook_inbox.not_before is 'A worker may take it from then on (UTC).';
comment on column operations.webhook_inbox.claimed_until is
'A worker has it until then (UTC); after that it died and another may take it; null when free.';
comment on column operations.webhook_inbox.outcome is 'What came of it, a short code; null before.';
comment on column operations.webhook_inbox.finished_at is 'When it was settled (UTC); null before.';

create table operations.webhook_refusals (
    reason text not null,
    hour timestamptz not null,
    refused bigint not null default 0 check (refused >= 0),
    primary key (reason, hour)
);

comment on table operations.webhook_refusals is
'Deliveries that were turned away, counted. One row per reason and hour.';
comment on column operations.webhook_refusals.reason is 'Short code, e.g. wrong_signature.';
comment on column operations.webhook_refusals.hour is 'Start of the hour (UTC).';
comment on column operations.webhook_refusals.refused is 'How many, 1 or more.';

create table operations.whoop_sync_positions (
    connection_id uuid not null references operations.wearable_connections (connection_id)
    on delete cascade,
    resource text not null,
    complete_from timestamptz not null,
    complete_until timestamptz not null,
    synced_at timestamptz not null,
    primary key (connection_id, resource),
    check (complete_until >= complete_from)
);

comment on table operations.whoop_sync_positions is
'Stretch of activity time that was read without a gap. One row per connection and resource.';
comment on column operations.whoop_sync_positions.connection_id is 'The connection.';
comment on column operations.whoop_sync_positions.resource is
'cycle, recovery, sleep, workout, profile or body.';
comment on column operations.whoop_sync_positions.complete_from is
'Everything that began since then was read (UTC).';
comment on column operations.whoop_sync_positions.complete_until is
'Up to here (UTC); the next run begins a trailing window before it.';
comment on column operations.whoop_sync_positions.synced_at is 'When it was last read (UTC).';

create table operations.whoop_watched_records (
    resource text not null,
    record_key text not null,
    connection_id uuid not null references operations.wearable_connections (connection_id)
    on delete cascade,
    reason text not null,
    watched_since timestamptz not null default now(),
    next_read_at timestamptz not null,
    give_up_at timestamptz not null,
    reads integer not null default 0 check (reads >= 0),
    primary key (resource, record_key)
);

create index whoop_watched_records_due on operations.whoop_watched_records (next_read_at);

comment on table operations.whoop_watched_records is
'Records that are not settled and are read again until they are. One row per record.';
comment on column operations.whoop_watched_records.resource is 'cycle, recovery, sleep or workout.';
comment on column operations.whoop_watched_records.record_key is 'Key of the record.';
comment on column operations.whoop_watched_records.connection_id is 'The connection it belongs to.';
comment on column operations.whoop_watched_records.reason is
'Why it is not settled, e.g. pending_score, open_cycle, not_found.';
comment on column operations.whoop_watched_records.watched_since is 'When it was put here (UTC).';
comment on column operations.whoop_watched_records.next_read_at is 'When to read it again (UTC).';
comment on column operations.whoop_watched_records.give_up_at is
'After this it is left as it is (UTC).';
comment on column operations.whoop_watched_records.reads is 'How often it was read from here.';

grant select, insert on operations.consents, operations.consent_texts to clutch_ingest;
grant select, insert, update, delete on
operations.consent_invitations, operations.oauth_attempts,
operations.wearable_connections, operations.wearable_tokens,
operations.whoop_requests, operations.whoop_rate_limits,
operations.webhook_inbox, operations.webhook_refusals,
operations.whoop_sync_positions, operations.whoop_watched_records
to clutch_ingest;

-- Made by the role that ingests, in the form that dlt gives them: dlt finds them and only loads.
reset role;
set role clutch_ingest;

do $$
declare
    raw_table text;
begin
    foreach raw_table in array array['cycle', 'recovery', 'sleep', 'workout', 'profile', 'body'] loop
        execute format(
            'create table raw_whoop.%I (
                record_key varchar not null,
                connection_id varchar not null,
                provider_user_id bigint,
                content_hash varchar not null,
                payload jsonb,
                is_deleted boolean not null,
                source varchar not null,
                source_updated_at timestamptz,
                fetched_at timestamptz not null,
                _dlt_load_id varchar not null,
                _dlt_id varchar not null unique
            )', raw_table);
        execute format(
            'create unique index %I on raw_whoop.%I (record_key, fetched_at desc)',
            raw_table || '_newest_version', raw_table);
        execute format('create index %I on raw_whoop.%I (connection_id)',
            raw_table || '_connection', raw_table);
        execute format('comment on table raw_whoop.%I is %L', raw_table, format(
            'WHOOP %s records as sent. One row per record and content version, deletions included.',
            raw_table));
        execute format('comment on column raw_whoop.%I.record_key is %L', raw_table,
            case raw_table
                when 'cycle' then 'Cycle id.'
                when 'recovery' then 'Cycle id: a cycle has at most one recovery.'
                when 'sleep' then 'Sleep UUID.'
                when 'workout' then 'Workout UUID.'
                else 'Connection id: WHOOP keeps one such record per account.'
            end);
        execute format('comment on column raw_whoop.%I.connection_id is %L', raw_table,
            'The athlete''s connection (operations.wearable_connections).');
        execute format('comment on column raw_whoop.%I.provider_user_id is %L', raw_table,
            'WHOOP user id in the record; null in a deletion that does not tell it.');
        execute format('comment on column raw_whoop.%I.content_hash is %L', raw_table,
            'SHA-256 of the payload, or of the word deleted, hexadecimal.');
        execute format('comment on column raw_whoop.%I.payload is %L', raw_table,
            'The record as sent, fields outside the allow-list left out; null in a deletion.');
        execute format('comment on column raw_whoop.%I.is_deleted is %L', raw_table,
            'Whether this version says that the record is gone.');
        execute format('comment on column raw_whoop.%I.source is %L', raw_table,
            'What brought it: sync, watch, webhook or reconcile.');
        execute format('comment on column raw_whoop.%I.source_updated_at is %L', raw_table,
            'updated_at as WHOOP sent it (UTC); null in a deletion and where there is none.');
        execute format('comment on column raw_whoop.%I.fetched_at is %L', raw_table,
            'When this version arrived (UTC).');
        execute format('comment on column raw_whoop.%I._dlt_load_id is %L', raw_table,
            'Load package of dlt, or the word direct for a row written without one.');
        execute format('comment on column raw_whoop.%I._dlt_id is %L', raw_table,
            'Row id of dlt.');
    end loop;
end
$$;

-- The rule for the newest version, once, for ingestion and dbt alike.
create view raw_whoop.record_versions as
with versions as (
    select 'cycle' as resource, cycle.* from raw_whoop.cycle
    union all
    select 'recovery' as resource, recovery.* from raw_whoop.recovery
    union all
    select 'sleep' as resource, sleep.* from raw_whoop.sleep
    union all
    select 'workout' as resource, workout.* from raw_whoop.workout
    union all
    select 'profile' as resource, profile.* from raw_whoop.profile
    union all
    select 'body' as resource, body.* from raw_whoop.body
),

with_deletions as (
    select
        versions.*,
        max(fetched_at) filter (where is_deleted) over (
            partition by resource, connection_id, record_key
        ) as last_deleted_at
    from versions
),

ranked as (
    select
        with_deletions.*,
        row_number() over (
            partition by resource, connection_id, record_key
            order by
                case
                    when not is_deleted and (last_deleted_at is null or fetched_at > last_deleted_at)
                        then 1
                    when is_deleted then 2
                    else 3
                end,
                source_updated_at desc nulls last,
                fetched_at desc
        ) as version_rank
    from with_deletions
)

select
    resource, record_key, connection_id, provider_user_id, content_hash, payload, is_deleted, source,
    source_updated_at, fetched_at, version_rank = 1 as is_newest, _dlt_load_id, _dlt_id
from ranked;

comment on view raw_whoop.record_versions is
'Every stored version of every record. The newest of a record is the greatest (source_updated_at,
fetched_at) of those that arrived after its last deletion, or else that deletion: a late answer
neither replaces a newer version nor brings a deleted record back; an answer read afterwards does.';
comment on column raw_whoop.record_versions.resource is 'The raw table it is in.';
comment on column raw_whoop.record_versions.record_key is 'Key of the record.';
comment on column raw_whoop.record_versions.connection_id is
'The athlete''s connection; the same record under two connections is two records.';
comment on column raw_whoop.record_versions.provider_user_id is 'WHOOP user id; see the table.';
comment on column raw_whoop.record_versions.content_hash is 'SHA-256; see the table.';
comment on column raw_whoop.record_versions.payload is 'The record; null in a deletion.';
comment on column raw_whoop.record_versions.is_deleted is 'Whether it is a deletion.';
comment on column raw_whoop.record_versions.source is
'What brought it: sync, watch, webhook or reconcile.';
comment on column raw_whoop.record_versions.source_updated_at is 'updated_at as sent (UTC).';
comment on column raw_whoop.record_versions.fetched_at is 'When it arrived (UTC).';
comment on column raw_whoop.record_versions.is_newest is
'True for exactly one version of each record.';
comment on column raw_whoop.record_versions._dlt_load_id is 'Load package of dlt, or the word direct.';
comment on column raw_whoop.record_versions._dlt_id is 'Row id of dlt.';

reset role;
set role clutch_owner;
