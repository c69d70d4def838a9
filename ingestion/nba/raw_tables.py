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

The payloads reach Postgres as CSV files that dlt imports and loads with COPY. dlt's own way through
typed JSON reads and writes every payload twice more (1.5 to 1.9 times the wall time, measured once
on 400 games); this way the bytes that arrived are the bytes that Postgres parses.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import dlt
import psycopg
from dlt.common.schema.typing import TColumnSchema
from dlt.common.storages.load_package import load_package_state
from dlt.extract import DltResource

from ingestion.dlt_settings import RAW_SCHEMA_CONTRACT
from ingestion.nba.payloads import Payload, Resource

SCHEMA = "raw_nba"
PIPELINE = "nba"
RESOURCES: tuple[Resource, ...] = get_args(Resource)


def key_column(resource: Resource) -> str:
    """Name of the column that identifies the record of a payload."""
    return "season" if resource == "schedule" else "game_id"


# dlt's type for this argument names the other strategies and misses this documented one
_INSERT_ONLY: Any = {"disposition": "merge", "strategy": "insert-only"}


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
        return cls(payload.key, b",".join(_csv_field(value) for value in values))


_FIELD_NAMES = ("content_hash", "payload", "source", "origin", "source_time", "fetched_at")


def _csv_field(value: bytes | None) -> bytes:
    return b"" if value is None else b'"' + value.replace(b'"', b'""') + b'"'


def _text() -> TColumnSchema:
    return {"data_type": "text", "nullable": False}  # one per column: dlt writes the name into it


def _resource(resource: Resource, rows: Sequence[RawRow], directory: Path) -> DltResource:
    """The dlt resource that imports these rows as one CSV file."""
    key = key_column(resource)

    def import_file() -> Iterator[Any]:
        load_id = load_package_state()["load_id"].encode()
        path = directory / f"{resource}.csv"
        with path.open("wb") as file:
            header = (key, *_FIELD_NAMES, "_dlt_load_id", "_dlt_id")
            file.write(",".join(header).encode() + b"\n")
            for row in rows:
                row_id = secrets.token_urlsafe(10).encode()
                file.write(b'"%b",%b,%b,%b\n' % (row.key.encode(), row.fields, load_id, row_id))
        yield dlt.mark.with_file_import(str(path), "csv", len(rows))

    return dlt.resource(
        import_file(),
        name=str(resource),
        # a package that is loaded twice must not double rows
        write_disposition=_INSERT_ONLY,
        primary_key=(key, "fetched_at"),
        max_table_nesting=0,
        schema_contract=RAW_SCHEMA_CONTRACT,
        columns={
            key: _text(),
            "content_hash": _text(),
            "payload": {"data_type": "json", "nullable": False},
            "source": _text(),
            "origin": _text(),
            "source_time": {"data_type": "text", "nullable": True},
            "fetched_at": {"data_type": "timestamp", "nullable": False},
            "_dlt_load_id": _text(),
            "_dlt_id": {"data_type": "text", "nullable": False, "unique": True},
        },
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
    if not resources:
        return
    try:
        pipeline.run(resources)
    finally:
        for resource in RESOURCES:
            (directory / f"{resource}.csv").unlink(missing_ok=True)


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
    """Return when no transaction is writing to the raw tables any more.

    The lock of a killed run is free at once, but a commit that it had just asked for may still be
    under way; what that commit adds has to be seen before new versions are told from known ones.
    """
    with connection.transaction():
        names = ", ".join(f"{SCHEMA}.{table}" for table in RESOURCES)
        connection.execute(f"lock table {names} in share mode")
