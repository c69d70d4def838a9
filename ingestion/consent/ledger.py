"""The consent ledger: what athletes decided. Append-only; the newest entry of an athlete counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from ingestion.consent.texts import BASE_AUDIENCE, BASE_PURPOSES

GRANTED = "granted"
DECLINED = "declined"
WITHDRAWN = "withdrawn"

# First number of our own for pg_advisory_xact_lock(int, int): "cons" in ASCII; the second is the
# athlete.
_LOCK = 0x636F6E73


@dataclass(frozen=True)
class Entry:
    """One decision.

    Attributes:
        consent_id: Number of the entry, ascending.
        player_id: NBA player id.
        decision: ``granted``, ``declined`` or ``withdrawn``.
        text_version: The text that was shown.
        purposes: What the data may be used for.
        audience: Who may see the athlete's own values.
        scopes: WHOOP scopes that the athlete was asked for.
        recorded_at: When (UTC).
        expires_at: End of the permission (UTC); None for a decision that permits nothing.
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

    def is_live(self, now: datetime) -> bool:
        """Whether it permits anything at a time; only for the newest entry of an athlete."""
        return self.decision == GRANTED and self.expires_at is not None and now < self.expires_at


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
) -> int:
    """Add a decision, in the caller's transaction; gives its number.

    Decisions of one athlete wait for each other, so that the one that is committed last has the
    highest number.

    Args:
        connection: As role ``clutch_ingest``.
        player_id: NBA player id.
        decision: ``granted``, ``declined`` or ``withdrawn``.
        text_version: A registered text.
        purposes: For a grant, one at least.
        audience: Who may see the athlete's own values.
        scopes: WHOOP scopes that the athlete was asked for.
        days: How long a grant lasts.

    Raises:
        psycopg.errors.IntegrityError: If the text is unknown, or a grant lacks purpose or end.
    """
    lock_player(connection, player_id)
    row = connection.execute(
        """
        insert into operations.consents
            (player_id, decision, text_version, purposes, audience, scopes, expires_at)
        values (%s, %s, %s, %s, %s, %s, now() + make_interval(days => %s))
        returning consent_id
        """,
        [
            *(player_id, decision, text_version),
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
                recorded_at, expires_at
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
                coalesce(entry.decision = 'granted' and entry.expires_at > now(), false) as is_live,
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
