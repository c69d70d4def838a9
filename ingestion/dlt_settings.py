"""How every dlt pipeline of this project runs: set here in code, so no ``.dlt`` folder is needed.

dlt keeps its work files in a private folder of the state directory. Nothing is written to the home
folder and nothing is sent anywhere. dlt's own environment variables (``LOAD__WORKERS`` and so on)
still override what is set here, which helps when a load must be looked into.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dlt
from dlt.common.schema.typing import TSchemaContractDict

from ingestion.errors import ClutchError
from ingestion.settings import Settings

# A new column or another type is a change of this code, never of the data: a payload stays one json
# value.
RAW_SCHEMA_CONTRACT: TSchemaContractDict = {
    "tables": "evolve",
    "columns": "freeze",
    "data_type": "freeze",
}

_DISK_FULL = "53100"  # SQLSTATE disk_full

_CONFIGURATION = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # every failure reaches the caller as an exception; the log would repeat it with a traceback
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",  # gzip on work files cost four times the load
    "DATA_WRITER__BUFFER_MAX_ITEMS": "25",  # the default, 5,000 whole-game payloads, is gigabytes
    "NORMALIZE__WORKERS": "1",
    # tables load one after the other: two threads gain nothing on cores shared with Postgres
    "LOAD__WORKERS": "1",
    # what failed twice fails the run, which the next one resumes; waiting longer only hides it
    "LOAD__RAISE_ON_MAX_RETRIES": "2",
    # payloads may be personal: none stays on disk or in the staging dataset after a load
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
}


def _configure() -> None:
    """Hand the settings to dlt.

    In the environment and at import, because dlt reads the first two when its configuration is
    first touched: a provider registered later, or a file, would leave telemetry switched on.
    """
    for name, value in _CONFIGURATION.items():
        os.environ.setdefault(name, value)


_configure()


def working_directory(settings: Settings) -> Path:
    """The folder of dlt's work files, made with access for this account only.

    Args:
        settings: ``state_directory`` holds the folder.

    Returns:
        ``<state directory>/dlt``.
    """
    directory = settings.state_directory / "dlt"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)  # it may be older than this rule
    return directory


def new_pipeline(settings: Settings, *, name: str, dataset: str, url: str) -> dlt.Pipeline:
    """Open a pipeline into Postgres that knows nothing of earlier runs.

    Whatever a killed run left behind - half-written files, packages not loaded yet - is deleted
    first: a run derives what to load from its source and from the tables, never from dlt's state.
    The caller must hold a lock that keeps a second run of the same name out.

    Args:
        settings: ``state_directory`` holds dlt's work files.
        name: Name of the pipeline and of its folder.
        dataset: Schema that receives the tables; it exists.
        url: Address of the database with the role that loads.

    Returns:
        The pipeline.
    """
    directory = working_directory(settings)
    shutil.rmtree(directory / name, ignore_errors=True)
    return dlt.pipeline(
        name,
        destination=dlt.destinations.postgres(url),
        dataset_name=dataset,
        pipelines_dir=str(directory),
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and everything that led to it, the outermost first."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # dlt keeps the exception of a failed step as an attribute and not always as the cause
        wrapped = getattr(current, "exception", None)
        pending += [
            current.__context__,
            current.__cause__,
            wrapped if isinstance(wrapped, BaseException) else None,
        ]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def storage_error(error: BaseException, settings: Settings) -> ClutchError:
    """Turn a failure to store data into one sentence for the person at the terminal.

    Args:
        error: What dlt, psycopg or the operating system raised.
        settings: Names the disk of this machine that work files are on.

    Returns:
        An error that says which disk is full and what to do, or else what the database answered.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return ClutchError(
                f"the disk that holds {settings.state_directory} (CLUTCH_STATE_DIR) is full. "
                "Fix: free some space there and run the same command again; what is loaded is kept."
            )
    sql_states = [
        (cause, getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None))
        for cause in causes
    ]
    for cause, sql_state in sql_states:
        if sql_state == _DISK_FULL or "No space left on device" in str(cause):
            return ClutchError(
                f"the disk of the database server is full ({_first_line(cause)}). "
                "Fix: free some space there and run the same command again; what is loaded is kept."
            )
    database_errors = [cause for cause, sql_state in sql_states if sql_state]
    innermost = database_errors[-1] if database_errors else causes[-1]
    return ClutchError(
        f"the database did not take the data: {_first_line(innermost)}. "
        "Fix: see to that and run the same command again; what is loaded is kept."
    )
