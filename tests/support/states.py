"""Settings of embedded servers that only a test uses."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.database import embedded
from ingestion.settings import Settings

NOWHERE = "http://127.0.0.1:9"
"""The discard port: connections to it are refused at once."""


def settings_at(state_directory: Path) -> Settings:
    """Settings for a state directory, whatever the environment names.

    The league's hosts are ones that nobody reaches, and the rates those of a host of our own.
    """
    return dataclasses.replace(
        Settings.load(),
        database_url=None,
        state_directory=state_directory.resolve(),
        nba_cdn_base_url=NOWHERE,
        nba_stats_base_url=NOWHERE,
        nba_cdn_requests_per_second=1000.0,
        nba_stats_requests_per_second=1000.0,
    )


@contextmanager
def temporary_state() -> Iterator[Settings]:
    """A state directory of its own; its server, if one was started, is stopped in the end."""
    # Not pytest's own temporary folder: that is 0700, and a root's server could not enter it.
    with tempfile.TemporaryDirectory(prefix="clutch-test-") as directory:
        Path(directory).chmod(0o711)
        settings = settings_at(Path(directory) / "state")
        try:
            yield settings
        finally:
            embedded.stop(settings)
