from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from ingestion.whoop import sync, webhook_worker
from ingestion.whoop.errors import ServiceUnavailable
from ingestion.whoop.report import WhoopReport
from tests.ingestion.whoop.sandboxed import connect_member, decide, file_delivery, held, stored
from tests.ingestion.whoop.test_sync import World, world_of


@pytest.fixture
def world(database: Settings, tmp_path: Path) -> Iterator[World]:
    """One athlete whose history is stored, and whose deliveries the test writes itself."""
    sandbox, made = world_of(database, tmp_path, roster=2)
    with sandbox:
        made.join(1)
        made.sync()
        yield made


def work(world: World) -> WhoopReport:
    report = WhoopReport()
    with sync.opened(
        world.settings, world.whoop, world.clock, report, settling=timedelta(0)
    ) as parts:
        parts.worker.work_off()
    return report


def tell(world: World, kind: str, object_id: str, user_id: int | None = None) -> None:
    event = {
        "trace_id": str(uuid4()),
        "type": kind,
        "user_id": user_id or world.sandbox.members[0],
        "id": object_id,
    }
    file_delivery(world.settings, event, world.clock.now())


def newest(world: World, resource: str, offset: int = 0) -> str:
    order = "payload ->> 'start'" if resource != "recovery" else "record_key"
    [(key,)] = world.query(
        f"""
        select record_key from raw_whoop.record_versions
        where resource = %s and is_newest and not is_deleted
            and coalesce(payload ->> 'nap', 'false') = 'false'
        order by {order} desc limit 1 offset %s
        """,
        resource,
        offset,
    )
    return str(key)


def requests_since(world: World, count: int) -> Counter[str]:
    rows = world.query(
        "select endpoint from operations.whoop_requests where endpoint <> 'token' "
        "order by request_id offset %s",
        count,
    )
    return Counter(row[0] for row in rows)


def sent(world: World) -> int:
    return int(
        world.query("select count(*) from operations.whoop_requests where endpoint <> 'token'")[0][
            0
        ]
    )


def outcomes(world: World) -> Counter[tuple[str, str]]:
    return Counter(world.query("select status, outcome from operations.webhook_inbox"))


def test_events_about_one_night_share_their_fetches(world: World) -> None:
    sleep = newest(world, "sleep")
    world.sandbox.edit_sleep(sleep, timedelta(minutes=-20))
    before = sent(world)
    for kind in ("sleep.updated", "recovery.updated", "sleep.updated", "recovery.updated"):
        tell(world, kind, sleep)
    work(world)
    # the recovery by its cycle: WHOOP has none by the id of the delivery
    assert requests_since(world, before) == {
        "/v2/activity/sleep/{id}": 1,
        "/v2/cycle/{id}/recovery": 1,
    }
    assert outcomes(world) == {("done", "stored"): 4}
    world.sandbox.advance(3600)
    tell(world, "recovery.updated", sleep)
    work(world)
    is_stored, is_held = (
        {key: text for key, text in found.items() if key[0] in ("sleep", "recovery")}
        for found in (stored(world.settings), held(world.sandbox, world.sandbox.members[:1]))
    )
    assert is_stored == is_held


def test_deletions_need_no_request_and_cascade(world: World) -> None:
    sleep, workout = newest(world, "sleep", 3), newest(world, "workout", 2)
    world.sandbox.delete_sleep(sleep)
    world.sandbox.delete_workout(workout)
    before = sent(world)
    tell(world, "sleep.deleted", sleep)
    tell(world, "workout.deleted", workout)
    report = work(world)
    assert sent(world) == before
    assert report.deletions == 3
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])
    # looked at once more, and settled
    watched = (
        "select resource, reason from operations.whoop_watched_records where reason = 'deleted'"
    )
    assert len(world.query(watched)) == 3
    world.sandbox.advance(timedelta(minutes=11))
    world.sync()
    assert world.query(watched) == []
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])


def test_a_recovery_is_deleted_by_the_id_of_its_sleep(world: World) -> None:
    sleep = newest(world, "sleep", 3)
    world.sandbox.delete_sleep(sleep)
    tell(world, "recovery.deleted", sleep)
    assert work(world).deletions == 1
    tell(world, "sleep.deleted", sleep)
    assert work(world).deletions == 1
    tell(world, "recovery.deleted", str(uuid4()))  # nobody knows it
    assert work(world).deletions == 0


def test_a_late_update_does_not_bring_a_deleted_record_back(world: World) -> None:
    sleep = newest(world, "sleep", 3)
    world.sandbox.delete_sleep(sleep)
    tell(world, "sleep.deleted", sleep)
    work(world)
    tell(world, "sleep.updated", sleep)
    tell(world, "recovery.updated", sleep)
    work(world)
    assert ("sleep", sleep) not in stored(world.settings)
    assert outcomes(world) == {("done", "deleted"): 3}


def test_a_deletion_that_is_not_true_is_undone(world: World) -> None:
    """A delivery that was overtaken: the API says the record is there."""
    sleep = newest(world, "sleep", 3)
    tell(world, "sleep.deleted", sleep)
    work(world)
    assert ("sleep", sleep) not in stored(world.settings)
    world.sandbox.advance(timedelta(minutes=11))
    world.sync()
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])


def test_a_delivery_before_the_record_is_watched(world: World) -> None:
    unknown = str(uuid4())
    tell(world, "workout.updated", unknown)
    work(world)
    assert outcomes(world) == {("done", "not_found_yet"): 1}
    watched = "select reason, reads from operations.whoop_watched_records where record_key = %s"
    assert world.query(watched, unknown) == [("not_found", 0)]
    world.sandbox.advance(timedelta(minutes=2))
    world.sync()
    assert world.query(watched, unknown) == [("not_found", 1)]
    world.sandbox.advance(timedelta(hours=13))
    report = world.sync()
    assert report.watched_given_up >= 1
    assert world.query(watched, unknown) == []


def test_an_unknown_account_waits_and_is_then_ignored(world: World) -> None:
    stranger = world.sandbox.members[1]
    tell(world, "sleep.updated", str(uuid4()), stranger)
    work(world)
    assert outcomes(world) == {("waiting", "unknown_account"): 1}
    world.query("update operations.webhook_inbox set not_before = now()")
    connect_member(world.sandbox, world.settings, world.whoop, stranger)
    work(world)
    assert outcomes(world) == {("done", "not_found_yet"): 1}
    tell(world, "sleep.updated", str(uuid4()), 4)
    world.query(
        "update operations.webhook_inbox set received_at = now() - interval '2 hours', "
        "not_before = now() where provider_user_id = 4"
    )
    work(world)
    assert outcomes(world)["ignored", "unknown_account"] == 1


def test_odd_deliveries_are_settled_without_a_request(world: World) -> None:
    before = sent(world)
    tell(world, "workout.updated", "../../user/access")
    tell(world, "body.updated", str(uuid4()))
    work(world)
    assert outcomes(world) == {("failed", "bad_object_id"): 1, ("ignored", "unknown_type"): 1}
    assert sent(world) == before


def test_after_a_withdrawal_a_delivery_does_nothing(world: World) -> None:
    [(player_id,)] = world.query("select player_id from operations.wearable_connections")
    before = sent(world), stored(world.settings)
    with connect(world.settings, roles.INGEST) as connection:
        decide(connection, player_id, "withdrawn")
    tell(world, "sleep.updated", newest(world, "sleep"))
    work(world)
    assert outcomes(world) == {("waiting", "unknown_account"): 1}
    assert (sent(world), stored(world.settings)) == before


def test_an_outage_is_waited_out_and_given_up_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: object, **kw: object) -> None:
        raise ServiceUnavailable("/v2/activity/sleep/{id}", "HTTP 500")

    monkeypatch.setattr(sync.WhoopApi, "get", down)
    tell(world, "sleep.updated", newest(world, "sleep"))
    waits = []
    for _ in range(webhook_worker.MOST_ATTEMPTS):
        work(world)
        waits += world.query(
            "select extract(epoch from not_before - now())::integer, status "
            "from operations.webhook_inbox"
        )
        world.query("update operations.webhook_inbox set not_before = now()")
    assert [status for _, status in waits] == ["waiting"] * 7 + ["failed"]
    assert [round(seconds / 60) for seconds, _ in waits[:7]] == [1, 2, 4, 8, 16, 32, 60]
    assert outcomes(world) == {("failed", "service_unavailable"): 1}


def test_a_lease_ends_and_another_worker_takes_over(world: World) -> None:
    tell(world, "sleep.updated", newest(world, "sleep"))
    world.query(
        "update operations.webhook_inbox set attempts = 1, "
        "claimed_until = now() + interval '5 minutes'"
    )
    assert not work(world).events
    world.query("update operations.webhook_inbox set claimed_until = now() - interval '1 second'")
    assert sum(work(world).events.values()) == 1


def test_several_workers_take_each_object_once(world: World) -> None:
    keys = [newest(world, "sleep", place) for place in range(12)]
    before = sent(world)
    for key in keys:
        tell(world, "sleep.updated", key)
        tell(world, "recovery.updated", key)
    threads = [threading.Thread(target=work, args=(world,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes(world).values()) == 24
    assert requests_since(world, before) == {
        "/v2/activity/sleep/{id}": 12,
        "/v2/cycle/{id}/recovery": 12,
    }
    assert world.query("select max(attempts) from operations.webhook_inbox") == [(1,)]


def test_what_webhooks_missed_is_counted(world: World) -> None:
    tell(world, "sleep.updated", newest(world, "sleep"))  # webhooks are on
    work(world)
    world.sandbox.advance(timedelta(days=1))
    report = sync.reconcile(world.settings, world.whoop, clock=world.clock)
    assert report is not None
    assert report.missed_by_webhooks["sleep"] >= 1
    assert report.missed_by_webhooks["recovery"] >= 1
    assert stored(world.settings) == held(world.sandbox, world.sandbox.members[:1])
    again = sync.reconcile(world.settings, world.whoop, clock=world.clock)
    assert again is not None
    assert again.unchanged == 0  # read today
