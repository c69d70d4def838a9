"""The real seasons of ``../shared/data/nba`` in the league's wire format: over HTTP or as files.

``python -m tests.replay --season 2021-22 --port 0`` serves them and prints the addresses.
"""

from tests.replay.faults import Fault, FaultPlan, Kind
from tests.replay.files import write_files
from tests.replay.legacy import LEGACY_SEASONS, LegacySeason
from tests.replay.log import LoggedRequest, RequestLog
from tests.replay.seasons import CDN_SEASONS, ReplaySeason, Season, shared_nba_directory
from tests.replay.server import ALL_SEASONS, ReplayServer, open_season

__all__ = [
    "ALL_SEASONS",
    "CDN_SEASONS",
    "LEGACY_SEASONS",
    "Fault",
    "FaultPlan",
    "Kind",
    "LegacySeason",
    "LoggedRequest",
    "ReplaySeason",
    "ReplayServer",
    "RequestLog",
    "Season",
    "open_season",
    "shared_nba_directory",
    "write_files",
]
