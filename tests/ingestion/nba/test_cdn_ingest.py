"""``clutch ingest nba`` from a host, with every fault that a host can have."""

from __future__ import annotations

import dataclasses
import gzip
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest

from ingestion.errors import ClutchError, SettingError, UsageError
from ingestion.nba import IngestReport, http, ingest, league
from ingestion.settings import Settings
from tests.ingestion.nba.conftest import Query
from tests.ingestion.nba.scripted_server import Answer, ScriptedServer
from tests.ingestion.nba.wire import (
    FIRST,
    FOURTH,
    SEASON,
    SECOND,
    THIRD,
    box_score,
    play_by_play,
    schedule,
)
from tests.support.states import NOWHERE


def _path(resource: str, game_id: str) -> str:
    return f"/static/json/liveData/{resource}/{resource}_{game_id}.json"


def _put_game(server: ScriptedServer, game_id: str) -> None:
    server.put(_path("playbyplay", game_id), play_by_play(game_id))
    server.put(_path("boxscore", game_id), box_score(game_id))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def cdn_settings(settings: Settings, server: ScriptedServer) -> Settings:
    return dataclasses.replace(
        settings,
        nba_cdn_base_url=server.base_url,
        nba_stats_base_url=server.base_url,
        nba_stats_user_agent="a browser/1.0",
    )


def _reasons(report: IngestReport) -> list[tuple[str, str, str]]:
    return [(item.resource, item.record_key, item.reason) for item in report.quarantined]


def test_a_season_is_its_games_that_count(
    cdn_settings: Settings, server: ScriptedServer, query: Query
) -> None:
    preseason, all_star, cup_final = "0012390001", "0032390001", "0062390001"
    live, not_started = "0022390008", "0022390009"
    plan = schedule(
        {
            preseason: ("2039-10-01", 3),
            FIRST: ("2039-11-01", 3),
            SECOND: ("2039-11-02", 3),
            live: ("2039-11-03", 2),
            not_started: ("2039-11-04", 1),
            cup_final: ("2039-12-17", 3),
            all_star: ("2040-02-15", 3),
            THIRD: ("2040-05-01", 3),
        }
    )
    server.put(league.SCHEDULE_PATH, plan)
    for game_id in (FIRST, SECOND, THIRD, cup_final, preseason, all_star, live):
        _put_game(server, game_id)
    report = ingest(cdn_settings, seasons=[SEASON], since=date(2039, 11, 2), show_progress=False)
    assert (report.games, report.versions_added, report.exit_code) == (4, 9, 0)
    stored = "select game_id from raw_nba.playbyplay order by 1"
    assert query(stored) == [(SECOND,), (live,), (THIRD,), (cup_final,)]
    whole = ingest(cdn_settings, seasons=[SEASON], show_progress=False)
    assert (whole.games, whole.versions_added, whole.unchanged) == (2, 2, 3)
    assert not [path for path in server.requests if preseason in path or not_started in path]
    assert query("select distinct source, origin from raw_nba.schedule") == [
        ("cdn", server.base_url + league.SCHEDULE_PATH)
    ]
    assert query("select count(*) from raw_nba.schedule") == [(1,)]
    assert server.user_agents == {"a browser/1.0"}


def test_since_alone_takes_the_season_on_offer(
    cdn_settings: Settings, server: ScriptedServer
) -> None:
    server.put(
        league.SCHEDULE_PATH, schedule({FIRST: ("2039-11-01", 3), SECOND: ("2039-11-02", 3)})
    )
    _put_game(server, SECOND)
    report = ingest(cdn_settings, since=date(2039, 11, 2), show_progress=False)
    assert (report.games, report.exit_code) == (1, 0)
    later = ingest(cdn_settings, since=date(2040, 11, 2), show_progress=False)
    assert (later.games, later.exit_code) == (0, 0)


def test_what_may_pass_is_asked_again(cdn_settings: Settings, server: ScriptedServer) -> None:
    good = Answer(orjson.dumps(play_by_play(FIRST)))
    server.answers[_path("playbyplay", FIRST)] = [
        Answer(status=500),
        Answer(b"<html>busy</html>", status=503),
        Answer(good.body[:50], promised=len(good.body)),  # the connection breaks off
        good,
    ]
    server.answers[_path("boxscore", FIRST)] = [
        Answer(gzip.compress(orjson.dumps(box_score(FIRST))), headers={"Content-Encoding": "gzip"})
    ]
    report = ingest(cdn_settings, game_ids=[FIRST], show_progress=False)
    assert (report.versions_added, report.exit_code) == (2, 0)
    assert server.requests[_path("playbyplay", FIRST)] == 4


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(cdn_settings: Settings, server: ScriptedServer, form: str) -> None:
    _put_game(server, FIRST)
    path = _path("boxscore", FIRST)
    # a date has whole seconds: two ahead is between one and two from now
    moment = datetime.now(UTC) + timedelta(seconds=2)
    value = "1" if form == "seconds" else format_datetime(moment, usegmt=True)
    server.answers[path].insert(0, Answer(status=429, headers={"Retry-After": value}))
    report = ingest(cdn_settings, game_ids=[FIRST], show_progress=False)
    assert report.exit_code == 0
    first, second = server.moments[path]
    if form == "seconds":
        assert 1.0 <= second - first < 5.0
    else:
        assert datetime.now(UTC) >= moment.replace(microsecond=0)
        assert second - first > 0.1  # the plain wait would be 0.01 s


def test_one_bad_game_does_not_stop_the_others(
    cdn_settings: Settings, server: ScriptedServer, query: Query
) -> None:
    for game_id in (FIRST, SECOND, THIRD, FOURTH):
        _put_game(server, game_id)
    del server.answers[_path("playbyplay", FIRST)]
    server.answers[_path("boxscore", FIRST)] = [Answer(b"<Error/>", status=403)]
    server.answers[_path("playbyplay", SECOND)] = [Answer(status=502)]
    server.answers[_path("boxscore", SECOND)] = [Answer(b"who are you?", status=401)]
    packed = gzip.compress(orjson.dumps(play_by_play(THIRD)))
    server.answers[_path("playbyplay", THIRD)] = [
        Answer(packed[:-20], headers={"Content-Encoding": "gzip"})
    ]
    report = ingest(cdn_settings, game_ids=[FIRST, SECOND, THIRD, FOURTH], show_progress=False)
    assert _reasons(report) == [
        ("boxscore", FIRST, "not_found"),
        ("playbyplay", FIRST, "not_found"),
        ("boxscore", SECOND, "unexpected_status"),
        ("playbyplay", SECOND, "unavailable"),
        ("playbyplay", THIRD, "gzip_damaged"),
    ]
    assert report.exit_code == 3
    assert "HTTP 403" in report.quarantined[0].detail
    assert server.requests[_path("playbyplay", SECOND)] == http.ATTEMPTS
    assert query("select game_id from raw_nba.playbyplay") == [(FOURTH,)]
    bodies = query("select reason, body from operations.quarantine where body is not null")
    assert dict(bodies) == {"unexpected_status": b"who are you?", "gzip_damaged": packed[:-20]}


def test_a_game_before_tip_off_has_no_play_by_play(
    cdn_settings: Settings, server: ScriptedServer
) -> None:
    server.put(_path("boxscore", FIRST), box_score(FIRST, status=1))
    report = ingest(cdn_settings, game_ids=[FIRST], show_progress=False)
    assert (report.versions_added, report.quarantined) == (1, [])


def test_requests_share_few_connections(cdn_settings: Settings, server: ScriptedServer) -> None:
    games = [f"002239{number:04}" for number in range(12)]
    for game_id in games:
        _put_game(server, game_id)
    server.answer_seconds = 0.02
    report = ingest(cdn_settings, game_ids=games, show_progress=False)
    assert report.versions_added == 24
    assert 1 < server.most_at_once <= league.CONCURRENT_CDN_REQUESTS
    assert server.connections <= league.CONCURRENT_CDN_REQUESTS


def test_another_season_names_the_one_on_offer(
    cdn_settings: Settings, server: ScriptedServer
) -> None:
    server.put(league.SCHEDULE_PATH, schedule({}))
    words = f"--season: .*only season {SEASON}, and NBA_STATS_BASE_URL has none of 1999-00.*Fix: "
    with pytest.raises(UsageError, match=words):
        ingest(cdn_settings, seasons=["1999-00"], show_progress=False)


def test_a_damaged_schedule_is_kept_and_named(
    cdn_settings: Settings, server: ScriptedServer, query: Query
) -> None:
    server.answers[league.SCHEDULE_PATH] = [Answer(b'{"leagueSchedule": {')]
    with pytest.raises(ClutchError, match=r"schedule .* is damaged: the JSON ends early.*Fix:"):
        ingest(cdn_settings, seasons=[SEASON], show_progress=False)
    assert query("select record_key, reason, body from operations.quarantine") == [
        ("scheduleLeagueV2.json", "truncated_json", b'{"leagueSchedule": {')
    ]


def test_a_host_without_a_schedule_is_a_wrong_setting(
    cdn_settings: Settings, server: ScriptedServer
) -> None:
    with pytest.raises(SettingError, match=r"NBA_CDN_BASE_URL: no schedule .*HTTP 404.*Fix:"):
        ingest(cdn_settings, seasons=[SEASON], show_progress=False)


@pytest.mark.parametrize("choice", [{"seasons": [SEASON]}, {"game_ids": [FIRST]}])
def test_an_unreachable_host_names_its_setting(
    cdn_settings: Settings, choice: dict[str, object]
) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        unreachable = dataclasses.replace(
            cdn_settings, nba_cdn_base_url=url, nba_stats_base_url=url
        )
        words = r"NBA_CDN_BASE_URL: .*(no connection|cannot be reached).*Fix: "
        with pytest.raises(SettingError, match=words):
            ingest(unreachable, show_progress=False, **choice)  # type: ignore[arg-type]


def test_hosts_that_stop_answering_end_the_run(
    cdn_settings: Settings, server: ScriptedServer, query: Query
) -> None:
    cdn_settings = dataclasses.replace(cdn_settings, nba_stats_base_url=NOWHERE)
    games = [f"002239{number:04}" for number in range(10)]
    for game_id in games:
        server.answers[_path("playbyplay", game_id)] = [Answer(status=503)]
        server.answers[_path("boxscore", game_id)] = [Answer(status=503)]
    with pytest.raises(ClutchError, match=r"has stopped answering .*HTTP 503.*Fix: "):
        ingest(cdn_settings, game_ids=games, show_progress=False)
    assert query("select status from operations.ingest_runs") == [("failed",)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "nothing says which games"),
        ({"seasons": [SEASON], "game_ids": [FIRST]}, "too much says which games"),
        ({"since": date(2039, 1, 1), "game_ids": [FIRST]}, "too much says which games"),
        ({"seasons": ["2023"]}, "--season: '2023'.*2023-24"),
        ({"seasons": ["2023-25"]}, "--season: '2023-25'.*2023-24"),
        ({"game_ids": ["22300061"]}, "--games: '22300061'.*ten digits"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_touched(
    cdn_settings: Settings, server: ScriptedServer, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        ingest(cdn_settings, **arguments)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "Fix: " in str(caught.value)
    assert not server.requests
