"""What every source keeps books of: ``operations.quarantine`` and ``operations.ingest_runs``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

Source = Literal["nba", "whoop"]
"""``operations.quarantine.source``, and the word after ``ingest`` in the command of a run."""


class QuarantinedItem(NamedTuple):
    """One payload that was not stored as raw data, or that is missing."""

    resource: str
    record_key: str | None
    reason: str
    detail: str
    origin: str


_RECORD = """
    insert into operations.quarantine as known (
        source, resource, record_key, reason, detail, origin, content_hash, body,
        first_seen_at, last_seen_at, seen_count, resolved_at
    )
    values (%s, %s, %s, %s, %s, %s, %s, %s, now(), now(), 1, case when %s then now() end)
    on conflict (source, resource, record_key, reason, content_hash) do update set
        last_seen_at = excluded.last_seen_at,
        seen_count = known.seen_count + 1,
        -- damage that comes back is open again
        resolved_at = excluded.resolved_at
"""
_RESOLVE = """
    update operations.quarantine set resolved_at = now()
    where source = %s and resource = %s and record_key = any(%s) and resolved_at is null
"""


@dataclass(frozen=True)
class QuarantineEntry:
    """A quarantined item.

    Attributes:
        item: What and why.
        body: The bytes that came, None where nothing came.
        is_settled: Whether it is kept for the record only.
    """

    item: QuarantinedItem
    body: bytes | None
    is_settled: bool = False


def record_quarantine(
    connection: psycopg.Connection, source: Source, entries: Iterable[QuarantineEntry]
) -> None:
    """Keep what was set aside; the same damage again only counts up and is open again."""
    rows = [
        (
            source,
            entry.item.resource,
            entry.item.record_key,
            entry.item.reason,
            entry.item.detail,
            entry.item.origin,
            None if entry.body is None else hashlib.sha256(entry.body).hexdigest(),
            entry.body,
            entry.is_settled,
        )
        for entry in entries
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_RECORD, rows)


def resolve_quarantine(
    connection: psycopg.Connection, source: Source, keys: Mapping[str, list[str]]
) -> int:
    """Close the open entries of records that arrived in good order.

    Args:
        connection: Connection of the role that ingests.
        source: The source of the records.
        keys: Record keys by resource.

    Returns:
        How many entries were closed.
    """
    return sum(
        connection.execute(_RESOLVE, (source, resource, of_resource)).rowcount
        for resource, of_resource in keys.items()
        if of_resource
    )


def begin_run(connection: psycopg.Connection, source: Source, command: str) -> UUID:
    """Write down that a run has begun.

    The caller holds the lock of the source's ingestion, so a run that is still noted as running
    was killed.

    Args:
        connection: Connection of the role that ingests.
        source: The source that is ingested.
        command: The command as a person would type it.

    Returns:
        Id of the run.
    """
    connection.execute(
        """
        update operations.ingest_runs set status = 'failed', finished_at = now()
        where status = 'running' and starts_with(command, %s)
        """,
        (f"ingest {source}",),
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
