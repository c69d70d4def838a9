"""Access tokens that work, refreshed once however many workers ask.

A refresh ends the old pair at WHOOP, so that of two at a time one loses the grant. All workers of
all processes therefore refresh under one advisory lock per connection:

1. take up a pair that an earlier process could not store, and read the row again: if its version
   has moved on, that is the token;
2. commit ``refresh_started_at``, and only then send the refresh token;
3. write the new pair to a file (:mod:`ingestion.whoop.refreshed_pairs`), store it, drop the file.

Whoever dies after 2 leaves ``refresh_started_at``: the next one sends the stored refresh token once
more, which works if WHOOP never got it. If it is spent, the pair is lost and the connection goes to
``reconnect`` with the reason ``refresh_interrupted``. A pair whose connection has changed meanwhile
(revoked, connected again) is thrown away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from ingestion.consent.vault import Vault
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings
from ingestion.whoop import locks
from ingestion.whoop.budget import Budget
from ingestion.whoop.clock import Clock
from ingestion.whoop.connections import mark_reconnect, mark_revoked
from ingestion.whoop.errors import (
    BudgetExhausted,
    InvalidGrant,
    ReconnectNeeded,
    ServiceUnavailable,
)
from ingestion.whoop.oauth import OAuthClient, TokenSet
from ingestion.whoop.refreshed_pairs import Origin, RefreshedPairs
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.settings import WhoopSettings

log = logging.getLogger(__name__)

REFRESH_MARGIN = timedelta(minutes=5)
"""Before its end: longer than a request can be under way (100 s) with clocks a minute apart, and
short beside a token's hour, as each refresh counts in the budget."""
NEXT_TRY = timedelta(seconds=30)
"""After a refresh that had no answer: a worker behind the lock must not repeat all its attempts."""
STORE_PATIENCE_SECONDS = 30.0
"""For a database that is away when a pair is there: as long as a restart takes. The file stays."""
STORE_PAUSE_SECONDS = 0.5

REVOKING = "revoking"
REVOCATION_ANSWERED = "revocation_answered"
REVOCATION_CONFIRMED = "revocation_confirmed"
REVOCATION_UNCONFIRMED = "revocation_unconfirmed"
"""Reasons of a revoked connection: fenced off here; WHOOP has taken it; its token is seen to be
refused; no token was left to end the grant with, which only the athlete can do in the app."""


@dataclass(frozen=True)
class Credentials:
    """A connection's tokens and what they are for.

    Attributes:
        token: Access token.
        token_version: Its version.
        scopes: What was granted.
    """

    token: str = field(repr=False)
    token_version: int
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class _State:
    """A connection and its tokens as one statement read them."""

    origin: Origin
    reason: str | None
    tokens: TokenSet
    refresh_started_at: datetime | None

    def credentials(self) -> Credentials:
        return Credentials(self.tokens.access_token, self.origin.token_version, self.tokens.scopes)

    def was_refused(self, refused: int | None) -> bool:
        return refused is not None and refused >= self.origin.token_version


class TokenSource:
    """Gives access tokens of connections; safe for several threads.

    Args:
        settings: Database and state directory.
        whoop: Client, addresses and keys.
        clock: Tells when tokens end.
        budget: Counts refreshes; default: its own.
        sessions: Database sessions to borrow; default: its own.
    """

    def __init__(
        self,
        settings: Settings,
        whoop: WhoopSettings,
        clock: Clock,
        budget: Budget | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._clock = clock
        self._sessions = sessions or Sessions(settings)
        self._vault = Vault(whoop.encryption_keys)
        self._pairs = RefreshedPairs(settings, self._vault)
        self._oauth = OAuthClient(
            whoop, clock, budget or Budget(settings, whoop, clock, self._sessions)
        )
        self._lock = threading.Lock()
        self._unanswered: dict[UUID, datetime] = {}

    def close(self) -> None:
        """Close the connections."""
        self._oauth.close()

    def check(self) -> int:
        """Open everything that is stored, before anything is asked.

        Returns:
            How many connections have tokens.

        Raises:
            SettingError: If no key opens one of them; it names ``ENCRYPTION_KEY``.
        """
        with self._sessions.session() as session:
            return self._vault.check(session)

    def access_token(self, connection_id: UUID, *, refused: int | None = None) -> tuple[str, int]:
        """A token that has not ended, and its version; refreshed if need be.

        Args:
            connection_id: Whose.
            refused: The version that WHOOP has just answered 401.

        Raises:
            ReconnectNeeded: If the connection is not active or its grant has ended.
            ServiceUnavailable: If a refresh is needed and the token endpoint does not answer.
            BudgetExhausted: If a refresh is needed and the budget has no room.
            SettingError: If no key opens what is stored, or WHOOP refuses the app.
        """
        found = self.credentials(connection_id, refused=refused)
        return found.token, found.token_version

    def credentials(
        self, connection_id: UUID, *, refused: int | None = None, revoking: bool = False
    ) -> Credentials:
        """As :meth:`access_token`, with the scopes.

        Args:
            connection_id: Whose.
            refused: The version that WHOOP has just answered 401.
            revoking: Whether a connection that is revoked here may still be asked for, to end its
                grant at WHOOP.

        Raises:
            ClutchError: As :meth:`access_token`.
        """
        found = self.usable(connection_id, refused=refused, revoking=revoking)
        if found is not None:
            return found
        with self._locked(connection_id) as session:
            return self._refreshed(session, connection_id, refused, revoking)

    def usable(
        self, connection_id: UUID, *, refused: int | None = None, revoking: bool = False
    ) -> Credentials | None:
        """The tokens if they can be used as they are, None if they are to be refreshed.

        Raises:
            ReconnectNeeded: If the connection is not active.
            SettingError: If no key opens what is stored.
        """
        if self._pairs.waiting(connection_id):
            return None
        with self._sessions.session() as session:
            state = self._read(session, connection_id, revoking)
        return None if self._is_due(state, refused) else state.credentials()

    def withdrawn(self, connection_id: UUID, version: int) -> bool:
        """Note that a fresh token was answered 401.

        Args:
            connection_id: Whose.
            version: The token's version.

        Returns:
            Whether it was still the newest one; only then the connection goes to ``reconnect``.
        """
        with self._locked(connection_id) as session, session.transaction():
            state = self._read(session, connection_id, revoking=False)
            if state.origin.token_version != version:
                return False
            mark_reconnect(session, connection_id, state.origin.generation, "access_withdrawn")
            return True

    def fence(self, connection_id: UUID) -> str:
        """Mark a connection revoked, when no refresh is under way for it.

        Returns:
            Its ``status_reason``: how far ending the grant at WHOOP has come.

        Raises:
            ReconnectNeeded: If there is no such connection.
        """
        with self._locked(connection_id) as session, session.transaction():
            mark_revoked(session, connection_id, REVOKING)
            row = session.execute(
                """
                select status_reason from operations.wearable_connections
                where connection_id = %s
                """,
                [connection_id],
            ).fetchone()
        if row is None:
            raise ReconnectNeeded(connection_id, "unknown")
        return str(row[0])

    def note_revocation(self, connection_id: UUID, reason: str, *, forget: bool) -> None:
        """Note how far ending the grant of a revoked connection has come.

        Args:
            connection_id: Whose.
            reason: Its ``status_reason`` from now on.
            forget: Whether to delete its tokens, files included.
        """
        with self._locked(connection_id) as session:
            with session.transaction():
                session.execute(
                    """
                    update operations.wearable_connections set status_reason = %s
                    where connection_id = %s and status = 'revoked'
                    """,
                    [reason, connection_id],
                )
                if forget:
                    session.execute(
                        "delete from operations.wearable_tokens where connection_id = %s",
                        [connection_id],
                    )
            if forget:
                for origin in (
                    *self._pairs.waiting(connection_id),
                    *self._pairs.unfinished(connection_id),
                ):
                    self._pairs.drop(origin)

    @contextmanager
    def _locked(self, connection_id: UUID) -> Iterator[psycopg.Connection[Any]]:
        with (
            self._sessions.session() as session,
            locks.held(session, locks.of_connection(connection_id)),
        ):
            yield session

    def _is_due(self, state: _State, refused: int | None) -> bool:
        return (
            state.was_refused(refused)
            or state.refresh_started_at is not None
            or state.tokens.expires_at - self._clock.now() <= REFRESH_MARGIN
        )

    def _refreshed(
        self,
        session: psycopg.Connection[Any],
        connection_id: UUID,
        refused: int | None,
        revoking: bool,
    ) -> Credentials:
        """The tokens, refreshed if they still are to be; under the connection's lock."""
        take_up(session, self._vault, self._pairs, connection_id)
        state = self._read(session, connection_id, revoking)
        if not self._is_due(state, refused):
            return state.credentials()
        can_wait = not state.was_refused(refused) and state.tokens.expires_at > self._clock.now()
        refresh_token = state.tokens.refresh_token
        if refresh_token is None:
            if can_wait:
                return state.credentials()
            raise self._lost(session, state, "no_refresh_token")
        last = self._unanswered.get(connection_id)
        if last is not None and self._clock.now() - last < NEXT_TRY:
            if can_wait:
                return state.credentials()
            raise ServiceUnavailable("token", "no answer to a refresh a moment ago")
        was_interrupted = state.refresh_started_at is not None
        self._mark_started(session, connection_id)
        try:
            tokens = self._oauth.refresh(refresh_token, connection_id)
        except InvalidGrant as error:
            lost_answer = was_interrupted or error.after_lost_answer
        except ServiceUnavailable as error:
            with self._lock:
                self._unanswered[connection_id] = self._clock.now()
            if not (was_interrupted or error.may_be_done):
                self._mark_not_started(session, connection_id)
            if can_wait:  # it has not ended; if the lost answer ended it, a 401 will tell
                return state.credentials()
            raise
        except (BudgetExhausted, SettingError):
            if not was_interrupted:
                self._mark_not_started(session, connection_id)
            raise
        else:
            with self._lock:
                self._unanswered.pop(connection_id, None)
            if self._store(session, state.origin, tokens):
                return Credentials(
                    tokens.access_token, state.origin.token_version + 1, state.tokens.scopes
                )
            with self._sessions.session() as another:  # the lock's may have died
                return self._read(another, connection_id, revoking).credentials()
        raise self._lost(session, state, "refresh_interrupted" if lost_answer else "grant_refused")

    def _store(self, session: psycopg.Connection[Any], origin: Origin, tokens: TokenSet) -> bool:
        """Keep a new pair, whatever happens to the database.

        Returns:
            Whether it was stored; False if its connection has changed meanwhile.

        Raises:
            ClutchError: If the database stays away; the pair waits in its file.
        """
        try:
            self._pairs.write(origin, tokens)
        except OSError as error:
            log.warning("no file for a refreshed pair of %s: %s", origin.connection_id, error)
        give_up_at = time.monotonic() + STORE_PATIENCE_SECONDS
        while True:
            try:
                if session.closed:
                    # the lock went with the session; whoever has it now sees the file first
                    with self._locked(origin.connection_id) as another:
                        is_stored = _adopt(another, self._vault, origin, tokens)
                else:
                    is_stored = _adopt(session, self._vault, origin, tokens)
            except (psycopg.Error, ClutchError) as error:
                problem = str(error).splitlines()[0]
                session.close()
            else:
                self._pairs.drop(origin)
                return is_stored
            if time.monotonic() > give_up_at:
                break
            time.sleep(STORE_PAUSE_SECONDS)
        raise ClutchError(
            f"The database is away ({problem}); new tokens of connection {origin.connection_id} "
            "wait in the state directory. Fix: start the database; the next command stores them."
        )

    def _lost(
        self, session: psycopg.Connection[Any], state: _State, reason: str
    ) -> ReconnectNeeded:
        """Note that a connection's grant cannot be used any more; the error to raise."""
        origin = state.origin
        with session.transaction():
            row = session.execute(
                """
                select tokens.token_version
                from operations.wearable_connections as connections
                join operations.wearable_tokens as tokens using (connection_id)
                where connection_id = %s for update
                """,
                [origin.connection_id],
            ).fetchone()
            # connected again meanwhile: what was refused was the pair before
            if row is not None and row[0] == origin.token_version:
                mark_reconnect(session, origin.connection_id, origin.generation, reason)
                self._mark_not_started(session, origin.connection_id)
        return ReconnectNeeded(origin.connection_id, reason)

    def _mark_started(self, session: psycopg.Connection[Any], connection_id: UUID) -> None:
        session.execute(
            """
            update operations.wearable_tokens
            set refresh_started_at = coalesce(refresh_started_at, %s) where connection_id = %s
            """,
            [self._clock.now(), connection_id],
        )

    def _mark_not_started(self, session: psycopg.Connection[Any], connection_id: UUID) -> None:
        session.execute(
            "update operations.wearable_tokens set refresh_started_at = null "
            "where connection_id = %s",
            [connection_id],
        )

    def _read(
        self, session: psycopg.Connection[Any], connection_id: UUID, revoking: bool
    ) -> _State:
        # one statement: a connection that is made anew changes generation and tokens together
        row = session.execute(
            """
            select
                connections.status, connections.status_reason, connections.generation,
                connections.scopes, tokens.token_version, tokens.access_token,
                tokens.refresh_token, tokens.expires_at, tokens.refresh_started_at
            from operations.wearable_connections as connections
            left join operations.wearable_tokens as tokens using (connection_id)
            where connection_id = %s
            """,
            [connection_id],
        ).fetchone()
        if row is None:
            raise ReconnectNeeded(connection_id, "unknown")
        status, reason, generation, scopes, version, access, refresh, expires_at, started = row
        if status != "active" and not revoking:
            raise ReconnectNeeded(connection_id, "revoked" if status == "revoked" else reason)
        if version is None:
            raise ReconnectNeeded(connection_id, "no_tokens")
        tokens = TokenSet(
            access_token=self._vault.open("access", connection_id, access),
            refresh_token=(
                None if refresh is None else self._vault.open("refresh", connection_id, refresh)
            ),
            expires_at=expires_at,
            scopes=tuple(scopes),
        )
        return _State(Origin(connection_id, generation, status, version), reason, tokens, started)


def rotate_keys(settings: Settings, keys: Sequence[str]) -> int:
    """Encrypt all stored tokens with the newest key; pairs that wait in files are stored first.

    Files that were not written to their end are dropped: they may hold ciphertext of an old key.

    Args:
        settings: Database and state directory.
        keys: Fernet keys, newest first.

    Returns:
        How many connections' tokens were encrypted again.

    Raises:
        SettingError: If no key opens something; it names ``ENCRYPTION_KEY``.
        ClutchError: If the database cannot be reached.
    """
    vault = Vault(keys)
    pairs = RefreshedPairs(settings, vault)
    with connect(settings, roles.INGEST, autocommit=True) as session:
        left = (*pairs.waiting(), *pairs.unfinished())
        for connection_id in {origin.connection_id for origin in left}:
            with locks.held(session, locks.of_connection(connection_id)):
                take_up(session, vault, pairs, connection_id)
        return vault.rotate(session)


def take_up(
    session: psycopg.Connection[Any], vault: Vault, pairs: RefreshedPairs, connection_id: UUID
) -> None:
    """Store the pair that an earlier process left in a file, and drop what it did not finish.

    Under the connection's lock.

    Raises:
        SettingError: If no key opens it.
    """
    for origin in pairs.waiting(connection_id):
        try:
            tokens = pairs.read(origin)
        except FileNotFoundError:  # its writer has stored it just now
            continue
        _adopt(session, vault, origin, tokens)
        pairs.drop(origin)
    # whoever writes one holds the lock: what is not finished now never will be
    for origin in pairs.unfinished(connection_id):
        pairs.drop(origin)


def _adopt(
    session: psycopg.Connection[Any], vault: Vault, origin: Origin, tokens: TokenSet
) -> bool:
    """Store a pair if its connection is still what the refresh began with.

    Returns:
        Whether it was stored; otherwise it is of no use.
    """
    with session.transaction():
        row = session.execute(
            """
            select connections.status, connections.status_reason, connections.generation,
                tokens.token_version
            from operations.wearable_connections as connections
            join operations.wearable_tokens as tokens using (connection_id)
            where connection_id = %s for update
            """,
            [origin.connection_id],
        ).fetchone()
        if row is None or row[2:] != (origin.generation, origin.token_version):
            return False
        if row[:2] == ("reconnect", "refresh_interrupted") and origin.status == "active":
            # another machine, which cannot see the file, thought this pair lost
            session.execute(
                """
                update operations.wearable_connections
                set status = 'active', status_reason = null, status_at = now()
                where connection_id = %s
                """,
                [origin.connection_id],
            )
        elif row[0] != origin.status:
            return False
        vault.store(session, origin.connection_id, tokens)
        return True
