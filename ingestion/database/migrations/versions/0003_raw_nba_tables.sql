-- Made by the role that ingests, in the form that dlt gives them: dlt finds them and only loads.
reset role;
set role clutch_ingest;

create table if not exists raw_nba.schedule (
    season varchar not null,
    content_hash varchar not null,
    payload jsonb not null,
    source varchar not null,
    origin varchar not null,
    source_time varchar,
    fetched_at timestamptz not null,
    _dlt_load_id varchar not null,
    _dlt_id varchar not null unique
);

create table if not exists raw_nba.playbyplay (
    game_id varchar not null,
    content_hash varchar not null,
    payload jsonb not null,
    source varchar not null,
    origin varchar not null,
    source_time varchar,
    fetched_at timestamptz not null,
    _dlt_load_id varchar not null,
    _dlt_id varchar not null unique
);

create table if not exists raw_nba.boxscore (
    game_id varchar not null,
    content_hash varchar not null,
    payload jsonb not null,
    source varchar not null,
    origin varchar not null,
    source_time varchar,
    fetched_at timestamptz not null,
    _dlt_load_id varchar not null,
    _dlt_id varchar not null unique
);

-- a record's newest version
create unique index if not exists schedule_newest_version
on raw_nba.schedule (season, fetched_at desc);
create unique index if not exists playbyplay_newest_version
on raw_nba.playbyplay (game_id, fetched_at desc);
create unique index if not exists boxscore_newest_version
on raw_nba.boxscore (game_id, fetched_at desc);

comment on table raw_nba.schedule is
'The league''s schedule as sent. One row per season and content version.';
comment on table raw_nba.playbyplay is
'Play-by-play payloads as sent. One row per game and content version.';
comment on table raw_nba.boxscore is
'Box score payloads as sent. One row per game and content version.';

do $$
declare
    raw_table text;
begin
    foreach raw_table in array array['schedule', 'playbyplay', 'boxscore'] loop
        execute format('comment on column raw_nba.%I.content_hash is %L', raw_table,
            'SHA-256 of the payload without its envelope meta, hexadecimal.');
        execute format('comment on column raw_nba.%I.payload is %L', raw_table,
            'The payload as sent, meta included.');
        execute format('comment on column raw_nba.%I.source is %L', raw_table, 'cdn or file.');
        execute format('comment on column raw_nba.%I.origin is %L', raw_table,
            'Address, or file name relative to the folder.');
        execute format('comment on column raw_nba.%I.source_time is %L', raw_table,
            'meta.time as sent, zone not stated; null when absent.');
        execute format('comment on column raw_nba.%I.fetched_at is %L', raw_table,
            'When this version arrived (UTC).');
        execute format('comment on column raw_nba.%I._dlt_load_id is %L', raw_table,
            'Load package of dlt.');
        execute format('comment on column raw_nba.%I._dlt_id is %L', raw_table,
            'Row id of dlt.');
    end loop;
end
$$;
comment on column raw_nba.schedule.season is 'Season, e.g. 2023-24.';
comment on column raw_nba.playbyplay.game_id is 'League game id, ten digits.';
comment on column raw_nba.boxscore.game_id is 'League game id, ten digits.';

reset role;
set role clutch_owner;
