-- Entries name an athlete by a salted hash: without the salt, which erasure destroys, nobody can tell whose they
-- were, and the chain still holds. Each entry has the hash of the one before: a change, a deletion or an entry put
-- in between breaks it for all that follow.

create table operations.consent_subjects (
    player_id text primary key,
    subject_hash text not null unique,
    -- two random UUIDs: 244 random bits
    salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    created_at timestamptz not null default now(),
    check (octet_length(salt) = 32),
    check (subject_hash = encode(sha256(salt || convert_to(player_id, 'UTF8')), 'hex'))
);

comment on table operations.consent_subjects is
'Whose entries of the consent ledger are whose. One row per athlete who decided anything; erasing him deletes it.';
comment on column operations.consent_subjects.player_id is 'NBA player id.';
comment on column operations.consent_subjects.subject_hash is 'SHA-256 of salt and player id, hexadecimal; his name in the ledger.';
comment on column operations.consent_subjects.salt is '32 random bytes. Whoever has them can show that an entry is his.';
comment on column operations.consent_subjects.created_at is 'When he first decided (UTC).';

create function operations.consent_subject(wanted text) returns text language plpgsql as $$
declare
    found_hash text;
    new_salt bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
begin
    insert into operations.consent_subjects (player_id, subject_hash, salt)
    values (wanted, encode(sha256(new_salt || convert_to(wanted, 'UTF8')), 'hex'), new_salt)
    on conflict (player_id) do nothing;
    select subject_hash into strict found_hash from operations.consent_subjects where player_id = wanted;
    return found_hash;
end
$$;

comment on function operations.consent_subject(text) is 'The salted hash of an athlete, made on first use.';

alter table operations.consents rename to consent_ledger;
alter index operations.consents_pkey rename to consent_ledger_pkey;
alter trigger consents_append_only on operations.consent_ledger rename to consent_ledger_append_only;
alter table operations.consent_ledger
add column subject_hash text check (subject_hash ~ '^[0-9a-f]{64}$'),
add column devices text[] not null default '{whoop}',
add column reason text,
add column previous_hash text check (previous_hash ~ '^[0-9a-f]{64}$'),
add column entry_hash text check (entry_hash ~ '^[0-9a-f]{64}$'),
drop constraint consents_decision_check,
add constraint consent_ledger_decision_check
check (decision in ('granted', 'declined', 'withdrawn', 'ended')),
add constraint consent_ledger_reason_check
check ((decision = 'ended') = (reason is not null) and reason in ('trade', 'waiver', 'contract_end')),
-- what is hashed stands on lines and in lists of its own
add constraint consent_ledger_words_check
check (
    array_to_string(purposes || audience || scopes || devices, '') ~ '^[A-Za-z0-9_.:-]*$'
    and text_version !~ '\s'
);

-- the trigger below numbers entries, under its lock: a default would number them before
alter table operations.consent_ledger alter column consent_id drop identity;
create sequence operations.consent_ledger_number owned by operations.consent_ledger.consent_id;
select setval('operations.consent_ledger_number', coalesce(max(consent_id), 0) + 1, false) from operations.consent_ledger;

create function operations.consent_entry_hash(entry operations.consent_ledger) returns text
language sql stable as $$
    select
        encode(
            sha256(
                convert_to(
                    concat_ws(
                        chr(10),
                        'clutch consent 1',
                        entry.consent_id::text,
                        entry.subject_hash,
                        entry.decision,
                        coalesce(entry.reason, ''),
                        entry.text_version,
                        (
                            select texts.text_sha256 from operations.consent_texts as texts
                            where texts.text_version = entry.text_version
                        ),
                        array_to_string(entry.purposes, ','),
                        array_to_string(entry.audience, ','),
                        array_to_string(entry.scopes, ','),
                        array_to_string(entry.devices, ','),
                        to_char(entry.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                        coalesce(to_char(entry.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
                        entry.previous_hash
                    ),
                    'UTF8'
                )
            ),
            'hex'
        )
$$;

comment on function operations.consent_entry_hash(operations.consent_ledger) is
'SHA-256 of an entry: its values line by line, lists with commas, times in UTC with microseconds, and last the hash of the entry before it.';

create function operations.chain_consent() returns trigger language plpgsql as $$
begin
    -- one after the other, whosever they are: number and hash follow the order of commits
    perform pg_advisory_xact_lock(1668247155, 0);
    new.consent_id := nextval('operations.consent_ledger_number');
    new.previous_hash := coalesce(
        (select ledger.entry_hash from operations.consent_ledger as ledger order by ledger.consent_id desc limit 1),
        repeat('0', 64)
    );
    new.entry_hash := operations.consent_entry_hash(new);
    return new;
end
$$;

comment on function operations.chain_consent() is 'Trigger of the consent ledger: links an entry to the one before it.';

-- what is there already, in its order
alter table operations.consent_ledger disable trigger consent_ledger_append_only;

do $$
declare
    entry record;
    before text := repeat('0', 64);
begin
    for entry in select consent_id, player_id from operations.consent_ledger order by consent_id loop
        update operations.consent_ledger as ledger
        set subject_hash = operations.consent_subject(entry.player_id), previous_hash = before
        where ledger.consent_id = entry.consent_id;
        update operations.consent_ledger as ledger set entry_hash = operations.consent_entry_hash(ledger)
        where ledger.consent_id = entry.consent_id
        returning ledger.entry_hash into before;
    end loop;
end
$$;

alter table operations.consent_ledger enable trigger consent_ledger_append_only;
alter table operations.consent_ledger
alter column subject_hash set not null, alter column previous_hash set not null, alter column entry_hash set not null;

create trigger consent_ledger_chain before insert on operations.consent_ledger
for each row execute function operations.chain_consent();

create index consent_ledger_of_a_subject on operations.consent_ledger (subject_hash, consent_id desc);
create unique index consent_ledger_previous on operations.consent_ledger (previous_hash);

comment on table operations.consent_ledger is
'What athletes decided. One row per decision, chained by hashes; append-only, without a name.';
comment on column operations.consent_ledger.subject_hash is 'The athlete, see operations.consent_subjects.';
comment on column operations.consent_ledger.devices is 'Kinds of device whose records the permission covers, e.g. whoop.';
comment on column operations.consent_ledger.decision is
'granted, declined, withdrawn, or ended: by an event that closes the team''s audience.';
comment on column operations.consent_ledger.reason is 'Of an end: trade, waiver or contract_end; null for the others.';
comment on column operations.consent_ledger.previous_hash is 'Hash of the entry before; zeros for the first.';
comment on column operations.consent_ledger.entry_hash is 'SHA-256 of this entry, hexadecimal.';

-- Which words are in force: a permission given under others permits nothing until the athlete is asked anew.
create table operations.consent_texts_in_force (
    number bigint generated always as identity primary key,
    text_version text not null references operations.consent_texts (text_version),
    since timestamptz not null default now()
);

create trigger consent_texts_in_force_append_only before update or delete or truncate
on operations.consent_texts_in_force for each statement execute function operations.refuse_change();

insert into operations.consent_texts_in_force (text_version)
select text_version from operations.consent_texts order by published_at desc, text_version limit 1;

comment on table operations.consent_texts_in_force is
'Which text is asked since when. One row per change, the newest counts; append-only.';
comment on column operations.consent_texts_in_force.number is 'Number of the change.';
comment on column operations.consent_texts_in_force.text_version is 'The text.';
comment on column operations.consent_texts_in_force.since is 'When it came into force (UTC).';

create view operations.consents as
select
    ledger.consent_id,
    subject.player_id,
    ledger.decision,
    ledger.reason,
    ledger.text_version,
    ledger.purposes,
    ledger.audience,
    ledger.scopes,
    ledger.devices,
    ledger.recorded_at,
    ledger.expires_at,
    ledger.entry_hash,
    words.are_in_force as has_words_in_force,
    ledger.decision = 'granted'
    and ledger.expires_at > now()
    and words.are_in_force
    and not exists (
        select from operations.consent_ledger as later
        where later.subject_hash = ledger.subject_hash and later.consent_id > ledger.consent_id
    ) as is_live
from operations.consent_ledger as ledger
inner join operations.consent_subjects as subject on ledger.subject_hash = subject.subject_hash
cross join lateral (
    select
        coalesce(
            ledger.text_version = (
                select in_force.text_version from operations.consent_texts_in_force as in_force
                order by in_force.number desc limit 1
            ),
            true
        ) as are_in_force
) as words;

comment on view operations.consents is
'Decisions of athletes who are not erased, by player. A decision is inserted here; nothing is changed or deleted.';
comment on column operations.consents.consent_id is 'Number of the entry, ascending.';
comment on column operations.consents.player_id is 'NBA player id.';
comment on column operations.consents.decision is 'granted, declined, withdrawn or ended.';
comment on column operations.consents.reason is 'Of an end: trade, waiver or contract_end; null for the others.';
comment on column operations.consents.text_version is 'The text that was shown.';
comment on column operations.consents.purposes is 'What the data may be used for.';
comment on column operations.consents.audience is 'Who may see the athlete''s own values.';
comment on column operations.consents.scopes is 'WHOOP scopes that the athlete was asked for.';
comment on column operations.consents.devices is 'Kinds of device whose records the permission covers.';
comment on column operations.consents.recorded_at is 'When the athlete decided (UTC).';
comment on column operations.consents.expires_at is 'End of the permission (UTC); null for a decision that permits nothing.';
comment on column operations.consents.entry_hash is 'Hash of the entry in the ledger.';
comment on column operations.consents.has_words_in_force is 'Whether its text is still what athletes are asked.';
comment on column operations.consents.is_live is
'Whether it permits reading now: his newest decision, a grant that has not expired, under the text in force.';

create function operations.record_consent() returns trigger language plpgsql
security definer set search_path = pg_catalog as $$
begin
    insert into operations.consent_ledger (
        subject_hash, decision, reason, text_version, purposes, audience, scopes, devices, recorded_at, expires_at
    )
    values (
        operations.consent_subject(new.player_id), new.decision, new.reason, new.text_version,
        new.purposes, new.audience, new.scopes, coalesce(new.devices, '{whoop}'),
        coalesce(new.recorded_at, now()), new.expires_at
    )
    returning consent_id, entry_hash, recorded_at into new.consent_id, new.entry_hash, new.recorded_at;
    return new;
end
$$;

comment on function operations.record_consent() is 'Trigger: puts a decision into the ledger under the athlete''s hash.';

create trigger consents_to_ledger instead of insert on operations.consents
for each row execute function operations.record_consent();

create or replace view operations.wearable_devices as
select
    device.connection_id::text as device_id,
    device.player_id,
    device.provider as device_type,
    'v2'::text as api_version,
    device.status,
    device.status_reason,
    device.connected_at,
    newest.decision as consent_decision,
    coalesce(newest.is_live and device.provider = any(newest.devices), false) as consent_granted,
    case when newest.decision = 'granted' then newest.recorded_at end as consent_granted_at,
    newest.expires_at as consent_expires_at,
    reads.last_sync_at
from operations.wearable_connections as device
left join lateral (
    select consents.decision, consents.recorded_at, consents.expires_at, consents.is_live, consents.devices
    from operations.consents
    where consents.player_id = device.player_id
    order by consents.consent_id desc
    limit 1
) as newest on true
left join (
    select connection_id, max(synced_at) as last_sync_at
    from operations.whoop_sync_positions
    group by connection_id
) as reads on device.connection_id = reads.connection_id;

comment on column operations.wearable_devices.consent_decision is
'The athlete''s newest decision: granted, declined, withdrawn or ended.';
comment on column operations.wearable_devices.consent_granted is
'Whether that decision permits reading now; false once it has expired or other words are in force.';

alter table operations.consent_ledger drop column player_id;

create view operations.consent_chain_breaks as
with entries as (
    select
        ledger.consent_id,
        ledger.previous_hash,
        ledger.entry_hash,
        operations.consent_entry_hash(ledger) as recomputed,
        lag(ledger.entry_hash, 1, repeat('0', 64)) over (order by ledger.consent_id) as before,
        encode(sha256(convert_to(texts.body, 'UTF8')), 'hex') = texts.text_sha256 as has_its_words
    from operations.consent_ledger as ledger
    left join operations.consent_texts as texts on ledger.text_version = texts.text_version
)

select
    consent_id,
    case
        when entry_hash is distinct from recomputed then 'changed after it was written'
        when previous_hash is distinct from before then 'what stood before it was deleted, or it was put in between'
        else 'the words of its text were changed'
    end as problem
from entries
where
    entry_hash is distinct from recomputed
    or previous_hash is distinct from before
    or has_its_words is not true;

comment on view operations.consent_chain_breaks is
'Entries of the consent ledger whose hash does not hold; none if nobody touched it. That the newest were not cut off is told by a receipt: clutch consent verify --receipt.';
comment on column operations.consent_chain_breaks.consent_id is 'Number of the entry.';
comment on column operations.consent_chain_breaks.problem is 'What is wrong with it.';

revoke execute on function operations.consent_subject(text) from public;
grant select on operations.consent_ledger, operations.consent_chain_breaks to clutch_ingest;
grant select, insert on operations.consents, operations.consent_texts_in_force to clutch_ingest;
