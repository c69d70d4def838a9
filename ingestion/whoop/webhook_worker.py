"""Working off the webhook inbox: deliveries say that something changed, reading says what.

A worker takes the oldest delivery that is due together with all others about the same object (a
night's ``sleep.updated`` and ``recovery.updated`` carry the same sleep UUID), so that one fetch
serves them all. It holds them by a lease: one that dies gives them back when the lease ends.
The inbox goes by the database's clock, which all workers and the receiver share.
Everything between taking and settling is safe to repeat, so several workers, a kill -9 and a
delivery that comes twice all end in the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ingestion.errors import ClutchError
from ingestion.whoop import watch
from ingestion.whoop.budget import Priority
from ingestion.whoop.connections import Connection, active_connections
from ingestion.whoop.errors import (
    AccountTaken,
    BudgetExhausted,
    MissingScope,
    ReconnectNeeded,
    RequestRefused,
    ServiceUnavailable,
)
from ingestion.whoop.reads import Reads
from ingestion.whoop.records import PENDING, normal_uuid
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.store import Arrivals, Store

LEASE = timedelta(minutes=10)
"""Longer than one request may wait for the budget. Two workers at one object only read it twice."""

SETTLING = timedelta(seconds=10)
"""Deliveries about an object come in groups within seconds; it is read when they are all there."""

MOST_ATTEMPTS = 8
"""With doubling waits from 1 to 60 minutes: about three hours, in which short outages end. What is
given up then is found by the reconcile job."""

LONGEST_WAIT = timedelta(hours=1)
UNKNOWN_PATIENCE = timedelta(hours=1)
"""A first delivery can overtake the callback that makes its connection known."""

TYPES = frozenset(
    f"{kind}.{what}" for kind in ("sleep", "recovery", "workout") for what in ("updated", "deleted")
)


@dataclass(frozen=True)
class _Group:
    """Deliveries about one object, held by a lease."""

    provider_user_id: int
    object_id: str
    trace_ids: tuple[str, ...]
    types: frozenset[str]
    attempts: int
    age: timedelta
    claimed_until: datetime


class Worker:
    """Works off the inbox.

    Args:
        sessions: The database.
        reads: Reads and stores.
        store: Writes deletions.
        report: Counts deliveries by outcome.
        settling: How long a delivery waits for others about its object.
    """

    def __init__(
        self,
        sessions: Sessions,
        reads: Reads,
        store: Store,
        report: WhoopReport,
        settling: timedelta = SETTLING,
    ) -> None:
        self._sessions = sessions
        self._reads = reads
        self._store = store
        self._report = report
        self._settling = settling

    def work_off(self, most: int | None = None) -> int:
        """Work off what is due.

        Args:
            most: Stop after so many objects; default: when nothing is due.

        Returns:
            How many objects were worked on.
        """
        done = 0
        while (most is None or done < most) and self._work_once():
            done += 1
        return done

    def _work_once(self) -> bool:
        group = self._claim()
        if group is None:
            return False
        try:
            status, outcome = self._handle(group)
        except BudgetExhausted as error:
            self._postpone(group, "budget", error.until - self._reads.clock.now())
        except ServiceUnavailable:
            self._postpone(group, "service_unavailable")
        except ReconnectNeeded as error:
            # a new connection is read from where the old one was read to
            self._finish(group, "failed", error.reason)
        except MissingScope:
            self._finish(group, "ignored", "missing_scope")
        except (RequestRefused, AccountTaken) as error:
            self._finish(group, "failed", type(error).__name__)
        else:
            if status == "waiting":
                self._postpone(group, outcome)
            else:
                self._finish(group, status, outcome)
        return True

    def _claim(self) -> _Group | None:
        """Take the oldest delivery that is due and those about the same object."""
        free = "status = 'waiting' and (claimed_until is null or claimed_until <= now())"
        with self._sessions.session() as connection, connection.transaction():
            first = connection.execute(
                f"""
                select provider_user_id, object_id from operations.webhook_inbox
                where {free} and not_before <= now() and (attempts > 0 or received_at <= now() - %s)
                order by not_before, received_at
                limit 1
                for update skip locked
                """,
                (self._settling,),
            ).fetchone()
            if first is None:
                return None
            rows = connection.execute(
                f"""
                with mine as (
                    select trace_id from operations.webhook_inbox
                    where {free} and provider_user_id = %s and object_id = %s
                    for update skip locked
                )
                update operations.webhook_inbox as inbox
                set attempts = inbox.attempts + 1, claimed_until = now() + %s
                from mine where inbox.trace_id = mine.trace_id
                returning
                    inbox.trace_id, inbox.event_type, inbox.attempts, now() - inbox.received_at,
                    inbox.claimed_until
                """,
                (*first, LEASE),
            ).fetchall()
        return _Group(
            provider_user_id=first[0],
            object_id=first[1],
            trace_ids=tuple(row[0] for row in rows),
            types=frozenset(row[1] for row in rows),
            attempts=max(row[2] for row in rows),
            age=max(row[3] for row in rows),
            claimed_until=rows[0][4],
        )

    def _handle(self, group: _Group) -> tuple[str, str]:
        """Do what the deliveries ask for; gives their status and outcome."""
        object_id = normal_uuid(group.object_id)
        if object_id is None:
            return "failed", "bad_object_id"
        types = group.types & TYPES
        if not types:
            return "ignored", "unknown_type"
        account = self._account(group.provider_user_id)
        if account is None:
            if group.age < UNKNOWN_PATIENCE:
                return "waiting", "unknown_account"
            return "ignored", "unknown_account"
        kinds = {name.split(".")[0] for name in types}
        granted = self._reads.resources(account)
        if not kinds & set(granted):
            return "ignored", "not_asked_for"
        if "workout" in kinds:
            return "done", self._object(account, "workout", object_id, types)
        outcome = "unchanged"
        if "sleep" in granted and ("sleep" in kinds or "recovery.updated" in types):
            outcome = self._sleep(account, object_id, types)
        if outcome in ("deleted", "not_found_yet", "fenced"):
            return "done", outcome
        if "recovery" in kinds and "recovery" in granted:
            outcome = self._recovery(account, object_id, types)
        self._reads.follow_sleep(account, object_id, priority=Priority.WEBHOOK, source="webhook")
        return "done", outcome

    def _account(self, provider_user_id: int) -> Connection | None:
        with self._sessions.session() as connection:
            return next(
                (
                    account
                    for account in active_connections(connection)
                    if account.provider_user_id == provider_user_id
                ),
                None,
            )

    def _object(
        self, account: Connection, resource: str, object_id: str, types: frozenset[str]
    ) -> str:
        """A sleep or workout: gone by its deletion, else as the API says."""
        if f"{resource}.updated" not in types and f"{resource}.deleted" in types:
            return self._delete(account, resource, object_id)
        was_known = self._is_stored(account, resource, object_id)
        found = self._reads.told(account, resource, object_id)
        if found != "absent":
            return found
        if f"{resource}.deleted" in types:
            return self._delete(account, resource, object_id)
        if was_known:
            return "deleted"
        # a delivery can come before the record can be read
        now = self._reads.clock.now()
        with self._sessions.session() as connection, connection.transaction():
            entry = watch.entry(resource, object_id, "not_found", now, now)
            watch.put(connection, account.connection_id, [entry])
        return "not_found_yet"

    def _sleep(self, account: Connection, object_id: str, types: frozenset[str]) -> str:
        """The sleep of sleep and recovery deliveries."""
        if "sleep.updated" not in types and "sleep.deleted" not in types:
            # only the recovery changed; its sleep is asked for unless it is known and settled
            sleep = self._reads.newest(account, "sleep", object_id)
            if sleep is not None and sleep.get("score_state") != PENDING:
                return "unchanged"
            types = types | {"sleep.updated"}
        return self._object(account, "sleep", object_id, types)

    def _recovery(self, account: Connection, sleep_id: str, types: frozenset[str]) -> str:
        """The recovery of a sleep: WHOOP has none by the id of the delivery, only by its cycle."""
        if "recovery.updated" not in types:
            return self._delete(account, "recovery_of_sleep", sleep_id)
        sleep = self._reads.newest(account, "sleep", sleep_id)
        if sleep is None or sleep.get("cycle_id") is None:
            # without the scope for sleeps only the week of recoveries can tell
            self._reads.trailing(account, "recovery", priority=Priority.WEBHOOK, source="webhook")
            return "read_as_week"
        if sleep.get("score_state") == PENDING:
            return "waits_for_score"
        found = self._reads.told(account, "recovery", str(sleep["cycle_id"]))
        if found == "absent" and "recovery.deleted" in types:
            return "deleted"
        # a recovery that cannot be read yet is awaited since its sleep was stored
        return "not_found_yet" if found == "absent" else found

    def _delete(self, account: Connection, resource: str, object_id: str) -> str:
        now = self._reads.clock.now()
        arrivals = Arrivals("webhook", deleted=[(resource, object_id, now)])
        written = self._store.write(account, arrivals, now)
        return "fenced" if written.is_fenced else "deleted"

    def _is_stored(self, account: Connection, resource: str, key: str) -> bool:
        with self._sessions.session() as connection:
            row = connection.execute(
                """
                select 1 from raw_whoop.record_versions
                where resource = %s and connection_id = %s and record_key = %s limit 1
                """,
                (resource, str(account.connection_id), key),
            ).fetchone()
        return row is not None

    def _postpone(self, group: _Group, outcome: str, at_least: timedelta = timedelta(0)) -> None:
        """Give deliveries back for a later try, or give them up."""
        if group.attempts >= MOST_ATTEMPTS and outcome != "unknown_account":
            self._finish(group, "failed", outcome)
            return
        wait = min(timedelta(minutes=1) * 2 ** min(group.attempts - 1, 10), LONGEST_WAIT)
        self._settle(
            "claimed_until = null, not_before = now() + %s, outcome = %s",
            [max(at_least, wait), outcome],
            group,
        )
        self._report.events[f"waiting: {outcome}"] += len(group.trace_ids)

    def _finish(self, group: _Group, status: str, outcome: str) -> None:
        self._settle(
            "claimed_until = null, status = %s, outcome = %s, finished_at = now()",
            [status, outcome],
            group,
        )
        self._report.events[f"{status}: {outcome}"] += len(group.trace_ids)

    def _settle(self, change: str, values: Sequence[Any], group: _Group) -> None:
        """Change the deliveries that are still ours."""
        with self._sessions.session() as connection:
            connection.execute(
                f"""
                update operations.webhook_inbox set {change}
                where trace_id = any(%s) and status = 'waiting' and claimed_until = %s
                """,
                [*values, list(group.trace_ids), group.claimed_until],
            )


def read_watched(
    sessions: Sessions,
    reads: Reads,
    accounts: Sequence[Connection],
    report: WhoopReport,
    failed: Callable[[Connection, str, ClutchError], None],
) -> None:
    """Read the records of the watch-list whose time has come.

    Args:
        sessions: The database.
        reads: Reads and stores.
        accounts: The connections that can be asked for.
        report: Grows.
        failed: Called with account, resource and error where one cannot be read; the entry keeps
            its next time.

    Raises:
        BudgetExhausted: If the budget has no room; what was not read has its next time.
    """
    now = reads.clock.now()
    by_id = {account.connection_id: account for account in accounts}
    with sessions.session() as connection:
        report.watched_given_up += watch.drop_hopeless(connection, now)
        due = watch.take_due(connection, list(by_id), now)
    for entry in due:
        account = by_id[entry.connection_id]
        if entry.resource not in reads.resources(account):
            continue
        try:
            report.watched_reads += 1
            if entry.resource == "cycle":
                # the week brings the cycle that follows as well, and costs the same
                week = reads.trailing(account, "cycle", priority=Priority.PREGAME, source="watch")
                if entry.key in week.keys:
                    continue
            reads.one(account, entry.resource, entry.key, priority=Priority.PREGAME, source="watch")
            if entry.resource == "sleep":
                reads.follow_sleep(account, entry.key, priority=Priority.PREGAME, source="watch")
        except BudgetExhausted:
            raise
        except (ServiceUnavailable, ReconnectNeeded, MissingScope, RequestRefused) as error:
            failed(account, entry.resource, error)
