"""The watch-list: records that are not settled, and when each is read again.

Webhooks tell most changes, but not all of them arrive, cycles have none, and a delivery can come
before its record can be read. What is stored decides what is watched, in the transaction that
stores it, so that no crash forgets a record; once it is settled, or nothing more is to be expected,
it leaves the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ingestion.whoop.records import PENDING, SCORED, Record

Reason = Literal["pending_score", "open_cycle", "missing_recovery", "not_found", "deleted"]


@dataclass(frozen=True)
class Schedule:
    """When a watched record is read.

    Attributes:
        first: Wait before the first read; it doubles with every further one.
        longest: Longest wait between two reads.
        patience: How long it is watched.
    """

    first: timedelta
    longest: timedelta
    patience: timedelta

    def wait(self, reads: int) -> timedelta:
        """How long to wait after so many reads."""
        factor: int = 2 ** min(reads, 16)
        return min(self.first * factor, self.longest)


SCHEDULES: dict[Reason, Schedule] = {
    # scored within minutes, and then a webhook says so: the list is for the one that got lost
    "pending_score": Schedule(timedelta(minutes=30), timedelta(hours=8), timedelta(days=3)),
    # the sleep that ends a cycle makes the worker read cycles; 36 h is a night without sleep
    "open_cycle": Schedule(timedelta(hours=36), timedelta(hours=12), timedelta(days=7)),
    # comes with its sleep; a night may have none, and after a day none was seen to follow
    "missing_recovery": Schedule(timedelta(minutes=30), timedelta(hours=4), timedelta(days=1)),
    # deliveries run ahead of the record by seconds, an upload by hours at most
    "not_found": Schedule(timedelta(minutes=1), timedelta(hours=1), timedelta(hours=12)),
    # a deletion that was overtaken by its re-creation is undone by one read
    "deleted": Schedule(timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)),
}


@dataclass(frozen=True)
class Watched:
    """One entry of the list.

    Attributes:
        resource: cycle, recovery, sleep or workout.
        key: Record key.
        reason: Why it is not settled.
        next_read_at: When to read it (UTC).
        give_up_at: After this it is left as it is (UTC).
    """

    resource: str
    key: str
    reason: Reason
    next_read_at: datetime
    give_up_at: datetime


@dataclass(frozen=True)
class DueRead:
    """An entry whose time has come."""

    connection_id: UUID
    resource: str
    key: str
    reason: Reason
    reads: int


def entry(resource: str, key: str, reason: Reason, since: datetime, now: datetime) -> Watched:
    """An entry whose patience began at a time."""
    schedule = SCHEDULES[reason]
    return Watched(
        resource,
        key,
        reason,
        next_read_at=max(since, now) + schedule.first,
        give_up_at=since + schedule.patience,
    )


def unsettled(record: Record, now: datetime) -> Watched | None:
    """Why a record that was just read has to be read again, None if it is settled."""
    watched = None
    if record.resource == "cycle" and record.end is None:
        since = record.start or now
        watched = Watched(
            "cycle",
            record.key,
            "open_cycle",
            next_read_at=max(now, since + SCHEDULES["open_cycle"].first),
            give_up_at=since + SCHEDULES["open_cycle"].patience,
        )
    elif record.score_state == PENDING:
        since = record.updated_at or now
        watched = entry(record.resource, record.key, "pending_score", since, now)
    return watched if watched is not None and watched.give_up_at > now else None


def awaited_recovery(record: Record, now: datetime) -> Watched | None:
    """The recovery that a night's sleep lets expect, None where there will be none."""
    if record.resource != "sleep" or record.is_nap or record.cycle_id is None:
        return None
    if record.score_state != SCORED or record.end is None:
        return None
    # counted from the upload, which may be hours after waking
    since = max(record.end, record.updated_at or record.end)
    watched = entry("recovery", record.cycle_id, "missing_recovery", since, now)
    return watched if watched.give_up_at > now else None


def put(
    connection: psycopg.Connection[Any], connection_id: UUID, entries: Iterable[Watched]
) -> None:
    """Put records on the list; one that is there for the same reason keeps its schedule."""
    rows = [
        (
            watched.resource,
            watched.key,
            connection_id,
            watched.reason,
            watched.next_read_at,
            watched.give_up_at,
        )
        for watched in entries
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into operations.whoop_watched_records as known (
                resource, record_key, connection_id, reason, next_read_at, give_up_at
            )
            values (%s, %s, %s, %s, %s, %s)
            on conflict (resource, record_key) do update set
                connection_id = excluded.connection_id,
                reason = excluded.reason,
                watched_since = now(),
                next_read_at = excluded.next_read_at,
                give_up_at = excluded.give_up_at,
                reads = 0
            where (known.reason, known.connection_id) <> (excluded.reason, excluded.connection_id)
            """,
            rows,
        )


def settle(
    connection: psycopg.Connection[Any], connection_id: UUID, resource: str, keys: Sequence[str]
) -> None:
    """Take records off the list."""
    connection.execute(
        """
        delete from operations.whoop_watched_records
        where connection_id = %s and resource = %s and record_key = any(%s)
        """,
        (connection_id, resource, list(keys)),
    )


def take_due(
    connection: psycopg.Connection[Any], connection_ids: Sequence[UUID], now: datetime
) -> list[DueRead]:
    """Take the entries that are due, each moved on to its next time first.

    Several workers get different ones; a worker that dies costs one turn.

    Args:
        connection: Autocommit connection of the role that ingests.
        connection_ids: The connections that can be asked for.
        now: The time (UTC).
    """
    rows = connection.execute(
        """
        update operations.whoop_watched_records as watched
        set reads = watched.reads + 1, next_read_at = %(now)s + least(
            (%(firsts)s::jsonb ->> watched.reason)::interval
            * power(2, least(watched.reads + 1, 16)),
            (%(longest)s::jsonb ->> watched.reason)::interval
        )
        where (watched.resource, watched.record_key) in (
            select resource, record_key from operations.whoop_watched_records
            where next_read_at <= %(now)s and give_up_at > %(now)s
                and connection_id = any(%(connections)s)
            for update skip locked
        )
        returning
            watched.connection_id, watched.resource, watched.record_key, watched.reason,
            watched.reads
        """,
        {
            "now": now,
            "connections": list(connection_ids),
            "firsts": _intervals("first"),
            "longest": _intervals("longest"),
        },
    ).fetchall()
    return sorted((DueRead(*row) for row in rows), key=lambda due: (due.resource, due.key))


def _intervals(attribute: str) -> Jsonb:
    return Jsonb(
        {
            reason: f"{getattr(schedule, attribute).total_seconds()} seconds"
            for reason, schedule in SCHEDULES.items()
        }
    )


def drop_hopeless(connection: psycopg.Connection[Any], now: datetime) -> int:
    """Take off the list what has been watched long enough.

    Returns:
        How many records are left as they are.
    """
    return connection.execute(
        "delete from operations.whoop_watched_records where give_up_at <= %s", (now,)
    ).rowcount
