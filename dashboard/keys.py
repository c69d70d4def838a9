"""API keys: who asks, and of which audience.

A key is 256 random bits. The setting ``DASHBOARD_API_KEYS`` holds ``name:audience:hash`` for each,
separated by blanks, so that nobody who reads the settings can ask with one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PUBLIC = "public"
STAFF = ("medical_staff", "performance_staff", "coaches")
"""Whom athletes can allow to see their values."""
AUDIENCES = (PUBLIC, *STAFF, "front_office")
"""``public`` and ``front_office`` see no athlete's own values."""

_ENTRY = re.compile(r"([A-Za-z0-9_.@-]{1,60}):([a-z_]+):([0-9a-f]{64})")


class KeyListError(ValueError):
    """The setting cannot be read."""


@dataclass(frozen=True)
class Caller:
    """Whose key it is.

    Attributes:
        name: Name of the key, as the log of reads shows it.
        audience: One of :data:`AUDIENCES`.
    """

    name: str
    audience: str


@dataclass(frozen=True)
class Keys:
    """All keys.

    Attributes:
        callers: By the SHA-256 of the key, hexadecimal.
    """

    callers: Mapping[str, Caller]

    def find(self, key: str) -> Caller | None:
        """Whose a key is. The time that it takes tells nothing: what is looked up is a hash."""
        return self.callers.get(_hash(key))


def new_key(name: str, audience: str) -> tuple[str, str]:
    """A new key, and its entry for the setting.

    Args:
        name: Up to 60 letters, digits, ``_``, ``.``, ``@`` and ``-``.
        audience: One of :data:`AUDIENCES`.

    Raises:
        KeyListError: If the name or the audience is none.
    """
    key = f"clutch_{secrets.token_urlsafe(32)}"
    entry = f"{name}:{audience}:{_hash(key)}"
    read_keys([entry])
    return key, entry


def read_keys(entries: Iterable[str]) -> Keys:
    """Read the entries of the setting.

    Raises:
        KeyListError: If one is none, or a name or key is there twice. Its hash is not repeated.
    """
    callers: dict[str, Caller] = {}
    names = set()
    for number, entry in enumerate(entries, 1):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise KeyListError(
                f"entry {number} is not NAME:AUDIENCE:HASH with a hash of 64 hexadecimal digits"
            )
        name, audience, digest = found.groups()
        if audience not in AUDIENCES:
            raise KeyListError(
                f"entry {number} has the audience {audience!r}; there are {', '.join(AUDIENCES)}"
            )
        if name in names or digest in callers:
            raise KeyListError(f"entry {number} has a name or key that is there already")
        names.add(name)
        callers[digest] = Caller(name, audience)
    return Keys(callers)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
