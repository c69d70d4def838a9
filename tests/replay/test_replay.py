"""The replay against the payloads that the league's services really sent."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from ingestion.nba.payloads import read_payload
from tests.replay import (
    ALL_SEASONS,
    LEGACY_SEASONS,
    LegacySeason,
    ReplaySeason,
    ReplayServer,
    open_season,
    write_files,
)

pytestmark = pytest.mark.realdata

SAVED_GAMES = {
    "0022000001": "2020-21",
    "0042200302": "2022-23",
    "0042200401": "2022-23",
    "0042300405": "2023-24",
    "0022200061": "2022-23",
    "0022300061": "2023-24",
}


def _saved(directory: Path, resource: str, game_id: str) -> dict[str, Any]:
    path = directory / "wire" / "cdn_livedata" / f"{resource}_{game_id}.json.gz"
    payload: dict[str, Any] = orjson.loads(gzip.decompress(path.read_bytes()))
    return payload


@pytest.mark.parametrize("game_id", SAVED_GAMES)
def test_rebuilt_payloads_equal_the_saved_ones(shared_nba: Path, game_id: str) -> None:
    season = ReplaySeason(SAVED_GAMES[game_id], games=[game_id])
    box_score = season.box_score(game_id)
    assert box_score is not None
    assert orjson.loads(box_score) == _saved(shared_nba, "boxscore", game_id)
    play_by_play = season.play_by_play(game_id)
    assert play_by_play is not None
    rebuilt, saved = orjson.loads(play_by_play), _saved(shared_nba, "playbyplay", game_id)
    # the time of the fetch was not saved in the table; everything else is equal, key by key
    for payload in (rebuilt, saved):
        payload.get("meta", {}).pop("time", None)
    assert rebuilt.get("meta") == saved.get("meta")
    assert rebuilt["game"]["gameId"] == saved["game"]["gameId"]
    for ours, theirs in zip(rebuilt["game"]["actions"], saved["game"]["actions"], strict=True):
        assert ours == theirs


def test_the_server_serves_what_the_league_would(shared_nba: Path) -> None:
    games = ["0022100001", "0042100406"]
    with ReplayServer(["2021-22"], games=games, use_gzip=True) as server:
        root = f"{server.base_url}/static/json"
        answer = requests.get(f"{root}/staticData/scheduleLeagueV2.json", timeout=60)
        schedule = read_payload("schedule", None, answer.content, is_gzip=False)
        assert schedule.key == "2021-22"
        listed = [
            (game["gameId"], game["gameStatus"], date["gameDate"])
            for date in answer.json()["leagueSchedule"]["gameDates"]
            for game in date["games"]
        ]
        assert listed == [
            ("0022100001", 3, "10/19/2021 00:00:00"),
            ("0042100406", 3, "06/16/2022 00:00:00"),
        ]
        for game_id in games:
            for resource in ("playbyplay", "boxscore"):
                url = f"{root}/liveData/{resource}/{resource}_{game_id}.json"
                answer = requests.get(url, timeout=60)
                assert answer.headers["Content-Encoding"] == "gzip"
                read_payload(resource, game_id, answer.content, is_gzip=False)
        absent = requests.get(f"{root}/liveData/boxscore/boxscore_0022100002.json", timeout=60)
        assert absent.status_code == 403


def test_play_in_games_are_left_out_unless_asked_for(shared_nba: Path) -> None:
    assert len(ReplaySeason("2021-22").game_ids) == 1317
    with_play_in = ReplaySeason("2021-22", include_play_in=True)
    assert len(with_play_in.game_ids) == 1323
    play_in = ReplaySeason("2021-22", games=["0052100101"], include_play_in=True)
    assert play_in.play_by_play("0052100101") is not None
    assert play_in.box_score("0052100101") is None


def test_files_hold_the_same_payloads(shared_nba: Path, tmp_path: Path) -> None:
    games = ["0022000001", "0022300061"]
    assert write_files(["2020-21", "2023-24"], tmp_path, games, use_gzip=True) == 4
    for game_id in games:
        season = ReplaySeason(SAVED_GAMES[game_id], games=[game_id])
        path = tmp_path / f"playbyplay_{game_id}.json.gz"
        assert gzip.decompress(path.read_bytes()) == season.play_by_play(game_id)


def test_all_games_are_there(shared_nba: Path) -> None:
    games = [
        game
        for season in ALL_SEASONS
        for game in open_season(season, include_play_in=True).game_ids
    ]
    assert len(games) == len(set(games)) == 7580


def test_the_older_form_equals_the_recorded_payload(shared_nba: Path) -> None:
    """All but the texts of the play.

    The table was saved at another time than the sample: its ``NEUTRALDESCRIPTION`` is filled, the
    other two were rewritten (one violation) or lost a doubled space.
    """
    path = shared_nba / "wire" / "stats" / "stats_playbyplayv2_0021900001.json.gz"
    saved = orjson.loads(gzip.decompress(path.read_bytes()))
    season = LegacySeason("2019-20", games=["0021900001"])
    rebuilt = orjson.loads(season.play_by_play("0021900001", 0, 10))
    assert list(rebuilt) == list(saved)
    assert rebuilt["parameters"] == saved["parameters"]
    assert rebuilt["resultSets"][1] == saved["resultSets"][1]
    ours, theirs = rebuilt["resultSets"][0], saved["resultSets"][0]
    assert (ours["name"], ours["headers"]) == (theirs["name"], theirs["headers"])
    # inserted events stand elsewhere in the two; the number names an event
    by_number = {row[1]: row for row in theirs["rowSet"]}
    assert len(by_number) == len(ours["rowSet"]) == 573
    differing = []
    for row in ours["rowSet"]:
        for name, value, other in zip(ours["headers"], row, by_number[row[1]], strict=True):
            if name == "NEUTRALDESCRIPTION":
                assert other is None
            elif name.endswith("DESCRIPTION"):
                differing += [row[1]] if value != (other and other.replace("  ", " ")) else []
            else:
                assert (value, type(value)) == (other, type(other))
    assert differing == [172]


@pytest.mark.parametrize("season_name", LEGACY_SEASONS)
def test_a_legacy_season(shared_nba: Path, season_name: str) -> None:
    season = LegacySeason(season_name)
    schedule = read_payload("schedule", None, season.schedule(), is_gzip=False)
    assert schedule.key == season_name
    content = orjson.loads(schedule.text)["leagueSchedule"]["gameDates"]
    games = {game["gameId"]: game for date in content for game in date["games"]}
    assert list(games) == season.game_ids
    # nothing that the data do not have
    assert {key for date in content for key in date} == {"games"}
    assert {key for game in games.values() for key in game} == {
        "gameId",
        "gameStatus",
        "gameStatusText",
        "homeTeam",
        "awayTeam",
    }
    for game in games.values():
        teams = game["homeTeam"], game["awayTeam"]
        assert len({team["teamId"] for team in teams}) == 2
        assert all(team["teamTricode"] and team["teamCity"] and team["teamName"] for team in teams)
        assert teams[0]["score"] != teams[1]["score"]
    for game_id in (season.game_ids[0], season.game_ids[-1]):
        payload = season.payload("playbyplayv2", game_id)
        assert payload is not None
        read_payload("playbyplayv2", game_id, payload, is_gzip=False)


def test_a_known_game_of_a_legacy_season(shared_nba: Path) -> None:
    """The finals' last game of 2019: Toronto 114, Golden State 110, in Oakland."""
    season = LegacySeason("2018-19", games=["0041800406"])
    (date,) = orjson.loads(season.schedule())["leagueSchedule"]["gameDates"]
    (game,) = date["games"]
    home, away = game["homeTeam"], game["awayTeam"]
    assert (home["teamTricode"], home["score"]) == ("GSW", 110)
    assert (away["teamTricode"], away["teamCity"], away["score"]) == ("TOR", "Toronto", 114)


def test_files_of_a_legacy_season(shared_nba: Path, tmp_path: Path) -> None:
    assert write_files(["2018-19"], tmp_path, ["0021800001"], schedules=True) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "playbyplayv2_0021800001.json",
        "scheduleleaguev2_2018-19.json",
    ]
    body = (tmp_path / "playbyplayv2_0021800001.json").read_bytes()
    read_payload("playbyplayv2", "0021800001", body, is_gzip=False)
