"""When every NBA resource was last answered: ``operations.nba_reads``."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from ingestion.nba.http import Validators
from ingestion.nba.payloads import Resource
from ingestion.nba.rereads import Read


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
