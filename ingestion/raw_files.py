"""Rows of raw tables as CSV files that dlt imports and loads with COPY.

dlt's own way through typed JSON reads and writes every payload twice more (1.5 to 1.9 times the
wall time, measured once on 400 games); this way the bytes that arrived are the bytes that Postgres
parses.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import psycopg
from dlt.common.schema.typing import TColumnSchema
from dlt.common.storages.load_package import load_package_state
from dlt.extract import DltResource

from ingestion.dlt_settings import RAW_SCHEMA_CONTRACT

# dlt's type for this argument names the other strategies and misses this documented one
_INSERT_ONLY: Any = {"disposition": "merge", "strategy": "insert-only"}


def csv_line(values: Iterable[bytes | None]) -> bytes:
    """One line of CSV without its end; None is null."""
    return b",".join(
        b"" if value is None else b'"' + value.replace(b'"', b'""') + b'"' for value in values
    )


def text_column(*, nullable: bool = False) -> TColumnSchema:
    """A column of text; one per column, because dlt writes the name into it."""
    return {"data_type": "text", "nullable": nullable}


def imported(
    table: str,
    lines: Sequence[bytes],
    columns: Mapping[str, TColumnSchema],
    primary_key: Sequence[str],
    directory: Path,
) -> DltResource:
    """The dlt resource that imports rows as one CSV file.

    Args:
        table: Name of the raw table.
        lines: One :func:`csv_line` per row with the values of ``columns`` in order.
        columns: dlt's columns without ``_dlt_load_id`` and ``_dlt_id``, which are added.
        primary_key: A package that is loaded twice must not double rows with the same values here.
        directory: Where the file is written.
    """

    def import_file() -> Iterator[Any]:
        load_id = load_package_state()["load_id"].encode()
        path = directory / f"{table}.csv"
        with path.open("wb") as file:
            file.write(",".join((*columns, "_dlt_load_id", "_dlt_id")).encode() + b"\n")
            for line in lines:
                row_id = secrets.token_urlsafe(10).encode()
                file.write(b"%b,%b,%b\n" % (line, load_id, row_id))
        yield dlt.mark.with_file_import(str(path), "csv", len(lines))

    return dlt.resource(
        import_file(),
        name=table,
        write_disposition=_INSERT_ONLY,
        primary_key=tuple(primary_key),
        max_table_nesting=0,
        schema_contract=RAW_SCHEMA_CONTRACT,
        columns={
            **columns,
            "_dlt_load_id": text_column(),
            "_dlt_id": {"data_type": "text", "nullable": False, "unique": True},
        },
    )


def load_package(pipeline: dlt.Pipeline, resources: Sequence[DltResource], directory: Path) -> None:
    """Load resources of :func:`imported` as one package; their files are removed again.

    Raises:
        dlt.pipeline.exceptions.PipelineStepFailed: If dlt or Postgres could not.
    """
    if not resources:
        return
    try:
        pipeline.run(list(resources))
    finally:
        for resource in resources:
            (directory / f"{resource.name}.csv").unlink(missing_ok=True)


def wait_for_writers(connection: psycopg.Connection, schema: str, tables: Iterable[str]) -> None:
    """Return when no transaction is writing to raw tables any more.

    The lock of a killed run is free at once, but a commit that it had just asked for may still be
    under way; what that commit adds has to be seen before new versions are told from known ones.
    """
    with connection.transaction():
        names = ", ".join(f"{schema}.{table}" for table in tables)
        connection.execute(f"lock table {names} in share mode")
