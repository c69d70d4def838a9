"""The operational record of runs: ``quarantine``, ``ingest_runs`` and ``nba_reads``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from ingestion.nba.http import Validators
from ingestion.nba.payloads import Resource
from ingestion.nba.report import QuarantinedItem
from ingestion.nba.rereads import Read

_SOURCE = "nba"

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
            entry.is_settled,
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


def last_reads(connection: psycopg.Connection) -> dict[tuple[Resource, str], Read]:
    """The last answer about every record, by resource and key."""
    rows = connection.execute(
        """
        select
            resource, record_key, read_at, source, http_status, game_status, etag, last_modified
        from operations.nba_reads
        """
    )
    return {
        (resource, key): Read(
            resource, key, read_at, source, http_status, game_status, Validators(etag, modified)
        )
        for resource, key, read_at, source, http_status, game_status, etag, modified in rows
    }


def record_reads(connection: psycopg.Connection, reads: Iterable[Read]) -> None:
    """Write down what was answered; call it when the content is stored."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into operations.nba_reads (
                resource, record_key, read_at, source, http_status, game_status, etag,
                last_modified
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (resource, record_key) do update set
                read_at = excluded.read_at,
                source = excluded.source,
                http_status = excluded.http_status,
                game_status = excluded.game_status,
                etag = excluded.etag,
                last_modified = excluded.last_modified
            """,
            [
                (
                    read.resource,
                    read.key,
                    read.read_at,
                    read.source,
                    read.http_status,
                    read.game_status,
                    read.validators.etag,
                    read.validators.last_modified,
                )
                for read in reads
            ],
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
