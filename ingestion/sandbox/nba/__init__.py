"""A simulated league behind an HTTP server, in the full wire form of the league's CDN.

:class:`League` makes teams, players, schedule and games from :class:`LeagueSettings` alone, and
knows the true effects that the games were played with (:meth:`League.truth`). :class:`NbaSandbox`
serves it. Nobody in it exists. Run it alone with
``python -m ingestion.sandbox.nba --seed 1 --port 0``.
"""

from ingestion.sandbox.nba.geometry import make_probability
from ingestion.sandbox.nba.league import League
from ingestion.sandbox.nba.server import NbaSandbox
from ingestion.sandbox.nba.settings import ClutchEffects, LeagueSettings, SandboxError

__all__ = [
    "ClutchEffects",
    "League",
    "LeagueSettings",
    "NbaSandbox",
    "SandboxError",
    "make_probability",
]
