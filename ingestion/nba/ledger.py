"""The operational record of a run: ``operations.quarantine`` and ``operations.ingest_runs``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from ingestion.nba.report import QuarantinedItem

_SOURCE = "nba"

_RECORD = """
    insert into operations.quarantine as known (
        source, resource, record_key, reason, detail, origin, content_hash, body,
        first_seen_at, last_seen_at, seen_count
    )
    values (%s, %s, %s, %s, %s, %s, %s, %s, now(), now(), 1)
    on conflict (source, resource, record_key, reason, content_hash) do update set
        last_seen_at = excluded.last_seen_at,
        seen_count = known.seen_count + 1,
        -- damage that comes back is open again
        resolved_at = null
"""
_RESOLVE = """
    update operations.quarantine set resolved_at = now()
    where source = %s and resource = %s and record_key = any(%s) and resolved_at is null
"""


@dataclass(frozen=True)
class QuarantineEntry:
    """A quarantined item with the bytes that came, None where nothing came."""

    item: QuarantinedItem
    body: bytes | None


def record_quarantine(connection: psycopg.Connection, entries: Iterable[QuarantineEntry]) -> None:
    """Keep what was set aside; the same damage again only counts up and is open again."""
    rows = [
        (
            _SOURCE,
            entry.item.resource,
            entry.item.record_key,
            entry.item.reason,
            entry.item.detail,
            entry.item.origin,
            None if entry.body is None else hashlib.sha256(entry.body).hexdigest(),
            entry.body,
        )
        for entry in entries
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_RECORD, rows)


def resolve_quarantine(connection: psycopg.Connection, keys: Mapping[str, list[str]]) -> int:
    """Close the open entries of records that arrived in good order.

    Args:
        connection: Connection of the role that ingests.
        keys: Record keys by resource.

    Returns:
        How many entries were closed.
    """
    return sum(
        connection.execute(_RESOLVE, (_SOURCE, resource, of_resource)).rowcount
        for resource, of_resource in keys.items()
        if of_resource
    )


def begin_run(connection: psycopg.Connection, command: str) -> UUID:
    """Write down that a run has begun.

    The caller holds the lock of NBA ingestion, so a run that is still noted as running was killed.

    Args:
        connection: Connection of the role that ingests.
        command: The command as a person would type it.

    Returns:
        Id of the run.
    """
    connection.execute(
        """
        update operations.ingest_runs set status = 'failed', finished_at = now()
        where status = 'running' and command like 'ingest nba%'
        """
    )
    run_id = uuid4()
    connection.execute(
        """
        insert into operations.ingest_runs (run_id, command, started_at, status, counts)
        values (%s, %s, now(), 'running', '{}')
        """,
        (run_id, command),
    )
    return run_id


def finish_run(
    connection: psycopg.Connection,
    run_id: UUID,
    status: Literal["done", "failed", "partly_done"],
    counts: Mapping[str, Any],
) -> None:
    """Write down how a run ended and what it counted."""
    connection.execute(
        """
        update operations.ingest_runs set status = %s, finished_at = now(), counts = %s
        where run_id = %s
        """,
        (status, Jsonb(dict(counts)), run_id),
    )
