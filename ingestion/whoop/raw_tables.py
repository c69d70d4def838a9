"""Versions of WHOOP records in schema ``raw_whoop``: which ones are added, and how.

Tables ``cycle``, ``recovery``, ``sleep``, ``workout``, ``profile`` and ``body`` of one form
(migration 0005), one row per record and content version, deletions included; rows are only added.
Which version is the newest is written down in the view ``raw_whoop.record_versions``; what is asked
here is the same rule turned round: would this one become the newest?

Two ways lead in and leave equal rows. A package of dlt costs 0.2 s for 5 rows as for 130, which a
first sync of a month (100 to 150 versions) does not notice beside its 7 requests. The few rows of a
webhook or of a trailing week (0 to 5) go by one statement per table (2.5 ms, 4.4 ms for 130), in
the transaction that looked whether they may be written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import dlt
import psycopg

from ingestion.raw_files import csv_line, imported, load_package, text_column
from ingestion.whoop.records import DELETED_HASH, Record
from ingestion.whoop.settings import SCOPES

SCHEMA = "raw_whoop"
PIPELINE = "whoop"
TABLES = tuple(SCOPES)
BULK_ROWS = 100
"""From so many new versions on a batch goes through dlt."""

DIRECT = "direct"
"""``_dlt_load_id`` of rows that were written without dlt."""

ReadBy = Literal["sync", "watch", "webhook", "reconcile"]
"""``source`` of a version: what brought it."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """One version that may have to be added.

    Attributes:
        resource: The raw table.
        key: Record key.
        connection_id: The athlete's connection.
        provider_user_id: WHOOP user id, None where it is not told.
        content_hash: SHA-256, hexadecimal.
        content: Canonical JSON; None for a deletion.
        source: What brought it.
        source_updated_at: ``updated_at`` (UTC), None for a deletion, profile and body.
        fetched_at: When it was answered (UTC).
    """

    resource: str
    key: str
    connection_id: UUID
    provider_user_id: int | None
    content_hash: str
    content: bytes | None
    source: ReadBy
    source_updated_at: datetime | None
    fetched_at: datetime

    @property
    def is_deleted(self) -> bool:
        """Whether it says that the record is gone."""
        return self.content is None

    @classmethod
    def of(
        cls, record: Record, connection_id: UUID, source: ReadBy, fetched_at: datetime
    ) -> Version:
        """The version that a record makes."""
        return cls(
            resource=record.resource,
            key=record.key,
            connection_id=connection_id,
            provider_user_id=record.user_id,
            content_hash=record.content_hash,
            content=record.content,
            source=source,
            source_updated_at=record.updated_at,
            fetched_at=fetched_at,
        )

    @classmethod
    def deletion(
        cls,
        resource: str,
        key: str,
        connection_id: UUID,
        provider_user_id: int | None,
        source: ReadBy,
        seen_at: datetime,
    ) -> Version:
        """The version that says a record is gone."""
        return cls(
            resource=resource,
            key=key,
            connection_id=connection_id,
            provider_user_id=provider_user_id,
            content_hash=DELETED_HASH,
            content=None,
            source=source,
            source_updated_at=None,
            fetched_at=seen_at,
        )


@dataclass(frozen=True)
class StoredVersion:
    """A version that is stored."""

    content_hash: str
    is_deleted: bool
    source_updated_at: datetime | None
    fetched_at: datetime
    is_newest: bool


Verdict = Literal["new", "unchanged", "stale"]


def judge(version: Version, stored: Sequence[StoredVersion]) -> tuple[Verdict, Version | None]:
    """Tell what a version is beside the stored ones of its record.

    Args:
        version: What arrived.
        stored: Every stored version of the same record.

    Returns:
        ``new``: it becomes the newest; ``unchanged``: it says what the newest says; ``stale``: it
        is older than that. With it the version to add, None where there is nothing to add: a stale
        one is kept only if its content was never seen. Its time of arrival is moved on by
        microseconds where another version of the record has the same.
    """
    if not stored:
        return "new", version
    newest = next(known for known in stored if known.is_newest)
    if newest.content_hash == version.content_hash:
        return "unchanged", None
    taken = {known.fetched_at for known in stored}
    fetched_at = version.fetched_at
    while fetched_at in taken:
        fetched_at += timedelta(microseconds=1)
    version = replace(version, fetched_at=fetched_at)
    if version.is_deleted:
        # a record that was read after it was said to be gone is there, whatever that reading said
        last_read = max(
            (known.fetched_at for known in stored if not known.is_deleted), default=_NEVER
        )
        return ("new", version) if fetched_at > last_read else ("stale", None)
    last_deleted = max((known.fetched_at for known in stored if known.is_deleted), default=_NEVER)
    becomes_newest = fetched_at > last_deleted and (
        newest.is_deleted
        or (version.source_updated_at or _NEVER, fetched_at)
        > (newest.source_updated_at or _NEVER, newest.fetched_at)
    )
    if becomes_newest:
        return "new", version
    is_known = any(known.content_hash == version.content_hash for known in stored)
    return "stale", None if is_known else version


def stored_versions(
    connection: psycopg.Connection[Any], connection_id: UUID, resource: str, keys: Iterable[str]
) -> dict[str, list[StoredVersion]]:
    """The stored versions of records, by key."""
    found: dict[str, list[StoredVersion]] = {}
    rows = connection.execute(
        f"""
        select record_key, content_hash, is_deleted, source_updated_at, fetched_at, is_newest
        from {SCHEMA}.record_versions
        where resource = %s and connection_id = %s and record_key = any(%s)
        """,
        (resource, str(connection_id), list(keys)),
    )
    for key, *values in rows:
        found.setdefault(key, []).append(StoredVersion(*values))
    return found


def insert(connection: psycopg.Connection[Any], versions: Sequence[Version]) -> None:
    """Add versions in the caller's transaction."""
    with connection.cursor() as cursor:
        for table in TABLES:
            rows = [
                (*_values(version), DIRECT, secrets.token_urlsafe(10))
                for version in versions
                if version.resource == table
            ]
            if rows:
                cursor.executemany(
                    f"""
                    insert into {SCHEMA}.{table} (
                        record_key, connection_id, provider_user_id, content_hash, payload,
                        is_deleted, source, source_updated_at, fetched_at, _dlt_load_id, _dlt_id
                    )
                    values (%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)
                    """,
                    rows,
                )


def load(pipeline: dlt.Pipeline, versions: Sequence[Version], directory: Path) -> None:
    """Add versions as one package of dlt, in sessions of its own.

    Args:
        pipeline: The pipeline ``whoop``; only one process may load at a time.
        versions: What to add.
        directory: Where the CSV files are written; they are removed again.

    Raises:
        dlt.pipeline.exceptions.PipelineStepFailed: If dlt or Postgres could not.
    """
    resources = [
        imported(
            table,
            [
                csv_line(_csv_value(value) for value in _values(version))
                for version in versions
                if version.resource == table
            ],
            {
                "record_key": text_column(),
                "connection_id": text_column(),
                "provider_user_id": {"data_type": "bigint", "nullable": True},
                "content_hash": text_column(),
                "payload": {"data_type": "json", "nullable": True},
                "is_deleted": {"data_type": "bool", "nullable": False},
                "source": text_column(),
                "source_updated_at": {"data_type": "timestamp", "nullable": True},
                "fetched_at": {"data_type": "timestamp", "nullable": False},
            },
            ("record_key", "fetched_at"),
            directory,
        )
        for table in TABLES
        if any(version.resource == table for version in versions)
    ]
    load_package(pipeline, resources, directory)


def _values(version: Version) -> tuple[Any, ...]:
    return (
        version.key,
        str(version.connection_id),
        version.provider_user_id,
        version.content_hash,
        None if version.content is None else version.content.decode(),
        version.is_deleted,
        version.source,
        version.source_updated_at,
        version.fetched_at,
    )


def _csv_value(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat().encode()
    return str(value).lower().encode() if isinstance(value, bool) else str(value).encode()
