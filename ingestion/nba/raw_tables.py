"""The raw tables of schema ``raw_nba``, written by the dlt pipeline ``nba``.

One row per payload version, in tables of one form, each named as the league names the resource:

    schedule (key season); playbyplay, boxscore of the CDN and playbyplayv3, boxscoretraditionalv3,
    playbyplayv2 of the stats service (key game_id)
    content_hash  text         SHA-256 of the payload without its envelope ``meta``
    payload       jsonb        as sent, ``meta`` included
    source        text         ``cdn``, ``stats`` or ``file``
    origin        text         address, or file name relative to the folder
    source_time   text         ``meta.time`` as sent, null when absent
    fetched_at    timestamptz  when this version arrived; of one key it always grows
    _dlt_load_id, _dlt_id      dlt's own: load package and row

The newest version of a key is the row with the largest ``fetched_at``. A migration makes the tables
and their indexes, so that whoever reads them never meets a missing one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

import dlt
import psycopg
from dlt.extract import DltResource

from ingestion import raw_files
from ingestion.nba.payloads import Payload, Resource
from ingestion.raw_files import csv_line, imported, load_package, text_column

SCHEMA = "raw_nba"
PIPELINE = "nba"
RESOURCES: tuple[Resource, ...] = get_args(Resource)


def key_column(resource: Resource) -> str:
    """Name of the column that identifies the record of a payload."""
    return "season" if resource == "schedule" else "game_id"


@dataclass(frozen=True)
class RawRow:
    """One new payload version, ready for COPY.

    Attributes:
        key: Game id or season.
        fields: The other columns as one CSV line without ``_dlt_load_id``, which is known only when
            dlt extracts.
    """

    key: str
    fields: bytes

    @classmethod
    def of(cls, payload: Payload, *, source: str, origin: str, fetched_at: datetime) -> RawRow:
        """Make the row of a payload."""
        values = (
            payload.content_hash.encode(),
            payload.text,
            source.encode(),
            # a name on disk may hold bytes that are no UTF-8, and Postgres refuses NUL and lone
            # surrogates
            origin.encode("utf-8", "backslashreplace"),
            None if payload.source_time is None else payload.source_time.encode(),
            fetched_at.isoformat().encode(),
        )
        return cls(payload.key, csv_line(values))


def _resource(resource: Resource, rows: Sequence[RawRow], directory: Path) -> DltResource:
    """The dlt resource that imports these rows as one CSV file."""
    key = key_column(resource)
    return imported(
        resource,
        [b'"%b",%b' % (row.key.encode(), row.fields) for row in rows],
        {
            key: text_column(),
            "content_hash": text_column(),
            "payload": {"data_type": "json", "nullable": False},
            "source": text_column(),
            "origin": text_column(),
            "source_time": text_column(nullable=True),
            "fetched_at": {"data_type": "timestamp", "nullable": False},
        },
        (key, "fetched_at"),
        directory,
    )


def load(
    pipeline: dlt.Pipeline, rows: Mapping[Resource, Sequence[RawRow]], directory: Path
) -> None:
    """Load new versions as one package.

    Args:
        pipeline: The pipeline ``nba``.
        rows: New versions by resource; nothing happens without any.
        directory: Where the CSV files are written; they are removed again.

    Raises:
        dlt.pipeline.exceptions.PipelineStepFailed: If dlt or Postgres could not.
    """
    resources = [
        _resource(resource, rows[resource], directory)
        for resource in RESOURCES
        if rows.get(resource)
    ]
    load_package(pipeline, resources, directory)


@dataclass(frozen=True)
class StoredVersion:
    """The newest stored version of a record: its content, when it arrived, and its own time."""

    content_hash: str
    fetched_at: datetime
    source_time: str | None


def newest_versions(connection: psycopg.Connection, resource: Resource) -> dict[str, StoredVersion]:
    """The newest stored version of every record, by key."""
    key = key_column(resource)
    rows = connection.execute(
        f"""
        select {key}, content_hash, fetched_at, source_time
        from (
            select
                {key}, content_hash, fetched_at, source_time,
                row_number() over (partition by {key} order by fetched_at desc) as version_rank
            from {SCHEMA}.{resource}
        ) as versions
        where version_rank = 1
        """
    )
    return {row[0]: StoredVersion(row[1], row[2], row[3]) for row in rows}


def wait_for_writers(connection: psycopg.Connection) -> None:
    """Return when no transaction is writing to the raw tables any more."""
    raw_files.wait_for_writers(connection, SCHEMA, RESOURCES)
