"""``POST /webhooks/whoop``: check a delivery, store it, answer; a worker does the rest.

What is checked, in this order, and what a failure is answered with and counted as in
``operations.webhook_refusals``:

====== ========================= ==================================================================
status reason                    when
====== ========================= ==================================================================
405    wrong_method              anything but POST
401    missing_signature         no signature or timestamp header, or several
401    wrong_timestamp           not milliseconds since 1970 in digits
401    stale                     further from now than ``WHOOP_WEBHOOK_TOLERANCE_SECONDS``
413    too_large                 body above :data:`LARGEST_BODY_BYTES`
408    too_slow                  body not there within :data:`BODY_SECONDS`
401    wrong_signature           over the raw bytes, compared in constant time, before any parsing
400    not_json                  no JSON object
204    unknown_type              an event that does not concern us: WHOOP wants 2xx
204    unknown_account           of an account that nobody connected, or whose athlete withdrew
400    wrong_types               a known event whose fields are not what they must be
409    trace_reused              a trace id that is stored with another event
503    database_away             not stored: WHOOP sends it again
====== ========================= ==================================================================

204 otherwise, also for a delivery that is there already (``duplicates`` counts it). What the body
calls itself (Content-Type) does not matter. A delivery is committed before it is answered, so a
process that dies in between gets it again, as a duplicate. Deliveries that arrive while others are
being committed are committed together: a burst costs few waits for the disk instead of one each.

Counts of refusals are kept in memory and written once a second: an attack costs no more database
work than one statement a second, and a process that is killed loses one second of counts.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from starlette.types import Receive, Scope, Send

from ingestion.whoop.clock import Clock
from ingestion.whoop.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify

CHANNEL: Final = "clutch_webhooks"
"""``NOTIFY`` channel that tells workers of new deliveries; they look by themselves too."""
EVENT_TYPES: Final = frozenset(
    f"{kind}.{change}"
    for kind in ("sleep", "recovery", "workout")
    for change in ("updated", "deleted")
)
LARGEST_BODY_BYTES: Final = 16_384
"""A delivery has some 170 bytes."""
_DRAINED_BYTES: Final = 1_048_576  # a body above this is cut off: its sender may see no answer
BODY_SECONDS: Final = 5.0
STORE_SECONDS: Final = 0.8
"""WHOOP waits one second; what takes longer is answered with 503 and comes again."""
WRITERS: Final = 2
"""Sessions that commit deliveries: while one waits for the disk, the other prepares."""
POOL_SIZE: Final = WRITERS + 1
"""One more for counts and for waking workers."""
MOST_IN_A_BATCH: Final = 100
MOST_WAITING: Final = 2000
"""Deliveries that wait to be stored; above it the answer is 503 at once. A league that wakes up
together sends 900."""

_SIGNATURE: Final = SIGNATURE_HEADER.lower().encode()
_TIMESTAMP: Final = TIMESTAMP_HEADER.lower().encode()
_MILLISECONDS = re.compile(r"[0-9]{1,13}")  # 13 digits reach the year 2286
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FLUSH_SECONDS = 1.0
_NOTIFY_SECONDS = 0.05  # a burst wakes workers 20 times a second, not once per delivery
_LONGEST_TRACE_ID = 200
_Row = tuple[str, str, int, str, bytes, datetime]
# in place of how often a delivery came before
_OTHER_EVENT = -1
_AWAY = -2
_UNKNOWN = -3

# A conflict counts as a duplicate when the event is the same; otherwise no row comes back. The
# event is compared and not the bytes: a sender may write the same JSON in another way. Nothing is
# kept of an account that nobody connected, or whose athlete withdrew; while a connection's account
# is not known yet, a delivery may be its.
_STORE = b"""
    with came as (
        select
            delivery.*,
            exists (
                select from operations.wearable_connections as device
                where
                    device.status <> 'revoked'
                    and coalesce(device.provider_user_id, delivery.provider_user_id)
                    = delivery.provider_user_id
            ) as is_known
        from unnest(
            %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bytea[], %s::timestamptz[]
        ) as delivery (trace_id, event_type, provider_user_id, object_id, body, signed_at)
    ),

    stored as (
        insert into operations.webhook_inbox as inbox
            (trace_id, event_type, provider_user_id, object_id, body, signed_at)
        select trace_id, event_type, provider_user_id, object_id, body, signed_at
        from came where is_known
        on conflict (trace_id) do update set duplicates = inbox.duplicates + 1
        where
            inbox.event_type = excluded.event_type
            and inbox.provider_user_id = excluded.provider_user_id
            and inbox.object_id = excluded.object_id
        returning trace_id, duplicates
    )

    select trace_id, duplicates from stored
    union all
    select trace_id, -3 from came where not is_known
"""
_COUNT = b"""
    insert into operations.webhook_refusals as refusals (reason, hour, refused)
    values (%s, date_trunc('hour', now(), 'UTC'), %s)
    on conflict (reason, hour) do update set refused = refusals.refused + excluded.refused
"""

_log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - an answer, not an error of this program
    """A delivery that is turned away.

    Args:
        status: HTTP status.
        reason: What it is counted as.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Webhooks:
    """The ASGI application of the one address.

    Args:
        secret: ``WHOOP_WEBHOOK_SECRET``.
        tolerance_seconds: How far a delivery's timestamp may be from now.
        clock: The time that timestamps are held against.
        pool: Of autocommit connections as ``clutch_ingest``; opened and closed by the caller.
    """

    def __init__(
        self,
        secret: str,
        tolerance_seconds: float,
        clock: Clock,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
    ) -> None:
        self._secret = secret
        self._tolerance_seconds = tolerance_seconds
        self._clock = clock
        self._pool = pool
        self._refused: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._waiting: deque[tuple[_Row, asyncio.Future[int]]] = deque()
        self._work = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._take(scope, receive)
        except Refused as refused:
            self._refused[refused.reason] += 1
            await _answer(send, refused.status)
        else:
            await _answer(send, 204)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        if scope["method"] != "POST":
            raise Refused(405, "wrong_method")
        signature, timestamp = _signature_headers(scope)
        if not _MILLISECONDS.fullmatch(timestamp):
            raise Refused(401, "wrong_timestamp")
        seconds = int(timestamp) / 1000
        if abs(self._clock.now().timestamp() - seconds) > self._tolerance_seconds:
            raise Refused(401, "stale")
        body = await _read_body(scope, receive)
        if not verify(self._secret, timestamp, body, signature):
            raise Refused(401, "wrong_signature")
        event_type, user_id, object_id, trace_id = _read_event(body)
        await self._store(
            (trace_id, event_type, user_id, object_id, body, datetime.fromtimestamp(seconds, UTC))
        )

    async def _store(self, row: _Row) -> None:
        """Wait until a delivery is committed.

        Raises:
            Refused: If it is not, or its trace id is another event's.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Refused(503, "database_away")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, answer))
        self._work.set()
        # a delivery that takes too long stays in the queue: stored later it is a duplicate of the
        # one that WHOOP sends again
        done, _ = await asyncio.wait({answer}, timeout=STORE_SECONDS)
        if not done or answer.result() == _AWAY:
            raise Refused(503, "database_away")
        if answer.result() == _OTHER_EVENT:
            raise Refused(409, "trace_reused")
        if answer.result() == _UNKNOWN:
            raise Refused(204, "unknown_account")

    async def _write(self) -> None:
        """Commit what waits, all that has gathered during the last commit at once."""
        while True:
            await self._work.wait()
            batch = self._next_batch()
            if not batch:
                self._work.clear()
                continue
            rows = [row for row, _ in batch.values()]
            try:
                stored = await self._insert(rows)
            except psycopg.OperationalError:
                stored = dict.fromkeys(batch, _AWAY)
            except psycopg.Error as error:
                _log.error("deliveries were not stored: %s", type(error).__name__)
                stored = await self._insert_one_by_one(rows)
            if 0 in stored.values():
                self._news.set()
            for trace_id, (_, answer) in batch.items():
                if not answer.done():
                    answer.set_result(stored.get(trace_id, _OTHER_EVENT))

    def _next_batch(self) -> dict[str, tuple[_Row, asyncio.Future[int]]]:
        """The oldest that wait, by trace id; a copy of one of them waits for the next batch."""
        batch: dict[str, tuple[_Row, asyncio.Future[int]]] = {}
        while self._waiting and len(batch) < MOST_IN_A_BATCH:
            if self._waiting[0][0][0] in batch:
                break
            entry = self._waiting.popleft()
            batch[entry[0][0]] = entry
        return batch

    async def _insert(self, rows: Sequence[_Row]) -> dict[str, int]:
        """Insert deliveries in one transaction.

        Returns:
            How often each came before, by trace id; none for a trace id of another event.
        """
        # in the order of their keys: two receivers cannot wait for each other
        columns = list(map(list, zip(*sorted(rows), strict=True)))
        for attempt in range(POOL_SIZE + 1):
            try:
                async with self._pool.connection() as connection:
                    cursor = await connection.execute(_STORE, columns)
                    return dict(await cursor.fetchall())
            except (PoolTimeout, TooManyRequests):
                raise
            except psycopg.OperationalError:
                # after a restart of the server every pooled connection is dead: take the next
                if attempt == POOL_SIZE:
                    raise
        raise AssertionError("the loop returns or raises")

    async def _insert_one_by_one(self, rows: Sequence[_Row]) -> dict[str, int]:
        """Insert deliveries of which one makes the server refuse all."""
        stored: dict[str, int] = {}
        for row in rows:
            try:
                stored |= await self._insert([row])
            except psycopg.Error:
                stored[row[0]] = _AWAY
        return stored

    async def run(self) -> None:
        """Store deliveries, write counts and wake workers until cancelled; then write the rest."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WRITERS):
                    group.create_task(self._write())
                group.create_task(self._flush_each_second())
                group.create_task(self._notify_of_news())
        finally:
            await self._flush()
            if self._news.is_set():
                await self._notify()

    async def _flush_each_second(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        if not self._refused:
            return
        counted, self._refused = self._refused, Counter()
        try:
            # one transaction in a fixed order: two receivers cannot wait for each other
            async with self._pool.connection() as connection, connection.transaction():
                await connection.cursor().executemany(_COUNT, sorted(counted.items()))
        except psycopg.Error as error:
            self._refused.update(counted)
            _log.warning("refusals are not written yet: %s", type(error).__name__)

    async def _notify_of_news(self) -> None:
        while True:
            await self._news.wait()
            await self._notify()
            await asyncio.sleep(_NOTIFY_SECONDS)

    async def _notify(self) -> None:
        # apart from the insert: a NOTIFY makes commits of all sessions wait for each other
        self._news.clear()
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select pg_notify(%s, '')", [CHANNEL])
        except psycopg.Error as error:
            _log.warning("workers are not told: %s", type(error).__name__)


def _signature_headers(scope: Scope) -> tuple[str, str]:
    signatures = [value for name, value in scope["headers"] if name == _SIGNATURE]
    timestamps = [value for name, value in scope["headers"] if name == _TIMESTAMP]
    if len(signatures) != 1 or len(timestamps) != 1:
        raise Refused(401, "missing_signature")
    return signatures[0].decode("latin-1"), timestamps[0].decode("latin-1")


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_body_slowly(scope, receive)
    except TimeoutError:
        raise Refused(408, "too_slow") from None


async def _read_body_slowly(scope: Scope, receive: Receive) -> bytes:
    promised = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if int(promised) > _DRAINED_BYTES:  # the server has checked that it is a number
        raise Refused(413, "too_large")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(408, "too_slow")
        part = message.get("body", b"")
        size += len(part)
        if size <= LARGEST_BODY_BYTES:
            parts.append(part)
        elif size > _DRAINED_BYTES:
            raise Refused(413, "too_large")
        if not message.get("more_body", False):
            break
    if size > LARGEST_BODY_BYTES:
        raise Refused(413, "too_large")
    return b"".join(parts)


def _read_event(body: bytes) -> tuple[str, int, str, str]:
    """Type, user id, object id and trace id of a body whose signature is true."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "not_json") from None
    if not isinstance(event, dict):
        raise Refused(400, "not_json")
    event_type = event.get("type")
    if not isinstance(event_type, str):
        raise Refused(400, "wrong_types")
    if event_type not in EVENT_TYPES:
        raise Refused(204, "unknown_type")
    user_id, object_id, trace_id = event.get("user_id"), event.get("id"), event.get("trace_id")
    if (
        # bool is an int; above 63 bits it does not fit the column
        not (type(user_id) is int and 0 < user_id < 2**63)
        # it becomes part of a path
        or not (isinstance(object_id, str) and _UUID.fullmatch(object_id.lower()))
        # only compared: whatever it may look like one day
        or not (isinstance(trace_id, str) and 0 < len(trace_id) <= _LONGEST_TRACE_ID)
        or not trace_id.isprintable()
    ):
        raise Refused(400, "wrong_types")
    return event_type, user_id, object_id.lower(), trace_id.lower()


async def _answer(send: Send, status: int) -> None:
    # 204 has no body and must not promise one (RFC 9110, 8.6)
    headers = [] if status == 204 else [(b"content-length", b"0")]
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
