"""The stats service stands in for what the CDN does not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import orjson
import pytest

from ingestion.nba import http, ingest, league
from ingestion.settings import Settings
from tests.ingestion.nba.conftest import Query
from tests.ingestion.nba.scripted_server import Answer, ScriptedServer
from tests.ingestion.nba.wire import (
    FIRST,
    SECOND,
    box_score,
    box_score_v3,
    play_by_play,
    play_by_play_v2,
    play_by_play_v3,
    schedule,
)

BEFORE_THE_CDN = "0021800001"


def _path(resource: str, game_id: str) -> str:
    return league._GAME_PATHS[resource].format(key=game_id)  # type: ignore[index]


@pytest.fixture
def cdn(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def stats() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def both(settings: Settings, cdn: ScriptedServer, stats: ScriptedServer) -> Settings:
    return dataclasses.replace(
        settings, nba_cdn_base_url=cdn.base_url, nba_stats_base_url=stats.base_url
    )


def test_nobody_asks_twice_for_what_the_cdn_has(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer
) -> None:
    cdn.put(_path("playbyplay", FIRST), play_by_play(FIRST))
    cdn.put(_path("boxscore", FIRST), box_score(FIRST))
    report = ingest(both, game_ids=[FIRST], show_progress=False)
    assert (report.versions_added, report.requests, report.exit_code) == (2, 2, 0)
    assert not stats.requests


def test_each_lacking_file_comes_from_the_stats_service(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer, query: Query
) -> None:
    cdn.put(_path("playbyplay", FIRST), play_by_play(FIRST))  # as of a play-in: no box score
    stats.put(_path("boxscoretraditionalv3", FIRST), box_score_v3(FIRST))
    cdn.put(_path("boxscore", SECOND), box_score(SECOND))
    stats.put(_path("playbyplayv3", SECOND), play_by_play_v3(SECOND))
    report = ingest(both, game_ids=[FIRST, SECOND], show_progress=False)
    assert (report.versions_added, report.quarantined, report.exit_code) == (4, [], 0)
    assert query("select game_id, source from raw_nba.playbyplayv3") == [(SECOND, "stats")]
    assert query("select game_id, source from raw_nba.boxscoretraditionalv3") == [(FIRST, "stats")]


def test_an_old_season_is_asked_of_the_stats_service_alone(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer, query: Query
) -> None:
    stats.put(
        "/stats/scheduleleaguev2?LeagueID=00&Season=2018-19",
        schedule({BEFORE_THE_CDN: ("2018-10-16", 3)}, season="2018-19"),
    )
    cdn.put(league.SCHEDULE_PATH, schedule({}))
    stats.put(_path("playbyplayv3", BEFORE_THE_CDN), {"game": {"gameId": "x", "actions": []}})
    stats.put(_path("playbyplayv2", BEFORE_THE_CDN), play_by_play_v2(BEFORE_THE_CDN))
    stats.put(_path("boxscoretraditionalv3", BEFORE_THE_CDN), {})
    report = ingest(both, seasons=["2018-19"], show_progress=False)
    assert query("select game_id from raw_nba.playbyplayv2") == [(BEFORE_THE_CDN,)]
    assert [(item.resource, item.reason) for item in report.quarantined] == [
        ("boxscoretraditionalv3", "not_found")
    ]
    assert set(cdn.requests) == {league.SCHEDULE_PATH}
    assert stats.user_agents == {both.nba_stats_user_agent}
    # asked and answered: the next run has nothing to ask
    again = ingest(both, seasons=["2018-19"], show_progress=False)
    assert (again.games, again.not_due, again.requests, again.exit_code) == (0, 1, 2, 0)


def test_a_form_without_rows_is_no_game(both: Settings, stats: ScriptedServer) -> None:
    stats.put(_path("playbyplayv2", BEFORE_THE_CDN), play_by_play_v2(BEFORE_THE_CDN, rows=0))
    report = ingest(both, game_ids=[BEFORE_THE_CDN], show_progress=False)
    assert {item.reason for item in report.quarantined} == {"not_found"}
    assert report.versions_added == 0


def test_a_game_in_progress_is_no_matter_for_the_stats_service(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer
) -> None:
    cdn.put(_path("boxscore", FIRST), box_score(FIRST, status=2))
    cdn.put(league.SCHEDULE_PATH, schedule({FIRST: ("2039-11-01", 2)}))
    named = ingest(both, game_ids=[FIRST], show_progress=False)
    listed = ingest(both, seasons=["2039-40"], show_progress=False)
    assert not stats.requests
    # by name it is a gap, by the schedule it will come
    assert (len(named.quarantined), len(listed.quarantined)) == (1, 0)


def test_a_play_by_play_in_another_form_settles_the_gap(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer, query: Query
) -> None:
    cdn.put(_path("boxscore", FIRST), box_score(FIRST))
    assert ingest(both, game_ids=[FIRST], show_progress=False).exit_code == 3
    stats.put(_path("playbyplayv3", FIRST), play_by_play_v3(FIRST))
    report = ingest(both, game_ids=[FIRST], show_progress=False)
    assert (report.exit_code, report.resolved) == (0, 1)
    assert query("select count(*) from operations.quarantine where resolved_at is null") == [(0,)]


def test_a_cdn_that_blocks_us_is_left_alone_and_named(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer
) -> None:
    games = [f"002239{number:04}" for number in range(20)]
    cdn.put(league.SCHEDULE_PATH, schedule(dict.fromkeys(games, ("2039-11-01", 3))))
    for game_id in games:
        for resource in ("playbyplay", "boxscore"):
            cdn.answers[_path(resource, game_id)] = [Answer(b"<Error/>", status=403)]
        stats.put(_path("playbyplayv3", game_id), play_by_play_v3(game_id))
        stats.put(_path("boxscoretraditionalv3", game_id), box_score_v3(game_id))
    report = ingest(both, seasons=["2039-40"], show_progress=False)
    assert report.versions_added == 41  # the stats service had them all, and the schedule
    assert report.exit_code == 3
    (sentence,) = report.hosts_given_up
    assert sentence.startswith("NBA_CDN_BASE_URL: ")
    assert "blocks us (HTTP 403" in sentence
    refused = sum(cdn.requests.values()) - 1
    assert http.REFUSALS_IN_A_ROW <= refused <= http.REFUSALS_IN_A_ROW + league.CONCURRENT_GAMES


def test_a_host_that_wants_long_peace_gets_it(
    both: Settings, cdn: ScriptedServer, stats: ScriptedServer
) -> None:
    games = [f"002239{number:04}" for number in range(10)]
    for game_id in games:
        for resource in ("playbyplay", "boxscore"):
            cdn.answers[_path(resource, game_id)] = [
                Answer(status=429, headers={"Retry-After": "7200"})
            ]
        stats.put(_path("playbyplayv3", game_id), play_by_play_v3(game_id))
        stats.put(_path("boxscoretraditionalv3", game_id), box_score_v3(game_id))
    report = ingest(both, game_ids=games, show_progress=False)
    assert "wants to be left alone for 7,200 s" in report.hosts_given_up[0]
    assert sum(cdn.requests.values()) <= league.CONCURRENT_CDN_REQUESTS
    assert report.versions_added == 20


def test_the_stats_service_gets_a_browsers_headers(both: Settings, stats: ScriptedServer) -> None:
    stats.put(_path("playbyplayv2", BEFORE_THE_CDN), play_by_play_v2(BEFORE_THE_CDN))
    ingest(both, game_ids=[BEFORE_THE_CDN], show_progress=False)
    assert {headers.get("Referer") for headers in stats.headers} == {"https://www.nba.com/"}


def test_requests_keep_to_the_rate(both: Settings, cdn: ScriptedServer) -> None:
    games = [f"002239{number:04}" for number in range(5)]
    for game_id in games:
        cdn.put(_path("playbyplay", game_id), play_by_play(game_id))
        cdn.put(_path("boxscore", game_id), box_score(game_id))
    ingest(
        dataclasses.replace(both, nba_cdn_requests_per_second=10.0),
        game_ids=games,
        show_progress=False,
    )
    moments = sorted(moment for of_path in cdn.moments.values() for moment in of_path)
    # nine steps of 0.1 s, each up to a fifth shorter
    assert moments[-1] - moments[0] >= 9 * 0.08


def test_a_drip_is_not_waited_for(
    both: Settings, cdn: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.2)
    body = orjson.dumps(play_by_play(FIRST))
    cdn.answers[_path("playbyplay", FIRST)] = [Answer(body, drip_seconds=0.1), Answer(body)]
    cdn.put(_path("boxscore", FIRST), box_score(FIRST))
    report = ingest(both, game_ids=[FIRST], show_progress=False)
    assert (report.versions_added, report.retries, report.exit_code) == (2, 1, 0)
