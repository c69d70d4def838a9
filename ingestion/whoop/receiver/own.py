"""The athlete's own page: what he allowed, his data, and one click that stops it all.

Whoever has the personal link may do what its page offers, so no cookie ties a form to a browser:
he can stop from any device, and with cookies off. A form carries a signature over its link and what
it does. Only the page that the link opens holds it, so no other site can send the form, and what
looks at a link before the athlete does (mail filters, previews) changes and fetches nothing: that
takes a POST.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from ingestion.consent import links
from ingestion.errors import ClutchError, UsageError
from ingestion.privacy import finishing, withdrawal
from ingestion.privacy.export import gather
from ingestion.privacy.reads import Look, looks_at
from ingestion.settings import Settings
from ingestion.whoop.clock import Clock
from ingestion.whoop.receiver.browser import Signer
from ingestion.whoop.settings import WhoopSettings

STOP, DATA = "stop", "data"
LOOKS_DAYS = 30
AGAIN_SECONDS = 600.0
"""How often a withdrawal that is not over is taken up again: WHOOP may be away for hours."""
_SHUTDOWN_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """An entry of the ledger.

    Attributes:
        receipt: Its number and hash.
        decision: ``granted``, ``declined``, ``withdrawn`` or ``ended``.
        reason: Of an end: ``trade``, ``waiver`` or ``contract_end``.
        purposes: What the records may be used for.
        audience: Who may see them.
        recorded_at: When (UTC).
        expires_at: End of the permission (UTC).
        is_live: Whether it permits reading now.
        has_words_in_force: Whether its text is still what athletes are asked.
        text_version: The text.
        body: Its words.
    """

    receipt: str
    decision: str
    reason: str | None
    purposes: list[str]
    audience: list[str]
    recorded_at: datetime
    expires_at: datetime | None
    is_live: bool
    has_words_in_force: bool
    text_version: str
    body: str


@dataclass(frozen=True)
class Device:
    """A connection as its athlete sees it.

    Attributes:
        status: ``active``, ``reconnect`` or ``revoked``.
        status_at: Since when (UTC).
        connected_at: When it was last connected (UTC).
        last_read_at: When something was last read (UTC).
    """

    status: str
    status_at: datetime
    connected_at: datetime
    last_read_at: datetime | None


@dataclass(frozen=True)
class OwnStanding:
    """What the page shows.

    Attributes:
        player_id: NBA player id.
        decisions: The newest first; that one counts.
        devices: The newest first.
        looks: Who could see his values in the last :data:`LOOKS_DAYS`, the newest first.
    """

    player_id: str
    decisions: list[Decision]
    devices: list[Device]
    looks: list[Look]


class Own:
    """What the page does. Blocking: called from worker threads.

    Args:
        settings: Database and state directory.
        whoop: For the keys.
        pool: Connections as ``clutch_ingest``; opened and closed by the caller.
        finisher: Told of withdrawals.
    """

    def __init__(
        self,
        settings: Settings,
        whoop: WhoopSettings,
        pool: ConnectionPool[psycopg.Connection[Any]],
        finisher: Finisher,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._finisher = finisher
        self._signer = Signer(whoop.encryption_keys, "own page")

    def tokens(self, secret: str) -> Mapping[str, str]:
        """Signatures for the forms of a link's page, by what they do."""
        return {deed: self._signer.sign(f"{deed} {secret}") for deed in (STOP, DATA)}

    def is_form(self, secret: str, deed: str, token: str) -> bool:
        """Whether a form comes from a link's page and does what it says there."""
        return deed in (STOP, DATA) and self._signer.is_signed(f"{deed} {secret}", token)

    def look(self, secret: str) -> OwnStanding | UUID | None:
        """What a link opens; the id of his withdrawal while that is open, None where nothing."""
        with self._pool.connection() as connection:
            player_id = links.find(connection, secret)
            if player_id is None:
                return withdrawal.begun_by(connection, secret)
            standing = _standing(connection, player_id)
            return standing if standing.decisions else None  # erased in this moment

    def stop(self, secret: str) -> UUID | None:
        """Withdraw for the athlete of a link; gives the id of the withdrawal.

        When this returns nothing of his is read, written or shown any more. Pressed twice it
        gives the same. None where the link opens nothing.
        """
        with self._pool.connection() as connection:
            player_id = links.find(connection, secret)
            if player_id is None:
                return withdrawal.begun_by(connection, secret)
        try:
            begun = withdrawal.begin(self._settings, player_id)
        except UsageError:  # erased in this moment
            return None
        self._finisher.wake()
        return begun.withdrawal_id

    def data(self, secret: str) -> dict[str, Any] | None:
        """Everything that is stored of the athlete of a link; None where it opens nothing.

        Raises:
            ClutchError: If the database cannot be reached as every role that owns a place.
        """
        with self._pool.connection() as connection:
            player_id = links.find(connection, secret)
        if player_id is None:
            return None
        try:
            return gather(self._settings, player_id)
        except UsageError:
            return None

    def state(self, withdrawal_id: UUID) -> tuple[withdrawal.Withdrawal, str | None] | None:
        """How far a withdrawal has come, and its receipt; None if there is none of that id."""
        with self._pool.connection() as connection:
            return withdrawal.state(connection, withdrawal_id)


def _standing(connection: psycopg.Connection[Any], player_id: str) -> OwnStanding:
    decisions = connection.execute(
        """
        select
            entry.consent_id || ':' || entry.entry_hash,
            entry.decision, entry.reason, entry.purposes, entry.audience,
            entry.recorded_at, entry.expires_at, entry.is_live, entry.has_words_in_force,
            entry.text_version, texts.body
        from operations.consents as entry
        inner join operations.consent_texts as texts on entry.text_version = texts.text_version
        where entry.player_id = %s order by entry.consent_id desc
        """,
        [player_id],
    ).fetchall()
    devices = connection.execute(
        """
        select
            status, status_at, connected_at,
            (
                select max(synced_at) from operations.whoop_sync_positions as position
                where position.connection_id = device.connection_id
            )
        from operations.wearable_connections as device
        where player_id = %s order by connected_at desc
        """,
        [player_id],
    ).fetchall()
    return OwnStanding(
        player_id,
        [Decision(*row) for row in decisions],
        [Device(*row) for row in devices],
        looks_at(connection, player_id, LOOKS_DAYS),
    )


class Finisher:
    """Goes on with withdrawals in a thread of its own: erases, ends the grant, compacts, searches.

    What it cannot do just now it does later, as every ``clutch ingest whoop`` and ``clutch consent
    withdraw --finish`` do. They wait for each other.

    Args:
        settings: Database and state directory.
        whoop: The service.
        clock: Time of tokens and budget.
    """

    def __init__(self, settings: Settings, whoop: WhoopSettings, clock: Clock) -> None:
        self._settings = settings
        self._whoop = whoop
        self._clock = clock
        self._wake = threading.Event()
        self._ends = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._thread = threading.Thread(target=self._run, name="withdrawals", daemon=True)
        self._wake.set()
        self._thread.start()

    def stop(self) -> None:
        """End after the withdrawal that is at work; one that takes longer goes on another time."""
        self._ends = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_SHUTDOWN_SECONDS)

    def _run(self) -> None:
        are_over = True
        while not self._ends:
            self._wake.wait(None if are_over else AGAIN_SECONDS)
            self._wake.clear()
            if not self._ends:
                are_over = self._go_on()

    def _go_on(self) -> bool:
        try:
            with finishing.revoking(self._settings, lambda: self._whoop, self._clock) as revoke:
                return finishing.go_on(self._settings, revoke, _log.warning)
        except (psycopg.Error, OSError, ClutchError) as error:
            # the text of a database's error may hold values
            _log.warning("withdrawals wait: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the thread must outlive it
            _log.error("withdrawals wait: %s", type(error).__name__)
        return False
