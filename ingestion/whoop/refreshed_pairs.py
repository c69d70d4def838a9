"""Pairs of tokens that WHOOP has given and the database does not have yet.

WHOOP ends the old pair as it gives a new one: whoever loses the new one loses the athlete's
connection. A pair is therefore written to a file, encrypted, before the database is asked, and the
file goes when the database has it. What a killed process or an unreachable database left behind is
taken up by the next process of this state directory.

Callers hold the connection's lock (:func:`ingestion.whoop.locks.of_connection`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson

from ingestion.consent.vault import Vault
from ingestion.settings import Settings
from ingestion.whoop.oauth import TokenSet

_KIND = "refreshed"


@dataclass(frozen=True)
class Origin:
    """What a refresh began with; the pair is of use only while all of it still holds.

    Attributes:
        connection_id: The connection.
        generation: Its generation.
        status: Its status: ``active``, or ``revoked`` while the grant is being ended.
        token_version: Version of the pair that was given away.
    """

    connection_id: UUID
    generation: int
    status: str
    token_version: int

    def file_name(self) -> str:
        """Name of the pair's file."""
        return f"{self.connection_id}.{self.generation}.{self.token_version}.{self.status}"

    @classmethod
    def of_file(cls, name: str) -> Origin | None:
        """What a file's name says, None if it is none of ours."""
        parts = name.split(".")
        try:
            origin = cls(UUID(parts[0]), int(parts[1]), parts[3], int(parts[2]))
        except (ValueError, IndexError):
            return None
        return origin if origin.file_name() == name else None


class RefreshedPairs:
    """The files, mode 0600 in a folder of mode 0700.

    Args:
        settings: The state directory.
        vault: Encrypts and decrypts.
    """

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._directory = settings.state_directory / "whoop" / "refreshed"
        self._vault = vault

    def waiting(self, connection_id: UUID | None = None) -> list[Origin]:
        """Whose pairs are waiting, older versions first; of one connection or of all."""
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        found = [origin for name in names if (origin := Origin.of_file(name)) is not None]
        return sorted(
            (
                origin
                for origin in found
                if connection_id is None or origin.connection_id == connection_id
            ),
            key=lambda origin: (str(origin.connection_id), origin.generation, origin.token_version),
        )

    def unfinished(self, connection_id: UUID | None = None) -> list[Origin]:
        """Whose file a process began and did not finish; of one connection or of all."""
        return [
            origin
            for path in self._directory.glob("*.part")
            if (origin := Origin.of_file(path.stem)) is not None
            and connection_id in (None, origin.connection_id)
        ]

    def write(self, origin: Origin, tokens: TokenSet) -> None:
        """Write a pair; when this returns, a crash of the machine does not lose it.

        Raises:
            OSError: If that is impossible.
        """
        content = orjson.dumps(
            [
                tokens.access_token,
                tokens.refresh_token,
                tokens.expires_at.isoformat(),
                list(tokens.scopes),
            ]
        ).decode()
        sealed = self._vault.seal(_KIND, origin.connection_id, content)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._directory / f"{origin.file_name()}.part"
        file = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(file, sealed)
            os.fsync(file)
        finally:
            os.close(file)
        part.rename(self._path(origin))
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self, origin: Origin) -> TokenSet:
        """Read a pair.

        Raises:
            SettingError: If no key opens it; it names ``ENCRYPTION_KEY``.
            FileNotFoundError: If it is gone.
        """
        sealed = self._path(origin).read_bytes()
        access, refresh, expires_at, scopes = orjson.loads(
            self._vault.open(_KIND, origin.connection_id, sealed)
        )
        return TokenSet(access, refresh, datetime.fromisoformat(expires_at), tuple(scopes))

    def drop(self, origin: Origin) -> None:
        """Remove a pair's file, and one that was not written to its end."""
        self._path(origin).unlink(missing_ok=True)
        (self._directory / f"{origin.file_name()}.part").unlink(missing_ok=True)

    def _path(self, origin: Origin) -> Path:
        return self._directory / origin.file_name()
