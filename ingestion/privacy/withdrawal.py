"""An athlete withdraws: fence, end the grant at WHOOP, erase, compact, search, receipt.

1. One transaction writes the decision into the ledger and fences his connections off: from its
   commit on nothing of his is shown, and no job that is under way writes anything any more.
2. His rows are deleted everywhere (:mod:`ingestion.privacy.erasure`), be WHOOP there or not.
3. The grant at WHOOP is ended until its token is refused. While WHOOP is down the withdrawal stays
   open; the receiver, every ``clutch ingest whoop`` and ``clutch consent withdraw --finish`` go on
   with it, one at a time.
4. Tokens, connections and the salt that tells who he was go, the server's files are compacted, and
   a search must find nothing. Then the row forgets whose it was and is a receipt.

Each step may be repeated, and is after a crash: what was done is done again at no harm.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from ingestion.consent import ledger, links
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.errors import ClutchError, UsageError
from ingestion.privacy import erasure
from ingestion.privacy.erasure import Person
from ingestion.settings import Settings
from ingestion.whoop.connections import mark_revoked
from ingestion.whoop.tokens import REVOKING

Revoke = Callable[[UUID], bool]
"""Ends the grant of a connection at WHOOP; whether WHOOP confirmed it. Raises ClutchError to be
called again later."""

LOCK = (0x636C7574, 5)
"""pg_advisory_lock of who goes on with withdrawals: "clut", beside those of the ingests."""

CONFIRMED, UNCONFIRMED, NONE, PENDING = "confirmed", "unconfirmed", "none", "pending"


@dataclass(frozen=True)
class Withdrawal:
    """A row of ``operations.withdrawals``.

    Attributes:
        withdrawal_id: Random id.
        subject_hash: His name in the ledger.
        player_id: NBA player id; None when it is over.
        connection_ids: His connections; None when it is over.
        account_ids: His user ids at WHOOP; None when it is over.
        requested_at: When he withdrew (UTC).
        revocation: ``pending``, ``confirmed``, ``unconfirmed`` or ``none``.
        erased_at: When his rows were deleted (UTC).
        compacted_at: When the server's files were rid of them (UTC).
        verified_at: When a search found nothing (UTC).
        finished_at: When it was over (UTC).
        cleaned_at: When the files were rid of what the row had held (UTC).
        erased_rows: Rows deleted, by table.
        remarks: What could not be done.
    """

    withdrawal_id: UUID
    subject_hash: str
    player_id: str | None
    connection_ids: list[UUID] | None
    account_ids: list[int] | None
    requested_at: datetime
    revocation: str
    erased_at: datetime | None
    compacted_at: datetime | None
    verified_at: datetime | None
    finished_at: datetime | None
    cleaned_at: datetime | None
    erased_rows: dict[str, int]
    remarks: list[str]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.cleaned_at is not None

    def receipt(self) -> dict[str, Any]:
        """What the athlete gets, and the privacy officer keeps: nothing in it is personal."""
        return {
            "withdrawal_id": str(self.withdrawal_id),
            "subject_hash": self.subject_hash,
            "requested_at": self.requested_at.isoformat(),
            "revocation_at_whoop": self.revocation,
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
            "rows_deleted": sum(self.erased_rows.values()),
            "remarks": self.remarks,
        }


_COLUMNS = ", ".join(Withdrawal.__dataclass_fields__)


def begin(settings: Settings, player_id: str) -> Withdrawal:
    """Fence an athlete off; a withdrawal that is under way is taken up.

    His personal links open nothing of his from then on.

    Args:
        settings: The database.
        player_id: NBA player id.

    Raises:
        UsageError: If nothing is known of him.
    """
    with connect(settings, INGEST) as connection:
        ledger.lock_player(connection, player_id)
        row = _open(connection, player_id)
        if row is not None:
            return row
        connections = connection.execute(
            """
            select connection_id, provider_user_id from operations.wearable_connections
            where player_id = %s order by connection_id for update
            """,
            [player_id],
        ).fetchall()
        newest = ledger.newest(connection, player_id)
        if newest is None and not connections:
            raise UsageError(
                f"--player: nothing is known of {player_id}, who never decided anything, or is "
                "erased already. Fix: clutch consent list shows who did."
            )
        if newest is not None and newest.decision != ledger.WITHDRAWN:
            ledger.append(
                connection,
                player_id=player_id,
                decision=ledger.WITHDRAWN,
                text_version=newest.text_version,
            )
        for connection_id, _ in connections:
            mark_revoked(connection, connection_id, REVOKING)
        connection.execute(
            """
            insert into operations.withdrawals (
                subject_hash, player_id, link_hashes, connection_ids, account_ids
            )
            select subject_hash, player_id, %s, %s, %s
            from operations.consent_subjects where player_id = %s
            """,
            [
                links.revoke(connection, player_id),
                [connection_id for connection_id, _ in connections],
                sorted({account for _, account in connections if account is not None}),
                player_id,
            ],
        )
        begun = _open(connection, player_id)
    if begun is None:
        raise ClutchError(
            f"the withdrawal of player {player_id} could not be written down: his connection has "
            "no entry in the ledger. Fix: restore operations.consent_subjects (docs/runbook.md)."
        )
    return begun


def begun_by(connection: psycopg.Connection[Any], secret: str) -> UUID | None:
    """The open withdrawal of the athlete to whom a personal link belonged.

    Args:
        connection: As role ``clutch_ingest``.
        secret: The last part of the link.
    """
    row = connection.execute(
        """
        select withdrawal_id from operations.withdrawals
        where finished_at is null and %s = any(link_hashes)
        """,
        [links.hashed(secret)],
    ).fetchone()
    return None if row is None else row[0]


def state(
    connection: psycopg.Connection[Any], withdrawal_id: UUID
) -> tuple[Withdrawal, str | None] | None:
    """How far a withdrawal has come, and the receipt of its entry in the ledger; None if unknown.

    Args:
        connection: As role ``clutch_ingest``.
        withdrawal_id: Its random id.
    """
    with connection.cursor(row_factory=class_row(Withdrawal)) as cursor:
        row = cursor.execute(
            f"select {_COLUMNS} from operations.withdrawals where withdrawal_id = %s",
            [withdrawal_id],
        ).fetchone()
    if row is None:
        return None
    entry = connection.execute(
        """
        select consent_id || ':' || entry_hash from operations.consent_ledger
        where subject_hash = %s and decision = %s order by consent_id desc limit 1
        """,
        [row.subject_hash, ledger.WITHDRAWN],
    ).fetchone()
    return row, None if entry is None else entry[0]


def unfinished(settings: Settings) -> list[Withdrawal]:
    """Withdrawals that are not over, the oldest first."""
    with (
        connect(settings, INGEST) as connection,
        connection.cursor(row_factory=class_row(Withdrawal)) as cursor,
    ):
        return cursor.execute(
            f"select {_COLUMNS} from operations.withdrawals where cleaned_at is null"
            " order by requested_at"
        ).fetchall()


def proceed(settings: Settings, withdrawal: Withdrawal, revoke: Revoke) -> Withdrawal:
    """Go on with a withdrawal as far as it goes.

    Args:
        settings: Database and state directory.
        withdrawal: Where it stands.
        revoke: Ends a grant at WHOOP.

    Returns:
        Where it stands now; ``revocation`` is ``pending`` if WHOOP has to be asked again.

    Raises:
        ClutchError: If the database cannot be reached, or a search still finds something.
    """
    with _alone(settings):
        # another process may have come further meanwhile
        return _proceed(settings, _read(settings, withdrawal.withdrawal_id), revoke)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep others from going on with withdrawals: two at once would count and confirm twice."""
    with connect(settings, INGEST, autocommit=True) as connection:
        # asked again and again: a session that waits in the server holds a snapshot, and
        # compaction would keep what was deleted since
        while connection.execute("select pg_try_advisory_lock(%s, %s)", LOCK).fetchone() != (True,):
            time.sleep(0.2)
        yield


def _proceed(settings: Settings, withdrawal: Withdrawal, revoke: Revoke) -> Withdrawal:
    if withdrawal.is_over:
        return withdrawal
    if withdrawal.player_id is not None:
        person = Person(
            withdrawal.player_id,
            tuple(map(str, withdrawal.connection_ids or ())),
            tuple(withdrawal.account_ids or ()),
        )
        _erase(settings, withdrawal, person)
        revocation, problem = _revoke(settings, person, revoke)
        _note(settings, withdrawal, revocation=revocation)
        if revocation == PENDING:
            return _read(settings, withdrawal.withdrawal_id, remark=problem)
        _erase(settings, withdrawal, person)
        _forget(settings, withdrawal, person)
        compaction = erasure.compact(settings)
        _note(settings, withdrawal, compacted_at="now", remarks=compaction.remarks)
        _verify(settings, person)
        _finish(settings, withdrawal)
    # the row's own older versions, and statistics and log once more
    erasure.compact(settings, only=("operations.withdrawals",))
    _note(settings, withdrawal, cleaned_at="now")
    return _read(settings, withdrawal.withdrawal_id)


def _erase(settings: Settings, withdrawal: Withdrawal, person: Person) -> None:
    _note(settings, withdrawal, erased_rows=erasure.erase(settings, person), erased_at="now")


def _forget(settings: Settings, withdrawal: Withdrawal, person: Person) -> None:
    _note(settings, withdrawal, erased_rows=erasure.forget(settings, person))


def _revoke(settings: Settings, person: Person, revoke: Revoke) -> tuple[str, str]:
    """How the grants at WHOOP ended, and why one has not."""
    with connect(settings, INGEST) as connection:
        known = [
            row[0]
            for row in connection.execute(
                """
                select connection_id from operations.wearable_connections
                where connection_id::text = any(%s) order by connection_id
                """,
                [list(person.connection_ids)],
            )
        ]
        (before,) = connection.execute(
            "select revocation from operations.withdrawals where player_id = %s",
            [person.player_id],
        ).fetchone() or (PENDING,)
    if before != PENDING:
        return before, ""
    if not known:
        return NONE, ""
    try:
        confirmed = [revoke(connection_id) for connection_id in known]
    except UsageError:
        raise
    except ClutchError as error:
        return PENDING, str(error)
    return (CONFIRMED if all(confirmed) else UNCONFIRMED), ""


def _verify(settings: Settings, person: Person) -> None:
    found = Counter(erasure.left_of(settings, person))
    if person.connection_ids:
        found += Counter(erasure.texts_that_hold(settings, person.connection_ids))
    if found:
        where = ", ".join(f"{name} ({count})" for name, count in sorted(found.items()))
        raise ClutchError(
            f"rows of an athlete who withdrew are still there: {where}. Fix: run the same command "
            "again; a job that was writing has ended by then."
        )


def _finish(settings: Settings, withdrawal: Withdrawal) -> None:
    with connect(settings, INGEST) as connection:
        connection.execute(
            """
            update operations.withdrawals set
                player_id = null, connection_ids = null, account_ids = null, link_hashes = null,
                verified_at = now(), finished_at = now()
            where withdrawal_id = %s and finished_at is null
            """,
            [withdrawal.withdrawal_id],
        )


def _note(
    settings: Settings,
    withdrawal: Withdrawal,
    *,
    revocation: str | None = None,
    erased_rows: Counter[str] | None = None,
    remarks: list[str] | None = None,
    **moments: str,
) -> None:
    with connect(settings, INGEST) as connection:
        if revocation is not None:
            connection.execute(
                "update operations.withdrawals set revocation = %s where withdrawal_id = %s",
                [revocation, withdrawal.withdrawal_id],
            )
        if erased_rows:
            (before,) = connection.execute(
                "select erased_rows from operations.withdrawals where withdrawal_id = %s",
                [withdrawal.withdrawal_id],
            ).fetchone() or ({},)
            connection.execute(
                "update operations.withdrawals set erased_rows = %s where withdrawal_id = %s",
                [json.dumps(Counter(before) + erased_rows), withdrawal.withdrawal_id],
            )
        if remarks:
            connection.execute(
                "update operations.withdrawals set remarks = %s where withdrawal_id = %s",
                [remarks, withdrawal.withdrawal_id],
            )
        for name in moments:
            connection.execute(
                psycopg.sql.SQL(
                    "update operations.withdrawals set {0} = coalesce({0}, now())"
                    " where withdrawal_id = %s"
                ).format(psycopg.sql.Identifier(name)),
                [withdrawal.withdrawal_id],
            )


def _open(connection: psycopg.Connection[Any], player_id: str) -> Withdrawal | None:
    with connection.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from operations.withdrawals"
            " where player_id = %s and finished_at is null",
            [player_id],
        ).fetchone()


def _read(settings: Settings, withdrawal_id: UUID, remark: str = "") -> Withdrawal:
    with connect(settings, INGEST) as connection:
        found = state(connection, withdrawal_id)
    if found is None:
        raise ClutchError(f"withdrawal {withdrawal_id} is gone. Fix: clutch consent verify.")
    row, _ = found
    if remark:
        row.remarks.append(remark)
    return row
