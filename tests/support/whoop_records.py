"""All that a simulated WHOOP service holds, straight into the raw tables.

The way of the product is the sync (:mod:`ingestion.whoop.sync`), and its tests go it. Here a year
of a league is to be there in a minute, for tests and benchmarks of the SQL behind it: each version
of each record as the sync would have stored it, fetched twenty seconds after it came to be.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.whoop import WhoopSandboxSettings
from ingestion.sandbox.whoop.clock import from_milli, to_milli
from ingestion.sandbox.whoop.timeline import Cycle, Member, Timeline
from ingestion.settings import Settings
from ingestion.whoop.allowlist import AllowList
from tests.support.wearables import Athlete, store_connections

_SPACE = UUID("6c1d8a0e-5a51-4b0e-9a53-0d2f3f6f6a11")
_FETCH_DELAY = timedelta(seconds=20)
_MINUTE = 60_000


def connection_of(user_id: int) -> UUID:
    """The connection that :func:`load_records` makes for a member."""
    return uuid5(_SPACE, str(user_id))


def load_records(
    settings: Settings,
    sandbox: WhoopSandboxSettings,
    *,
    until: datetime,
    player_ids: Mapping[int, str] | None = None,
) -> Timeline:
    """Store every version of every member's records that WHOOP held until a moment.

    Args:
        settings: The database.
        sandbox: The simulated service.
        until: The moment (UTC).
        player_ids: Members by user id under other league ids than the simulated league's.

    Returns:
        The members' lives, with the truth behind the records.
    """
    timeline = Timeline(sandbox)
    now = to_milli(until)
    allow_list = AllowList.load()
    athletes = []
    with connect(settings, roles.INGEST) as connection:
        for athlete in timeline.athletes.values():
            player_id = str((player_ids or {}).get(athlete.user_id, athlete.player_id))
            athletes.append(
                Athlete(
                    "simulated",
                    player_id=player_id,
                    connection_id=connection_of(athlete.user_id),
                    connected_at=datetime.combine(
                        sandbox.first_waking_date, datetime.min.time(), tzinfo=UTC
                    ),
                    last_sync_at=until,
                )
            )
        store_connections(connection, athletes)
        for resource in ("cycle", "recovery", "sleep", "workout"):
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    f"""
                    copy raw_whoop.{resource} (
                        record_key, connection_id, provider_user_id, content_hash, payload,
                        is_deleted, source, source_updated_at, fetched_at, _dlt_load_id, _dlt_id
                    ) from stdin
                    """
                ) as copy,
            ):
                for user_id in timeline.athletes:
                    member = timeline.member(user_id, now)
                    for key, at, row in _versions(member, resource, now):
                        updated = from_milli(at)
                        kept = None if row is None else allow_list.reduce(resource, row)[0]
                        content = (
                            b"deleted"
                            if kept is None
                            else orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
                        )
                        copy.write_row(
                            (
                                key,
                                str(connection_of(user_id)),
                                user_id,
                                hashlib.sha256(content).hexdigest(),
                                None if kept is None else content.decode(),
                                kept is None,
                                "sync",
                                None if kept is None else updated,
                                updated + _FETCH_DELAY,
                                "direct",
                                secrets.token_urlsafe(10),
                            )
                        )
    return timeline


def _versions(
    member: Member, resource: str, now: int
) -> Iterator[tuple[str, int, dict[str, Any] | None]]:
    """Key, when it came to be, and wire form of each version of a member's records."""
    if resource == "cycle":
        for cycle_id, cycle in member.cycles.items():
            # read when it opens, with its first score, and when the next night closes it
            moments = [cycle.scored + _MINUTE] if isinstance(cycle, Cycle) else []
            if isinstance(cycle, Cycle) and cycle.closed is not None:
                moments.append(cycle.closed)
            for moment in moments:
                version = cycle.at(moment) if moment <= now else None
                if version is not None:
                    yield str(cycle_id), version.at, version.row
        return
    among: dict[str, dict[Any, Any]] = {
        "recovery": member.recoveries,
        "sleep": member.sleeps,
        "workout": member.workouts,
    }
    for key, record in among[resource].items():
        for version in record.versions:
            if version.at <= now:
                yield str(key), version.at, version.row
