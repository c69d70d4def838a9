"""The reconcile job: what webhooks did not bring is found by reading again.

Deliveries get lost, and a re-read is the only way to hear of it. Each kind of record of each
athlete is read as a trailing week when it was not read as a window for a day; a delivery that was
answered with the week counts (:mod:`ingestion.whoop.reads`), so that with webhooks on an athlete
who slept and trained today costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ingestion.whoop.budget import Priority
from ingestion.whoop.connections import Connection
from ingestion.whoop.raw_tables import ReadBy
from ingestion.whoop.reads import Reads
from ingestion.whoop.records import COLLECTIONS

EVERY = timedelta(hours=24)
"""An athlete sleeps once a day: what is lost today is found before tomorrow's game."""

HISTORY = timedelta(days=35)
"""First reading of an account: the 28 nights of a baseline, and a week."""

CHUNK = timedelta(days=30)
"""A window that is stored at once: six to eight pages, which is all that a kill can lose."""


def begin_athlete(
    reads: Reads, account: Connection, resources: Sequence[str], source: ReadBy
) -> None:
    """Read the history of what was never read of an athlete, and store it as one.

    Raises:
        ClutchError: As :meth:`ingestion.whoop.reads.Reads.windows`.
    """
    known = reads.positions(account)
    new = [each for each in resources if each in COLLECTIONS and each not in known]
    if new:
        start = reads.clock.now() - HISTORY
        reads.windows(account, new, start, None, priority=Priority.BACKFILL, source=source)


def reconcile_athlete(
    reads: Reads,
    account: Connection,
    resource: str,
    *,
    source: ReadBy,
    older_than: timedelta = timedelta(0),
) -> None:
    """Bring one kind of record of an athlete up to now; one that was never read is left alone.

    Args:
        reads: Reads and stores.
        account: The athlete's connection.
        resource: Kind of record.
        source: What reads.
        older_than: Nothing is done when it was read within this.

    Raises:
        ClutchError: As :meth:`ingestion.whoop.reads.Reads.windows`; chunks before are stored.
    """
    if resource not in COLLECTIONS:
        reads.once_a_day(account, resource, source)
        return
    now = reads.clock.now()
    known = reads.positions(account).get(resource)
    if known is None or now - known.synced_at < older_than:
        return
    # after a long pause chunk by chunk, the oldest first: the position has no gaps
    while now - reads.positions(account)[resource].complete_until > CHUNK:
        until = reads.positions(account)[resource].complete_until
        read = reads.windows(
            account,
            [resource],
            until - timedelta(days=7),
            until + CHUNK,
            priority=Priority.RECONCILE,
            source=source,
        )
        if read.written.is_fenced:
            return
    reads.trailing(account, resource, priority=Priority.RECONCILE, source=source)


def backfill_athlete(reads: Reads, account: Connection, days: int) -> None:
    """Read history back to so many days ago, chunk by chunk, the newest first.

    Kinds that were read back equally far are stored as one.

    Raises:
        ClutchError: As :meth:`ingestion.whoop.reads.Reads.windows`; chunks before are stored.
    """
    wanted = reads.clock.now() - timedelta(days=days)
    while True:
        begins = {
            resource: position.complete_from
            for resource, position in reads.positions(account).items()
            # a minute of grace: the clock went on since the run before
            if resource in COLLECTIONS
            and resource in reads.resources(account)
            and position.complete_from > wanted + timedelta(minutes=1)
        }
        if not begins:
            return
        end = max(begins.values())
        read = reads.windows(
            account,
            [resource for resource in COLLECTIONS if begins.get(resource) == end],
            max(wanted, end - CHUNK),
            end,
            priority=Priority.BACKFILL,
            source="sync",
        )
        if read.written.is_fenced:
            return
