"""Reading an athlete's records, by window or one by one, and handing them to the store.

Requests on a live day with webhooks on, per athlete (the aim is 8, hourly polling needs 96):

    sleep delivered while its score is pending     1  the trailing week of sleeps
    the same sleep scored                          1  by id
    its recovery                                   1  the trailing week of recoveries
    the cycle that it opens                        1  the trailing week of cycles, which also brings
                                                      the end and the final strain of the last one
    workouts, about 1.3 a day                      1.3  the first as a trailing week
    a nap on one day of five, pending and scored   0.4
    before a game                                  0  3 where the night's deliveries were lost
    reconcile                                      0 to 1  only what was not read as a week today
                                                 ------
                                                   5.7 to 6.7

A trailing week and a single record cost one request each. So the first delivery about a kind of
record on a day is answered with the week, which is that kind's reconcile for the day as well; the
next ones are read by id. Recoveries wait for the score of their sleep. Cycles have no webhook and
the open one grows all day, but no value before a game needs it: day strain is that of the last
closed cycle, and that closes when the next sleep is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ingestion.errors import ClutchError
from ingestion.whoop import raw_tables
from ingestion.whoop.allowlist import AllowList
from ingestion.whoop.api import WhoopApi
from ingestion.whoop.budget import Priority
from ingestion.whoop.clock import Clock
from ingestion.whoop.connections import Connection
from ingestion.whoop.errors import MissingScope, RequestRefused, ServiceUnavailable
from ingestion.whoop.raw_tables import ReadBy
from ingestion.whoop.records import (
    COLLECTIONS,
    PENDING,
    SINGLE,
    DamagedRecordError,
    read_record,
)
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.settings import SCOPES, WhoopSettings
from ingestion.whoop.store import Arrivals, Position, Store, Written, positions

TRAILING = timedelta(days=7)
"""How far back every reading goes again: there is no changed-since filter. A strap that was offline
for a trip and an edit of last night lie within a week, and a week is one page of each kind (7
cycles, 7 recoveries, 7 to 10 sleeps, up to 14 workouts; a page has 25)."""

FRESH = timedelta(hours=12)
"""A kind of record that was read as a window within this is read by id when a delivery comes."""

Found = Literal["stored", "unchanged", "absent", "damaged", "fenced"]


@dataclass(frozen=True)
class WindowRead:
    """What reading a window brought.

    Attributes:
        keys: Keys of the records in it, the damaged ones included.
        written: What was written.
    """

    keys: frozenset[str]
    written: Written


class Reads:
    """Reads and stores records of athletes.

    Args:
        api: Asks WHOOP.
        whoop: Says which kinds of record are asked for.
        sessions: The database.
        store: Writes.
        report: Grows.
        clock: Tells the time.
        allow_list: Fields that are stored.

    Attributes:
        answers: How many usable answers WHOOP gave.
    """

    def __init__(
        self,
        api: WhoopApi,
        whoop: WhoopSettings,
        sessions: Sessions,
        store: Store,
        report: WhoopReport,
        clock: Clock,
        allow_list: AllowList,
    ) -> None:
        self._api = api
        self._whoop = whoop
        self._sessions = sessions
        self._store = store
        self._report = report
        self._allow_list = allow_list
        self.clock = clock
        self.answers = 0

    def resources(self, account: Connection) -> list[str]:
        """Kinds of record that are asked for and granted."""
        return [
            resource for resource in self._whoop.resources if SCOPES[resource] in account.scopes
        ]

    def positions(self, account: Connection) -> dict[str, Position]:
        """How far an athlete's records were read, by resource."""
        with self._sessions.session() as connection:
            return positions(connection, account)

    def windows(
        self,
        account: Connection,
        resources: Sequence[str],
        start: datetime,
        end: datetime | None,
        *,
        priority: Priority,
        source: ReadBy,
    ) -> WindowRead:
        """Read a window of several kinds completely, store it with the positions that it gives.

        A stored record that lies in the window and did not come is asked for by id: only a 404
        makes it a deletion, because an edit may have moved it and pages may have shifted.

        Args:
            account: The athlete's connection.
            resources: Of cycle, recovery, sleep and workout.
            start: Begin of the window (UTC).
            end: Its end (UTC), None for now.
            priority: Place in the budget.
            source: What reads.

        Raises:
            ClutchError: As :meth:`ingestion.whoop.api.WhoopApi.pages`; the kinds that were read
                completely are stored then.
        """
        began = self.clock.now()
        known = self.positions(account)
        arrivals = Arrivals(source)
        keys: dict[str, set[str]] = {}
        failure: ClutchError | None = None
        for resource in resources:
            part = Arrivals(source)
            try:
                of_resource = self._collect(account, resource, start, end, priority, part)
            except (ServiceUnavailable, MissingScope, RequestRefused) as error:
                # told in the end: the other kinds may be readable
                failure = failure or error
                continue
            except ClutchError as error:
                failure = error
                break
            keys[resource] = of_resource
            arrivals.records += part.records
            arrivals.damaged += part.damaged
            arrivals.positions.append(_extended(known.get(resource), resource, start, end, began))
        written = Written()
        if keys:
            written = self._store.write(account, arrivals, self.clock.now())
        if not written.is_fenced:
            for resource, seen in keys.items():
                for key in self._missing(account, resource, start, end or began, began, seen):
                    self.one(account, resource, key, priority=priority, source=source)
            if source in ("sync", "reconcile"):
                self._count_missed(account, known, written)
        if failure is not None:
            raise failure
        return WindowRead(frozenset().union(*keys.values()), written)

    def _collect(
        self,
        account: Connection,
        resource: str,
        start: datetime,
        end: datetime | None,
        priority: Priority,
        arrivals: Arrivals,
    ) -> set[str]:
        """Read all pages of a window; gives the keys that came."""
        path = COLLECTIONS[resource]
        keys = set()
        for page in self._api.pages(
            account.connection_id, path, endpoint=path, priority=priority, start=start, end=end
        ):
            fetched_at = self.clock.now()
            self.answers += 1
            for item in page:
                key = self._take(account, resource, item, path, fetched_at, arrivals)
                if key is not None:
                    keys.add(key)
        return keys

    def trailing(
        self, account: Connection, resource: str, *, priority: Priority, source: ReadBy
    ) -> WindowRead:
        """Read the window that ends now and overlaps what was read by a week."""
        known = self.positions(account).get(resource)
        now = self.clock.now()
        start = min(known.complete_until if known else now, now) - TRAILING
        return self.windows(account, [resource], start, None, priority=priority, source=source)

    def one(
        self, account: Connection, resource: str, key: str, *, priority: Priority, source: ReadBy
    ) -> Found:
        """Read one record by id; a 404 of one that is stored makes it a deletion.

        Args:
            account: The athlete's connection.
            resource: Kind of record.
            key: Its key; for a recovery that of its cycle, for profile and body any.
            priority: Place in the budget.
            source: What reads.

        Raises:
            ClutchError: As :meth:`ingestion.whoop.api.WhoopApi.get`.
        """
        endpoint = SINGLE[resource]
        path = endpoint.replace("{id}", key)
        answer = self._api.get(account.connection_id, path, endpoint=endpoint, priority=priority)
        self.answers += 1
        arrivals = Arrivals(source)
        if answer.status == 404:
            arrivals.absent.append((resource, key, answer.fetched_at))
        else:
            self._take(account, resource, answer.payload, path, answer.fetched_at, arrivals)
        written = self._store.write(account, arrivals, self.clock.now())
        if written.is_fenced:
            return "fenced"
        if arrivals.damaged:
            return "damaged"
        if arrivals.absent:
            return "absent"
        return "stored" if written.added else "unchanged"

    def once_a_day(self, account: Connection, resource: str, source: ReadBy) -> None:
        """Read profile or body, of which WHOOP keeps no history, unless that was done today."""
        known = self.positions(account).get(resource)
        now = self.clock.now()
        if known is not None and now - known.synced_at < timedelta(hours=24):
            return
        key = str(account.connection_id)
        found = self.one(account, resource, key, priority=Priority.RECONCILE, source=source)
        if found != "fenced":
            since = known.complete_from if known else now
            position = Position(resource, since, now, now)
            self._store.write(account, Arrivals(source, positions=[position]), now)

    def told(self, account: Connection, resource: str, key: str) -> Found:
        """Read a record that a delivery told of: as part of the week when that is due, else by id.

        Args:
            account: The athlete's connection.
            resource: Kind of record.
            key: Its key.

        Raises:
            ClutchError: As :meth:`one`.
        """
        known = self.positions(account).get(resource)
        if known is not None and self.clock.now() - known.synced_at >= FRESH:
            read = self.trailing(account, resource, priority=Priority.WEBHOOK, source="webhook")
            if read.written.is_fenced:
                return "fenced"
            if key in read.keys:
                is_new = any(version.key == key for version in read.written.added)
                return "stored" if is_new else "unchanged"
        return self.one(account, resource, key, priority=Priority.WEBHOOK, source="webhook")

    def follow_sleep(
        self, account: Connection, sleep_id: str, *, priority: Priority, source: ReadBy
    ) -> None:
        """Read the cycles when a night's sleep opened one that is not known yet.

        The week of cycles brings the end of the last one with it. Nothing is read while the sleep
        waits for its score: the cycles' own follow it.
        """
        if "cycle" not in self.resources(account):
            return
        sleep = self.newest(account, "sleep", sleep_id)
        if sleep is None or sleep.get("nap") or sleep.get("score_state") == PENDING:
            return
        if self.newest(account, "cycle", str(sleep.get("cycle_id"))) is None:
            self.trailing(account, "cycle", priority=priority, source=source)

    def newest(self, account: Connection, resource: str, key: str) -> dict[str, Any] | None:
        """The newest stored payload of a record, None where there is none or it is deleted."""
        with self._sessions.session() as connection:
            row = connection.execute(
                f"""
                select payload from {raw_tables.SCHEMA}.record_versions
                where resource = %s and connection_id = %s and record_key = %s and is_newest
                """,
                (resource, str(account.connection_id), key),
            ).fetchone()
        return None if row is None else row[0]

    def _take(
        self,
        account: Connection,
        resource: str,
        item: Any,
        path: str,
        fetched_at: datetime,
        arrivals: Arrivals,
    ) -> str | None:
        try:
            record = read_record(
                resource,
                item,
                provider_user_id=account.provider_user_id,
                connection_id=account.connection_id,
                allow_list=self._allow_list,
            )
        except DamagedRecordError as damage:
            arrivals.damaged.append((damage, path))
            return damage.key
        arrivals.records.append((record, fetched_at))
        return record.key

    def _missing(
        self,
        account: Connection,
        resource: str,
        start: datetime,
        end: datetime,
        began: datetime,
        keys: set[str],
    ) -> Sequence[str]:
        """Keys of stored records that lie in a window and were not among what came."""
        with self._sessions.session() as connection:
            rows = connection.execute(
                _STORED_IN_WINDOW[resource == "recovery"],
                {
                    "resource": resource,
                    "connection": str(account.connection_id),
                    "start": start,
                    "end": end,
                    "began": began,
                },
            ).fetchall()
        return sorted({row[0] for row in rows} - keys)

    def _count_missed(
        self, account: Connection, known: Mapping[str, Position], written: Written
    ) -> None:
        """Count versions that a re-read found and of which no delivery told."""
        objects: dict[tuple[str, str], list[str]] = {}
        with self._sessions.session() as connection:
            for version in written.added:
                if version.resource not in ("recovery", "sleep", "workout") or version.is_deleted:
                    continue
                if version.resource not in known:
                    continue  # the first reading finds everything
                key = version.key
                if version.resource == "recovery":
                    recovery = self.newest(account, "recovery", key)
                    key = str((recovery or {}).get("sleep_id"))
                objects.setdefault((version.resource, key), []).append(version.key)
            if not objects:
                return
            # of an account without any delivery nothing can be missed: webhooks are off
            has_any = connection.execute(
                "select 1 from operations.webhook_inbox where provider_user_id = %s limit 1",
                (account.provider_user_id,),
            ).fetchone()
            if has_any is None:
                return
            rows = connection.execute(
                """
                select split_part(event_type, '.', 1), object_id from operations.webhook_inbox
                where provider_user_id = %s and object_id = any(%s)
                """,
                (account.provider_user_id, [key for _, key in objects]),
            ).fetchall()
        told = {(row[0], row[1]) for row in rows}
        self._report.missed_by_webhooks.update(
            resource for resource, key in objects if (resource, key) not in told
        )


_STORED_IN_WINDOW = (
    f"""
    select record_key from {raw_tables.SCHEMA}.record_versions
    where resource = %(resource)s and connection_id = %(connection)s
        and is_newest and not is_deleted and fetched_at < %(began)s
        and (payload ->> 'start')::timestamptz >= %(start)s
        and (payload ->> 'start')::timestamptz < %(end)s
    """,
    # recoveries have no time of their own: the service matches on that of the sleep
    f"""
    select recovery.record_key from {raw_tables.SCHEMA}.record_versions as recovery
    inner join {raw_tables.SCHEMA}.record_versions as sleep
        on sleep.resource = 'sleep' and sleep.connection_id = recovery.connection_id
        and sleep.record_key = recovery.payload ->> 'sleep_id' and sleep.is_newest
    where recovery.resource = %(resource)s and recovery.connection_id = %(connection)s
        and sleep.connection_id = %(connection)s
        and recovery.is_newest and not recovery.is_deleted and recovery.fetched_at < %(began)s
        and (sleep.payload ->> 'start')::timestamptz >= %(start)s
        and (sleep.payload ->> 'start')::timestamptz < %(end)s
    """,
)


def _extended(
    known: Position | None,
    resource: str,
    start: datetime,
    end: datetime | None,
    began: datetime,
) -> Position:
    """The position after a window: joined with what was read before where the two touch."""
    until = began if end is None else end
    if known is None or start > known.complete_until or until < known.complete_from:
        return Position(resource, start, until, began)
    return Position(
        resource,
        min(start, known.complete_from),
        max(until, known.complete_until),
        # reading old history does not make the trailing week fresh
        began if end is None else known.synced_at,
    )
