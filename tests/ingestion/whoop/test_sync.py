from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.demo import SandboxClock
from ingestion.sandbox.nba import LeagueSettings
from ingestion.sandbox.whoop import WhoopSandbox, WhoopSandboxSettings
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.status import read_status
from ingestion.whoop import sync
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.settings import WhoopSettings
from tests.ingestion.whoop.sandboxed import (
    connect_member,
    decide,
    environment,
    held,
    inbox,
    stored,
    whoop_settings,
)

NOW = datetime(2025, 12, 1, 17, tzinfo=UTC)
Query = Callable[..., list[tuple[Any, ...]]]


@dataclasses.dataclass
class World:
    """A simulated service, a database, and what reads the one into the other."""

    sandbox: WhoopSandbox
    settings: Settings
    whoop: WhoopSettings
    clock: SandboxClock

    def sync(self, **kw: Any) -> WhoopReport:
        return sync.ingest(
            self.settings,
            self.whoop,
            clock=self.clock,
            show_progress=False,
            settling=timedelta(0),
            **kw,
        )

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with connect(self.settings, roles.INGEST) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def join(self, members: int) -> None:
        for user_id in self.sandbox.members[:members]:
            connect_member(self.sandbox, self.settings, self.whoop, user_id)


def world_of(
    database: Settings, tmp_path: Path, roster: int = 3, **more: Any
) -> tuple[WhoopSandbox, World]:
    limits = {"requests_per_minute": 10_000, "requests_per_day": 1_000_000} | more
    # of 15 players each; a small league is made sooner
    league = LeagueSettings(team_count=4 if roster <= 60 else 30)
    sandbox = WhoopSandbox(
        WhoopSandboxSettings(
            **{"roster_size": roster, "now": NOW, "league": league} | limits,
        )
    )
    settings = dataclasses.replace(database, state_directory=tmp_path / "state")
    return sandbox, World(sandbox, settings, whoop_settings(sandbox), SandboxClock(sandbox))


@pytest.fixture
def world(database: Settings, tmp_path: Path) -> Iterator[World]:
    sandbox, made = world_of(database, tmp_path)
    with sandbox:
        yield made


def test_a_first_sync_loads_everything_and_a_second_adds_nothing(world: World) -> None:
    world.join(3)
    first = world.sync()
    assert first.exit_code == 0, first
    assert first.athletes == 3
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:3])
    assert first.versions_added > 300
    # a month of an athlete is large enough for dlt, one package each
    assert world.query("select count(*) from raw_whoop._dlt_loads where status = 0") == [(3,)]
    assert world.query("select 1 from raw_whoop.sleep where _dlt_load_id = 'direct'") == []
    second = world.sync()
    assert (second.versions_added, second.stale, second.deletions) == (0, 0, 0)
    assert second.unchanged > 0
    assert world.query("select distinct status from operations.ingest_runs") == [("done",)]


def test_days_pass_and_the_tables_follow(world: World) -> None:
    world.join(2)
    members = world.sandbox.members[:2]
    world.sync()
    for _ in range(3):
        world.sandbox.advance(timedelta(days=1))
        world.sync()
        assert stored(world.settings) == held(world.sandbox, members)


def test_edits_and_deletions_are_found_without_webhooks(world: World) -> None:
    world.join(1)
    user_id = world.sandbox.members[0]
    world.sync()
    [(sleep,)] = world.query(
        """
        select record_key from raw_whoop.sleep where not (payload -> 'nap')::boolean
        order by payload ->> 'start' desc limit 1 offset 2
        """
    )
    [(workout,)] = world.query(
        "select record_key from raw_whoop.workout order by payload ->> 'start' desc limit 1"
    )
    world.sandbox.edit_sleep(sleep, timedelta(minutes=-30))
    world.sandbox.advance(timedelta(hours=1))
    world.sync()
    assert stored(world.settings) == held(world.sandbox, [user_id])
    world.sandbox.delete_workout(workout)
    world.sandbox.delete_sleep(sleep)
    world.sandbox.advance(timedelta(hours=1))
    report = world.sync()
    assert report.deletions == 3  # sleep, its recovery, workout
    assert stored(world.settings) == held(world.sandbox, [user_id])
    assert world.sync().deletions == 0


def test_backfill_goes_back_in_chunks(database: Settings, tmp_path: Path) -> None:
    sandbox, world = world_of(database, tmp_path, roster=1, history_days=120)
    with sandbox:
        world.join(1)
        world.sync()
        before = len(stored(world.settings))
        report = world.sync(backfill_days=130)
        assert report.exit_code == 0
        assert len(stored(world.settings)) > 3 * before
        assert stored(world.settings) == held(sandbox, sandbox.members)
        assert world.sync(backfill_days=130).versions_added == 0


def test_one_athlete_who_left_does_not_stop_the_others(world: World) -> None:
    world.join(3)
    world.sandbox.revoke_in_app(world.sandbox.members[1])
    report = world.sync()
    assert report.exit_code == 3
    [failure] = report.failures
    assert failure.reason in ("access_withdrawn", "grant_refused")
    others = [world.sandbox.members[0], world.sandbox.members[2]]
    assert stored(world.settings) == held(world.sandbox, others)
    assert world.sync().exit_code == 0  # he is not asked for any more
    shown = {what: (count, detail) for what, count, detail in read_status(world.settings).whoop}
    assert shown["connections active"] == (2, None)
    assert shown["connections reconnect"] == (1, failure.reason)
    assert shown["records watched until settled"][0] > 0


def test_a_withdrawal_while_reading_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.join(1)
    [(player_id,)] = world.query("select player_id from operations.wearable_connections")
    pages = sync.WhoopApi.pages

    def and_then_he_withdraws(*args: Any, **kw: Any) -> Iterator[Any]:
        yield from pages(*args, **kw)
        with connect(world.settings, roles.INGEST) as connection:
            decide(connection, player_id, "withdrawn")

    monkeypatch.setattr(sync.WhoopApi, "pages", and_then_he_withdraws)
    report = world.sync()
    assert report.fenced == 1
    assert stored(world.settings) == {}
    assert world.query("select * from operations.whoop_sync_positions") == []


def test_work_of_an_older_generation_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.join(1)
    pages = sync.WhoopApi.pages

    def and_then_he_connects_anew(*args: Any, **kw: Any) -> Iterator[Any]:
        yield from pages(*args, **kw)
        connect_member(world.sandbox, world.settings, world.whoop, world.sandbox.members[0])

    monkeypatch.setattr(sync.WhoopApi, "pages", and_then_he_connects_anew)
    assert world.sync().fenced == 1
    assert stored(world.settings) == {}
    monkeypatch.undo()
    assert world.sync().exit_code == 0
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])


def test_profile_and_body_come_only_when_asked_for(database: Settings, tmp_path: Path) -> None:
    sandbox, world = world_of(database, tmp_path, roster=1)
    with sandbox:
        world.whoop = whoop_settings(sandbox, ("profile", "body"))
        world.join(1)
        assert world.sync().versions_added == 2
        [(profile,)] = world.query("select payload from raw_whoop.profile")
        assert set(profile) == {"user_id", "first_name", "last_name"}
        assert world.sync().unchanged == 0  # once a day
        assert world.query("select count(*) from raw_whoop.cycle") == [(0,)]


def test_a_player_without_connection_is_told(world: World) -> None:
    with pytest.raises(Exception, match="--player: 7 has no active WHOOP connection"):
        world.sync(player_id="7")
    with pytest.raises(Exception, match="--backfill: 0 is outside"):
        world.sync(backfill_days=0)


@pytest.mark.parametrize(
    "switches",
    [
        {"last_page": "null", "future_field": True, "step_count": "present"},
        {"last_page": "empty", "step_count": "null", "rate_window": "sliding"},
    ],
)
def test_what_is_not_documented_changes_nothing(world: World, switches: dict[str, Any]) -> None:
    world.join(1)
    world.sandbox.switch(**switches)
    report = world.sync()
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])
    if "future_field" in switches:
        assert report.fields_left_out["cycle.x_future_field"] > 0
        kept = world.query("select count(*) from raw_whoop.cycle where payload ? 'x_future_field'")
        assert kept == [(0,)]
    assert world.sync().versions_added == 0


def test_damaged_records_are_set_aside_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.join(1)
    pages = sync.WhoopApi.pages

    def damaged(api: Any, connection_id: Any, path: str, **kw: Any) -> Iterator[Any]:
        for page in pages(api, connection_id, path, **kw):
            if path == "/v2/cycle" and len(page) == 25:
                page[1]["start"] = "soon"
                page[2]["user_id"] = 12
                del page[3]["id"]
            yield page

    monkeypatch.setattr(sync.WhoopApi, "pages", damaged)
    report = world.sync()
    assert report.exit_code == 3
    assert sorted(item.reason for item in report.quarantined) == [
        "bad_time",
        "no_key",
        "wrong_user",
    ]
    kept = world.query(
        """
        select reason, body is null, origin like '%%/v2/cycle' from operations.quarantine
        where source = 'whoop' order by 1
        """
    )
    assert kept == [("bad_time", False, True), ("no_key", False, True), ("wrong_user", True, True)]
    monkeypatch.undo()
    repaired = world.sync()
    assert repaired.resolved == 2  # what has no key cannot be told to be the same
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])


def test_the_first_record_names_the_account(world: World) -> None:
    user_id = world.sandbox.members[0]
    connect_member(world.sandbox, world.settings, world.whoop, user_id, is_named=False)
    world.sync()
    account = "select provider_user_id from operations.wearable_connections"
    assert world.query(account) == [(user_id,)]


def test_a_spent_budget_ends_the_run_with_a_list(database: Settings, tmp_path: Path) -> None:
    sandbox, world = world_of(database, tmp_path, requests_per_day=14)
    with sandbox:
        world.join(3)
        report = world.sync()
        assert report.exit_code == 3
        assert report.not_reached
        assert {failure.reason for failure in report.failures} == {"budget"}
        assert not any(line.status == 429 for line in sandbox.requests())
        sandbox.advance(timedelta(days=1, minutes=5))
        world.sync()
        sandbox.advance(timedelta(days=1, minutes=5))
        world.sync()
        assert set(
            world.query("select distinct connection_id from operations.whoop_sync_positions")
        ) == set(world.query("select connection_id from operations.wearable_connections"))


def test_two_syncs_at_once_add_everything_once(world: World) -> None:
    world.join(2)
    reports: list[WhoopReport] = []
    threads = [threading.Thread(target=lambda: reports.append(world.sync())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:2])
    assert min(report.versions_added for report in reports) == 0
    assert (
        world.query(
            """
            select resource, record_key from raw_whoop.record_versions
            group by 1, 2 having count(*) > count(distinct content_hash)
            """
        )
        == []
    )


def test_follow_works_deliveries_off_as_they_come(world: World) -> None:
    world.join(1)
    world.sync()
    stop = threading.Event()
    said: list[str] = []
    follower = threading.Thread(
        target=sync.follow,
        args=(world.settings, world.whoop, stop),
        kwargs={"clock": world.clock, "say": said.append, "settling": timedelta(0)},
    )
    follower.start()
    try:
        with inbox(world.settings, world.sandbox):
            world.sandbox.advance(timedelta(hours=20))
        until = time.monotonic() + 30
        waiting = "select count(*) from operations.webhook_inbox where status = 'waiting'"
        while world.query(waiting) != [(0,)] and time.monotonic() < until:
            time.sleep(0.1)
        assert world.query(waiting) == [(0,)]
    finally:
        stop.set()
        follower.join(20)
    assert not follower.is_alive()
    assert any("deliveries: done" in line for line in said), said
    sleeps = {key for key in stored(world.settings) if key[0] in ("sleep", "recovery", "cycle")}
    wanted = {
        key
        for key in held(world.sandbox, world.sandbox.members[:1])
        if key[0] in ("sleep", "recovery", "cycle")
    }
    assert sleeps == wanted


def test_the_command_prints_what_was_done(world: World) -> None:
    world.join(1)
    done = subprocess.run(
        [sys.executable, "-m", "clutch", "ingest", "whoop", "--json"],
        env={**os.environ, **environment(world.whoop, world.settings)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["athletes"] == 1
    assert report["exit_code"] == 0
