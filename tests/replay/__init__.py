"""The real seasons of ``../shared/data/nba`` in the league's wire format: over HTTP or as files.

``python -m tests.replay --season 2021-22 --port 0`` serves them and prints the address.
"""

from tests.replay.seasons import SHARED_SEASONS, ReplaySeason, shared_nba_directory
from tests.replay.server import ReplayServer, write_files

__all__ = [
    "SHARED_SEASONS",
    "ReplaySeason",
    "ReplayServer",
    "shared_nba_directory",
    "write_files",
]
