"""The fields that SQL casts: each bad value has its reason and its place; good ones pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from ingestion.nba.fields import MAX_PERIOD
from ingestion.nba.payloads import Payload, PayloadError, Resource, read_payload
from tests.ingestion.nba.wire import COLUMNS_V2, FIRST, box_score, play_by_play, play_by_play_v2

Row = dict[str, Any]


def _player(person_id: Any) -> Row:
    return {
        "personId": person_id,
        "name": "N. N.",
        "starter": "1",
        "statistics": {"minutes": "PT30M07.93S", "points": 2, "plusMinusPoints": -3.0},
    }


def _box_score() -> Row:
    payload = box_score(FIRST)
    payload["game"]["gameTimeUTC"] = "2099-11-01T00:30:00Z"
    payload["game"]["arena"] = {"arenaTimezone": "America/Indiana/Indianapolis"}
    payload["game"]["homeTeam"]["players"] = [_player(7), _player(8)]
    payload["game"]["awayTeam"]["players"] = [_player(9)]
    return payload


def _play_by_play_v3() -> Row:
    row = {
        "actionId": 1,
        "actionNumber": 4,
        "clock": "PT11M40.00S",
        "period": 1,
        "teamId": 0,
        "personId": 0,
        "scoreHome": "",
        "scoreAway": "",
        "actionType": "",
    }
    shot = {**row, "actionId": 2, "scoreHome": "2", "scoreAway": "0", "actionType": "Made Shot"}
    return {"game": {"gameId": FIRST, "actions": [row, shot]}}


def _box_score_v3() -> Row:
    players = [{**_player(7), "statistics": {"minutes": "30:07", "points": 2}}]
    bench = [{**_player(8), "statistics": {"minutes": "", "points": 0}}]
    return {
        "boxScoreTraditional": {
            "gameId": FIRST,
            "homeTeam": {"teamId": 1, "players": players, "statistics": {"points": 2}},
            "awayTeam": {"teamId": 2, "players": bench},
        }
    }


def _play_by_play_v2() -> Row:
    payload = play_by_play_v2(FIRST, rows=0)
    nobody = [0, 0, None, None, None]
    payload["resultSets"][0]["rowSet"] = [
        [FIRST, 7, 12, 0, 1, "12:00", None, "Start", None, None, *nobody * 3],
        # an event number twice, and text on both sides
        [FIRST, 7, 5, 1, 1, "11:40", "Steal", None, "Turnover", None, *nobody * 3],
        [FIRST, 4, 1, 1, 1, "1:05", "Shot", None, None, "0 - 2", *nobody * 3],
    ]
    return payload


GOOD: dict[Resource, Row] = {
    "playbyplay": play_by_play(FIRST),
    "boxscore": _box_score(),
    "playbyplayv3": _play_by_play_v3(),
    "boxscoretraditionalv3": _box_score_v3(),
    "playbyplayv2": _play_by_play_v2(),
}


def _read(resource: Resource, change: Callable[[Row], object]) -> Payload:
    payload = copy.deepcopy(GOOD[resource])
    change(payload)
    return read_payload(resource, FIRST, orjson.dumps(payload), is_gzip=False)


def action(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["game"]["actions"][1].update(fields)


def game(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["game"].update(fields)


def player(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["game"]["homeTeam"]["players"][1].update(fields)


def statistics(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["game"]["homeTeam"]["players"][1]["statistics"].update(fields)


def statistics_v3(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["boxScoreTraditional"]["awayTeam"]["players"][0][
        "statistics"
    ].update(fields)


def away(**fields: Any) -> Callable[[Row], object]:
    return lambda payload: payload["game"]["awayTeam"].update(fields)


def event(row: int, column: str, value: Any) -> Callable[[Row], object]:
    def change(payload: Row) -> None:
        payload["resultSets"][0]["rowSet"][row][COLUMNS_V2.index(column)] = value

    return change


def rename_column(name: Any) -> Callable[[Row], object]:
    def change(payload: Row) -> None:
        payload["resultSets"][0]["headers"][COLUMNS_V2.index("SCORE")] = name

    return change


ACTION = "game.actions[1]"
HOME_PLAYER = "game.homeTeam.players[1]"
BAD: list[tuple[Resource, Callable[[Row], object], str, str]] = [
    ("playbyplay", action(actionType=None), "malformed_action", f"{ACTION}.actionType is missing"),
    ("playbyplay", action(actionType=2), "malformed_action", f"{ACTION}.actionType is 2"),
    ("playbyplay", action(actionNumber=2), "duplicate_number", "as in game.actions[0]"),
    ("playbyplay", action(actionNumber="2"), "duplicate_number", f"{ACTION}.actionNumber is 2"),
    ("playbyplay", action(actionNumber=4.0), "malformed_number", f"{ACTION}.actionNumber is 4.0"),
    ("playbyplay", action(actionNumber=True), "malformed_number", "actionNumber is True"),
    ("playbyplay", action(orderNumber=20000), "duplicate_number", f"{ACTION}.orderNumber is 20000"),
    ("playbyplay", action(orderNumber=None), "malformed_number", f"{ACTION}.orderNumber is miss"),
    ("playbyplay", action(orderNumber=-1), "malformed_number", f"{ACTION}.orderNumber is -1"),
    ("playbyplay", action(orderNumber=2**31), "malformed_number", "orderNumber is 2147483648"),
    ("playbyplay", action(orderNumber=[1]), "malformed_number", f"{ACTION}.orderNumber is [1]"),
    ("playbyplay", action(period=0), "malformed_period", f"{ACTION}.period is 0"),
    ("playbyplay", action(period=MAX_PERIOD + 1), "malformed_period", f"1 to {MAX_PERIOD}"),
    ("playbyplay", action(period="Q4"), "malformed_period", f"{ACTION}.period is 'Q4'"),
    ("playbyplay", action(clock="4:59"), "malformed_clock", f"{ACTION}.clock is '4:59'"),
    ("playbyplay", action(clock="PT04M60.00S"), "malformed_clock", "PT04M59.00S"),
    ("playbyplay", action(clock="PT\u0660\u0664M59.00S"), "malformed_clock", f"{ACTION}.clock"),
    ("playbyplay", action(clock=299), "malformed_clock", f"{ACTION}.clock is 299"),
    ("playbyplay", action(clock=""), "malformed_clock", f"{ACTION}.clock is ''"),
    ("playbyplay", action(clock="PT12M00.01S"), "clock_out_of_range", "12 minutes of period 1"),
    (
        "playbyplay",
        action(period=5, clock="PT05M00.10S"),
        "clock_out_of_range",
        f"{ACTION}.clock is PT05M00.10S, expected at most the 5 minutes of period 5",
    ),
    ("playbyplay", action(scoreHome="x"), "malformed_score", f"{ACTION}.scoreHome is 'x'"),
    ("playbyplay", action(scoreHome=""), "malformed_score", f"{ACTION}.scoreHome is ''"),
    ("playbyplay", action(scoreAway=None), "malformed_score", f"{ACTION}.scoreAway is missing"),
    ("playbyplay", action(scoreAway=-1), "malformed_score", f"{ACTION}.scoreAway is -1"),
    ("playbyplay", action(scoreAway=40000), "malformed_score", f"{ACTION}.scoreAway is 40000"),
    ("playbyplay", action(personId=7.0), "malformed_id", f"{ACTION}.personId is 7.0"),
    ("playbyplay", action(teamId="TOR"), "malformed_id", f"{ACTION}.teamId is 'TOR'"),
    ("playbyplay", action(teamId="01"), "malformed_id", f"{ACTION}.teamId is '01'"),
    ("playbyplay", action(possession={}), "malformed_id", f"{ACTION}.possession is {{}}"),
    ("playbyplay", action(assistPersonId="7 "), "malformed_id", f"{ACTION}.assistPersonId"),
    ("playbyplay", action(clock="x" * 500), "malformed_clock", "xxx..., expected"),
    ("boxscore", game(gameStatus=None), "malformed_number", "game.gameStatus is missing"),
    ("boxscore", game(gameStatus=4), "malformed_number", "game.gameStatus is 4"),
    ("boxscore", game(gameTimeUTC="10/30/12"), "malformed_time", "game.gameTimeUTC is '10/30/12'"),
    ("boxscore", game(gameTimeUTC="2099-11-01T00:30:00"), "malformed_time", "2023-10-24T23:30:00Z"),
    ("boxscore", game(gameTimeUTC="2099-02-30T00:30:00Z"), "malformed_time", "2099-02-30"),
    ("boxscore", game(arena={"arenaTimezone": "EST/New_York"}), "unknown_time_zone", "game.arena."),
    ("boxscore", game(arena={"arenaTimezone": ""}), "unknown_time_zone", "arenaTimezone is ''"),
    ("boxscore", away(teamId=None), "malformed_id", "game.awayTeam.teamId is missing"),
    ("boxscore", away(teamId=1), "same_team_twice", "game.awayTeam.teamId is 1"),
    ("boxscore", away(teamId="1"), "same_team_twice", "expected two teams"),
    ("boxscore", away(score="-"), "malformed_number", "game.awayTeam.score is '-'"),
    ("boxscore", away(players=None), "wrong_shape", "game.awayTeam.players is null"),
    ("boxscore", away(players=[None]), "wrong_shape", "game.awayTeam.players[0] is null"),
    ("boxscore", player(personId=None), "malformed_id", f"{HOME_PLAYER}.personId is missing"),
    ("boxscore", player(personId=7), "duplicate_player", "as in game.homeTeam.players[0]"),
    (
        "boxscore",
        player(personId="9"),
        "duplicate_player",
        "game.awayTeam.players[0].personId is 9",
    ),
    ("boxscore", player(statistics=None), "wrong_shape", f"{HOME_PLAYER}.statistics is not"),
    ("boxscore", statistics(points=2.5), "malformed_number", "statistics.points is 2.5"),
    ("boxscore", statistics(assists=-1), "malformed_number", f"{HOME_PLAYER}.statistics.assists"),
    ("boxscore", statistics(blocks="-"), "malformed_number", "statistics.blocks is '-'"),
    ("boxscore", statistics(plusMinusPoints="E"), "malformed_number", "plusMinusPoints is 'E'"),
    ("boxscore", statistics(minutes="30:07"), "malformed_minutes", "minutes is '30:07'"),
    ("boxscore", statistics(minutes=30), "malformed_minutes", f"{HOME_PLAYER}.statistics.minutes"),
    ("playbyplayv3", action(clock="11:40"), "malformed_clock", f"{ACTION}.clock is '11:40'"),
    ("playbyplayv3", action(scoreHome="-"), "malformed_score", f"{ACTION}.scoreHome is '-'"),
    ("playbyplayv3", action(actionNumber="a"), "malformed_number", f"{ACTION}.actionNumber"),
    ("playbyplayv3", action(personId=1.5), "malformed_id", f"{ACTION}.personId is 1.5"),
    ("playbyplayv3", action(period=None), "malformed_period", f"{ACTION}.period is missing"),
    (
        "boxscoretraditionalv3",
        statistics_v3(minutes="PT30M07.00S"),
        "malformed_minutes",
        "boxScoreTraditional.awayTeam.players[0].statistics.minutes",
    ),
    ("boxscoretraditionalv3", statistics_v3(points="x"), "malformed_number", "points is 'x'"),
    (
        "playbyplayv2",
        event(1, "PCTIMESTRING", "11.40"),
        "malformed_clock",
        "rowSet[1].PCTIMESTRING",
    ),
    ("playbyplayv2", event(0, "PCTIMESTRING", "12:01"), "clock_out_of_range", "rowSet[0]"),
    ("playbyplayv2", event(2, "SCORE", "2-0"), "malformed_score", "rowSet[2].SCORE is '2-0'"),
    ("playbyplayv2", event(2, "PERIOD", 0), "malformed_period", "rowSet[2].PERIOD is 0"),
    ("playbyplayv2", event(2, "PERIOD", "1"), "malformed_period", "rowSet[2].PERIOD is '1'"),
    ("playbyplayv2", event(2, "EVENTMSGTYPE", None), "malformed_number", "EVENTMSGTYPE is missing"),
    ("playbyplayv2", event(2, "PLAYER1_ID", 7.0), "malformed_id", "rowSet[2].PLAYER1_ID is 7.0"),
    ("playbyplayv2", event(2, "GAME_ID", "0029"), "game_id_mismatch", "rowSet[2].GAME_ID"),
    (
        "playbyplayv2",
        rename_column("RESULT"),
        "missing_columns",
        "resultSets[0].headers lacks SCORE",
    ),
    ("playbyplayv2", rename_column([]), "missing_columns", "resultSets[0].headers lacks SCORE"),
    (
        "playbyplayv2",
        lambda payload: payload["resultSets"].reverse(),
        "wrong_shape",
        "resultSets[0] is not the table PlayByPlay",
    ),
]


@pytest.mark.parametrize(
    ("resource", "change", "reason", "words"),
    BAD,
    ids=[f"{resource}-{reason}-{number}" for number, (resource, _, reason, _) in enumerate(BAD)],
)
def test_a_bad_value_has_a_reason_and_a_place(
    resource: Resource, change: Callable[[Row], object], reason: str, words: str
) -> None:
    with pytest.raises(PayloadError) as caught:
        _read(resource, change)
    assert caught.value.reason == reason
    assert words in caught.value.detail
    assert len(caught.value.detail) < 250


@pytest.mark.parametrize("resource", GOOD)
def test_the_undamaged_payloads_pass(resource: Resource) -> None:
    assert _read(resource, lambda _: None).key == FIRST


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        # readable for SQL, in another JSON type or of another length
        ("playbyplay", action(actionNumber="4", orderNumber="40000", period="1", personId="7")),
        ("playbyplay", action(period=MAX_PERIOD, clock="PT05M00.00S")),
        ("playbyplay", action(clock="PT4M9.5S")),
        ("playbyplay", action(teamId=None, personId=None, possession=None)),
        # never refused: SQL reads them with casts that give null
        ("playbyplay", action(timeActual="yesterday", edited=0, shotDistance="24 ft", x="left")),
        ("playbyplay", action(actionType="heave", subType=None, shotResult="Maybe")),
        # a score that falls and a clock that rises contradict the row before; SQL repairs or flags
        ("playbyplay", lambda payload: payload["game"]["actions"][0].update(scoreHome="9")),
        ("playbyplay", lambda payload: payload["game"]["actions"][0].update(clock="PT00M10.00S")),
        ("playbyplay", lambda payload: payload["game"]["actions"].reverse()),
        ("boxscore", game(gameTimeUTC=None)),
        ("boxscore", game(gameTimeUTC="2099-11-01T00:30:00.5+02:00")),
        ("boxscore", game(arena=None)),
        ("boxscore", game(arena={})),
        ("boxscore", game(attendance="many", duration=None, gameEt="now")),
        ("boxscore", away(score=None)),
        ("boxscore", away(players=[])),
        ("boxscore", statistics(points=None, minutes=None, plusMinusPoints=None)),
        ("boxscore", statistics(minutes="PT102M00.00S", fieldGoalsPercentage="n/a")),
        ("boxscore", lambda payload: payload["game"]["homeTeam"]["players"][0].pop("statistics")),
        ("playbyplayv2", event(2, "PLAYER1_TEAM_ID", None)),
        ("playbyplayv2", event(2, "EVENTNUM", 1)),
        ("playbyplayv2", lambda payload: payload["resultSets"][0].update(headers=[], rowSet=[])),
    ],
)
def test_what_sql_can_read_or_repair_passes(
    resource: Resource, change: Callable[[Row], object]
) -> None:
    _read(resource, change)


# the live data of four seasons pass the same check on their way into tests/end_to_end
@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize(("season", "games"), [("2018-19", 1312), ("2019-20", 1142)])
def test_no_real_game_of_the_older_service_raises_an_alarm(
    season: str, games: int, shared_nba: Path
) -> None:
    frame = pl.read_parquet(shared_nba / "legacy" / f"stats_pbp_v2_{season}.parquet")
    of_games = frame.partition_by("GAME_ID", as_dict=True, maintain_order=True)
    assert len(of_games) == games
    for (game_id,), events in of_games.items():
        table = {"name": "PlayByPlay", "headers": events.columns, "rowSet": events.rows()}
        payload = {"parameters": {"GameID": game_id}, "resultSets": [table]}
        read_payload("playbyplayv2", str(game_id), orjson.dumps(payload), is_gzip=False)
