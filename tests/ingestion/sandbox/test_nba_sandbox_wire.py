"""The simulated league's payloads have the full wire form of the league's CDN."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.sandbox.nba import League, LeagueSettings

WIRE = Path(__file__).parents[4] / "shared" / "data" / "nba" / "wire"
FULL_FORM_GAMES = ("0042200302", "0042200401", "0042300405")

# Keys of every row, in the full form of 2022-23 and later.
ROW = frozenset(
    """
    actionNumber clock timeActual period periodType actionType subType qualifiers personId x
    y side possession scoreHome scoreAway edited orderNumber isTargetScoreLastPeriod xLegacy
    yLegacy isFieldGoal description personIdsFilter
    """.split()  # noqa: SIM905
)
TEAM = frozenset({"teamId", "teamTricode"})
NAMED = frozenset({"playerName", "playerNameI"})
ZONE = frozenset({"area", "areaDetail"})
_ASSIST = {"assistPlayerNameInitial", "assistPersonId", "assistTotal"}
_BLOCK = {"blockPlayerName", "blockPersonId"}
# actionType -> (keys of every row of the type, keys that some rows have besides).
KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "2pt": (
        ROW | TEAM | NAMED | ZONE | {"shotDistance", "shotResult"},
        frozenset({"descriptor", "pointsTotal"} | _ASSIST | _BLOCK),
    ),
    "3pt": (
        ROW | TEAM | NAMED | ZONE | {"shotDistance", "shotResult"},
        frozenset({"descriptor", "pointsTotal"} | _ASSIST | _BLOCK),
    ),
    "freethrow": (ROW | TEAM | NAMED | {"shotResult"}, frozenset({"pointsTotal", "descriptor"})),
    "rebound": (
        ROW | TEAM | {"shotActionNumber"},
        NAMED | ZONE | {"reboundTotal", "reboundDefensiveTotal", "reboundOffensiveTotal"},
    ),
    "turnover": (
        ROW | TEAM | ZONE,
        NAMED | {"turnoverTotal", "stealPlayerName", "stealPersonId", "officialId", "descriptor"},
    ),
    "steal": (ROW | TEAM | NAMED | ZONE, frozenset()),
    "block": (ROW | TEAM | NAMED | ZONE, frozenset()),
    "foul": (
        ROW | TEAM | NAMED | {"officialId", "foulPersonalTotal", "foulTechnicalTotal"},
        ZONE | {"descriptor", "foulDrawnPlayerName", "foulDrawnPersonId"},
    ),
    "violation": (ROW | TEAM | {"officialId"}, NAMED),
    "substitution": (ROW | TEAM | NAMED, frozenset()),
    "timeout": (ROW | TEAM, frozenset()),
    "jumpball": (
        ROW
        | TEAM
        | {"descriptor", "jumpBallRecoveredName", "jumpBallWonPlayerName", "jumpBallWonPersonId"}
        | {"jumpBallLostPlayerName", "jumpBallLostPersonId"},
        NAMED | {"jumpBallRecoverdPersonId"},
    ),
    "ejection": (ROW | TEAM | NAMED | {"officialId"}, frozenset()),
    "period": (ROW, frozenset()),
    "game": (ROW, frozenset()),
}
INTEGERS = frozenset(
    """
    actionNumber period personId possession orderNumber isFieldGoal teamId officialId
    pointsTotal assistPersonId assistTotal blockPersonId stealPersonId foulDrawnPersonId
    shotActionNumber reboundTotal reboundDefensiveTotal reboundOffensiveTotal turnoverTotal
    foulPersonalTotal foulTechnicalTotal jumpBallWonPersonId jumpBallLostPersonId
    jumpBallRecoverdPersonId
    """.split()  # noqa: SIM905
)
PLAYER_STATISTICS = frozenset(
    """
    assists blocks blocksReceived fieldGoalsAttempted fieldGoalsMade fieldGoalsPercentage
    foulsOffensive foulsDrawn foulsPersonal foulsTechnical freeThrowsAttempted
    freeThrowsMade freeThrowsPercentage minus minutes minutesCalculated plus plusMinusPoints
    points pointsFastBreak pointsInThePaint pointsSecondChance reboundsDefensive
    reboundsOffensive reboundsTotal steals threePointersAttempted threePointersMade
    threePointersPercentage turnovers twoPointersAttempted twoPointersMade
    twoPointersPercentage
    """.split()  # noqa: SIM905
)
GAME = frozenset(
    """
    gameId gameTimeLocal gameTimeUTC gameTimeHome gameTimeAway gameEt duration gameCode
    gameStatusText gameStatus regulationPeriods period gameClock attendance sellout arena
    officials homeTeam awayTeam
    """.split()  # noqa: SIM905
)
SCHEDULE_GAME = frozenset(
    """
    gameId gameCode gameStatus gameStatusText gameSequence gameDateEst gameTimeEst
    gameDateTimeEst gameDateUTC gameTimeUTC gameDateTimeUTC awayTeamTime homeTeamTime day
    monthNum weekNumber weekName ifNecessary seriesGameNumber seriesText arenaName
    arenaState arenaCity postponedStatus branchLink gameSubtype broadcasters homeTeam
    awayTeam pointsLeaders
    """.split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def league() -> League:
    return League(LeagueSettings(seed=7, team_count=8, game_count=40))


def value_types(row: dict[str, Any]) -> list[str]:
    """Name the keys of a row whose value has the wrong type."""
    is_shot = row["actionType"] in ("2pt", "3pt")
    wrong = []
    for key, value in row.items():
        if key in INTEGERS:
            good = type(value) is int
        elif key in ("x", "y"):
            good = type(value) is float if is_shot else value is None
        elif key in ("xLegacy", "yLegacy"):
            good = type(value) is int if is_shot else value is None
        elif key == "side":
            good = value in ("left", "right") if is_shot else value is None
        elif key == "shotDistance":
            good = type(value) is float
        elif key in ("qualifiers", "personIdsFilter"):
            good = type(value) is list
        elif key == "isTargetScoreLastPeriod":
            good = type(value) is bool
        else:
            good = type(value) is str
        if not good:
            wrong.append(f"{row['actionType']}.{key}={value!r}")
    return wrong


def test_rows_have_the_keys_and_types_of_the_feed(league: League) -> None:
    seen: dict[str, set[str]] = {}
    for game_id in league.game_ids:
        for row in league.play_by_play(game_id)["game"]["actions"]:
            required, optional = KEYS[row["actionType"]]
            assert required <= row.keys(), (row["actionType"], required - row.keys())
            assert row.keys() <= required | optional, row.keys() - required - optional
            assert value_types(row) == []
            seen.setdefault(row["actionType"], set()).update(row)
    for kind in KEYS.keys() - {"ejection"}:  # too rare for forty games
        assert seen[kind] == KEYS[kind][0] | KEYS[kind][1], kind


def test_box_score_has_the_keys_of_the_feed(league: League) -> None:
    payload = league.box_score(league.game_ids[0])
    assert payload.keys() == {"meta", "game"}
    assert payload["game"].keys() == GAME
    assert payload["game"]["arena"].keys() == {
        "arenaId", "arenaName", "arenaCity", "arenaState", "arenaCountry", "arenaTimezone",
    }  # fmt: skip
    for side in ("homeTeam", "awayTeam"):
        # biggestLeadScore is only there when the team ever led.
        assert len(payload["game"][side]["statistics"]) in (60, 61)
        for player in payload["game"][side]["players"]:
            assert player["statistics"].keys() == PLAYER_STATISTICS
            is_active = player["status"] == "ACTIVE"
            assert ("notPlayingReason" in player) is not is_active
            assert ("position" in player) is (player["starter"] == "1")
            assert player["oncourt"] == "0"


def test_schedule_has_the_keys_of_the_feed(league: League) -> None:
    payload = league.schedule()
    assert payload["leagueSchedule"].keys() == {
        "seasonYear", "leagueId", "gameDates", "weeks", "broadcasterList",
    }  # fmt: skip
    games = [g for day in payload["leagueSchedule"]["gameDates"] for g in day["games"]]
    assert [game["gameId"] for game in games] == list(league.game_ids)
    assert all(game.keys() == SCHEDULE_GAME for game in games)
    played = {(g["homeTeam"]["score"], g["awayTeam"]["score"]) for g in games}
    assert all(home != away and min(home, away) > 50 for home, away in played)


def _shape(payloads: list[dict[str, Any]]) -> dict[str, dict[str, set[str]]]:
    shape: dict[str, dict[str, set[str]]] = {}
    for payload in payloads:
        for row in payload["game"]["actions"]:
            keys = shape.setdefault(row["actionType"], {})
            for key, value in row.items():
                keys.setdefault(key, set()).add(type(value).__name__)
    return shape


def _tree(value: Any, path: str = "") -> dict[str, set[str]]:
    """Give every path of a payload with the types of its values."""
    found: dict[str, set[str]] = {}
    children = (
        [(f"{path}.{key}", child) for key, child in value.items()]
        if isinstance(value, dict)
        else [(f"{path}[]", child) for child in value]
        if isinstance(value, list)
        else []
    )
    for name, child in children:
        found.setdefault(name, set()).add(type(child).__name__)
        for deeper, types in _tree(child, name).items():
            found.setdefault(deeper, set()).update(types)
    return found


def _real(path: Path) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return payload


@pytest.mark.realdata
def test_play_by_play_matches_real_payloads(league: League) -> None:
    real = _shape(
        [_real(WIRE / "cdn_livedata" / f"playbyplay_{g}.json.gz") for g in FULL_FORM_GAMES]
    )
    ours = _shape([league.play_by_play(game_id) for game_id in league.game_ids])
    for kind, keys in real.items():
        # A technical free throw has a descriptor; these three games have none.
        extra = {"descriptor"} if kind == "freethrow" else set()
        assert ours[kind].keys() - extra == keys.keys() - extra, kind
        assert {key: ours[kind][key] for key in keys} == keys


@pytest.mark.realdata
def test_box_score_and_schedule_match_real_payloads(league: League) -> None:
    real: dict[str, set[str]] = {}
    for game_id in FULL_FORM_GAMES:
        for path, types in _tree(
            _real(WIRE / "cdn_livedata" / f"boxscore_{game_id}.json.gz")
        ).items():
            real.setdefault(path, set()).update(types)
    ours: dict[str, set[str]] = {}
    for game_id in league.game_ids:
        for path, types in _tree(league.box_score(game_id)).items():
            ours.setdefault(path, set()).update(types)
    assert ours == real
    schedule = _tree(_real(WIRE / "stats" / "scheduleleaguev2_2023-24_preseason.json.gz"))
    # Nobody broadcasts a simulated league: its lists of broadcasters are empty.
    wanted = {
        path: types
        for path, types in schedule.items()
        if "Broadcasters[]" not in path and "broadcasterList[]" not in path
    }
    assert _tree(league.schedule()) == wanted
