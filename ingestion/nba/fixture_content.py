"""What makes a new version of a schedule: its fixtures, and not how the games are going."""

from __future__ import annotations

import re
from typing import Any

_KEYS = (
    "gameId", "gameDateEst", "gameTimeEst", "gameDateTimeEst", "gameDateTimeUTC", "homeTeamTime",
    "postponedStatus", "ifNecessary", "isNeutral", "gameLabel", "gameSubLabel", "gameSubtype",
    "arenaName", "arenaCity", "arenaState",
)  # fmt: skip
_TEAM_KEYS = ("teamId", "teamTricode", "teamCity", "teamName")
CALLED_OFF = re.compile(r"PPD|postpone|cancel", re.IGNORECASE)


def fixture_content(schedule: dict[str, Any]) -> dict[str, Any]:
    """The part of a schedule that its content hash is made of.

    Status, scores, leaders and series of its 1,300 games change all evening long. A new version of
    the whole schedule (4 MB) for each of them would be gigabytes a season, and the games' own
    payloads say it better.

    Args:
        schedule: A schedule of the right shape.
    """
    content = schedule["leagueSchedule"]
    return {
        "seasonYear": content["seasonYear"],
        "games": [
            [
                game_date.get("gameDate"),
                *(game.get(key) for key in _KEYS),
                is_called_off(game),
                *_of_team(game.get("homeTeam")),
                *_of_team(game.get("awayTeam")),
            ]
            for game_date in content["gameDates"]
            for game in game_date["games"]
        ],
    }


def _of_team(team: object) -> list[Any]:
    return [team.get(key) for key in _TEAM_KEYS] if isinstance(team, dict) else []


def is_called_off(game: dict[str, Any]) -> bool:
    """Whether the status text of a schedule's game says that it is postponed or cancelled."""
    return CALLED_OFF.search(str(game.get("gameStatusText"))) is not None
