"""Days with webhooks on: worker, watch-list and reconcile job beside a service that lives.

A league's day, and every fault of the script: in the end the tables hold what the service holds.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from ingestion.sandbox.whoop import FaultScript, Kind, Scripted
from ingestion.settings import Settings
from ingestion.whoop import sync
from ingestion.whoop.report import WhoopReport
from tests.ingestion.whoop.sandboxed import connect_member, held, inbox, load_league, stored
from tests.ingestion.whoop.test_sync import World, world_of

API = "/developer/"
HOUR = timedelta(hours=1)

ATHLETES = int(os.environ.get("CLUTCH_TEST_ATHLETES", "18"))
"""A roster; 450, the league, takes some minutes and most of two days' budget."""


def live(world: World, days: float) -> None:
    """Let time pass, as ``follow`` does, but looking every ten minutes."""
    until = world.clock.now() + timedelta(days=days)
    next_reconcile = world.clock.now() + 6 * HOUR
    report = WhoopReport()
    with sync.opened(
        world.settings, world.whoop, world.clock, report, settling=timedelta(0)
    ) as parts:
        # a request that waits for the budget moves the clock as well
        while world.clock.now() < until:
            world.sandbox.advance(timedelta(minutes=10))
            with parts.sessions.session() as connection:
                connection.execute(
                    "update operations.webhook_inbox set not_before = now() "
                    "where status = 'waiting'"
                )
            parts.worker.work_off()
            sync.read_before_games(parts)
            sync.watch_once(parts)
            if world.clock.now() >= next_reconcile:
                sync.reconcile(world.settings, world.whoop, clock=world.clock)
                next_reconcile = world.clock.now() + 6 * HOUR


def assert_complete(world: World, user_ids: list[int]) -> None:
    """What has been settled for two hours is stored as it is, and nothing that never was.

    What changed since may be on its way: with a league there is no moment without.
    """
    sandbox = world.sandbox
    now, before = sandbox.clock.milli(), sandbox.clock.milli() - 2 * 3_600_000
    newest, earlier = held(sandbox, user_ids, now), held(sandbox, user_ids, before)
    settled = {key: content for key, content in newest.items() if earlier.get(key) == content}
    found = stored_of(world, user_ids)
    assert len(settled) > 0.95 * len(newest)
    assert {key: content for key, content in found.items() if key in settled} == settled
    assert [
        key
        for key, content in found.items()
        if key not in settled and content not in (newest.get(key), earlier.get(key))
    ] == []


def assert_once(world: World) -> int:
    """No content of a record is stored twice, and one version of each is the newest."""
    assert (
        world.query(
            """
            select resource, record_key from raw_whoop.record_versions
            group by resource, record_key
            having count(*) > count(distinct content_hash) or count(*) filter (where is_newest) <> 1
            """
        )
        == []
    )
    [(versions,)] = world.query("select count(*) from raw_whoop.record_versions")
    return int(versions)


@pytest.mark.parametrize("lost_rate", [0.0, 0.5], ids=["webhooks arrive", "half of them are lost"])
def test_a_live_day_needs_at_most_eight_requests_per_athlete(
    database: Settings, tmp_path: Path, lost_rate: float
) -> None:
    sandbox, world = world_of(
        database,
        tmp_path,
        roster=ATHLETES,
        requests_per_minute=100,
        requests_per_day=10_000,
        faults=FaultScript(lost_rate=lost_rate),
    )

    @contextmanager
    def measured(what: str, days: int) -> Iterator[None]:
        began, at, sent = time.monotonic(), world.clock.now(), len(sandbox.requests())
        yield
        lines = [line for line in sandbox.requests()[sent:] if line.endpoint.startswith(API)]
        spent = per_athlete_day[what] = len(lines) / ATHLETES / days
        busiest = max(Counter(line.minute for line in lines).values())
        print(
            f"{what}: {len(lines)} requests, {spent:.2f} per athlete and day, at most {busiest} in "
            f"a minute, {len(sandbox.requests()) - sent - len(lines)} of tokens; "
            f"{world.clock.now() - at} simulated, {time.monotonic() - began:.0f} s"
        )

    per_athlete_day: dict[str, float] = {}
    with sandbox, inbox(world.settings, sandbox):
        world.join(ATHLETES)
        load_league(world.settings, sandbox)
        with measured("history", 1):
            assert world.sync().exit_code == 0
        with measured("first live day", 1):  # special: everything was just read
            live(world, 1)
        if not lost_rate:
            assert_complete(world, sandbox.members)
        with measured("live days", 2):
            live(world, 2)
        if lost_rate:
            # what was lost is read within a day: here at once, and nothing more is lost meanwhile
            sandbox.faults.script = FaultScript()
            world.sync()
            live(world, 0.1)
        assert_complete(world, sandbox.members)
        versions = assert_once(world)
        print(f"{len(stored(world.settings))} settled records, {versions} versions")
        assert 3 < per_athlete_day["live days"] <= 8
        assert not any(line.status == 429 for line in sandbox.requests())
        told = world.query(
            "select status, outcome, count(*) from operations.webhook_inbox group by 1, 2"
        )
        assert {status for status, _, _ in told} == {"done"}, told


FAULTS = {
    "lost": FaultScript(lost_rate=0.4),
    "twice": FaultScript(duplicate_rate=0.6),
    "out of order": FaultScript(reorder_rate=0.5, reorder_seconds=1800),
    "early": FaultScript(early_rate=0.6, early_seconds=900),
    "errors": FaultScript(error_rate=0.1),
    "skew": FaultScript(clock_skew_seconds=300),
    "all": FaultScript(
        lost_rate=0.2, duplicate_rate=0.2, reorder_rate=0.2, early_rate=0.2, error_rate=0.05
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_the_tables_end_the_same(
    database: Settings, tmp_path: Path, fault: str
) -> None:
    sandbox, world = world_of(database, tmp_path, roster=2, faults=FAULTS[fault])
    with sandbox, inbox(world.settings, sandbox):
        world.join(2)
        world.sync()
        live(world, 1)
        [(sleep,)] = world.query(
            """
            select record_key from raw_whoop.record_versions
            where resource = 'sleep' and is_newest and not is_deleted
            order by payload ->> 'start' desc limit 1 offset 1
            """
        )
        sandbox.delete_sleep(sleep)
        live(world, 1)
        world.sync()
        assert stored(world.settings) == held(sandbox, sandbox.members)


BEFORE_THE_CHANGE = datetime(2025, 10, 29, 17, tzinfo=UTC)
"""Clocks went back in the United States in the night to 2 November 2025."""

SCRIPT = (
    # mid-trip, and across the change of clocks, which Tokyo does not know
    Scripted(Kind.TIME_ZONE_CHANGE, 0, date(2025, 10, 31), "Asia/Tokyo", 4),
    Scripted(Kind.NO_SLEEP, 1, date(2025, 11, 1)),
    Scripted(Kind.TWO_MAIN_SLEEPS, 2, date(2025, 11, 1)),
    Scripted(Kind.NAP_ONLY, 3, date(2025, 11, 1)),
    Scripted(Kind.CALIBRATING, 4, date(2025, 10, 31)),
    Scripted(Kind.NO_SPO2, 5, date(2025, 10, 31)),
    Scripted(Kind.UNSCORABLE, 6, date(2025, 11, 2)),
    Scripted(Kind.EDIT, 7, date(2025, 11, 2)),
    Scripted(Kind.LATE_SYNC, 8, date(2025, 11, 2)),
    Scripted(Kind.REVOKES, 9, date(2025, 11, 1)),
)

# what each must have left in the tables, asked of the newest versions of one athlete
MARKS = {
    Kind.TIME_ZONE_CHANGE: "resource = 'sleep' and payload ->> 'timezone_offset' = '+09:00'",
    Kind.NO_SLEEP: """
        resource = 'cycle' and (payload ->> 'end')::timestamptz
            > (payload ->> 'start')::timestamptz + interval '36 hours'
    """,
    Kind.TWO_MAIN_SLEEPS: """
        resource = 'sleep' and not (payload -> 'nap')::boolean and exists (
            select from raw_whoop.sleep as earlier
            where earlier.connection_id = record_versions.connection_id
                and not (earlier.payload -> 'nap')::boolean
                and earlier.record_key <> record_versions.record_key
                and (earlier.payload ->> 'end')::timestamptz
                    between (record_versions.payload ->> 'end')::timestamptz - interval '16 hours'
                    and (record_versions.payload ->> 'end')::timestamptz
        )
    """,
    Kind.NAP_ONLY: """
        resource = 'cycle' and (payload ->> 'end')::timestamptz
            > (payload ->> 'start')::timestamptz + interval '36 hours'
    """,
    Kind.CALIBRATING: """
        resource = 'recovery' and (payload -> 'score' -> 'user_calibrating')::boolean
    """,
    Kind.NO_SPO2: """
        resource = 'recovery' and payload -> 'score' ? 'hrv_rmssd_milli'
            and not payload -> 'score' ? 'spo2_percentage'
    """,
    Kind.UNSCORABLE: "resource = 'recovery' and payload ->> 'score_state' = 'UNSCORABLE'",
    Kind.EDIT: """
        resource = 'sleep' and (
            select count(*) from raw_whoop.sleep as version
            where version.record_key = record_versions.record_key
                and version.payload ->> 'score_state' = 'SCORED'
        ) > 1
    """,
    Kind.LATE_SYNC: """
        resource = 'sleep' and (payload ->> 'created_at')::timestamptz
            > (payload ->> 'end')::timestamptz + interval '12 hours'
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "rates",
    [
        {
            "lost_rate": 0.2,
            "duplicate_rate": 0.2,
            "reorder_rate": 0.2,
            "early_rate": 0.2,
            "error_rate": 0.05,
            "reorder_seconds": 1800,
            "early_seconds": 900,
            "clock_skew_seconds": 120,
        },
    ],
    ids=["with every rate"],
)
def test_the_whole_fault_script_ends_in_the_tables_of_a_faultless_run(
    database: Settings, tmp_path: Path, rates: dict[str, float]
) -> None:
    faults = FaultScript(
        scripted=SCRIPT,
        roster_bursts=(date(2025, 11, 3),),
        slow_rate=0.02,
        slow_seconds=0.3,
        **rates,
    )
    sandbox, world = world_of(
        database, tmp_path, roster=len(SCRIPT), now=BEFORE_THE_CHANGE, faults=faults
    )
    with sandbox, inbox(world.settings, sandbox):
        world.join(len(SCRIPT))
        load_league(world.settings, sandbox)
        assert world.sync().exit_code == 0
        live(world, 2.5)
        revoked = sandbox.members[9]
        kept = stored_of(world, [revoked])
        assert kept
        live(world, 4.5)
        # webhooks stop with the revocation and none tells it: the first refused request does
        assert world.query(
            """
            select provider_user_id, status_reason in ('access_withdrawn', 'grant_refused')
            from operations.wearable_connections where status = 'reconnect'
            """
        ) == [(revoked, True)]
        assert kept.items() <= stored_of(world, [revoked]).items()
        if not rates:
            assert_complete(world, [user for user in sandbox.members if user != revoked])
        connect_member(sandbox, world.settings, world.whoop, revoked)
        assert world.sync().exit_code == 0
        assert stored(world.settings) == held(sandbox, sandbox.members)
        assert_once(world)
        for scripted in SCRIPT:
            if scripted.kind in MARKS:
                assert marks(world, scripted) > 0, scripted.kind
        offsets = world.query(
            """
            select count(distinct payload ->> 'timezone_offset') from raw_whoop.record_versions
            where resource = 'sleep' and provider_user_id = %s and is_newest
                and payload ->> 'timezone_offset' in ('-04:00', '-05:00')
            """,
            sandbox.members[7],
        )
        assert offsets == [(2,)]
        bursts = Counter(
            delivery.event_at
            for delivery in sandbox.deliveries()
            if delivery.type == "sleep.updated" and delivery.number == 0
        )
        assert max(bursts.values()) >= 3  # whoever woke in one zone on 3 November


def stored_of(world: World, user_ids: list[int]) -> dict[tuple[str, str], str]:
    return {
        key: content
        for key, content in stored(world.settings).items()
        if orjson.loads(content)["user_id"] in user_ids
    }


def marks(world: World, scripted: Scripted) -> int:
    [(count,)] = world.query(
        f"""
        select count(*) from raw_whoop.record_versions
        where is_newest and not is_deleted and provider_user_id = %s and ({MARKS[scripted.kind]})
            and coalesce(payload ->> 'end', payload ->> 'created_at')::timestamptz > %s
        """,
        world.sandbox.members[scripted.member],
        BEFORE_THE_CHANGE,
    )
    return int(count)
