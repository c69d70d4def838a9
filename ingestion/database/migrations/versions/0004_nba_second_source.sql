-- Made by the role that ingests, like the tables of 0003.
reset role;
set role clutch_ingest;

do $$
declare
    raw_table text;
begin
    foreach raw_table in array array['playbyplayv3', 'boxscoretraditionalv3', 'playbyplayv2'] loop
        execute format('
            create table raw_nba.%I (
                game_id varchar not null,
                content_hash varchar not null,
                payload jsonb not null,
                source varchar not null,
                origin varchar not null,
                source_time varchar,
                fetched_at timestamptz not null,
                _dlt_load_id varchar not null,
                _dlt_id varchar not null unique
            )', raw_table);
        execute format('create unique index %I on raw_nba.%I (game_id, fetched_at desc)',
            raw_table || '_newest_version', raw_table);
        execute format('comment on column raw_nba.%I.game_id is %L', raw_table,
            'League game id, ten digits.');
        execute format('comment on column raw_nba.%I.content_hash is %L', raw_table,
            'SHA-256 of the payload without its envelope meta, hexadecimal.');
        execute format('comment on column raw_nba.%I.payload is %L', raw_table,
            'The payload as sent, meta included.');
        execute format('comment on column raw_nba.%I.origin is %L', raw_table,
            'Address, or file name relative to the folder.');
        execute format('comment on column raw_nba.%I.fetched_at is %L', raw_table,
            'When this version arrived (UTC).');
        execute format('comment on column raw_nba.%I._dlt_load_id is %L', raw_table,
            'Load package of dlt.');
        execute format('comment on column raw_nba.%I._dlt_id is %L', raw_table,
            'Row id of dlt.');
    end loop;
    foreach raw_table in array array[
        'schedule', 'playbyplay', 'boxscore', 'playbyplayv3', 'boxscoretraditionalv3',
        'playbyplayv2'
    ] loop
        execute format('comment on column raw_nba.%I.source is %L', raw_table,
            'cdn (static and live-data files), stats (stats service) or file.');
        execute format('comment on column raw_nba.%I.source_time is %L', raw_table,
            'meta.time as sent, zone not stated, or else HTTP Last-Modified; null without both.');
    end loop;
end
$$;

comment on table raw_nba.playbyplayv3 is
'Play-by-play payloads of the stats service, newer form. One row per game and content version.';
comment on table raw_nba.boxscoretraditionalv3 is
'Box score payloads of the stats service. One row per game and content version.';
comment on table raw_nba.playbyplayv2 is
'Play-by-play payloads of the stats service, older form. One row per game and content version.';
comment on column raw_nba.schedule.content_hash is
'SHA-256 of what the schedule says of its games but their live scores and status, hexadecimal.';

reset role;
set role clutch_owner;

create table operations.nba_reads (
    resource text not null,
    record_key text not null,
    read_at timestamptz not null,
    source text not null,
    http_status smallint,
    game_status smallint,
    etag text,
    last_modified text,
    primary key (resource, record_key)
);

comment on table operations.nba_reads is
'When each NBA record was last read, changed or not. One row per resource and record.';
comment on column operations.nba_reads.resource is 'Kind of record, e.g. playbyplay.';
comment on column operations.nba_reads.record_key is 'Game id; season of a schedule.';
comment on column operations.nba_reads.read_at is
'When the source last gave an answer about it (UTC), also one without content.';
comment on column operations.nba_reads.source is 'cdn, stats or file.';
comment on column operations.nba_reads.http_status is
'Status of that answer, e.g. 200, 304 (unchanged) or 403 (not there); null for a file.';
comment on column operations.nba_reads.game_status is
'Of a box score: 1 not started, 2 live, 3 final; null where it is not told.';
comment on column operations.nba_reads.etag is
'HTTP validator of the newest stored content, sent back as If-None-Match; null without one.';
comment on column operations.nba_reads.last_modified is
'HTTP header Last-Modified of the newest stored content; null without one.';

create view operations.nba_last_reads as
select
    resource,
    max(read_at) as last_read_at
from operations.nba_reads
where http_status is null or http_status in (200, 304)
group by resource;

comment on view operations.nba_last_reads is
'When a good answer last came, per kind of record; what dbt source freshness looks at.';
comment on column operations.nba_last_reads.resource is 'Kind of record, e.g. playbyplay.';
comment on column operations.nba_last_reads.last_read_at is 'Newest good answer (UTC).';

grant select, insert, update on operations.nba_reads to clutch_ingest;
grant usage on schema operations to clutch_transform;
grant select on operations.nba_last_reads to clutch_transform;
