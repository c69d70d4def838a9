"""The one place that writes WHOOP records: behind the fence, versions, watch-list and position.

A write takes the row of the athlete's connection first. That keeps two writers of one athlete
apart, so that the same content is not added twice, and makes who withdraws or connects anew wait
for a write under way; whoever comes with records read before that writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
import psycopg

from ingestion.ledger import (
    QuarantinedItem,
    QuarantineEntry,
    record_quarantine,
    resolve_quarantine,
)
from ingestion.whoop import raw_tables, watch
from ingestion.whoop.connections import Connection, name_account
from ingestion.whoop.raw_tables import ReadBy, Version
from ingestion.whoop.records import DamagedRecordError, Record
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.sessions import Sessions


@dataclass(frozen=True)
class Position:
    """The stretch of activity time that was read without a gap.

    Attributes:
        resource: Kind of record.
        complete_from: Its begin (UTC).
        complete_until: Its end (UTC).
        synced_at: When it was last read (UTC).
    """

    resource: str
    complete_from: datetime
    complete_until: datetime
    synced_at: datetime


@dataclass
class Arrivals:
    """What reading brought, to be written as one.

    Attributes:
        source: What brought it.
        records: Records with when they were answered.
        damaged: Records that cannot be filed, with the path they came from.
        absent: Resource and key of what was asked for by id and answered with 404, with when.
        deleted: Resource and key of what a delivery says is gone, with when.
        positions: What is now read completely.
    """

    source: ReadBy
    records: list[tuple[Record, datetime]] = field(default_factory=list)
    damaged: list[tuple[DamagedRecordError, str]] = field(default_factory=list)
    absent: list[tuple[str, str, datetime]] = field(default_factory=list)
    deleted: list[tuple[str, str, datetime]] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)


@dataclass
class Written:
    """What a write did.

    Attributes:
        added: Versions that became the newest of their record, deletions included.
        is_fenced: Whether nothing was written because it must not be any more.
    """

    added: list[Version] = field(default_factory=list)
    is_fenced: bool = False


class Store:
    """Writes arrivals.

    Args:
        sessions: The database.
        report: Grows with every write.
        pipeline: dlt's, for large batches; None in a process that does not hold the lock of
            ingestion.
        directory: Where its CSV files are written.
    """

    def __init__(
        self,
        sessions: Sessions,
        report: WhoopReport,
        pipeline: dlt.Pipeline | None = None,
        directory: Path | None = None,
    ) -> None:
        self._sessions = sessions
        self._report = report
        self._pipeline = pipeline
        self._directory = directory

    def write(self, account: Connection, arrivals: Arrivals, now: datetime) -> Written:
        """Write what was read for an athlete, all of it or nothing.

        Args:
            account: As it was when reading began; its generation is the fence.
            arrivals: What came.
            now: The time (UTC).

        Raises:
            AccountTaken: If the records are of an account that is another athlete's.
        """
        written = Written()
        counts = WhoopReport()
        with self._sessions.session() as connection, connection.transaction():
            if not _is_permitted(connection, account):
                self._report.fenced += 1
                return Written(is_fenced=True)
            if account.provider_user_id is None:
                for user_id in {record.user_id for record, _ in arrivals.records} - {None}:
                    assert user_id is not None  # noqa: S101 - for the type checker
                    name_account(connection, account.connection_id, user_id)
            versions, added = self._judge(connection, account, arrivals, counts)
            if (
                self._pipeline is not None
                and self._directory is not None
                and len(versions) >= raw_tables.BULK_ROWS
            ):
                raw_tables.load(self._pipeline, versions, self._directory)
            else:
                raw_tables.insert(connection, versions)
            written.added = added
            self._quarantine(connection, account, arrivals, counts)
            _watch(connection, account, arrivals, added, now)
            for position in arrivals.positions:
                _move(connection, account, position)
        self._count(counts, written)
        return written

    def _judge(
        self,
        connection: psycopg.Connection[Any],
        account: Connection,
        arrivals: Arrivals,
        counts: WhoopReport,
    ) -> tuple[list[Version], list[Version]]:
        """The versions to add, and those of them that become the newest."""
        candidates: dict[tuple[str, str], Version] = {}
        for record, fetched_at in arrivals.records:
            version = Version.of(record, account.connection_id, arrivals.source, fetched_at)
            known = candidates.get((record.resource, record.key))
            # pages shift: of one that came twice the later source time counts, then the later read
            if known is None or _order(version) >= _order(known):
                candidates[record.resource, record.key] = version
            counts.fields_left_out.update(f"{record.resource}.{path}" for path in record.left_out)
        deletions = [(resource, key, at, False) for resource, key, at in arrivals.absent]
        for resource, key, at in arrivals.deleted:
            if resource == "recovery_of_sleep":
                deletions += [
                    ("recovery", cycle, at, True) for cycle in _recoveries(connection, account, key)
                ]
            else:
                deletions.append((resource, key, at, True))
        for resource, key, at, _ in list(deletions):
            if resource == "sleep":
                # a recovery goes with its sleep
                deletions += [
                    ("recovery", cycle, at, False)
                    for cycle in _recoveries(connection, account, key)
                    if ("recovery", cycle) not in candidates
                ]
        for resource, key, at, _ in deletions:
            candidates.setdefault(
                (resource, key),
                Version.deletion(
                    resource,
                    key,
                    account.connection_id,
                    account.provider_user_id,
                    arrivals.source,
                    at,
                ),
            )
        is_told = {(resource, key) for resource, key, _, told in deletions if told}
        versions, added = [], []
        for table in raw_tables.TABLES:
            keys = [key for resource, key in candidates if resource == table]
            if not keys:
                continue
            stored = raw_tables.stored_versions(connection, account.connection_id, table, keys)
            for key in keys:
                version = candidates[table, key]
                if version.is_deleted and key not in stored and (table, key) not in is_told:
                    continue  # asked for by id, not there and never was: nothing to say
                verdict, to_add = raw_tables.judge(version, stored.get(key, []))
                if to_add is not None:
                    versions.append(to_add)
                    if verdict == "new":
                        added.append(to_add)
                counts.unchanged += verdict == "unchanged"
                counts.stale += verdict == "stale"
        return versions, added

    def _quarantine(
        self,
        connection: psycopg.Connection[Any],
        account: Connection,
        arrivals: Arrivals,
        counts: WhoopReport,
    ) -> None:
        keys: dict[str, list[str]] = {}
        for record, _ in arrivals.records:
            keys.setdefault(record.resource, []).append(record.key)
        counts.resolved = resolve_quarantine(connection, "whoop", keys)
        entries = [
            QuarantineEntry(
                QuarantinedItem(
                    damage.resource,
                    damage.key,
                    damage.reason,
                    damage.detail,
                    f"{account.connection_id} {path}",
                ),
                damage.body,
            )
            for damage, path in arrivals.damaged
        ]
        record_quarantine(connection, "whoop", entries)
        counts.quarantined = [kept.item for kept in entries]

    def _count(self, counts: WhoopReport, written: Written) -> None:
        """Count a write once it is committed."""
        report = self._report
        report.unchanged += counts.unchanged
        report.stale += counts.stale
        report.resolved += counts.resolved
        report.quarantined += counts.quarantined
        report.fields_left_out.update(counts.fields_left_out)
        report.deletions += sum(version.is_deleted for version in written.added)
        report.versions_added += sum(not version.is_deleted for version in written.added)


def _order(version: Version) -> tuple[bool, datetime, datetime]:
    updated = version.source_updated_at
    return (updated is not None, updated or version.fetched_at, version.fetched_at)


def _is_permitted(connection: psycopg.Connection[Any], account: Connection) -> bool:
    """Hold the connection's row, and see whether its generation and the consent still stand."""
    row = connection.execute(
        """
        select generation, status, player_id from operations.wearable_connections
        where connection_id = %s for no key update
        """,
        (account.connection_id,),
    ).fetchone()
    if row is None or row[0] != account.generation or row[1] == "revoked":
        return False
    # a statement of its own: it has to see what was committed while the row was waited for
    consent = connection.execute(
        """
        select bool_or(is_live) from operations.consents where player_id = %s
        """,
        (row[2],),
    ).fetchone()
    return consent is not None and consent[0] is True


def _recoveries(
    connection: psycopg.Connection[Any], account: Connection, sleep_id: str
) -> list[str]:
    """Keys of the stored recoveries that belong to a sleep."""
    rows = connection.execute(
        f"""
        select record_key from {raw_tables.SCHEMA}.record_versions
        where resource = 'recovery' and connection_id = %s
            and is_newest and payload ->> 'sleep_id' = %s
        """,
        (str(account.connection_id), sleep_id),
    )
    return [row[0] for row in rows]


def _watch(
    connection: psycopg.Connection[Any],
    account: Connection,
    arrivals: Arrivals,
    added: Iterable[Version],
    now: datetime,
) -> None:
    """Bring the watch-list in line with what was read."""
    settled: dict[str, list[str]] = {}
    entries = []
    awaited = []
    for record, _ in arrivals.records:
        watched = watch.unsettled(record, now)
        if watched is None:
            settled.setdefault(record.resource, []).append(record.key)
        else:
            entries.append(watched)
        recovery = watch.awaited_recovery(record, now)
        if recovery is not None:
            awaited.append(recovery)
    told = {(resource, key) for resource, key, _ in arrivals.deleted}
    told |= {("recovery", version.key) for version in added if version.is_deleted and told}
    for version in added:
        if version.is_deleted and (version.resource, version.key) in told:
            entries.append(watch.entry(version.resource, version.key, "deleted", now, now))
    for resource, key, _ in arrivals.absent:
        # gone for good only if it was ever there: what is new may yet come
        if raw_tables.stored_versions(connection, account.connection_id, resource, [key]):
            settled.setdefault(resource, []).append(key)
    for resource, keys in settled.items():
        watch.settle(connection, account.connection_id, resource, keys)
    if awaited:
        stored = raw_tables.stored_versions(
            connection, account.connection_id, "recovery", [each.key for each in awaited]
        )
        live = {
            key
            for key, versions in stored.items()
            if any(version.is_newest and not version.is_deleted for version in versions)
        }
        entries += [each for each in awaited if each.key not in live]
    watch.put(connection, account.connection_id, entries)


def _move(connection: psycopg.Connection[Any], account: Connection, position: Position) -> None:
    connection.execute(
        """
        insert into operations.whoop_sync_positions (
            connection_id, resource, complete_from, complete_until, synced_at
        )
        values (%s, %s, %s, %s, %s)
        on conflict (connection_id, resource) do update set
            complete_from = excluded.complete_from,
            complete_until = excluded.complete_until,
            synced_at = excluded.synced_at
        """,
        (
            account.connection_id,
            position.resource,
            position.complete_from,
            position.complete_until,
            position.synced_at,
        ),
    )


def positions(connection: psycopg.Connection[Any], account: Connection) -> dict[str, Position]:
    """How far an athlete's records were read, by resource."""
    rows = connection.execute(
        """
        select resource, complete_from, complete_until, synced_at
        from operations.whoop_sync_positions where connection_id = %s
        """,
        (account.connection_id,),
    )
    return {row[0]: Position(*row) for row in rows}
