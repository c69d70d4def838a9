-- Runs as the login user (a superuser, or one with CREATEROLE and CREATE on this database) and ends as clutch_owner.

-- Roles belong to the whole server: another database of it may have made them already, or be making them now.
do $$
declare
    wanted text;
    may_act boolean;
begin
    foreach wanted in array array[
        'clutch_owner', 'clutch_ingest', 'clutch_transform', 'clutch_model', 'clutch_bi'
    ] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception
                when duplicate_object or unique_violation then null;
            end;
        end if;
        -- From version 16 on, whoever makes a role administers it but may not act as it, nor gets its rights
        -- without asking.
        if current_setting('server_version_num')::int >= 160000 then
            execute 'select pg_has_role(session_user, $1, ''SET'')' into may_act using wanted;
            if not may_act then
                execute format('grant %I to %I with inherit false, set true', wanted, session_user);
            end if;
        elsif not pg_has_role(session_user, wanted, 'MEMBER') then
            execute format('grant %I to %I', wanted, session_user);
        end if;
    end loop;
end
$$;

-- On the database and on schema public a user who does not own them gets a warning here, and the grants of the
-- server's own default (no CREATE for everybody since version 15) stay.
do $$
begin
    execute format('revoke create, temporary on database %I from public', current_database());
    execute format('grant connect on database %I to clutch_owner, clutch_bi', current_database());
    -- dbt and dlt merge through temporary tables
    execute format(
        'grant connect, temporary on database %I to clutch_ingest, clutch_transform, clutch_model',
        current_database()
    );
    execute format('alter role clutch_bi in database %I set search_path = analytics', current_database());
    execute format(
        'alter role clutch_bi in database %I set default_transaction_read_only = on', current_database()
    );
end
$$;
revoke create on schema public from public;

create schema raw_nba authorization clutch_owner;
create schema raw_nba_staging authorization clutch_owner;
create schema raw_whoop authorization clutch_owner;
create schema raw_whoop_staging authorization clutch_owner;
create schema staging authorization clutch_owner;
create schema intermediate authorization clutch_owner;
create schema model_output authorization clutch_owner;
create schema analytics authorization clutch_owner;
-- made before this revision, for alembic_version
alter schema operations owner to clutch_owner;
alter table operations.alembic_version owner to clutch_owner;

set local role clutch_owner;

comment on schema raw_nba is 'NBA payloads as sent, append-only versions; written by dlt.';
comment on schema raw_nba_staging is 'Batches of raw_nba that dlt is about to merge; empty between loads.';
comment on schema raw_whoop is 'WHOOP payloads as sent, append-only versions; written by dlt.';
comment on schema raw_whoop_staging is 'Batches of raw_whoop that dlt is about to merge; empty between loads.';
comment on schema operations is 'State of ingestion: runs, quarantine, consent, devices; no measurement.';
comment on schema staging is 'dbt: one model per raw table, renamed, cast and flagged.';
comment on schema intermediate is 'dbt: steps between staging and the marts; not for readers.';
comment on schema model_output is 'Posterior summaries, diagnostics and the manifest of model runs.';
comment on schema analytics is 'Public relations for BI, API, dashboard and modeling.';
comment on table operations.alembic_version is 'Which migration this database is at; one row.';
comment on column operations.alembic_version.version_num is 'Number of the last migration applied, e.g. 0002.';

grant usage, create on schema raw_nba, raw_nba_staging, raw_whoop, raw_whoop_staging to clutch_ingest;
grant usage on schema operations to clutch_ingest;
grant usage on schema raw_nba, raw_whoop, model_output to clutch_transform;
grant usage, create on schema staging, intermediate, analytics to clutch_transform;
grant usage, create on schema model_output to clutch_model;
grant usage on schema analytics to clutch_model, clutch_bi;

-- Tables to come: only the role that makes them can say who reads them.
set local role clutch_ingest;
alter default privileges in schema raw_nba, raw_whoop grant select on tables to clutch_transform;
set local role clutch_transform;
alter default privileges in schema analytics grant select on tables to clutch_model, clutch_bi;
set local role clutch_model;
alter default privileges in schema model_output grant select on tables to clutch_transform;

-- for the rest of this session: later revisions run as the owner
set role clutch_owner;
