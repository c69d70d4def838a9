"""Which games a run asks for, and what it does with answers that bring nothing new."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from ingestion.nba import http, ingest, league
from ingestion.nba.rereads import REREAD_AGES, Read, is_due
from ingestion.nba.schedule import FINAL, LIVE, NOT_STARTED, Fixture
from ingestion.settings import Settings
from tests.ingestion.nba.conftest import Query
from tests.ingestion.nba.scripted_server import Answer, ScriptedServer
from tests.ingestion.nba.wire import FIRST, SEASON, box_score, play_by_play, schedule

TIPOFF = datetime(2039, 11, 1, 23, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _fixture(status: int = FINAL, **changes: Any) -> Fixture:
    fixture = Fixture(FIRST, status, TIPOFF, date(2039, 11, 1), is_postponed=False)
    return dataclasses.replace(fixture, **changes)


def _reads(at: datetime, box_status: int | None = FINAL, http_status: int = 200) -> dict[Any, Read]:
    return {
        ("playbyplay", FIRST): Read("playbyplay", FIRST, at, "cdn", http_status),
        ("boxscore", FIRST): Read("boxscore", FIRST, at, "cdn", 200, box_status),
    }


@pytest.mark.parametrize(
    ("fixture", "reads", "now", "expected"),
    [
        (_fixture(), {}, TIPOFF + 3 * HOUR, True),  # final, never read
        (_fixture(), {}, TIPOFF + 9000 * HOUR, True),
        (_fixture(is_postponed=True), {}, TIPOFF + 3 * HOUR, False),
        (_fixture(NOT_STARTED), {}, TIPOFF - HOUR, False),
        (_fixture(NOT_STARTED), {}, TIPOFF + HOUR, True),  # the schedule may be an old copy
        (_fixture(NOT_STARTED), {}, TIPOFF + 30 * HOUR, False),
        (_fixture(NOT_STARTED, tipoff_at=None), {}, TIPOFF, False),
        (_fixture(LIVE), _reads(TIPOFF + HOUR, LIVE), TIPOFF + HOUR, True),
        (_fixture(), _reads(TIPOFF + 2 * HOUR, LIVE), TIPOFF + 3 * HOUR, True),  # read in play
        (_fixture(), _reads(TIPOFF + 3 * HOUR), TIPOFF + 3.5 * HOUR, False),
        (_fixture(), _reads(TIPOFF + 3 * HOUR), TIPOFF + 4 * HOUR, True),  # its first checkpoint
        (_fixture(), _reads(TIPOFF + 4 * HOUR), TIPOFF + 5 * HOUR, False),
        (_fixture(), _reads(TIPOFF + 30 * HOUR), TIPOFF + 49 * HOUR, True),
        (_fixture(), _reads(TIPOFF + 340 * HOUR), TIPOFF + 9000 * HOUR, False),  # settled
        (_fixture(), _reads(TIPOFF + 300 * HOUR), TIPOFF + 9000 * HOUR, True),  # one last look
        # nothing there: asked again at every run while it may still come, then left alone
        (_fixture(), _reads(TIPOFF + 30 * HOUR, http_status=403), TIPOFF + 31 * HOUR, True),
        (_fixture(), _reads(TIPOFF + 340 * HOUR, http_status=403), TIPOFF + 341 * HOUR, False),
        (_fixture(tipoff_at=None), _reads(TIPOFF), TIPOFF + HOUR, False),
    ],
)
def test_a_game_is_due(
    fixture: Fixture, reads: dict[Any, Read], now: datetime, expected: bool
) -> None:
    assert is_due(fixture, reads, now) is expected


def test_a_nightly_run_reads_a_final_game_once_per_checkpoint() -> None:
    reads = _reads(TIPOFF + 3 * HOUR)
    asked = []
    for night in range(60):
        now = TIPOFF + timedelta(days=night, hours=9)
        if is_due(_fixture(), reads, now):
            asked.append(night)
            reads = _reads(now)
    assert asked == [0, 1, 2, 4, 7, 14]
    assert len(asked) <= len(REREAD_AGES)


def _path(resource: str) -> str:
    return league._GAME_PATHS[resource].format(key=FIRST)  # type: ignore[index]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    with ScriptedServer() as running:
        running.put(league.SCHEDULE_PATH, _schedule(FINAL))
        running.put(_path("playbyplay"), play_by_play(FIRST))
        running.put(_path("boxscore"), box_score(FIRST))
        yield running


@pytest.fixture
def served(settings: Settings, server: ScriptedServer) -> Settings:
    return dataclasses.replace(
        settings, nba_cdn_base_url=server.base_url, nba_stats_base_url=server.base_url
    )


def _schedule(status: int, **changes: object) -> dict[str, Any]:
    content = schedule({FIRST: ("2039-11-01", status)})
    game = content["leagueSchedule"]["gameDates"][0]["games"][0]
    game.update({"gameDateTimeUTC": "2039-11-01T23:30:00Z", **changes})
    return content


def _run(settings: Settings, hours: float, **options: Any) -> Any:
    now = TIPOFF + hours * HOUR
    return ingest(settings, seasons=[SEASON], show_progress=False, now=now, **options)


def test_a_correction_is_found_at_the_next_checkpoint(
    served: Settings, server: ScriptedServer, query: Query
) -> None:
    assert _run(served, 3).versions_added == 3
    server.put(_path("playbyplay"), play_by_play(FIRST, points=3))
    assert _run(served, 3.5).requests == 1  # the schedule alone
    later = _run(served, 24)
    assert (later.games, later.versions_added, later.unchanged) == (1, 1, 2)
    assert query("select count(*) from raw_nba.playbyplay") == [(2,)]
    assert _run(served, 25).requests == 1
    assert _run(served, 25, reread=True).unchanged == 3


def test_an_unchanged_file_costs_no_body(
    served: Settings, server: ScriptedServer, query: Query
) -> None:
    for resource, content in (("playbyplay", play_by_play(FIRST)), ("boxscore", box_score(FIRST))):
        server.answers[_path(resource)] = [
            Answer(orjson.dumps(content), headers={"ETag": f'"{resource}"'})
        ]
    _run(served, 3)
    again = _run(served, 24)
    assert (again.games, again.versions_added, again.unchanged, again.exit_code) == (1, 0, 3, 0)
    assert server.not_modified == 2
    seen = "select http_status, read_at from operations.nba_reads where resource = 'boxscore'"
    assert query(seen) == [(304, TIPOFF + 24 * HOUR)]
    changed = orjson.dumps(play_by_play(FIRST, points=3))
    server.answers[_path("playbyplay")] = [Answer(changed, headers={"ETag": '"new"'})]
    assert _run(served, 48).versions_added == 1


@pytest.mark.parametrize("has_meta", [True, False])
def test_an_old_copy_does_not_undo_a_correction(
    served: Settings, server: ScriptedServer, query: Query, has_meta: bool
) -> None:
    def answer(points: int, day: int) -> Answer:
        time = f"2039-11-{day:02d} 01:00:00.0"
        content = play_by_play(FIRST, points=points, is_full=has_meta, time=time)
        header = f"{'Wed' if day == 2 else 'Fri'}, {day:02d} Nov 2039 01:00:00 GMT"
        return Answer(orjson.dumps(content), headers={} if has_meta else {"Last-Modified": header})

    server.answers[_path("playbyplay")] = [answer(2, 2), answer(3, 4), answer(2, 2), answer(3, 4)]
    reports = [_run(served, hours) for hours in (3, 50, 100, 101)]
    assert [report.versions_added for report in reports] == [3, 1, 0, 0]
    assert [report.stale for report in reports] == [0, 0, 1, 0]
    assert [report.exit_code for report in reports] == [0, 0, 0, 0]
    # the old copy left the checkpoint open: the run after it asked again
    assert (reports[3].games, reports[3].unchanged) == (1, 3)
    kept = "select reason, resolved_at is not null, body is not null from operations.quarantine"
    assert query(kept) == [("stale_copy", True, True)]


def test_a_play_by_play_that_lost_its_actions_is_set_aside(
    served: Settings, server: ScriptedServer, query: Query
) -> None:
    _run(served, 3)
    server.put(_path("playbyplay"), {"game": {"gameId": FIRST, "actions": []}})
    report = _run(served, 24)
    assert [item.reason for item in report.quarantined] == ["no_actions"]
    assert query("select count(*) from raw_nba.playbyplay") == [(1,)]


def test_scores_of_the_evening_are_no_new_schedule(
    served: Settings, server: ScriptedServer, query: Query
) -> None:
    server.put(league.SCHEDULE_PATH, _schedule(NOT_STARTED))
    assert _run(served, -100).versions_added == 1
    live = _schedule(LIVE, gameStatusText="Q1 11:00", pointsLeaders=[{"points": 2}])
    server.put(league.SCHEDULE_PATH, live)
    assert _run(served, 0.5).versions_added == 2  # the game's own payloads
    moved = _schedule(NOT_STARTED, gameDateTimeUTC="2039-11-02T23:30:00Z")
    server.put(league.SCHEDULE_PATH, moved)
    report = _run(served, 1)
    assert (report.games, report.versions_added) == (0, 1)
    assert query("select count(*) from raw_nba.schedule") == [(2,)]


def test_a_postponed_game_is_no_gap(served: Settings, server: ScriptedServer) -> None:
    # seen in 2026: listed as final, without a score
    server.put(league.SCHEDULE_PATH, _schedule(FINAL, gameStatusText="PPD"))
    report = _run(served, 24)
    assert (report.games, report.not_due, report.exit_code) == (0, 1, 0)
