"""A simulated WHOOP service behind an HTTP server: OAuth, API v2 and webhooks, in simulated time.

:class:`WhoopSandbox` serves members that :class:`WhoopSandboxSettings` makes alone, and knows their
true readiness (:meth:`WhoopSandbox.truth`); :func:`linked_league` lets it move the shots of the NBA
sandbox. Nobody in it exists. Run it alone with ``python -m ingestion.sandbox.whoop --port 8001``;
control over HTTP is described in :mod:`ingestion.sandbox.whoop.control`.
"""

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop.faults import Fault
from ingestion.sandbox.whoop.readiness import linked_league, nights_before_games
from ingestion.sandbox.whoop.server import WhoopSandbox
from ingestion.sandbox.whoop.settings import (
    FaultScript,
    Kind,
    Scripted,
    Switches,
    WhoopSandboxSettings,
)

__all__ = [
    "Fault",
    "FaultScript",
    "Kind",
    "SandboxError",
    "Scripted",
    "Switches",
    "WhoopSandbox",
    "WhoopSandboxSettings",
    "linked_league",
    "nights_before_games",
]
