-- What an athlete can do by himself at any time: see what he allowed, fetch his data, stop.
create table operations.personal_links (
    link_hash text primary key check (link_hash ~ '^[0-9a-f]{64}$'),
    player_id text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    check (expires_at > created_at)
);

create index personal_links_of_a_player on operations.personal_links (player_id);

comment on table operations.personal_links is
'Links to an athlete''s own page, made when he is connected or by an operator. One row per link; his withdrawal deletes it.';
comment on column operations.personal_links.link_hash is
'SHA-256 of the secret in the link, hexadecimal; the secret itself is nowhere.';
comment on column operations.personal_links.player_id is 'NBA player id it was made for.';
comment on column operations.personal_links.created_at is 'When it was made (UTC).';
comment on column operations.personal_links.expires_at is
'Until when it opens the page (UTC): a month longer than what he permits.';

-- a click that is sent twice, or again because its answer was lost, must find the withdrawal that it began
alter table operations.withdrawals
add column link_hashes text[],
add constraint withdrawals_link_hashes_check check (finished_at is null or link_hashes is null);

comment on column operations.withdrawals.link_hashes is
'Hashes of his personal links, which lead to the state of the withdrawal while it is open; null when it is over.';

grant select, insert, update, delete on operations.personal_links to clutch_ingest;
