from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.ingestion.whoop.members import at
from tests.ingestion.whoop.service import WhoopService


@pytest.fixture
def service() -> Iterator[WhoopService]:
    with WhoopService() as running:
        yield running


@pytest.fixture
def own(module_database: Settings, tmp_path: Path) -> Settings:
    """The module's database without connections and requests, a state directory of the test's."""
    with connect(module_database, roles.INGEST) as connection:
        for table in ("wearable_connections", "whoop_requests", "whoop_rate_limits"):
            connection.execute(f"delete from operations.{table}")
    return at(module_database, tmp_path / "state")
