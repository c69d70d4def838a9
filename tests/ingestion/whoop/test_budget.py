from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.whoop import locks
from ingestion.whoop.budget import KEPT, LONGEST_FLIGHT, RESERVES, Budget, Priority
from ingestion.whoop.errors import BudgetExhausted
from tests.ingestion.whoop.clocks import FastClock, ManualClock
from tests.ingestion.whoop.members import connected, environment, whoop_settings
from tests.ingestion.whoop.service import WhoopService

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEBHOOK, PREGAME, RECONCILE, BACKFILL = Priority


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def budget(own: Settings, service: WhoopService, clock: ManualClock) -> Budget:
    return Budget(own, whoop_settings(service), clock)


def take(budget: Budget, priority: Priority = WEBHOOK, patience: float = 0.0) -> int:
    return budget.acquire(
        priority, endpoint="/v2/cycle", connection_id=None, patience_seconds=patience
    )


def take_all(budget: Budget, priority: Priority, status: int | None = 200) -> int:
    """Take until there is no room; how many there were."""
    for number in range(100_000):
        try:
            request = take(budget, priority)
        except BudgetExhausted:
            return number
        budget.answered(request, status, {})
    raise AssertionError("no end")


@pytest.mark.slow
@pytest.mark.parametrize("is_sliding", [False, True])
def test_eight_processes_never_pass_a_limit(
    is_sliding: bool, own: Settings, service: WhoopService
) -> None:
    clock = FastClock(time.time(), 20.0)
    service.clock = clock
    service.is_sliding = is_sliding
    # one test for the minute and the day, one for all priorities at a time
    service.per_day = 200 if is_sliding else 10_000
    connection_id = connected(own, service.grant(), clock.now())
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.ingestion.whoop.asker", str(connection_id), "30"),
                *(str(0 if is_sliding else number % 4), str(clock.started), str(clock.speed)),
            ],
            cwd=PROJECT_ROOT,
            env=os.environ | environment(whoop_settings(service), own),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    outputs = [process.communicate(timeout=90)[0].split() for process in processes]
    answered = sum(int(output[0]) for output in outputs)
    held_back = sum(int(output[1]) for output in outputs)
    assert service.over_limit == 0
    assert service.largest_window(60) <= service.per_minute
    assert service.largest_window(86_400) <= service.per_day
    assert (answered, held_back) == ((200, 40) if is_sliding else (240, 0))


def test_lower_priorities_leave_room(budget: Budget, clock: ManualClock) -> None:
    taken = [take_all(budget, priority) for priority in reversed(Priority)]
    assert taken == [65, 15, 10, 10]
    for priority in Priority:
        with pytest.raises(BudgetExhausted) as caught:
            take(budget, priority, patience=60.9)
        assert caught.value.until == NOW + timedelta(seconds=61)
    clock.sleep(61)
    assert take_all(budget, BACKFILL) == 65


def test_the_day_has_reserves_too(budget: Budget, clock: ManualClock, own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        connection.execute(
            """
            insert into operations.whoop_requests (requested_at, answered_at, priority, endpoint)
            select %(at)s, %(at)s, 2, '/v2/cycle' from generate_series(1, 5990)
            """,
            {"at": NOW - timedelta(hours=20)},
        )
    assert take_all(budget, BACKFILL) == 10
    with pytest.raises(BudgetExhausted, match=r"used up until about 2026-11-22 16:00:01 UTC"):
        take(budget, BACKFILL, patience=3600)
    assert take_all(budget, RECONCILE) == 70  # its room of the minute
    clock.sleep(4 * 3600 + 2)
    assert take_all(budget, BACKFILL) == 65


def test_a_waiting_request_goes_once_there_is_room(budget: Budget, clock: ManualClock) -> None:
    take_all(budget, WEBHOOK)
    clock.sleep(30)
    request = take(budget, WEBHOOK, patience=60)
    assert 61 <= (clock.now() - NOW).total_seconds() < 63
    budget.answered(request, 200, {})
    (use,) = budget.report(NOW, NOW + timedelta(days=1))
    assert (use.requests, use.held) == (101, 1)


def test_waiting_requests_of_higher_priority_go_first(own: Settings, service: WhoopService) -> None:
    clock = FastClock(time.time(), 40.0)
    budget = Budget(own, whoop_settings(service), clock)
    told = {"X-RateLimit-Limit": "20, 20;window=60, 10000;window=86400"}
    budget.answered(take(budget), 200, told)
    for _ in range(19):
        budget.answered(take(budget), 200, told)
    order: list[tuple[int, Priority]] = []

    def wait(priority: Priority) -> None:
        request = take(budget, priority, patience=600)
        order.append((request, priority))
        budget.answered(request, 200, told)

    lower = [threading.Thread(target=wait, args=[BACKFILL]) for _ in range(8)]
    # with those that wait the limit leaves no room for a lower one: its room is 13
    higher = [threading.Thread(target=wait, args=[PREGAME]) for _ in range(14)]
    for thread in higher:
        thread.start()
    with connect(own, roles.INGEST, autocommit=True) as session:
        while locks.waiting_before(session, BACKFILL) + len(order) < len(higher):
            time.sleep(0.005)
    for thread in lower:
        thread.start()
    for thread in [*lower, *higher]:
        thread.join()
    assert [priority for _, priority in sorted(order)] == [PREGAME] * 14 + [BACKFILL] * 8


def test_room_is_left_for_those_that_wait(
    budget: Budget, clock: ManualClock, own: Settings
) -> None:
    waiting = [connect(own, roles.INGEST, autocommit=True) for _ in range(12)]
    for number, session in enumerate(waiting):
        locks.start_waiting(session, PREGAME if number < 9 else BACKFILL)
    assert take_all(budget, BACKFILL) == 65 - 9
    for session in waiting:
        session.close()  # as when its process dies
    deadline = time.monotonic() + 10
    with connect(own, roles.INGEST, autocommit=True) as session:
        while locks.waiting_before(session, BACKFILL) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert take_all(budget, BACKFILL) == 9


def test_thirty_at_once_get_what_is_left(
    budget: Budget, own: Settings, service: WhoopService, clock: ManualClock
) -> None:
    for _ in range(85):
        take(budget)
    barrier = threading.Barrier(30)

    def ask(_: int) -> bool:
        mine = Budget(own, whoop_settings(service), clock)
        barrier.wait()
        try:
            take(mine)
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(30) as executor:
        assert sum(executor.map(ask, range(30))) == 15


def test_a_request_under_way_counts_until_it_can_no_longer_arrive(
    budget: Budget, clock: ManualClock
) -> None:
    for _ in range(100):
        take(budget)  # a process that dies now answers none of them
    clock.sleep(LONGEST_FLIGHT.total_seconds() + 60.5)
    with pytest.raises(BudgetExhausted):
        take(budget)
    clock.sleep(1)
    take(budget)


def test_a_slow_answer_counts_from_its_end(budget: Budget, clock: ManualClock) -> None:
    requests = [take(budget) for _ in range(100)]
    clock.sleep(20)
    for request in requests:
        budget.answered(request, 200, {})
    clock.sleep(45)
    with pytest.raises(BudgetExhausted):
        take(budget)
    clock.sleep(16)
    take(budget)


def test_what_was_not_sent_does_not_count(budget: Budget) -> None:
    requests = [take(budget) for _ in range(100)]
    budget.release(requests[7])
    take(budget)
    with pytest.raises(BudgetExhausted):
        take(budget)


def test_limits_are_those_of_the_headers(budget: Budget) -> None:
    told = {"x-ratelimit-limit": "500, 500;window=60, 70000;window=86400"}
    budget.answered(take(budget), 200, told)
    assert take_all(budget, WEBHOOK) == 499


@pytest.mark.parametrize(
    "told",
    [
        {"X-RateLimit-Limit": "", "X-RateLimit-Remaining": "-3", "X-RateLimit-Reset": "soon"},
        {"X-RateLimit-Limit": "0, 0;window=60", "X-RateLimit-Remaining": "x"},
        {"X-RateLimit-Limit": "7;window=61", "X-RateLimit-Remaining": "nan"},
        {"X-RateLimit-Remaining": "0"},
    ],
)
def test_headers_that_say_nothing_change_nothing(told: dict[str, str], budget: Budget) -> None:
    budget.answered(take(budget), 200, told)
    assert take_all(budget, WEBHOOK) == 99


def test_requests_from_elsewhere_are_believed(
    budget: Budget, service: WhoopService, clock: ManualClock
) -> None:
    limits = "100, 100;window=60, 10000;window=86400"
    told = {"X-RateLimit-Limit": limits, "X-RateLimit-Remaining": "60"}
    budget.answered(take(budget), 200, told)
    assert take_all(budget, WEBHOOK) == 60
    (use,) = budget.report(NOW, NOW + timedelta(days=1))
    assert (use.requests, use.elsewhere) == (61, 39)
    clock.sleep(61)
    # the day is the nearest limit now
    request = take(budget)
    told["X-RateLimit-Limit"] = limits.replace("100,", "10000,", 1)
    told["X-RateLimit-Remaining"] = "5"
    budget.answered(request, 200, told)
    for _ in range(5):
        take(budget)
    with pytest.raises(BudgetExhausted) as caught:
        take(budget, patience=3600)
    assert caught.value.until > NOW + timedelta(hours=23)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"X-RateLimit-Reset": "17", "Retry-After": "90"}, 17, 19),
        ({"Retry-After": "90"}, 90, 92),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:40 GMT"}, 40, 42),
        ({"X-RateLimit-Reset": "never"}, 5, 7.6),
        ({}, 5, 7.6),
        ({"X-RateLimit-Reset": "1763812800"}, 86_400, 86_400),  # no moment of time is a wait
    ],
)
def test_a_429_holds_everybody(
    headers: dict[str, str], least: float, most: float, budget: Budget, clock: ManualClock
) -> None:
    budget.answered(take(budget), 429, headers)
    with pytest.raises(BudgetExhausted) as caught:
        take(budget)
    assert least <= (caught.value.until - NOW).total_seconds() <= most
    take(budget, BACKFILL, patience=100_000)
    assert clock.now() >= caught.value.until


def test_429s_in_a_row_wait_longer(budget: Budget, clock: ManualClock) -> None:
    waits = []
    for _ in range(4):
        budget.answered(take(budget, patience=1000), 429, {})
        with pytest.raises(BudgetExhausted) as caught:
            take(budget)
        waits.append((caught.value.until - clock.now()).total_seconds())
    assert all(later > earlier for earlier, later in itertools.pairwise(waits))


def test_old_rows_are_pruned_and_the_report_counts(budget: Budget, clock: ManualClock) -> None:
    one, another = uuid4(), uuid4()
    for connection_id, count in ((one, 5), (another, 2)):
        for _ in range(count):
            request = budget.acquire(
                RECONCILE, endpoint="/v2/sleep", connection_id=connection_id, patience_seconds=0
            )
            budget.answered(request, 200, {})
    budget.answered(take(budget), 429, {"Retry-After": "1"})
    (use,) = budget.report(NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert (use.athletes, use.requests, use.most_for_one_athlete) == (2, 8, 5)
    assert use.requests_per_athlete == 4.0
    assert use.by_priority == {"webhook": 1, "reconcile": 7}
    assert use.by_endpoint == {"/v2/cycle": 1, "/v2/sleep": 7}
    assert (use.held, use.refused) == (0, 1)
    assert budget.requests_per_athlete_day(NOW, NOW + timedelta(days=1)) == {NOW.date(): 4.0}
    clock.sleep(KEPT.total_seconds() + 1)
    budget.answered(take(budget), 200, {})
    assert len(budget.report(NOW - timedelta(days=1), clock.now() + timedelta(days=1))) == 1


def test_reserves_fall_with_priority() -> None:
    for higher, lower in itertools.pairwise(Priority):
        assert RESERVES[higher].of_minute < RESERVES[lower].of_minute
        assert RESERVES[higher].of_day < RESERVES[lower].of_day
