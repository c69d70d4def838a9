"""The simulated WHOOP service tells of changes as WHOOP's webhooks do, faults included."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests

from ingestion.sandbox.whoop import (
    Fault,
    FaultScript,
    Kind,
    Scripted,
    Switches,
    WhoopSandbox,
    WhoopSandboxSettings,
)
from ingestion.whoop.signature import verify
from tests.support.whoop import SECONDS, Hook, Receiver, connect, receiver, refresh

OFFSETS = (60, 300, 900, 1800, 3600)


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def sandbox(inbox: Receiver) -> Iterator[WhoopSandbox]:
    settings = WhoopSandboxSettings(roster_size=3, history_days=10, webhook_urls=(inbox.url,))
    with WhoopSandbox(settings) as running:
        yield running


def last_sleep(sandbox: WhoopSandbox) -> str:
    """A scored main sleep of the first member."""
    rows = [r for r in sandbox.truth() if r.user_id == sandbox.members[0] and r.is_scorable]
    return rows[-3].sleep_id


def edit(sandbox: WhoopSandbox) -> str:
    sleep_id = last_sleep(sandbox)
    sandbox.edit_sleep(sleep_id, timedelta(minutes=-1))
    return sleep_id


def stamp(hook: Hook) -> int:
    return int(hook.headers["X-WHOOP-Signature-Timestamp"])


# --- what is told ------------------------------------------------------------------------------


def test_a_webhook_has_four_fields_and_a_signature(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    client = connect(sandbox)
    sleep_id = edit(sandbox)
    assert [hook.body["type"] for hook in inbox.hooks] == ["sleep.updated", "recovery.updated"]
    for hook in inbox.hooks:
        assert set(hook.body) == {"user_id", "id", "type", "trace_id"}
        assert (hook.body["user_id"], hook.body["id"]) == (client.user_id, sleep_id)
        text = hook.headers["X-WHOOP-Signature-Timestamp"]
        signature = hook.headers["X-WHOOP-Signature"]
        assert int(text) == sandbox.clock.milli()
        assert verify(sandbox.settings.client_secret, text, hook.raw, signature)
        assert not verify("another", text, hook.raw, signature)
        assert not verify(sandbox.settings.client_secret, text, hook.raw + b" ", signature)
    assert len({hook.body["trace_id"] for hook in inbox.hooks}) == 2


def test_a_day_tells_of_everything_that_can_be_read(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    began = sandbox.clock.milli()
    clients = [connect(sandbox, user_id) for user_id in sandbox.members[:2]]
    sandbox.advance(timedelta(days=4))
    told = Counter((hook.body["type"], hook.body["id"]) for hook in inbox.hooks)
    expected: Counter[tuple[str, str]] = Counter()
    for client in clients:
        member = sandbox.member(client.user_id)
        for kind, records in (("sleep", member.sleeps), ("workout", member.workouts)):
            for key, record in records.items():
                count = sum(began < v.at <= sandbox.clock.milli() for v in record.versions)
                expected[f"{kind}.updated", key] += count
        for record in member.recoveries.values():
            count = sum(began < v.at <= sandbox.clock.milli() for v in record.versions)
            row = record.versions[0].row or {}
            expected["recovery.updated", row["sleep_id"]] += count
    assert told == +expected
    assert {kind for kind, _ in told} == {"sleep.updated", "recovery.updated", "workout.updated"}
    assert {hook.body["user_id"] for hook in inbox.hooks} == {c.user_id for c in clients}
    times = [stamp(hook) for hook in inbox.hooks]
    assert times == sorted(times)
    naps = {
        key
        for client in clients
        for key, record in sandbox.member(client.user_id).sleeps.items()
        if (record.versions[0].row or {})["nap"]
    }
    assert not naps & {body["id"] for body in inbox.of("recovery.updated")}


def test_the_receiver_reads_the_world_of_the_delivery(
    sandbox: WhoopSandbox, inbox: Receiver
) -> None:
    client = connect(sandbox)
    seen: list[tuple[int, str]] = []

    def read(hook: Hook) -> int:
        if hook.body["type"] == "sleep.updated":
            answer = client.get(f"/v2/activity/sleep/{hook.body['id']}")
            seen.append((answer.status_code, answer.json()["score_state"]))
        return 200

    inbox.answer = read
    # stay within the hour of the access token, around the upload of a night
    member = sandbox.member(client.user_id)
    member.ensure(sandbox.clock.milli() + 3 * 86_400_000)
    row = next(r for r in member.truth if r.sleep_start > sandbox.clock.milli() and r.is_scorable)
    created = member.sleeps[row.sleep_id].versions[0].at
    sandbox.advance_to(datetime.fromtimestamp(created / 1000, UTC) - timedelta(minutes=5))
    client.access = connect(sandbox).access
    seen.clear()
    sandbox.advance(timedelta(minutes=40))
    assert seen[:2] == [(200, "PENDING_SCORE"), (200, "SCORED")]


def test_deletions_are_told_and_cascade(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    sleep_id = last_sleep(sandbox)
    sandbox.delete_sleep(sleep_id)
    workouts = sandbox.member(sandbox.members[0]).workouts
    workout_id = next(key for key, record in workouts.items() if record.at(sandbox.clock.milli()))
    sandbox.delete_workout(workout_id)
    assert {(hook.body["type"], hook.body["id"]) for hook in inbox.hooks} == {
        ("sleep.deleted", sleep_id),
        ("recovery.deleted", sleep_id),
        ("workout.deleted", workout_id),
    }
    sandbox.advance(timedelta(hours=30))
    assert not [hook for hook in inbox.hooks[3:] if hook.body["id"] in (sleep_id, workout_id)]


def test_nothing_is_told_of_whoever_is_not_connected(
    sandbox: WhoopSandbox, inbox: Receiver
) -> None:
    sandbox.advance(timedelta(days=1))
    assert inbox.hooks == []
    client = connect(sandbox)
    sandbox.advance(timedelta(days=1))
    assert inbox.hooks
    assert min(stamp(hook) for hook in inbox.hooks) > sandbox.clock.milli() - 86_400_000
    new = refresh(sandbox, client.refresh_token or "").json()
    client.access = new["access_token"]
    assert client.request("DELETE", "/v2/user/access").status_code == 204
    inbox.hooks.clear()
    sandbox.advance(timedelta(days=1))
    assert inbox.hooks == []


def test_every_address_gets_every_event(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    with receiver() as second:
        url = f"{sandbox.base_url}/__sim/webhooks"
        urls = [inbox.url, second.url]
        assert requests.post(url, json={"urls": urls}, timeout=SECONDS).ok
        assert requests.get(url, timeout=SECONDS).json() == {"urls": urls}
        edit(sandbox)
        assert [hook.raw for hook in inbox.hooks] == [hook.raw for hook in second.hooks]
        assert len(second.hooks) == 2


# --- repetition --------------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["signed_again", "original"])
def test_a_failed_delivery_is_repeated_five_times_in_an_hour(
    sandbox: WhoopSandbox, inbox: Receiver, position: str
) -> None:
    sandbox.switch(retry_timestamp=position)
    connect(sandbox)
    inbox.answer = lambda hook: 503 if hook.body["type"] == "sleep.updated" else 200
    began = sandbox.clock.milli() + 1
    sleep_id = edit(sandbox)
    sandbox.advance(3700)
    hooks = [
        h for h in inbox.hooks if (h.body["type"], h.body["id"]) == ("sleep.updated", sleep_id)
    ]
    assert len(hooks) == 6
    assert len({hook.raw for hook in hooks}) == 1
    log = [line for line in sandbox.deliveries() if line.trace_id == hooks[0].body["trace_id"]]
    assert [line.sent_at - began for line in log[:6]] == [0, *(1000 * o for o in OFFSETS)]
    assert [line.number for line in log[:6]] == [0, 1, 2, 3, 4, 5]
    assert [line.outcome for line in log] == ["failed"] * 6 + ["given_up"]
    assert {line.status for line in log} == {503}
    times = [stamp(hook) - began for hook in hooks]
    again = position == "signed_again"
    assert times == ([0, *(1000 * offset for offset in OFFSETS)] if again else [0] * 6)
    for hook in hooks:
        text, signature = (
            hook.headers[name] for name in ("X-WHOOP-Signature-Timestamp", "X-WHOOP-Signature")
        )
        assert verify(sandbox.settings.client_secret, text, hook.raw, signature)


def test_a_repetition_stops_with_success_and_offsets_are_a_switch(
    sandbox: WhoopSandbox, inbox: Receiver
) -> None:
    sandbox.switch(retry_offsets_seconds=[5, 10, 15])
    connect(sandbox)
    count = itertools.count()
    inbox.answer = lambda hook: 500 if next(count) < 4 else 200
    edit(sandbox)
    assert sandbox.pending_deliveries() == 2
    sandbox.advance(20)
    assert len(inbox.hooks) == 6
    assert sandbox.pending_deliveries() == 0
    assert [line.outcome for line in sandbox.deliveries()].count("delivered") == 2


def test_a_receiver_that_is_not_there_is_a_failure(sandbox: WhoopSandbox) -> None:
    with receiver() as gone:
        sandbox.webhook_urls = (gone.url,)
    connect(sandbox)
    edit(sandbox)
    assert [(line.status, line.outcome) for line in sandbox.deliveries()] == [(None, "failed")] * 2


def test_a_slow_receiver_times_out(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    release = threading.Event()

    def wait(hook: Hook) -> int:
        release.wait(1.0)
        return 200

    inbox.answer = wait
    sandbox.switch(webhook_timeout_seconds=0.2)
    edit(sandbox)
    assert {line.outcome for line in sandbox.deliveries()} == {"timeout"}
    release.set()
    sandbox.switch(webhook_timeout_seconds=5.0)
    sandbox.advance(60)
    assert [line.outcome for line in sandbox.deliveries()[2:]] == ["delivered"] * 2


def test_a_redirect_is_a_failure(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    inbox.answer = lambda hook: 302
    edit(sandbox)
    assert {line.outcome for line in sandbox.deliveries()} == {"failed"}


def test_repetitions_end_with_the_consent(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    inbox.answer = lambda hook: 500
    edit(sandbox)
    sandbox.revoke_in_app(sandbox.members[0])
    inbox.hooks.clear()
    sandbox.advance(3700)
    assert inbox.hooks == []
    assert [line.outcome for line in sandbox.deliveries()] == ["failed"] * 2 + ["dropped"] * 2


# --- faults ------------------------------------------------------------------------------------


def test_a_lost_delivery_never_comes(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    sandbox.faults.order(Fault.LOST, match="sleep")
    edit(sandbox)
    sandbox.advance(4000)
    edit(sandbox)
    assert [body["type"] for body in (hook.body for hook in inbox.hooks)][:1] == [
        "recovery.updated"
    ]
    assert [line.outcome for line in sandbox.deliveries()].count("lost") == 1
    assert len(inbox.of("sleep.updated")) == 1


def test_a_duplicate_has_the_same_trace_id(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    url = f"{sandbox.base_url}/__sim/faults"
    order = {"fault": "duplicate", "match": "recovery", "member": sandbox.members[0]}
    assert requests.post(url, json=order, timeout=SECONDS).ok
    edit(sandbox)
    sandbox.advance(2)
    recoveries = inbox.of("recovery.updated")
    assert len(recoveries) == 2
    assert recoveries[0] == recoveries[1]
    assert [line.is_duplicate for line in sandbox.deliveries()] == [False, False, True]
    shown = requests.get(f"{sandbox.base_url}/__sim/deliveries", timeout=SECONDS).json()
    assert [line["outcome"] for line in shown] == ["delivered"] * 3


def test_deliveries_may_change_their_order(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    connect(sandbox)
    sandbox.faults.order(Fault.REORDER, match="sleep.deleted")
    sandbox.delete_sleep(last_sleep(sandbox))
    sandbox.advance(121)
    assert [hook.body["type"] for hook in inbox.hooks] == ["recovery.deleted", "sleep.deleted"]


def test_a_delivery_may_come_before_its_record(sandbox: WhoopSandbox, inbox: Receiver) -> None:
    client = connect(sandbox)
    member = sandbox.member(client.user_id)
    statuses: dict[str, int] = {}

    def read(hook: Hook) -> int:
        if hook.body["type"] == "sleep.updated":
            path = f"/v2/activity/sleep/{hook.body['id']}"
        elif hook.body["type"] == "recovery.updated":
            path = f"/v2/cycle/{member.cycle_of_sleep[hook.body['id']]}/recovery"
        else:
            path = f"/v2/activity/workout/{hook.body['id']}"
        statuses.setdefault(path, client.get(path).status_code)
        return 200

    for kind in ("sleep", "recovery"):
        sandbox.faults.order(Fault.EARLY, match=kind)
    inbox.answer = read
    edit(sandbox)
    assert sorted(statuses.values()) == [404, 404]
    sandbox.advance(30)
    assert {client.get(path).status_code for path in statuses} == {200}


def test_faults_at_a_rate_are_drawn_from_the_seed(inbox: Receiver) -> None:
    def run() -> tuple[list[Any], list[Any]]:
        script = FaultScript(lost_rate=0.2, duplicate_rate=0.2, reorder_rate=0.2, early_rate=0.1)
        settings = WhoopSandboxSettings(
            roster_size=2, history_days=3, faults=script, webhook_urls=(inbox.url,)
        )
        inbox.hooks.clear()
        with WhoopSandbox(settings) as sandbox:
            for user_id in sandbox.members:
                connect(sandbox, user_id)
            sandbox.advance(timedelta(days=5))
            log = sorted(
                (line.sent_at, line.trace_id, line.outcome) for line in sandbox.deliveries()
            )
            return log, sorted(hook.raw for hook in inbox.hooks)

    first, second = run(), run()
    assert first == second
    outcomes = Counter(outcome for *_, outcome in first[0])
    assert 0.08 < outcomes["lost"] / sum(outcomes.values()) < 0.35
    assert len(first[1]) > len(set(first[1]))


def test_a_roster_wakes_at_once(inbox: Receiver) -> None:
    plain = WhoopSandboxSettings(roster_size=18, history_days=3)
    on = plain.clock_start.date() + timedelta(days=2)
    settings = WhoopSandboxSettings(
        roster_size=18,
        history_days=3,
        faults=FaultScript(roster_bursts=(on,)),
        webhook_urls=(inbox.url,),
    )
    with WhoopSandbox(settings) as sandbox:
        for user_id in sandbox.members:
            connect(sandbox, user_id)
        sandbox.advance_to(datetime(on.year, on.month, on.day, 20, tzinfo=UTC))
        rows = [row for row in sandbox.truth() if row.night == on]
        assert len(rows) >= 15
        moments = Counter()
        for row in rows:
            record = sandbox.member(row.user_id).sleeps[row.sleep_id]
            created = datetime.fromtimestamp(record.versions[0].at / 1000, UTC)
            offset = (record.versions[0].row or {})["timezone_offset"]
            local = created.astimezone(datetime.fromisoformat(f"2025-01-01T00:00{offset}").tzinfo)
            assert (local.date(), local.hour, local.minute, local.second) == (on, 7, 0, 0)
            moments[created] += 1
        assert max(moments.values()) >= 10
        at = {line.event_at for line in sandbox.deliveries() if line.type == "sleep.updated"}
        assert {int(moment.timestamp() * 1000) for moment in moments} <= at
        assert all(line.outcome == "delivered" for line in sandbox.deliveries())


def test_a_member_revokes_in_the_app_on_a_date(inbox: Receiver) -> None:
    start = datetime(2025, 11, 20, 17, tzinfo=UTC)
    script = FaultScript(scripted=(Scripted(Kind.REVOKES, 0, date(2025, 11, 22)),))
    settings = WhoopSandboxSettings(
        roster_size=2, history_days=3, now=start, faults=script, webhook_urls=(inbox.url,)
    )
    with WhoopSandbox(settings) as sandbox:
        clients = [connect(sandbox, user_id) for user_id in sandbox.members]
        sandbox.advance(timedelta(days=5))
        noon = int(datetime(2025, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
        last = {
            client.user_id: max(
                stamp(hook) for hook in inbox.hooks if hook.body["user_id"] == client.user_id
            )
            for client in clients
        }
        assert last[clients[0].user_id] <= noon < last[clients[1].user_id]
        assert refresh(sandbox, clients[0].refresh_token or "").status_code == 400
        assert refresh(sandbox, clients[1].refresh_token or "").status_code == 200


def test_the_signing_clock_may_be_skewed(inbox: Receiver) -> None:
    settings = WhoopSandboxSettings(
        roster_size=1,
        faults=FaultScript(clock_skew_seconds=-400),
        webhook_urls=(inbox.url,),
        switches=Switches(retry_offsets_seconds=()),
    )
    with WhoopSandbox(settings) as sandbox:
        connect(sandbox)
        edit(sandbox)
        assert {stamp(hook) - sandbox.clock.milli() for hook in inbox.hooks} == {-400_000}


def test_a_running_clock_delivers_by_itself(inbox: Receiver) -> None:
    settings = WhoopSandboxSettings(roster_size=3, history_days=2, webhook_urls=(inbox.url,))
    with WhoopSandbox(settings, speed=1) as sandbox:
        for user_id in sandbox.members:
            connect(sandbox, user_id)
        # only then: a code of ten minutes would end in 15 ms
        sandbox.clock.speed = 40_000
        deadline = time.monotonic() + 20
        while len(inbox.hooks) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(inbox.hooks) >= 6
