create table operations.withdrawals (
    withdrawal_id uuid primary key default gen_random_uuid(),
    subject_hash text not null check (subject_hash ~ '^[0-9a-f]{64}$'),
    player_id text,
    connection_ids uuid[],
    account_ids bigint[],
    requested_at timestamptz not null default now(),
    revocation text not null default 'pending'
    check (revocation in ('pending', 'confirmed', 'unconfirmed', 'none')),
    erased_at timestamptz,
    compacted_at timestamptz,
    verified_at timestamptz,
    finished_at timestamptz,
    cleaned_at timestamptz,
    erased_rows jsonb not null default '{}',
    remarks text[] not null default '{}',
    -- whose it was is forgotten at the end, and not before
    check ((finished_at is null) = (player_id is not null)),
    check ((finished_at is null) = (connection_ids is not null and account_ids is not null)),
    check (finished_at is null or (verified_at is not null and revocation <> 'pending'))
);

create unique index withdrawals_open on operations.withdrawals (player_id) where finished_at is null;

comment on table operations.withdrawals is
'Withdrawals of athletes and how far each has come. One row per withdrawal; when it is over it is a receipt without personal data.';
comment on column operations.withdrawals.withdrawal_id is 'Random id.';
comment on column operations.withdrawals.subject_hash is 'His name in the consent ledger: a salted hash whose salt is gone.';
comment on column operations.withdrawals.player_id is 'NBA player id; null when it is over.';
comment on column operations.withdrawals.connection_ids is 'His connections; null when it is over.';
comment on column operations.withdrawals.account_ids is 'His user ids at WHOOP; null when it is over.';
comment on column operations.withdrawals.requested_at is
'When he withdrew (UTC): from then on nothing of his is read, written or shown.';
comment on column operations.withdrawals.revocation is
'The grant at WHOOP: pending, confirmed (its token is refused), unconfirmed (no token was left to end it with), none (never connected).';
comment on column operations.withdrawals.erased_at is 'When his rows were deleted everywhere (UTC).';
comment on column operations.withdrawals.compacted_at is 'When the server''s files were rid of them (UTC).';
comment on column operations.withdrawals.verified_at is 'When a search found nothing of his (UTC).';
comment on column operations.withdrawals.finished_at is 'When it was over (UTC).';
comment on column operations.withdrawals.cleaned_at is
'When the server''s files were rid of what this row itself had held (UTC).';
comment on column operations.withdrawals.erased_rows is 'Rows deleted, by table.';
comment on column operations.withdrawals.remarks is 'What could not be done, and what that means.';

-- While a withdrawal is under way nothing new may begin that it would take along.
create function operations.refuse_grant_while_withdrawing() returns trigger language plpgsql as $$
begin
    if new.decision = 'granted' and exists (
        select from operations.withdrawals as withdrawal
        where withdrawal.subject_hash = new.subject_hash and withdrawal.finished_at is null
    ) then
        raise exception 'a withdrawal of this athlete is not over yet' using errcode = 'object_in_use';
    end if;
    return new;
end
$$;

comment on function operations.refuse_grant_while_withdrawing() is
'Trigger of the consent ledger: no permission while the athlete''s withdrawal is under way.';

create trigger consent_ledger_while_withdrawing before insert on operations.consent_ledger
for each row execute function operations.refuse_grant_while_withdrawing();

-- the role that withdraws has to find the athlete's hash and to destroy its salt
grant select (player_id, subject_hash), delete on operations.consent_subjects to clutch_ingest;
grant select, insert, update on operations.withdrawals to clutch_ingest;
