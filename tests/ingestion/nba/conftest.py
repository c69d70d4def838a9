"""What the tests of NBA ingestion share: a database with a short memory, and a view of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def settings(database: Settings, tmp_path: Path) -> Settings:
    """A migrated database and a state directory of this test's own."""
    return dataclasses.replace(database, state_directory=tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for ``--from``."""
    directory = tmp_path / "files"
    directory.mkdir()
    return directory


@pytest.fixture
def query(settings: Settings) -> Query:
    """Rows of a query, as the role that ingests."""

    def run(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with connect(settings, roles.INGEST) as connection:
            cursor: psycopg.Cursor[tuple[Any, ...]] = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    return run
