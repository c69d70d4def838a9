"""Tokens at rest: ciphertext only, several keys at a time, keys that can be changed while in use.

Fernet (AES-128-CBC with HMAC-SHA256) over ``kind, connection, token``: ciphertext that is copied to
another connection's row does not open there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ingestion.errors import SettingError
from ingestion.whoop import locks
from ingestion.whoop.oauth import TokenSet


@dataclass(frozen=True)
class StoredTokens:
    """A connection's tokens as stored.

    Attributes:
        tokens: The pair; its scopes are those of the connection.
        token_version: Rises with every pair.
        refresh_started_at: When a refresh was sent whose answer is not stored (UTC), else None.
    """

    tokens: TokenSet
    token_version: int
    refresh_started_at: datetime | None


class Vault:
    """Encrypts and decrypts tokens.

    Args:
        keys: Fernet keys, newest first: the first encrypts, all decrypt.

    Raises:
        SettingError: If there is none or one is no Fernet key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise SettingError("ENCRYPTION_KEY", "it is not set", "make one with: clutch keys new")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            problem = "one of its keys is no Fernet key"
        else:
            return
        raise SettingError("ENCRYPTION_KEY", problem, "make one with: clutch keys new")

    def store(
        self, connection: psycopg.Connection[Any], connection_id: UUID, tokens: TokenSet
    ) -> int:
        """Store a pair in the caller's transaction, in place of the one before.

        Args:
            connection: Connection of the role that ingests.
            connection_id: Whose they are.
            tokens: The pair.

        Returns:
            The pair's ``token_version``.
        """
        row = connection.execute(
            """
            insert into operations.wearable_tokens as known (
                connection_id, access_token, refresh_token, expires_at
            )
            values (%s, %s, %s, %s)
            on conflict (connection_id) do update set
                token_version = known.token_version + 1,
                access_token = excluded.access_token,
                refresh_token = excluded.refresh_token,
                expires_at = excluded.expires_at,
                stored_at = now(),
                refresh_started_at = null
            returning token_version
            """,
            [
                connection_id,
                self.seal("access", connection_id, tokens.access_token),
                None
                if tokens.refresh_token is None
                else self.seal("refresh", connection_id, tokens.refresh_token),
                tokens.expires_at,
            ],
        ).fetchone()
        assert row is not None  # noqa: S101 - an insert that returns
        return int(row[0])

    def load(self, connection: psycopg.Connection[Any], connection_id: UUID) -> StoredTokens | None:
        """Read a connection's tokens, None if it has none.

        Raises:
            SettingError: If no key opens them; it names ``ENCRYPTION_KEY``.
        """
        row = connection.execute(
            """
            select
                tokens.access_token, tokens.refresh_token, tokens.expires_at, connections.scopes,
                tokens.token_version, tokens.refresh_started_at
            from operations.wearable_tokens as tokens
            join operations.wearable_connections as connections using (connection_id)
            where connection_id = %s
            """,
            [connection_id],
        ).fetchone()
        if row is None:
            return None
        access, refresh, expires_at, scopes, version, started_at = row
        return StoredTokens(
            TokenSet(
                access_token=self.open("access", connection_id, access),
                refresh_token=(
                    None if refresh is None else self.open("refresh", connection_id, refresh)
                ),
                expires_at=expires_at,
                scopes=tuple(scopes),
            ),
            token_version=version,
            refresh_started_at=started_at,
        )

    def check(self, connection: psycopg.Connection[Any]) -> int:
        """Open everything that is stored, as a process does when it starts.

        Returns:
            How many connections have tokens.

        Raises:
            SettingError: If no key opens one of them; it names ``ENCRYPTION_KEY``.
        """
        rows = connection.execute(
            "select connection_id, access_token, refresh_token from operations.wearable_tokens"
        ).fetchall()
        for connection_id, access, refresh in rows:
            self.open("access", connection_id, access)
            if refresh is not None:
                self.open("refresh", connection_id, refresh)
        return len(rows)

    def rotate(self, connection: psycopg.Connection[Any]) -> int:
        """Encrypt every row with the newest key, each under the lock of a refresh.

        Workers go on: a row is either as before or as after, and both open with the keys of this
        vault. They must know the new key already.

        Args:
            connection: Autocommit connection of the role that ingests.

        Returns:
            How many connections' tokens were encrypted again.

        Raises:
            SettingError: If no key opens a row; rows before it are done.
        """
        ids = connection.execute(
            "select connection_id from operations.wearable_tokens order by connection_id"
        ).fetchall()
        done = 0
        for (connection_id,) in ids:
            with (
                locks.held(connection, locks.of_connection(connection_id)),
                connection.transaction(),
            ):
                row = connection.execute(
                    """
                    select access_token, refresh_token from operations.wearable_tokens
                    where connection_id = %s for update
                    """,
                    [connection_id],
                ).fetchone()
                if row is None:  # gone since the list was read
                    continue
                connection.execute(
                    """
                    update operations.wearable_tokens set access_token = %s, refresh_token = %s
                    where connection_id = %s
                    """,
                    [*(part if part is None else self._renew(part) for part in row), connection_id],
                )
                done += 1
        return done

    def seal(self, kind: str, connection_id: UUID, secret: str) -> bytes:
        """Encrypt a secret of a connection with the newest key."""
        return self._fernet.encrypt(_plain(kind, connection_id) + secret.encode())

    def open(self, kind: str, connection_id: UUID, sealed: bytes) -> str:
        """Decrypt what :meth:`seal` gave.

        Raises:
            SettingError: If no key opens it, or it was made for something else.
        """
        prefix = _plain(kind, connection_id)
        try:
            plain = self._fernet.decrypt(bytes(sealed))
        except InvalidToken:
            plain = b""
        if not plain.startswith(prefix):
            raise _wrong_key()
        return plain.removeprefix(prefix).decode()

    def _renew(self, sealed: bytes) -> bytes:
        try:
            return self._fernet.rotate(bytes(sealed))
        except InvalidToken:
            pass
        raise _wrong_key()


def _plain(kind: str, connection_id: UUID) -> bytes:
    return f"{kind} {connection_id} ".encode()


def _wrong_key() -> SettingError:
    return SettingError(
        "ENCRYPTION_KEY",
        "none of its keys opens the stored tokens",
        "add the key that they were encrypted with, after the newest and a comma",
    )
