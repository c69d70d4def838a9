"""The replay server as a client meets it: two services, faults, edits, the log."""

from __future__ import annotations

import email.utils
import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import requests

from ingestion.nba.payloads import PayloadError, read_payload
from tests.replay import Fault, FaultPlan, Kind, ReplayServer
from tests.replay.edits import Game
from tests.replay.faults import DAMAGING, PASSING, Listed
from tests.replay.server import SCHEDULE_PATH

pytestmark = pytest.mark.realdata

FIRST, SECOND = "0022200551", "0022200552"
LEGACY = "0021900001"
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "Referer": "https://www.nba.com/",
    "Origin": "https://www.nba.com",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    seasons = ["2018-19", "2019-20", "2022-23"]
    with ReplayServer(seasons, games=[LEGACY, FIRST, SECOND], use_gzip=True) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(server: ReplayServer) -> None:
    server.set_plan(FaultPlan())
    server.refuse_others_than_browsers(None)


def path(resource: str, game_id: str = FIRST) -> str:
    return f"/static/json/liveData/{resource}/{resource}_{game_id}.json"


def get(server: ReplayServer, resource: str, game_id: str = FIRST, **headers: str) -> bytes:
    answer = requests.get(server.base_url + path(resource, game_id), headers=headers, timeout=10)
    return answer.content


def test_the_stats_service(server: ReplayServer) -> None:
    def ask(query: str, **headers: str) -> requests.Response:
        url = f"{server.stats_base_url}/stats/{query}"
        return requests.get(url, headers=headers, timeout=10)

    for season in ("2018-19", "2019-20", "2022-23"):
        answer = ask(f"scheduleleaguev2?LeagueID=00&Season={season}")
        assert read_payload("schedule", None, answer.content, is_gzip=False).key == season
    static = requests.get(server.base_url + SCHEDULE_PATH, timeout=10)
    assert read_payload("schedule", None, static.content, is_gzip=False).key == "2022-23"
    periods = "StartPeriod=0&EndPeriod=0"
    ranges = "StartRange=0&EndRange=0&RangeType=0"
    for resource, game_id, more in (
        ("playbyplayv2", LEGACY, ""),
        ("playbyplayv3", SECOND, ""),
        ("boxscoretraditionalv3", SECOND, f"&{ranges}"),
    ):
        answer = ask(f"{resource}?GameID={game_id}&{periods}{more}")
        read_payload(resource, game_id, answer.content, is_gzip=False)  # type: ignore[arg-type]
    unknown = ask(f"playbyplayv2?GameID=0021899999&{periods}").json()
    assert [table["rowSet"] for table in unknown["resultSets"]] == [[], []]
    assert unknown["parameters"] == {"GameID": "0021899999", "StartPeriod": 0, "EndPeriod": 0}
    for query in (
        f"playbyplayv3?GameID={FIRST}&{periods}",
        "scheduleleaguev2?LeagueID=00&Season=2017-18",
        "leagueleaders",
    ):
        assert ask(query).status_code == 404


def test_the_stats_service_wants_a_browser(server: ReplayServer) -> None:
    url = f"{server.stats_base_url}/stats/playbyplayv2?GameID={LEGACY}&StartPeriod=0&EndPeriod=0"
    server.refuse_others_than_browsers(Fault(Kind.STATUS, 403))
    assert requests.get(url, timeout=10).status_code == 403
    assert requests.get(url, headers=BROWSER, timeout=10).status_code == 200
    server.refuse_others_than_browsers(Fault(Kind.SILENCE, seconds=30.0))
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.2)
    assert requests.get(url, headers=BROWSER, timeout=10).status_code == 200


def test_conditional_requests(server: ReplayServer) -> None:
    url = server.base_url + path("playbyplay")
    first = requests.get(url, timeout=10)
    for name, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = requests.get(url, headers={name: value}, timeout=10)
        assert (again.status_code, again.content) == (304, b"")
    server.set_version(FIRST, 1)
    changed = requests.get(url, headers={"If-None-Match": first.headers["ETag"]}, timeout=10)
    assert changed.status_code == 200
    moved = email.utils.parsedate_to_datetime(changed.headers["Last-Modified"])
    assert moved - email.utils.parsedate_to_datetime(first.headers["Last-Modified"]) == timedelta(1)
    server.set_version(FIRST, 0)


def test_faults_that_a_client_notices(server: ReplayServer) -> None:
    passing = [fault for fault in PASSING if fault.kind is Kind.STATUS]
    server.set_plan(FaultPlan(Listed("boxscore", passing)))
    for fault in passing:
        answer = requests.get(server.base_url + path("boxscore"), timeout=10)
        assert answer.status_code == fault.status
        told = answer.headers.get("Retry-After")
        if fault.retry_after == "seconds":
            assert told == "1"
        elif fault.retry_after == "date":
            assert told is not None
            moment = email.utils.parsedate_to_datetime(told)
            assert abs(moment - datetime.now(UTC)) < timedelta(seconds=2)
        else:
            assert told is None
    assert get(server, "boxscore")
    broken = [Kind.RESET_BEFORE_ANSWER, Kind.RESET_IN_BODY, Kind.SHORT_BODY]
    server.set_plan(FaultPlan(Listed("playbyplay", [Fault(kind) for kind in broken])))
    for kind in broken:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            get(server, "playbyplay")
        assert server.log.requests[-1].fault == kind.value
    assert get(server, "playbyplay")


def test_faults_that_look_like_an_answer(server: ReplayServer) -> None:
    server.set_plan(FaultPlan(Listed("playbyplay", DAMAGING)))
    reasons = []
    for _ in DAMAGING:
        answer = requests.get(server.base_url + path("playbyplay"), stream=True, timeout=10)
        assert answer.status_code == 200
        body = answer.raw.read(decode_content=False)
        is_gzip = answer.headers.get("Content-Encoding") == "gzip"
        with pytest.raises(PayloadError) as caught:
            read_payload("playbyplay", FIRST, body, is_gzip=is_gzip)
        reasons.append(caught.value.reason)
    assert reasons == ["truncated_json", "gzip_damaged", "game_id_mismatch", "html_page"]


def test_slow_answers_are_whole(server: ReplayServer) -> None:
    whole = get(server, "boxscore")
    slow = [Fault(Kind.SLOW_HEADERS, seconds=0.2), Fault(Kind.SLOW_BODY, seconds=0.2)]
    server.set_plan(FaultPlan(Listed("boxscore", slow)))
    for _ in slow:
        started = time.monotonic()
        assert get(server, "boxscore") == whole
        assert time.monotonic() - started >= 0.2


def test_a_block_is_for_ever(server: ReplayServer) -> None:
    server.set_plan(FaultPlan.blocked(after=2))
    statuses = [
        requests.get(server.base_url + path(resource), timeout=10).status_code
        for resource in ("boxscore", "playbyplay", "boxscore", "playbyplay")
    ]
    assert statuses == [200, 200, 403, 403]


def test_an_old_version_from_a_cache(server: ReplayServer) -> None:
    stale = FaultPlan(Listed("boxscore", [None, Fault(Kind.STALE)]))
    server.set_version(FIRST, 2)
    server.set_plan(stale)
    url = server.base_url + path("boxscore")
    new, old = requests.get(url, timeout=10), requests.get(url, timeout=10)
    assert new.json()["meta"]["time"] > old.json()["meta"]["time"]
    assert new.json()["game"] != old.json()["game"]
    assert "Age" in old.headers
    assert "Age" not in new.headers
    server.set_version(FIRST, 0)


def test_three_edits(server: ReplayServer) -> None:
    games = []
    for version in range(4):
        server.set_version(FIRST, version)
        games.append(Game(get(server, "playbyplay"), get(server, "boxscore")))
    server.set_version(FIRST, 0)
    counts = [len(game.actions) for game in games]
    assert counts == [counts[0], counts[0], counts[0] + 1, counts[0] + 1]
    for game in games:
        orders = [action["orderNumber"] for action in game.actions]
        assert orders == sorted(set(orders))
        numbers = {action["actionNumber"] for action in game.actions}
        assert len(numbers) == len(game.actions)
        for person_id, counted in rebounds(game).items():
            assert game.player(person_id)[0]["statistics"]["reboundsTotal"] == counted
        for team_id, counted in points(game).items():
            assert int(game.teams[team_id]["score"]) == counted
            assert sum(period["score"] for period in game.teams[team_id]["periods"]) == counted
            players = game.teams[team_id]["players"]
            assert sum(player["statistics"]["points"] for player in players) == counted
            side = "Home" if game.box_score["game"]["homeTeam"]["teamId"] == team_id else "Away"
            assert int(game.actions[-1][f"score{side}"]) == counted
    assert rebounds(games[0]) != rebounds(games[1])
    fouls = [sum(a["actionType"] == "foul" for a in game.actions) for game in games]
    assert fouls[2] == fouls[1] + 1
    assert sum(points(games[3]).values()) == sum(points(games[2]).values()) + 1


def rebounds(game: Game) -> dict[int, int]:
    found: dict[int, int] = {}
    for action in game.actions:
        if action["actionType"] == "rebound" and action.get("personId"):
            found[action["personId"]] = found.get(action["personId"], 0) + 1
    return found


def points(game: Game) -> dict[int, int]:
    worth = {"2pt": 2, "3pt": 3, "freethrow": 1}
    found = dict.fromkeys(game.teams, 0)
    for action in game.actions:
        if action.get("shotResult") == "Made":
            found[action["teamId"]] += worth[action["actionType"]]
    return found


def test_random_faults_depend_on_the_seed_alone() -> None:
    paths = [path("playbyplay", f"00222{number:05}") for number in range(200)]

    def drawn(seed: int) -> list[str | None]:
        plan = FaultPlan.random(seed, rate=0.5, first=3)
        faults = [plan.fault(one, number, 0) for one in paths for number in range(5)]
        assert not any(fault for place, fault in enumerate(faults) if place % 5 >= 3)
        return [None if fault is None else fault.name for fault in faults]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert {name for name in drawn(1) if name} == {f.name for f in (*PASSING, *DAMAGING)}


def test_the_log(server: ReplayServer) -> None:
    server.set_plan(FaultPlan(Listed("", [Fault(Kind.SLOW_HEADERS, seconds=0.2)])))
    with requests.Session() as session:
        for _ in range(3):
            session.get(server.base_url + path("boxscore"), timeout=10)
    log = server.log
    assert (log.total, log.connections, log.most_at_once) == (3, 1, 1)
    assert log.most_repeated == (path("boxscore"), 3)
    with ThreadPoolExecutor(2) as executor:
        list(executor.map(lambda resource: get(server, resource, SECOND), ["playbyplay"] * 2))
    assert log.per_path[path("playbyplay", SECOND)] == 2
    assert (log.total, log.connections, log.most_at_once) == (5, 3, 2)
    assert log.faults == {"late answer": 2}
    assert log.statuses == {200: 5}
    assert 1 <= log.peak_per_second <= 5
    assert log.requests[0].headers["user-agent"].startswith("python-requests")
    assert "5 requests for 2 paths" in log.summary()


def test_kept_payloads_are_those_built_on_demand() -> None:
    with ReplayServer(["2022-23"], games=[FIRST], keep=True, use_gzip=True) as kept:
        kept.build_all()
        body = get(kept, "playbyplay")
        answer = requests.get(
            kept.base_url + path("playbyplay"), headers={"Accept-Encoding": "gzip"}, stream=True
        )
        assert gzip.decompress(answer.raw.read(decode_content=False)) == body
    assert orjson.loads(body)["game"]["gameId"] == FIRST
