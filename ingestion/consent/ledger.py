"""The consent ledger: what athletes decided. Append-only; the newest entry of an athlete counts.

Entries are chained by hashes and name an athlete by a salted hash (``operations.consent_ledger``);
who he is stands apart (``operations.consent_subjects``) and goes with him when he is erased.
``operations.consents`` shows both together and takes new decisions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from ingestion.consent.texts import BASE_AUDIENCE, BASE_PURPOSES
from ingestion.errors import UsageError

GRANTED = "granted"
DECLINED = "declined"
WITHDRAWN = "withdrawn"
ENDED = "ended"


# First number of our own for pg_advisory_xact_lock(int, int): "cons" in ASCII; the second is the
# athlete.
_LOCK = 0x636F6E73


@dataclass(frozen=True)
class Entry:
    """One decision.

    Attributes:
        consent_id: Number of the entry, ascending.
        player_id: NBA player id.
        decision: ``granted``, ``declined``, ``withdrawn`` or ``ended``.
        text_version: The text that was shown.
        purposes: What the data may be used for.
        audience: Who may see the athlete's own values.
        scopes: WHOOP scopes that the athlete was asked for.
        recorded_at: When (UTC).
        expires_at: End of the permission (UTC); None for a decision that permits nothing.
        has_words_in_force: Whether its text is still what athletes are asked.
        entry_hash: Its hash, with the number the athlete's receipt.
    """

    consent_id: int
    player_id: str
    decision: str
    text_version: str
    purposes: list[str]
    audience: list[str]
    scopes: list[str]
    recorded_at: datetime
    expires_at: datetime | None
    has_words_in_force: bool
    entry_hash: str

    def is_live(self, now: datetime) -> bool:
        """Whether it permits anything at a time; only for the newest entry of an athlete."""
        return (
            self.decision == GRANTED
            and self.has_words_in_force
            and self.expires_at is not None
            and now < self.expires_at
        )

    @property
    def receipt(self) -> str:
        """What proves that the entry stood in the ledger: its number and hash."""
        return f"{self.consent_id}:{self.entry_hash}"


def append(
    connection: psycopg.Connection[Any],
    *,
    player_id: str,
    decision: str,
    text_version: str,
    purposes: Sequence[str] = (),
    audience: Sequence[str] = (),
    scopes: Sequence[str] = (),
    days: int | None = None,
    reason: str | None = None,
) -> int:
    """Add a decision, in the caller's transaction; gives its number.

    Decisions of one athlete wait for each other, so that the one that is committed last has the
    highest number.

    Args:
        connection: As role ``clutch_ingest``.
        player_id: NBA player id.
        decision: ``granted``, ``declined``, ``withdrawn`` or ``ended``.
        text_version: A registered text.
        purposes: For a grant, one at least.
        audience: Who may see the athlete's own values.
        scopes: WHOOP scopes that the athlete was asked for.
        days: How long a grant lasts.
        reason: Of an end, one of :data:`ingestion.consent.END_REASONS`.

    Raises:
        psycopg.errors.IntegrityError: If the text is unknown, a grant lacks purpose or end, or an
            end its reason.
    """
    lock_player(connection, player_id)
    row = connection.execute(
        """
        insert into operations.consents
            (player_id, decision, reason, text_version, purposes, audience, scopes, expires_at)
        values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(days => %s))
        returning consent_id
        """,
        [
            *(player_id, decision, reason, text_version),
            *(list(purposes), list(audience), list(scopes), days),
        ],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return int(row[0])


def lock_player(connection: psycopg.Connection[Any], player_id: str) -> None:
    """Keep an athlete's decisions as they are until the caller's transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, player_id])


def newest(connection: psycopg.Connection[Any], player_id: str) -> Entry | None:
    """The entry of an athlete that counts, or None where he was never asked."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            """
            select
                consent_id, player_id, decision, text_version, purposes, audience, scopes,
                recorded_at, expires_at, has_words_in_force, entry_hash
            from operations.consents where player_id = %s order by consent_id desc limit 1
            """,
            [player_id],
        ).fetchone()


def live(connection: psycopg.Connection[Any], player_id: str, now: datetime) -> Entry | None:
    """The entry that permits reading an athlete's records at a time, or None."""
    entry = newest(connection, player_id)
    return entry if entry is not None and entry.is_live(now) else None


@dataclass(frozen=True)
class Standing:
    """Where one athlete stands, for ``clutch consent list``.

    Attributes:
        player_id: NBA player id.
        decision: The decision that counts; None while invited only.
        recorded_at: When he decided (UTC).
        expires_at: End of the permission (UTC).
        text_version: The text he saw.
        purposes: What the data may be used for.
        audience: Who may see his own values.
        is_live: Whether his records may be read now.
        invited_until: End of his newest link that is unused and still opens (UTC).
        last_attempt: How his newest walk to WHOOP ended; ``begun`` while it may still end,
            ``interrupted`` when it did not.
        connections: Status of each connection with the reason where it is not active.
    """

    player_id: str
    decision: str | None
    recorded_at: datetime | None
    expires_at: datetime | None
    text_version: str | None
    purposes: list[str] | None
    audience: list[str] | None
    is_live: bool
    invited_until: datetime | None
    last_attempt: str | None
    connections: list[str]

    def besides(self) -> list[str]:
        """What was allowed beyond what every permission holds."""
        held = {*BASE_PURPOSES, *BASE_AUDIENCE}
        return [
            code for code in [*(self.purposes or []), *(self.audience or [])] if code not in held
        ]


def standings(connection: psycopg.Connection[Any]) -> list[Standing]:
    """Where every athlete stands who was invited or decided, ordered by id."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(
            """
            with athletes as (
                select player_id from operations.consents
                union
                select player_id from operations.consent_invitations
            )

            select
                athletes.player_id,
                entry.decision, entry.recorded_at, entry.expires_at, entry.text_version,
                entry.purposes, entry.audience,
                coalesce(entry.is_live, false) as is_live,
                (
                    select max(expires_at) from operations.consent_invitations as invitation
                    where
                        invitation.player_id = athletes.player_id
                        and used_at is null and expires_at > now()
                ) as invited_until,
                (
                    select
                        coalesce(
                            outcome,
                            case when expires_at > now() then 'begun' else 'interrupted' end
                        )
                    from operations.oauth_attempts as attempt
                    where attempt.player_id = athletes.player_id
                    order by created_at desc limit 1
                ) as last_attempt,
                array(
                    select status || coalesce(' (' || status_reason || ')', '')
                    from operations.wearable_connections as device
                    where device.player_id = athletes.player_id
                    order by connected_at desc
                ) as connections
            from athletes
            left join lateral (
                select * from operations.consents
                where consents.player_id = athletes.player_id
                order by consent_id desc limit 1
            ) as entry on true
            order by athletes.player_id
            """
        ).fetchall()


def end(connection: psycopg.Connection[Any], player_id: str, reason: str) -> Entry | None:
    """Close what an athlete permitted because he left the team; gives the entry that was closed.

    Args:
        connection: As role ``clutch_ingest``; the caller commits.
        player_id: NBA player id.
        reason: One of :data:`ingestion.consent.END_REASONS`.

    Returns:
        The grant, or None if there was none to close.
    """
    lock_player(connection, player_id)
    entry = newest(connection, player_id)
    if entry is None or entry.decision != GRANTED:
        return None
    append(
        connection,
        player_id=player_id,
        decision=ENDED,
        reason=reason,
        text_version=entry.text_version,
    )
    return entry


@dataclass(frozen=True)
class Verification:
    """What became of the ledger.

    Attributes:
        entries: How many there are.
        head: Receipt of the newest; None in an empty ledger. Kept apart from the database it
            tells whether the newest entries were cut off.
        problems: Entry and what is wrong with it.
    """

    entries: int
    head: str | None
    problems: list[tuple[int, str]]


def parse_receipt(text: str) -> tuple[int, str]:
    """Number and hash of an entry.

    Raises:
        UsageError: If the text is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip())
    if found is None:
        raise UsageError(
            f"--receipt: {text!r} is none. Fix: NUMBER:HASH as clutch consent verify prints it, "
            "the hash 64 hexadecimal digits."
        )
    return int(found[1]), found[2]


def verify(
    connection: psycopg.Connection[Any], receipts: Sequence[tuple[int, str]] = ()
) -> Verification:
    """Recompute the chain, and look for entries that somebody has a receipt of.

    Args:
        connection: As role ``clutch_ingest``.
        receipts: Numbers and hashes of entries that must be there.
    """
    problems = connection.execute(
        "select consent_id, problem from operations.consent_chain_breaks order by consent_id"
    ).fetchall()
    for consent_id, entry_hash in receipts:
        row = connection.execute(
            "select entry_hash from operations.consent_ledger where consent_id = %s", [consent_id]
        ).fetchone()
        if row is None:
            problems.append((consent_id, "a receipt names it and it is gone"))
        elif row[0] != entry_hash:
            problems.append((consent_id, "a receipt names another hash"))
    row = connection.execute(
        """
        select count(*) over (), consent_id || ':' || entry_hash
        from operations.consent_ledger order by consent_id desc limit 1
        """
    ).fetchone()
    entries, head = row if row is not None else (0, None)
    return Verification(entries, head, problems)
