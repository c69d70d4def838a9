-- Who reads what of an athlete's body is a matter of the role that asks, of what it says it asks for, and of what he
-- permitted, at the moment of reading. clutch_bi, which reads everything else in analytics, sees no athlete's values.

-- roles are made by the login user, as in revision 0001
reset role;

do $$
declare
    wanted text;
    may_act boolean;
begin
    foreach wanted in array array[
        'clutch_medical', 'clutch_performance', 'clutch_coaches', 'clutch_front_office', 'clutch_analyst'
    ] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception
                when duplicate_object or unique_violation then null;
            end;
        end if;
        if current_setting('server_version_num')::int >= 160000 then
            execute 'select pg_has_role(session_user, $1, ''SET'')' into may_act using wanted;
            if not may_act then
                execute format('grant %I to %I with inherit false, set true', wanted, session_user);
            end if;
        elsif not pg_has_role(session_user, wanted, 'MEMBER') then
            execute format('grant %I to %I', wanted, session_user);
        end if;
        execute format('grant connect on database %I to %I', current_database(), wanted);
        execute format('alter role %I in database %I set search_path = analytics', wanted, current_database());
        execute format(
            'alter role %I in database %I set default_transaction_read_only = on', wanted, current_database()
        );
    end loop;
end
$$;

set local role clutch_owner;

grant usage on schema analytics
to clutch_medical, clutch_performance, clutch_coaches, clutch_front_office, clutch_analyst;

set local role clutch_transform;

-- what is there, and what is to come; the analyst gets two relations, from the models themselves
grant select on all tables in schema analytics
to clutch_medical, clutch_performance, clutch_coaches, clutch_front_office;
alter default privileges in schema analytics grant select on tables
to clutch_medical, clutch_performance, clutch_coaches, clutch_front_office;

set role clutch_owner;

-- Bodies and defaults that are read when they are made, not when they run: readers have no rights on this schema.
create function operations.reader_audiences() returns text[] language sql stable parallel safe
return
    case
        -- whoever decides on contracts and trades sees nothing, whatever else he was granted
        when pg_has_role(current_user, 'clutch_front_office', 'MEMBER') then '{}'::text[]
        else array_remove(array[
            case when pg_has_role(current_user, 'clutch_medical', 'USAGE') then 'medical_staff' end,
            case when pg_has_role(current_user, 'clutch_performance', 'USAGE') then 'performance_staff' end,
            case when pg_has_role(current_user, 'clutch_coaches', 'USAGE') then 'coaches' end
        ], null)
    end;

comment on function operations.reader_audiences() is
'Which of the audiences that athletes allow the session''s role belongs to; none for whoever belongs to clutch_front_office as well.';

create function operations.reader_purpose() returns text language sql stable parallel safe
return
    case
        when current_user in ('clutch_model', 'clutch_analyst') then 'modeling'
        else nullif(current_setting('clutch.purpose', true), '')
    end;

comment on function operations.reader_purpose() is
'What the session says it reads athletes'' values for (setting clutch.purpose); modeling for the roles that do nothing else.';

-- what the session is stands in arguments, so that it is looked up once a statement and not once an athlete
create function operations.reader_may_see(
    purposes text[], audience text[], reader_audiences text[], reader_purpose text
) returns boolean
language sql stable parallel safe
return
    case current_user
        -- it builds the tables and reads them for nobody
        when 'clutch_transform' then true
        when 'clutch_model' then 'modeling' = any(purposes)
        else coalesce(reader_purpose = any(purposes) and audience && reader_audiences, false)
    end;

comment on function operations.reader_may_see(text[], text[], text[], text) is
'Whether a permission with these purposes and this audience covers a reader of these audiences who asks for this purpose; the roles of building and modeling are told by their names.';

-- The call stands in a subquery of its own, so that it happens once a statement. A table could not hold the log: readers are
-- read-only, and what a transaction wrote goes with it when it is rolled back. The server's log stays.
create function operations.note_wearable_read(
    relation text,
    audiences text[] default operations.reader_audiences(),
    purpose text default operations.reader_purpose()
) returns boolean
language plpgsql volatile parallel restricted set search_path = pg_catalog as $$
declare
    is_system boolean := current_user in ('clutch_model', 'clutch_analyst');
begin
    if current_user = 'clutch_transform' then
        return true;
    end if;
    if audiences = '{}' and not is_system then
        return false;
    end if;
    if purpose is null or purpose not in ('readiness', 'modeling') then
        raise exception '%: athletes'' values are read for a purpose that they allowed, and this session says %',
            relation, coalesce('"' || purpose || '"', 'none')
            using errcode = 'insufficient_privilege',
            hint = 'set clutch.purpose = ''readiness'', or the option -c clutch.purpose=readiness of the connection';
    end if;
    -- no quotes and no spaces within a value: the line reads alike in every format of the server's log
    raise log 'clutch wearable read % at=% database=% relation=% login=% role=% audiences=% purpose=% application=%',
        gen_random_uuid(),
        to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        regexp_replace(current_database(), '[^A-Za-z0-9_.@-]', '_', 'g'),
        relation,
        regexp_replace(session_user, '[^A-Za-z0-9_.@-]', '_', 'g'),
        regexp_replace(current_user, '[^A-Za-z0-9_.@-]', '_', 'g'),
        case when is_system then current_user else array_to_string(audiences, ',') end,
        purpose,
        coalesce(nullif(left(regexp_replace(current_setting('application_name'), '[^A-Za-z0-9_.@-]', '_', 'g'), 60), ''), '-');
    return true;
end
$$;

comment on function operations.note_wearable_read(text, text[], text) is
'Writes into the server''s log who is about to read athletes'' values of a relation, and for what; false for a role that sees none, an error where no purpose is said.';

create view operations.reader_groups with (security_barrier) as
select
    pg_has_role(current_user, 'clutch_transform', 'MEMBER')
    or not pg_has_role(current_user, 'clutch_front_office', 'MEMBER') as may_see_groups;

comment on view operations.reader_groups is
'Whether the session''s role may see figures of groups of athletes: everybody but the front office. One row.';
comment on column operations.reader_groups.may_see_groups is 'Whether it may.';

-- Sets and no search per athlete, as operations.consents would have it: every read of athletes' values asks this for all of them.
create view operations.newest_consents as
select
    newest.consent_id,
    subject.player_id,
    newest.decision,
    newest.reason,
    newest.text_version,
    newest.purposes,
    newest.audience,
    newest.scopes,
    newest.devices,
    newest.recorded_at,
    newest.expires_at,
    newest.entry_hash,
    words.are_in_force as has_words_in_force,
    newest.decision = 'granted' and newest.expires_at > now() and words.are_in_force as is_live
from (
    select distinct on (ledger.subject_hash) ledger.* from operations.consent_ledger as ledger
    order by ledger.subject_hash, ledger.consent_id desc
) as newest
inner join operations.consent_subjects as subject on newest.subject_hash = subject.subject_hash
cross join lateral (
    select
        coalesce(
            newest.text_version = (
                select in_force.text_version from operations.consent_texts_in_force as in_force
                order by in_force.number desc limit 1
            ),
            true
        ) as are_in_force
) as words;

comment on view operations.newest_consents is 'The decision of each athlete that counts, see operations.consents.';

do $$
declare
    named record;
begin
    for named in
        select attname, col_description(attrelid, attnum) as description from pg_attribute
        where attrelid = 'operations.consents'::regclass and attnum > 0
    loop
        execute format('comment on column operations.newest_consents.%I is %L', named.attname, named.description);
    end loop;
end
$$;

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
    reads.last_sync_at,
    coalesce('modeling' = any(newest.purposes), false) as permits_modeling,
    operations.reader_may_see(
        newest.purposes, newest.audience, (select operations.reader_audiences()), (select operations.reader_purpose())
    ) as permits_reader,
    left(
        encode(
            sha256(convert_to('research ' || coalesce(subject.subject_hash, device.connection_id::text), 'UTF8')), 'hex'
        ),
        16
    ) as athlete_key
from operations.wearable_connections as device
left join operations.newest_consents as newest on device.player_id = newest.player_id
left join operations.consent_subjects as subject on device.player_id = subject.player_id
left join (
    select connection_id, max(synced_at) as last_sync_at
    from operations.whoop_sync_positions
    group by connection_id
) as reads on device.connection_id = reads.connection_id;

comment on column operations.wearable_devices.permits_modeling is
'Whether his newest decision allows that his records are used together with those of others.';
comment on column operations.wearable_devices.permits_reader is
'Whether his newest decision covers the role that asks and what it asks for (clutch.purpose).';
comment on column operations.wearable_devices.athlete_key is
'A name for research: 16 hexadecimal digits of a hash over his salted hash; it goes with the salt.';

create table operations.wearable_reads (
    read_id uuid primary key,
    read_at timestamptz not null,
    relation text not null,
    login_name text not null,
    role_name text not null,
    audiences text[] not null,
    purpose text not null,
    application text not null,
    collected_at timestamptz not null default now()
);

create index wearable_reads_in_time on operations.wearable_reads (read_at);

create trigger wearable_reads_unchanged before update on operations.wearable_reads
for each statement execute function operations.refuse_change();

comment on table operations.wearable_reads is
'Who read relations that hold athletes'' values, and for what. One row per statement and relation, collected from the server''s log.';
comment on column operations.wearable_reads.read_id is 'Id of the line.';
comment on column operations.wearable_reads.read_at is 'When (UTC).';
comment on column operations.wearable_reads.relation is 'Relation of analytics.';
comment on column operations.wearable_reads.login_name is 'Who logged in.';
comment on column operations.wearable_reads.role_name is 'Role it acted as.';
comment on column operations.wearable_reads.audiences is 'Audiences of that role; the role itself where no person reads.';
comment on column operations.wearable_reads.purpose is 'What for, as the session said.';
comment on column operations.wearable_reads.application is 'The program, as the session named itself.';
comment on column operations.wearable_reads.collected_at is 'When the line was collected (UTC).';

grant select on operations.reader_groups to clutch_transform;
grant select, insert, delete on operations.wearable_reads to clutch_ingest;

-- decisions enter by the view, whose trigger may write; nobody calls a function of ours that he has no use for
revoke insert on operations.consent_ledger from clutch_ingest;
revoke execute on all functions in schema operations from public;
alter default privileges revoke execute on functions from public;
grant execute on function operations.consent_entry_hash(operations.consent_ledger) to clutch_ingest;
-- called in row security and in views, each time as the role that reads
grant execute on function
operations.reader_audiences(),
operations.reader_purpose(),
operations.reader_may_see(text[], text[], text[], text),
operations.note_wearable_read(text, text[], text)
to
clutch_transform, clutch_model, clutch_bi, clutch_medical, clutch_performance, clutch_coaches, clutch_front_office,
clutch_analyst;
