"""Change payloads of the league's schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")


def tip_off_at(game: dict[str, Any], moment: datetime) -> None:
    """Write a tip-off in all the keys that the league writes it in."""
    east = moment.astimezone(EASTERN)
    game["gameDateTimeUTC"] = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    game["gameDateTimeEst"] = east.strftime("%Y-%m-%dT%H:%M:%SZ")
    game["gameDateEst"] = east.strftime("%Y-%m-%dT00:00:00Z")
    game["gameTimeEst"] = east.strftime("1900-01-01T%H:%M:%SZ")
    game["gameStatusText"] = east.strftime("%I:%M %p ET").lower()
