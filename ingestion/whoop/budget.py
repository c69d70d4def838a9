"""One request budget per app, shared by all processes through the database.

WHOOP counts per app over a minute and a day and does not say whether its windows are fixed or
sliding. We count sliding windows, which are within the limits of either. A request arrives at some
moment before its answer, so it counts from being let go until a window after its answer; one
without an answer counts as under way for as long as one can be.

Lower priorities leave room for higher ones (:data:`RESERVES`), and a request that waits goes before
those of lower priority: while it waits it holds a shared advisory lock that tells its priority,
which ends with its session and so with its process. Clocks of several machines must agree within
:data:`GUARD_SECONDS`.
"""

from __future__ import annotations

import email.utils
import hashlib
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

import psycopg

from ingestion.settings import Settings
from ingestion.whoop import locks
from ingestion.whoop.clock import Clock
from ingestion.whoop.errors import BudgetExhausted
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.settings import WhoopSettings


class Priority(IntEnum):
    """Who goes first; a lower number before a higher one."""

    WEBHOOK = 0
    PREGAME = 1
    RECONCILE = 2
    BACKFILL = 3


@dataclass(frozen=True)
class Reserve:
    """Shares of the limits that a priority leaves to higher ones (0-1)."""

    of_minute: float
    of_day: float


RESERVES = {
    Priority.WEBHOOK: Reserve(0.0, 0.0),
    # the fetches of a webhook that comes meanwhile are three (sleep, cycle, recovery): some of them
    Priority.PREGAME: Reserve(0.10, 0.02),
    # the pre-game window of a roster of 18 asks for three collections: 54 requests within minutes
    Priority.RECONCILE: Reserve(0.20, 0.10),
    # a league of 450 needs 8 requests per athlete on a live day, 3,600 of 10,000, whatever history
    # is being fetched
    Priority.BACKFILL: Reserve(0.35, 0.40),
}

PER_MINUTE = 100
PER_DAY = 10_000
"""WHOOP's documented limits, until its headers tell others."""

MINUTE = timedelta(seconds=60)
DAY = timedelta(days=1)
GUARD_SECONDS = 1.0
"""Between letting a request go and sending it, and between the clocks of two machines."""
LONGEST_FLIGHT = timedelta(seconds=100)
"""Connection, first byte and whole answer at their longest (:mod:`ingestion.whoop.http`)."""
POLL_SECONDS = {
    Priority.WEBHOOK: 0.5,
    Priority.PREGAME: 1.0,
    Priority.RECONCILE: 2.0,
    Priority.BACKFILL: 5.0,
}
"""How often a waiting request looks again: room can come early, and limits can rise."""
LONGEST_POLL_SECONDS = 60.0
"""Of a long wait a tenth at a time, up to this."""
SHORTEST_WAIT_SECONDS = 0.05
FIRST_BACKOFF_SECONDS = 5.0
LONGEST_BACKOFF_SECONDS = 300.0
"""After a 429 that says nothing of when: doubled by each in a row."""
LONGEST_BLOCK_SECONDS = 86_400.0
"""The longest window: a header that asks for more is wrong."""
KEPT = timedelta(days=14)
"""Two weeks of requests for the report: 140,000 rows at WHOOP's limits."""
PRUNE_EVERY = timedelta(hours=1)

ELSEWHERE = "elsewhere"
MOST_UNSEEN = 100_000
"""Rows for one answer's headers, ten times WHOOP's day: more is nonsense."""
TOO_MANY = 429

_COUNTS = """
    select
        count(*) filter (where counted_at > %(now)s - %(minute)s),
        count(*)
    from (
        select coalesce(answered_at, least(%(now)s, requested_at + %(flight)s)) as counted_at
        from operations.whoop_requests
        where requested_at > %(now)s - %(day)s - %(flight)s
    ) as recent
    where counted_at > %(now)s - %(day)s
"""
_COUNTED_AT = """
    select counted_at
    from (
        select coalesce(answered_at, least(%(now)s, requested_at + %(flight)s)) as counted_at
        from operations.whoop_requests
        where requested_at > %(now)s - %(window)s - %(flight)s
    ) as recent
    where counted_at > %(now)s - %(window)s
    order by counted_at
    offset %(place)s limit 1
"""


@dataclass(frozen=True)
class _Limits:
    blocked_until: datetime | None
    per_minute: int
    per_day: int


@dataclass(frozen=True)
class DayUse:
    """Requests of one day.

    Attributes:
        day: Date (UTC).
        athletes: Connections that were asked for.
        requests: All of this project's, token requests included.
        requests_per_athlete: ``requests`` by ``athletes``; None without any.
        most_for_one_athlete: The largest number for one connection.
        by_priority: Requests by name of priority.
        by_endpoint: Requests by path without ids.
        held: How many had to wait for the budget.
        refused: How many were answered 429.
        elsewhere: Requests of the same app that only the headers told of; in no other figure.
    """

    day: date
    athletes: int
    requests: int
    requests_per_athlete: float | None
    most_for_one_athlete: int
    by_priority: dict[str, int]
    by_endpoint: dict[str, int]
    held: int
    refused: int
    elsewhere: int


class Budget:
    """Lets requests go.

    Args:
        settings: The database.
        whoop: Names the app.
        clock: Tells the time and waits.
        sessions: Database sessions to borrow; default: its own.
    """

    def __init__(
        self,
        settings: Settings,
        whoop: WhoopSettings,
        clock: Clock,
        sessions: Sessions | None = None,
    ) -> None:
        self._app = hashlib.sha256(whoop.client_id.encode()).hexdigest()[:16]
        self._clock = clock
        self._sessions = sessions or Sessions(settings)
        self._pruned_at: datetime | None = None

    def acquire(
        self,
        priority: Priority,
        *,
        endpoint: str,
        connection_id: UUID | None,
        patience_seconds: float,
    ) -> int:
        """Wait until a request may go, and count it; send it at once.

        Args:
            priority: Its place.
            endpoint: Path without ids, or ``token``.
            connection_id: For whom; None where no athlete is concerned.
            patience_seconds: Longest wait (s).

        Returns:
            Id of the request, for :meth:`answered`.

        Raises:
            BudgetExhausted: If there is no room within the patience; at once if that is certain.
        """
        give_up_at = self._clock.now() + timedelta(seconds=patience_seconds)
        is_waiting = False
        with self._sessions.session() as session:
            try:
                while True:
                    with session.transaction():
                        session.execute("select pg_advisory_xact_lock(%s, %s)", locks.BUDGET)
                        # read under the lock: an older time would count too little
                        now = self._clock.now()
                        free_at = self._free_at(session, priority, now)
                        if free_at is None:
                            return self._let_go(
                                session, priority, endpoint, connection_id, now, is_waiting
                            )
                    if free_at > give_up_at:
                        raise BudgetExhausted(free_at)
                    if not is_waiting:
                        locks.start_waiting(session, priority)
                        is_waiting = True
                    seconds = (free_at - now).total_seconds()
                    poll = max(POLL_SECONDS[priority], min(seconds / 10, LONGEST_POLL_SECONDS))
                    self._clock.sleep(max(SHORTEST_WAIT_SECONDS, min(seconds, poll)))
            finally:
                if is_waiting:
                    locks.stop_waiting(session, priority)

    def release(self, request_id: int) -> None:
        """Give back a place whose request was not sent."""
        with self._sessions.session() as session:
            session.execute(
                "delete from operations.whoop_requests where request_id = %s", [request_id]
            )

    def answered(self, request_id: int, status: int | None, headers: Mapping[str, str]) -> None:
        """Note a request's answer, and what its headers say of the limits.

        Args:
            request_id: From :meth:`acquire`.
            status: HTTP status; None if no answer came.
            headers: Of the answer, names in any case.
        """
        told = {name.lower(): value for name, value in headers.items()}
        limits = _windows(told.get("x-ratelimit-limit"))
        with self._sessions.session() as session, session.transaction():
            session.execute("select pg_advisory_xact_lock(%s, %s)", locks.BUDGET)
            now = self._clock.now()
            session.execute(
                """
                update operations.whoop_requests set http_status = %s, answered_at = %s
                where request_id = %s
                """,
                [status, now, request_id],
            )
            if limits:
                session.execute(
                    """
                    update operations.whoop_rate_limits set
                        limit_per_minute = coalesce(%s, limit_per_minute),
                        limit_per_day = coalesce(%s, limit_per_day),
                        told_at = %s
                    where app = %s
                    """,
                    [limits.get(60), limits.get(86_400), now, self._app],
                )
            self._believe(session, told, now)
            if status == TOO_MANY:
                self._block(session, self._wait_after_429(session, told, now), now)
            self._prune(session, now)

    def report(self, since: datetime, until: datetime) -> list[DayUse]:
        """Requests by day.

        Args:
            since: From here on (aware).
            until: Up to and without this (aware).

        Returns:
            One entry per day (UTC) with requests, oldest first. Days older than
            :data:`KEPT` are gone.
        """
        with self._sessions.session() as session:
            rows = session.execute(
                """
                select
                    (requested_at at time zone 'UTC')::date as day, priority, endpoint,
                    connection_id, count(*), count(*) filter (where was_held),
                    count(*) filter (where http_status = %s)
                from operations.whoop_requests
                where requested_at >= %s and requested_at < %s
                group by day, priority, endpoint, connection_id
                order by day, priority, endpoint
                """,
                [TOO_MANY, since, until],
            ).fetchall()
        days: dict[date, list[Any]] = {}
        for day, *rest in rows:
            days.setdefault(day, []).append(rest)
        return [_day_use(day, parts) for day, parts in days.items()]

    def requests_per_athlete_day(self, since: datetime, until: datetime) -> dict[date, float]:
        """Requests by athlete, for each day (UTC) on which there were any; see :meth:`report`."""
        return {
            use.day: use.requests_per_athlete
            for use in self.report(since, until)
            if use.requests_per_athlete is not None
        }

    def _free_at(
        self, session: psycopg.Connection[Any], priority: Priority, now: datetime
    ) -> datetime | None:
        """When there may be room, None if there is."""
        limits = self._limits(session)
        if limits.blocked_until is not None and limits.blocked_until > now:
            return limits.blocked_until
        ahead = locks.waiting_before(session, priority)
        reserve = RESERVES[priority]
        used_minute, used_day = self._used(session, now)
        free_at = None
        for window, limit, share, used in (
            (MINUTE, limits.per_minute, reserve.of_minute, used_minute),
            (DAY, limits.per_day, reserve.of_day, used_day),
        ):
            # rounded down: an app with a tiny limit must be able to do its lowest work
            room = max(1, limit - math.floor(limit * share))
            too_many = used + ahead - room
            if too_many < 0:
                continue
            leaves = self._leaves_at(session, window, min(too_many, used - 1), now)
            free_at = leaves if free_at is None else max(free_at, leaves)
        return free_at

    def _leaves_at(
        self, session: psycopg.Connection[Any], window: timedelta, place: int, now: datetime
    ) -> datetime:
        """When the request at a place, by age from 0, leaves a window."""
        whole = window + timedelta(seconds=GUARD_SECONDS)
        row = None
        if place >= 0:
            row = session.execute(
                _COUNTED_AT,
                {"now": now, "window": whole, "flight": LONGEST_FLIGHT, "place": place},
            ).fetchone()
        # without any only those that wait before us are in the way
        return now + timedelta(seconds=SHORTEST_WAIT_SECONDS) if row is None else row[0] + whole

    def _used(self, session: psycopg.Connection[Any], now: datetime) -> tuple[int, int]:
        guard = timedelta(seconds=GUARD_SECONDS)
        row = session.execute(
            _COUNTS,
            {"now": now, "minute": MINUTE + guard, "day": DAY + guard, "flight": LONGEST_FLIGHT},
        ).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def _limits(self, session: psycopg.Connection[Any]) -> _Limits:
        row = session.execute(
            """
            select blocked_until, limit_per_minute, limit_per_day
            from operations.whoop_rate_limits where app = %s
            """,
            [self._app],
        ).fetchone()
        if row is not None:
            return _Limits(*row)
        session.execute(
            """
            insert into operations.whoop_rate_limits (app, limit_per_minute, limit_per_day)
            values (%s, %s, %s)
            """,
            [self._app, PER_MINUTE, PER_DAY],
        )
        return _Limits(None, PER_MINUTE, PER_DAY)

    def _let_go(
        self,
        session: psycopg.Connection[Any],
        priority: Priority,
        endpoint: str,
        connection_id: UUID | None,
        now: datetime,
        was_held: bool,
    ) -> int:
        row = session.execute(
            """
            insert into operations.whoop_requests (
                requested_at, priority, endpoint, connection_id, was_held
            )
            values (%s, %s, %s, %s, %s)
            returning request_id
            """,
            [now, int(priority), endpoint, connection_id, was_held],
        ).fetchone()
        assert row is not None  # noqa: S101 - an insert that returns
        return int(row[0])

    def _believe(
        self, session: psycopg.Connection[Any], told: Mapping[str, str], now: datetime
    ) -> None:
        """Count what WHOOP counted and we did not: requests of the same app from elsewhere."""
        remaining = _number(told.get("x-ratelimit-remaining"))
        nearest = re.match(r"\s*(\d+)\s*(?:,|$)", told.get("x-ratelimit-limit", ""))
        if remaining is None or nearest is None:
            return
        limits = self._limits(session)
        limit = int(nearest[1])
        used_minute, used_day = self._used(session, now)
        # as requests of now they leave a window late rather than early
        moment = now
        if limit == limits.per_minute:
            unseen = limit - int(remaining) - used_minute
        elif limit == limits.per_day:
            unseen = limit - int(remaining) - used_day
            # of the day, and hardly all of this minute
            moment -= MINUTE + timedelta(seconds=GUARD_SECONDS)
        else:
            return
        if unseen > 0:
            session.execute(
                """
                insert into operations.whoop_requests (
                    requested_at, answered_at, priority, endpoint
                )
                select %(at)s, %(at)s, 0, %(endpoint)s from generate_series(1, %(unseen)s)
                """,
                {"at": moment, "endpoint": ELSEWHERE, "unseen": min(unseen, MOST_UNSEEN)},
            )

    def _wait_after_429(
        self, session: psycopg.Connection[Any], told: Mapping[str, str], now: datetime
    ) -> float:
        for header in ("x-ratelimit-reset", "retry-after"):
            seconds = _seconds(told.get(header), now)
            if seconds is not None:
                # a second more: headers count whole ones
                return min(seconds + 1.0, LONGEST_BLOCK_SECONDS)
        row = session.execute(
            """
            select count(*) from operations.whoop_requests
            where http_status = %s and answered_at > %s - interval '10 minutes'
            """,
            [TOO_MANY, now],
        ).fetchone()
        in_a_row = 1 if row is None else max(1, int(row[0]))
        backoff = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(in_a_row - 1, 10), LONGEST_BACKOFF_SECONDS)
        return backoff * random.uniform(1.0, 1.5)  # noqa: S311

    def _block(self, session: psycopg.Connection[Any], seconds: float, now: datetime) -> None:
        self._limits(session)
        session.execute(
            """
            update operations.whoop_rate_limits
            set blocked_until = greatest(blocked_until, %s) where app = %s
            """,
            [now + timedelta(seconds=seconds), self._app],
        )

    def _prune(self, session: psycopg.Connection[Any], now: datetime) -> None:
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_EVERY:
            return
        session.execute(
            "delete from operations.whoop_requests where requested_at < %s", [now - KEPT]
        )
        self._pruned_at = now


def _day_use(day: date, parts: list[Any]) -> DayUse:
    by_priority: dict[str, int] = {}
    by_endpoint: dict[str, int] = {}
    by_athlete: dict[UUID, int] = {}
    held = refused = elsewhere = 0
    for priority, endpoint, connection_id, requests, waited, too_many in parts:
        if endpoint == ELSEWHERE:
            elsewhere += requests
            continue
        name = Priority(priority).name.lower()
        by_priority[name] = by_priority.get(name, 0) + requests
        by_endpoint[endpoint] = by_endpoint.get(endpoint, 0) + requests
        if connection_id is not None:
            by_athlete[connection_id] = by_athlete.get(connection_id, 0) + requests
        held += waited
        refused += too_many
    total = sum(by_endpoint.values())
    return DayUse(
        day=day,
        athletes=len(by_athlete),
        requests=total,
        requests_per_athlete=total / len(by_athlete) if by_athlete else None,
        most_for_one_athlete=max(by_athlete.values(), default=0),
        by_priority=by_priority,
        by_endpoint=dict(sorted(by_endpoint.items())),
        held=held,
        refused=refused,
        elsewhere=elsewhere,
    )


def _windows(header: str | None) -> dict[int, int]:
    """Limits by window (s) of ``X-RateLimit-Limit``, e.g. ``100, 100;window=60, ...``."""
    found = re.findall(r"(\d{1,9})\s*;\s*window\s*=\s*(\d{1,9})", header or "")
    return {int(window): int(limit) for limit, window in found if int(limit) > 0}


def _number(header: str | None) -> float | None:
    """A header's number, 0 and more; None if it is none."""
    try:
        number = float(header or "")
    except ValueError:
        return None
    return number if 0.0 <= number < float("inf") else None


def _seconds(header: str | None, now: datetime) -> float | None:
    """Seconds to wait: a number, or a date as ``Retry-After`` may have (RFC 9110, 10.2.3)."""
    number = _number(header)
    if number is not None or header is None:
        return number
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
