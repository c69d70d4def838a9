"""Small payloads in the league's wire format, with invented content, and folders of them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson

FIRST, SECOND, THIRD, FOURTH = "0022390001", "0022390002", "0042390003", "0022390004"
SEASON = "2039-40"


def _meta(resource: str, game_id: str, time: str) -> dict[str, Any]:
    return {"version": 1, "code": 200, "request": f"{resource}/{game_id}", "time": time}


def play_by_play(
    game_id: str, *, points: int = 2, is_full: bool = True, time: str = "2039-11-01 01:00:00.0"
) -> dict[str, Any]:
    """Two actions; ``points`` tells versions apart, ``time`` is the time of the fetch."""
    start: dict[str, Any] = {
        "actionNumber": 2,
        "orderNumber": 20000,
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
        "orderNumber": 40000,
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
        "meta": _meta("boxscore", game_id, "2039-11-01 01:00:01.0"),
        "game": {
            "gameId": game_id,
            "gameStatus": status,
            "homeTeam": {"teamId": 1, "score": home_score, "players": []},
            "awayTeam": {"teamId": 2, "score": 0, "players": []},
        },
    }


def schedule(
    games: dict[str, tuple[str, int]], *, season: str = SEASON, time: str = "2039-11-01T00:00:00Z"
) -> dict[str, Any]:
    """A schedule of ``{game id: (date as 2039-11-01, gameStatus)}``."""
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


def play_by_play_v3(game_id: str, *, points: int = 2) -> dict[str, Any]:
    """The stats service's newer form: two actions."""
    return {
        "meta": {"version": 1, "time": "2039-11-02T00:00:00Z"},
        "game": {
            "gameId": game_id,
            "videoAvailable": 0,
            "actions": [
                {
                    "actionNumber": number,
                    "clock": f"PT{12 - number:02d}M00.00S",
                    "period": 1,
                    "teamId": 1,
                    "personId": 7,
                    "playerName": "Müller",
                    "scoreHome": score,
                    "scoreAway": "0" if score else "",
                    "actionType": "Made Shot" if score else "period",
                    "subType": "Jump Shot" if score else "start",
                    "isFieldGoal": int(bool(score)),
                    "shotValue": 2 if score else 0,
                    "actionId": number,
                }
                for number, score in ((1, ""), (2, str(points)))
            ],
        },
    }


def box_score_v3(game_id: str) -> dict[str, Any]:
    return {
        "meta": {"version": 1, "time": "2039-11-02T00:00:00Z"},
        "boxScoreTraditional": {
            "gameId": game_id,
            "homeTeamId": 1,
            "awayTeamId": 2,
            "homeTeam": {"teamId": 1, "players": []},
            "awayTeam": {"teamId": 2, "players": []},
        },
    }


COLUMNS_V2 = [
    "GAME_ID",
    "EVENTNUM",
    "EVENTMSGTYPE",
    "EVENTMSGACTIONTYPE",
    "PERIOD",
    "PCTIMESTRING",
    "HOMEDESCRIPTION",
    "NEUTRALDESCRIPTION",
    "VISITORDESCRIPTION",
    "SCORE",
    "PERSON1TYPE",
    "PLAYER1_ID",
    "PLAYER1_NAME",
    "PLAYER1_TEAM_ID",
    "PLAYER1_TEAM_ABBREVIATION",
    "PERSON2TYPE",
    "PLAYER2_ID",
    "PLAYER2_NAME",
    "PLAYER2_TEAM_ID",
    "PLAYER2_TEAM_ABBREVIATION",
    "PERSON3TYPE",
    "PLAYER3_ID",
    "PLAYER3_NAME",
    "PLAYER3_TEAM_ID",
    "PLAYER3_TEAM_ABBREVIATION",
]


def play_by_play_v2(game_id: str, *, rows: int = 2) -> dict[str, Any]:
    """The stats service's older form; without rows it is what the service says of no game."""
    start = [12, 0, 1, "12:00", None, "Start of 1st Period", None, None]
    nobody = [0, 0, None, None, None]
    return {
        "resource": "playbyplay",
        "parameters": {"GameID": game_id, "StartPeriod": 0, "EndPeriod": 0},
        "resultSets": [
            {
                "name": "PlayByPlay",
                "headers": list(COLUMNS_V2),
                "rowSet": [[game_id, n, *start, *nobody * 3] for n in range(1, rows + 1)],
            },
            {"name": "AvailableVideo", "headers": ["VIDEO_AVAILABLE_FLAG"], "rowSet": []},
        ],
    }
