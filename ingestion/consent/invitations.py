"""Personal links to the consent page.

A link holds a random secret of 32 bytes; only its hash is stored. It opens the page for one athlete
until it expires, and takes one decision.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.rows import class_row

from ingestion.errors import SettingError, UsageError

DEFAULT_DAYS = 7
"""Long enough for a road trip, short enough that a link in an old mail opens nothing."""
LONGEST_DAYS = 60
CALLBACK_PATH = "/oauth/callback"
CONSENT_PATH = "/consent/"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_PLAYER_ID = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Invitation:
    """A link as stored.

    Attributes:
        invitation_hash: SHA-256 of the secret, hexadecimal.
        player_id: NBA player id.
        expires_at: Until when it opens the page (UTC).
        used_at: When its athlete decided (UTC); None before.
        is_expired: Whether it opens nothing any more.
    """

    invitation_hash: str
    player_id: str
    expires_at: datetime
    used_at: datetime | None
    is_expired: bool


def invite(connection: psycopg.Connection[Any], player_id: str, days: int) -> tuple[str, datetime]:
    """Make a link's secret for an athlete.

    Args:
        connection: As role ``clutch_ingest``.
        player_id: NBA player id.
        days: How long the link opens the page, 1 to 60.

    Returns:
        The secret, which is nowhere else, and when it expires (UTC).

    Raises:
        UsageError: If the id or the days cannot be.
    """
    if not _PLAYER_ID.fullmatch(player_id):
        raise UsageError(
            f"{player_id!r} is no NBA player id. Fix: give its digits, e.g. --player 201939."
        )
    if not 1 <= days <= LONGEST_DAYS:
        raise UsageError(f"{days} days are not from 1 to {LONGEST_DAYS}. Fix: --days 7.")
    secret = secrets.token_urlsafe(32)
    row = connection.execute(
        """
        insert into operations.consent_invitations (invitation_hash, player_id, expires_at)
        values (%s, %s, now() + make_interval(days => %s)) returning expires_at
        """,
        [_hash(secret), player_id, days],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return secret, row[0]


def find(
    connection: psycopg.Connection[Any], secret: str, *, for_update: bool = False
) -> Invitation | None:
    """The invitation that a secret belongs to, used and expired ones too.

    Args:
        connection: As role ``clutch_ingest``.
        secret: The last part of the link.
        for_update: Whether to lock it until the caller's transaction ends.
    """
    if not _SECRET.fullmatch(secret):
        return None
    with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        return cursor.execute(
            f"""
            select
                invitation_hash, player_id, expires_at, used_at, expires_at <= now() as is_expired
            from operations.consent_invitations where invitation_hash = %s
            {"for update" if for_update else ""}
            """,
            [_hash(secret)],
        ).fetchone()


def use(connection: psycopg.Connection[Any], invitation: Invitation) -> None:
    """Note that its athlete decides in this transaction."""
    connection.execute(
        "update operations.consent_invitations set used_at = now() where invitation_hash = %s",
        [invitation.invitation_hash],
    )


def link(redirect_uri: str, secret: str) -> str:
    """The address to give to the athlete.

    Args:
        redirect_uri: ``WHOOP_REDIRECT_URI``: the receiver's own address is read from it.
        secret: Of :func:`invite`.

    Raises:
        SettingError: If the address is not that of the receiver's callback.
    """
    return public_address(redirect_uri) + CONSENT_PATH + secret


def public_address(redirect_uri: str) -> str:
    """The receiver's address as browsers see it, without a slash at the end.

    Raises:
        SettingError: If the redirect address is not that of the receiver's callback.
    """
    parts = urlsplit(redirect_uri)
    if not parts.path.endswith(CALLBACK_PATH) or parts.query:
        raise SettingError(
            "WHOOP_REDIRECT_URI",
            f"{redirect_uri!r} does not end with {CALLBACK_PATH}",
            f"write https://host{CALLBACK_PATH}, and register that address for the app",
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix(CALLBACK_PATH), "", ""))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
