"""A game as the league corrects it afterwards: three edits, each on top of the one before.

1. A rebound is given to another player of the same team.
2. A foul that was missed is inserted: a late ``actionNumber``, an ``orderNumber`` in its place.
3. A made two-pointer of the winner becomes a three-pointer; every later score moves.

Every edit is a function of the real payload alone, and the box score follows. What it does not
follow into: plus-minus, quarters' scoring runs and the other derived figures of teams.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

EDITS = 3
_DAY = timedelta(days=1)
_POINTS_SO_FAR = re.compile(r"\((\d+) PTS\)")


class Game:
    """Both payloads of a game, decoded."""

    def __init__(self, play_by_play: bytes, box_score: bytes) -> None:
        self.play_by_play: dict[str, Any] = orjson.loads(play_by_play)
        self.box_score: dict[str, Any] = orjson.loads(box_score)
        self.actions: list[dict[str, Any]] = self.play_by_play["game"]["actions"]
        game = self.box_score["game"]
        self.teams: dict[int, dict[str, Any]] = {
            game[side]["teamId"]: game[side] for side in ("homeTeam", "awayTeam")
        }

    def player(self, person_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """A player's line of the box score, and the player's team."""
        for team in self.teams.values():
            for player in team["players"]:
                if player["personId"] == person_id:
                    return player, team
        raise LookupError(f"no player {person_id} in this game")

    def other(self, team_id: int) -> dict[str, Any]:
        """The opponent of a team."""
        return next(team for number, team in self.teams.items() if number != team_id)

    def encoded(self) -> tuple[bytes, bytes]:
        """Play-by-play and box score as JSON."""
        return orjson.dumps(self.play_by_play), orjson.dumps(self.box_score)


def versions(play_by_play: bytes, box_score: bytes) -> list[tuple[bytes, bytes]]:
    """Play-by-play and box score as saved, then after each edit, a day apart by ``meta.time``.

    Raises:
        LookupError: If the game has nothing to edit.
    """
    found = [(play_by_play, box_score)]
    game = Game(play_by_play, box_score)
    edits: tuple[Callable[[Game], dict[str, Any]], ...] = (
        _correct_rebound,
        _insert_foul,
        _make_it_three,
    )
    for edit in edits:
        action = edit(game)
        action["edited"] = _later(action["edited"], _DAY * len(found))
        for payload in (game.play_by_play, game.box_score):
            if "meta" in payload:
                payload["meta"]["time"] = _later(payload["meta"]["time"], _DAY)
        found.append(game.encoded())
    return found


def _later(time: str, by: timedelta) -> str:
    """A time as the league writes it, moved; ``2021-10-20 00:09:13.688770`` or ``...T...Z``."""
    moved = datetime.fromisoformat(time) + by
    if "T" not in time:
        return moved.strftime("%Y-%m-%d %H:%M:%S.%f")
    return moved.strftime("%Y-%m-%dT%H:%M:%SZ")


def _correct_rebound(game: Game) -> dict[str, Any]:
    rebounds = [
        action
        for action in game.actions
        if action["actionType"] == "rebound" and action.get("personId")
    ]
    for action in rebounds:
        for other in rebounds:
            is_team_mate = other["teamId"] == action["teamId"]
            if is_team_mate and other["personId"] != action["personId"]:
                _move_rebound(game, action, other)
                return action
    raise LookupError("nobody to give a rebound to")


def _move_rebound(game: Game, action: dict[str, Any], other: dict[str, Any]) -> None:
    kind = "reboundsOffensive" if action["subType"] == "offensive" else "reboundsDefensive"
    for person_id, change in ((action["personId"], -1), (other["personId"], 1)):
        statistics = game.player(person_id)[0]["statistics"]
        statistics[kind] += change
        statistics["reboundsTotal"] += change
    action["description"] = action["description"].replace(
        action["playerNameI"], other["playerNameI"]
    )
    for key in ("personId", "playerName", "playerNameI", "personIdsFilter"):
        action[key] = other[key]


def _insert_foul(game: Game) -> dict[str, Any]:
    number = max(action["actionNumber"] for action in game.actions) + 1
    for place, action in enumerate(game.actions[:-1]):
        if action["actionType"] != "foul" or "foulDrawnPersonId" not in action:
            continue
        order = (action["orderNumber"] + game.actions[place + 1]["orderNumber"]) // 2
        if order == action["orderNumber"]:
            continue
        inserted = {
            **action,
            "actionNumber": number,
            "orderNumber": order,
            "qualifiers": [],
            "foulPersonalTotal": action["foulPersonalTotal"] + 1,
        }
        inserted.pop("descriptor", None)
        game.actions.insert(place + 1, inserted)
        for person, statistic in (
            ("personId", "foulsPersonal"),
            ("foulDrawnPersonId", "foulsDrawn"),
        ):
            player, team = game.player(action[person])
            player["statistics"][statistic] += 1
            team["statistics"][statistic] += 1
        return inserted
    raise LookupError("no foul to repeat")


def _make_it_three(game: Game) -> dict[str, Any]:
    winner = max(game.teams.values(), key=lambda team: int(team["score"]))
    shots = [
        action
        for action in game.actions
        if (action["actionType"], action.get("shotResult")) == ("2pt", "Made")
        and action["teamId"] == winner["teamId"]
    ]
    if not shots:
        raise LookupError("the winner made no two-pointer")
    # the longest one: a foot that was on the line after all
    shot = max(shots, key=lambda action: (action["shotDistance"], -action["orderNumber"]))
    shot["actionType"] = "3pt"
    side = "Home" if game.box_score["game"]["homeTeam"] is winner else "Away"
    for action in game.actions[game.actions.index(shot) :]:
        score = action[f"score{side}"]
        action[f"score{side}"] = type(score)(int(score) + 1)
        if action.get("personId") == shot["personId"] and "pointsTotal" in action:
            action["pointsTotal"] += 1
            action["description"] = _POINTS_SO_FAR.sub(
                lambda found: f"({int(found[1]) + 1} PTS)", action["description"]
            )
    _count_three(game, shot, winner)
    return shot


def _count_three(game: Game, shot: dict[str, Any], team: dict[str, Any]) -> None:
    for statistics in (game.player(shot["personId"])[0]["statistics"], team["statistics"]):
        statistics["points"] += 1
        for kind, change in (("three", 1), ("two", -1)):
            for outcome in ("Made", "Attempted"):
                statistics[f"{kind}Pointers{outcome}"] += change
            made, attempted = (
                statistics[f"{kind}PointersMade"],
                statistics[f"{kind}PointersAttempted"],
            )
            statistics[f"{kind}PointersPercentage"] = made / attempted if attempted else 0.0
    team["score"] = type(team["score"])(int(team["score"]) + 1)
    game.other(team["teamId"])["statistics"]["pointsAgainst"] += 1
    for period in team["periods"]:
        if period["period"] == shot["period"]:
            period["score"] += 1
