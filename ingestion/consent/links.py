"""Personal links to an athlete's own page: what he allowed, his data, and the way to stop.

A link holds a random secret of 32 bytes; only its hash is stored, so a look-up compares hashes and
its time tells nothing of a secret. It opens the page as often as he likes, until he withdraws or a
month after what he permits has ended: by then his records are deleted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import Any

import psycopg

from ingestion.consent import ledger
from ingestion.consent.invitations import public_address
from ingestion.errors import UsageError

OWN_PATH = "/mine/"
LONGER_DAYS = 30
"""Than the permission: so long are records kept after its end, and he may still want them gone."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def issue(
    connection: psycopg.Connection[Any], player_id: str, *, replaces: bool = False
) -> tuple[str, datetime]:
    """Make a link's secret for an athlete; his older links go on for as long.

    Args:
        connection: As role ``clutch_ingest``; the caller commits.
        player_id: NBA player id.
        replaces: Whether his older links open nothing any more (lost, or in wrong hands).

    Returns:
        The secret, which is nowhere else, and until when it opens the page (UTC).

    Raises:
        UsageError: If he decided nothing, or withdrew, or what he permitted is over for long.
    """
    ledger.lock_player(connection, player_id)
    entry = ledger.newest(connection, player_id)
    if entry is None or entry.decision == ledger.WITHDRAWN:
        raise UsageError(
            f"--player: {player_id} has decided nothing that a page could show. Fix: clutch "
            "consent list shows who did; begin with clutch consent invite."
        )
    if replaces:
        revoke(connection, player_id)
    secret = secrets.token_urlsafe(32)
    row = connection.execute(
        """
        with until as (
            select %(end)s + make_interval(days => %(days)s) as expires_at
        ),

        prolonged as (
            update operations.personal_links as link
            set expires_at = greatest(link.expires_at, until.expires_at)
            from until where link.player_id = %(player)s
        )

        insert into operations.personal_links (link_hash, player_id, expires_at)
        select %(hash)s, %(player)s, expires_at from until where expires_at > now()
        returning expires_at
        """,
        {
            "end": entry.expires_at or entry.recorded_at,
            "days": LONGER_DAYS,
            "player": player_id,
            "hash": hashed(secret),
        },
    ).fetchone()
    if row is None:
        raise UsageError(
            f"--player: what {player_id} permitted has been over for {LONGER_DAYS} days. Fix: "
            "clutch consent invite asks him anew; clutch retention deletes what is left."
        )
    return secret, row[0]


def find(connection: psycopg.Connection[Any], secret: str) -> str | None:
    """The athlete (NBA player id) whose page a link opens, or None where it opens nothing.

    Args:
        connection: As role ``clutch_ingest``.
        secret: The last part of the link.
    """
    if not _SECRET.fullmatch(secret):
        return None
    row = connection.execute(
        "select player_id from operations.personal_links"
        " where link_hash = %s and expires_at > now()",
        [hashed(secret)],
    ).fetchone()
    return None if row is None else row[0]


def revoke(connection: psycopg.Connection[Any], player_id: str) -> list[str]:
    """Let an athlete's links open nothing any more; gives their hashes.

    Args:
        connection: As role ``clutch_ingest``; the caller commits.
        player_id: NBA player id.
    """
    return [
        link_hash
        for (link_hash,) in connection.execute(
            "delete from operations.personal_links where player_id = %s returning link_hash",
            [player_id],
        )
    ]


def address(redirect_uri: str, secret: str) -> str:
    """The link as the athlete gets it.

    Args:
        redirect_uri: ``WHOOP_REDIRECT_URI``: the receiver's own address is read from it.
        secret: Of :func:`issue`.

    Raises:
        SettingError: If the address is not that of the receiver's callback.
    """
    return public_address(redirect_uri) + OWN_PATH + secret


def hashed(secret: str) -> str:
    """SHA-256 of a secret, hexadecimal: what the database knows of it."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
