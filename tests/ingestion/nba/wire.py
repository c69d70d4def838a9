"""Small payloads in the league's wire format, with invented content, and folders of them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson

FIRST, SECOND, THIRD, FOURTH = "0022990001", "0022990002", "0042990003", "0022990004"
SEASON = "2099-00"


def _meta(resource: str, game_id: str, time: str) -> dict[str, Any]:
    return {"version": 1, "code": 200, "request": f"{resource}/{game_id}", "time": time}


def play_by_play(
    game_id: str, *, points: int = 2, is_full: bool = True, time: str = "2099-11-01 01:00:00.0"
) -> dict[str, Any]:
    """Two actions; ``points`` tells versions apart, ``time`` is the time of the fetch."""
    start: dict[str, Any] = {
        "actionNumber": 2,
        "clock": "PT12M00.00S",
        "period": 1,
        "actionType": "period",
        "subType": "start",
        "personId": 0,
        "scoreHome": 0,
        "scoreAway": 0,
    }
    shot: dict[str, Any] = {
        "actionNumber": 4,
        "clock": "PT11M40.00S",
        "period": 1,
        "actionType": "moonshot",  # a type that nobody has heard of
        "personId": 7,
        "x": 5.25,
        "scoreHome": points,
        "scoreAway": 0,
        "description": 'Ä. "The Comet" Müller\tdunk, 100% \\ sure',
        "aKeyOfTomorrow": [1, {"deep": None}],
    }
    if not is_full:
        return {"game": {"gameId": game_id, "actions": [start, shot]}}
    for action in (start, shot):
        action["scoreHome"] = str(action["scoreHome"])
        action["scoreAway"] = str(action["scoreAway"])
        for name in ("x", "y", "side", "xLegacy", "yLegacy"):
            action.setdefault(name, None)
    return {
        "meta": _meta("playbyplay", game_id, time),
        "game": {"gameId": game_id, "actions": [start, shot]},
    }


def box_score(game_id: str, *, status: int = 3, home_score: int = 2) -> dict[str, Any]:
    return {
        "meta": _meta("boxscore", game_id, "2099-11-01 01:00:01.0"),
        "game": {
            "gameId": game_id,
            "gameStatus": status,
            "homeTeam": {"teamId": 1, "score": home_score, "players": []},
            "awayTeam": {"teamId": 2, "score": 0, "players": []},
        },
    }


def schedule(
    games: dict[str, tuple[str, int]], *, season: str = SEASON, time: str = "2099-11-01T00:00:00Z"
) -> dict[str, Any]:
    """A schedule of ``{game id: (date as 2099-11-01, gameStatus)}``."""
    dates = [
        {
            "gameDate": f"{date[5:7]}/{date[8:]}/{date[:4]} 00:00:00",
            "games": [
                {"gameId": game_id, "gameStatus": status, "gameDateEst": f"{date}T00:00:00Z"}
            ],
        }
        for game_id, (date, status) in games.items()
    ]
    return {
        "meta": {"version": 1, "time": time},
        "leagueSchedule": {"seasonYear": season, "leagueId": "00", "gameDates": dates},
    }


def write(directory: Path, name: str, content: dict[str, Any] | bytes) -> Path:
    """Write one file, as gzip when its name ends in ``.gz``."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".gz") and not isinstance(content, bytes):
        body = gzip.compress(body)
    path.write_bytes(body)
    return path


def write_game(directory: Path, game_id: str, *, points: int = 2) -> None:
    """Write both files of a game."""
    write(directory, f"playbyplay_{game_id}.json", play_by_play(game_id, points=points))
    write(directory, f"boxscore_{game_id}.json", box_score(game_id, home_score=points))
