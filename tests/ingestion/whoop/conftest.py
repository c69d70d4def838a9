from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.ingestion.whoop.members import at
from tests.ingestion.whoop.service import WhoopService


@pytest.fixture
def service() -> Iterator[WhoopService]:
    with WhoopService() as running:
        yield running


@pytest.fixture
def own(database: Settings, tmp_path: Path) -> Settings:
    """A database and a state directory of the test's own."""
    return at(database, Path(os.path.realpath(tmp_path)) / "state")
