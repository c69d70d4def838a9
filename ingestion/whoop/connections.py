"""Rows of ``operations.wearable_connections``: who is connected, and whether that still holds.

Each function works in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from ingestion.consent.vault import Vault
from ingestion.errors import ClutchError
from ingestion.whoop.errors import AccountTaken
from ingestion.whoop.oauth import TokenSet


@dataclass(frozen=True)
class Connection:
    """A WHOOP account that an athlete connected.

    Attributes:
        connection_id: Our id.
        player_id: NBA player id.
        provider_user_id: User id at WHOOP, None until a record names it.
        generation: Work begun under an older one writes nothing.
        scopes: What was granted.
        connected_at: When it was last connected (UTC).
    """

    connection_id: UUID
    player_id: str
    provider_user_id: int | None
    generation: int
    scopes: tuple[str, ...]
    connected_at: datetime


_HAS_CONSENT = """
    (
        select bool_or(is_live) from operations.consents as newest
        where newest.player_id = {player}
    )
"""


def connect(
    connection: psycopg.Connection[Any],
    *,
    player_id: str,
    consent_id: int,
    scopes: Sequence[str],
    tokens: TokenSet,
    vault: Vault,
    provider_user_id: int | None,
) -> UUID:
    """Store a connection and its tokens: a new one, or the same account again.

    The same account of the same athlete keeps its id and rises by a generation, so that work under
    the older tokens writes nothing. A revoked connection stays as it is; a new row follows it.

    Args:
        connection: Connection of the role that ingests; the caller commits.
        player_id: NBA player id.
        consent_id: The entry of the ledger that permits it.
        scopes: What was granted.
        tokens: What WHOOP gave.
        vault: Encrypts them.
        provider_user_id: The account at WHOOP, None if no record has named it: then it is the
            athlete's connection that has no account yet, or a new one.

    Returns:
        The connection's id.

    Raises:
        AccountTaken: If the account is connected to another athlete.
        ClutchError: If the entry is not this athlete's newest or permits nothing (any more).
    """
    # one at a time per account and per athlete: two callbacks must not both find nothing
    for key in sorted({f"account {provider_user_id}", f"player {player_id}"}):
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", [key])
    permitted = connection.execute(
        f"""
        select 1 from operations.consents
        where consent_id = %s and player_id = %s and {_HAS_CONSENT.format(player="%s")}
            and consent_id = (
                select max(consent_id) from operations.consents as newest
                where newest.player_id = consents.player_id
            )
        """,
        [consent_id, player_id, player_id],
    ).fetchone()
    if permitted is None:
        raise ClutchError(
            f"Player {player_id} has no consent that permits a connection. Fix: the athlete "
            "answers the consent page first (clutch consent invite)."
        )
    known = connection.execute(
        """
        select connection_id, player_id from operations.wearable_connections
        where provider = 'whoop' and status <> 'revoked'
            and (
                provider_user_id = %(account)s
                or (%(account)s is null and provider_user_id is null and player_id = %(player)s)
            )
        order by connected_at desc limit 1
        for update
        """,
        {"account": provider_user_id, "player": player_id},
    ).fetchone()
    if known is not None and known[1] != player_id:
        raise AccountTaken
    if known is None:
        connection_id = uuid4()
        connection.execute(
            """
            insert into operations.wearable_connections (
                connection_id, player_id, provider_user_id, consent_id, scopes
            )
            values (%s, %s, %s, %s, %s)
            """,
            [connection_id, player_id, provider_user_id, consent_id, list(scopes)],
        )
    else:
        connection_id = known[0]
        connection.execute(
            """
            update operations.wearable_connections set
                consent_id = %s, scopes = %s, generation = generation + 1,
                status = 'active', status_reason = null, status_at = now(), connected_at = now()
            where connection_id = %s
            """,
            [consent_id, list(scopes), connection_id],
        )
    vault.store(connection, connection_id, tokens)
    return connection_id


def name_account(
    connection: psycopg.Connection[Any], connection_id: UUID, provider_user_id: int
) -> None:
    """Note the account that a connection's first record names.

    Raises:
        AccountTaken: If another connection has the account, or this one another account; the
            caller's transaction goes on.
    """
    try:
        with connection.transaction():
            row = connection.execute(
                """
                update operations.wearable_connections set provider_user_id = %s
                where connection_id = %s and coalesce(provider_user_id, %s) = %s
                returning 1
                """,
                [provider_user_id, connection_id, provider_user_id, provider_user_id],
            ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise AccountTaken from None
    if row is None:
        raise AccountTaken


def active_connections(connection: psycopg.Connection[Any]) -> list[Connection]:
    """The connections that may be asked for: active, and the athlete's newest decision permits it.

    Returns:
        By player and connection.
    """
    rows = connection.execute(
        f"""
        select connection_id, player_id, provider_user_id, generation, scopes, connected_at
        from operations.wearable_connections
        where status = 'active'
            and {_HAS_CONSENT.format(player="wearable_connections.player_id")}
        order by player_id, connected_at, connection_id
        """
    ).fetchall()
    return [
        Connection(
            connection_id=row[0],
            player_id=row[1],
            provider_user_id=row[2],
            generation=row[3],
            scopes=tuple(row[4]),
            connected_at=row[5],
        )
        for row in rows
    ]


def mark_reconnect(
    connection: psycopg.Connection[Any], connection_id: UUID, generation: int, reason: str
) -> None:
    """Note that the athlete has to connect again; nothing happens under another generation.

    Args:
        connection: Connection of the role that ingests.
        connection_id: The connection.
        generation: The generation whose tokens failed.
        reason: Short code, e.g. ``grant_refused``.
    """
    connection.execute(
        """
        update operations.wearable_connections
        set status = 'reconnect', status_reason = %s, status_at = now()
        where connection_id = %s and generation = %s and status = 'active'
        """,
        [reason, connection_id, generation],
    )


def mark_revoked(connection: psycopg.Connection[Any], connection_id: UUID, reason: str) -> None:
    """Fence a connection off: from the commit on, work begun before writes nothing.

    A connection that is revoked already keeps its reason and generation.
    """
    connection.execute(
        """
        update operations.wearable_connections
        set status = 'revoked', status_reason = %s, status_at = now(), generation = generation + 1
        where connection_id = %s and status <> 'revoked'
        """,
        [reason, connection_id],
    )
