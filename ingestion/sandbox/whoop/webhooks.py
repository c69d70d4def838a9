"""Webhooks: signed, repeated on failure, in simulated time, every attempt logged."""

from __future__ import annotations

import heapq
import itertools
import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from ingestion.sandbox.whoop.clock import Clock
from ingestion.sandbox.whoop.faults import Fault, Faults
from ingestion.sandbox.whoop.settings import Switches, seeded
from ingestion.sandbox.whoop.timeline import Event
from ingestion.whoop.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

_DUPLICATE_AFTER = 1000  # ms


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the delivery log.

    Attributes:
        trace_id: Of the webhook; the same in every attempt and duplicate.
        url: Receiver.
        user_id: The member.
        id: UUID in the webhook.
        type: ``sleep.updated`` and so on.
        event_at: When the change happened, ms since 1970.
        sent_at: When the attempt was made, ms since 1970.
        number: 0 is the first attempt, 1 to 5 its repetitions.
        is_duplicate: Whether it repeats a delivery that needed no repetition.
        status: HTTP status of the receiver, or None.
        outcome: ``delivered``, ``failed``, ``timeout``, ``lost`` (by fault), ``dropped`` (the
            member is no longer connected) or ``given_up`` (after the last attempt).
    """

    trace_id: str
    url: str
    user_id: int
    id: str
    type: str
    event_at: int
    sent_at: int
    number: int
    is_duplicate: bool
    status: int | None
    outcome: str


@dataclass(order=True, slots=True)
class _Delivery:
    due: int
    order: int
    event: Event = field(compare=False)
    trace_id: str = field(compare=False)
    url: str = field(compare=False)
    first_due: int = field(compare=False)
    number: int = field(compare=False, default=0)
    is_duplicate: bool = field(compare=False, default=False)


class Dispatcher:
    """Sends what became due when the clock moved.

    Deliveries of one moment go out at once, those of one member in order. While it sends, the clock
    stands at that moment, so that a receiver that reads back finds the world of the delivery.

    Args:
        clock: The simulated clock; is moved on by :meth:`pump`.
        seed: For trace ids.
        secret: Client secret.
        switches: Gives the present switches.
        faults: Decides what goes wrong.
        events: Gives the changes with ``after < at <= until``.
        connected_since: Tells since when a member is connected, or None.
        hide: Hides the record of an event until a time (for deliveries that come too early).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        seed: int,
        secret: str,
        switches: Callable[[], Switches],
        faults: Faults,
        events: Callable[[int, int], Iterable[Event]],
        connected_since: Callable[[int], int | None],
        hide: Callable[[Event, int], None],
    ) -> None:
        self.urls: tuple[str, ...] = ()
        self._clock = clock
        self._seed = seed
        self._secret = secret
        self._switches = switches
        self._faults = faults
        self._events = events
        self._connected_since = connected_since
        self._hide = hide
        self._cursor = clock.milli()
        self._queue: list[_Delivery] = []
        self._numbers = itertools.count()
        self._log: list[Attempt] = []
        self._lock = threading.Lock()
        self._pump_lock = threading.Lock()
        self._pool = ThreadPoolExecutor(8, "whoop-webhooks")
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """End the threads; what is queued is not sent."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for session in self._sessions:
            session.close()

    def log(self) -> list[Attempt]:
        """Give all attempts so far, in the order in which they ended."""
        with self._lock:
            return list(self._log)

    def pending(self) -> int:
        """Count what waits for its time."""
        with self._lock:
            return len(self._queue)

    def pump(self, until: int) -> None:
        """Move the clock on to a time and send all that is due by then, in order.

        Returns when every attempt has ended.

        Args:
            until: ms since 1970.
        """
        with self._pump_lock:
            for event in self._events(self._cursor, until):
                self._queue_event(event)
            self._cursor = max(self._cursor, until)
            while batch := self._take(until):
                self._clock.reach(batch[0].due)
                by_member: dict[int, list[_Delivery]] = {}
                for delivery in batch:
                    by_member.setdefault(delivery.event.user_id, []).append(delivery)
                futures: list[Future[None]] = [
                    self._pool.submit(self._send_all, deliveries)
                    for deliveries in by_member.values()
                ]
                wait(futures)
                for future in futures:
                    future.result()
            self._clock.reach(until)

    def _take(self, until: int) -> list[_Delivery]:
        """Take the deliveries of the earliest moment that is due."""
        with self._lock:
            batch: list[_Delivery] = []
            while self._queue and self._queue[0].due <= until:
                if batch and self._queue[0].due != batch[0].due:
                    break
                batch.append(heapq.heappop(self._queue))
            return batch

    def _push(self, delivery: _Delivery) -> None:
        with self._lock:
            heapq.heappush(self._queue, delivery)

    def _queue_event(self, event: Event) -> None:
        since = self._connected_since(event.user_id)
        if since is None or event.at < since or not self.urls:
            return
        random = seeded(self._seed, "trace", event.user_id, event.id, event.type, event.at)
        trace_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        faults = self._faults.of_delivery(trace_id, event.type, event.user_id)
        script = self._faults.script
        due = event.at
        if Fault.REORDER in faults:
            due += int(1000 * script.reorder_seconds)
        if Fault.EARLY in faults:
            self._hide(event, due + int(1000 * script.early_seconds))
        for url in self.urls:
            first = _Delivery(due, next(self._numbers), event, trace_id, url, due)
            if Fault.LOST in faults:
                self._note(first, None, "lost")
                continue
            self._push(first)
            if Fault.DUPLICATE in faults:
                again = due + _DUPLICATE_AFTER
                number = next(self._numbers)
                self._push(_Delivery(again, number, event, trace_id, url, again, is_duplicate=True))

    def _note(self, delivery: _Delivery, status: int | None, outcome: str) -> None:
        event = delivery.event
        attempt = Attempt(
            trace_id=delivery.trace_id,
            url=delivery.url,
            user_id=event.user_id,
            id=event.id,
            type=event.type,
            event_at=event.at,
            sent_at=delivery.due,
            number=delivery.number,
            is_duplicate=delivery.is_duplicate,
            status=status,
            outcome=outcome,
        )
        with self._lock:
            self._log.append(attempt)

    def _send_all(self, deliveries: list[_Delivery]) -> None:
        for delivery in deliveries:
            self._send(delivery)

    def _send(self, delivery: _Delivery) -> None:
        event = delivery.event
        if self._connected_since(event.user_id) is None:
            self._note(delivery, None, "dropped")
            return
        switches = self._switches()
        body: dict[str, Any] = {
            "user_id": event.user_id,
            "id": event.id,
            "type": event.type,
            "trace_id": delivery.trace_id,
        }
        raw = orjson.dumps(body)
        is_original = switches.retry_timestamp == "original"
        signed_at = delivery.first_due if is_original else delivery.due
        stamp = str(signed_at + int(1000 * self._faults.script.clock_skew_seconds))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "whoop-sandbox",
            TIMESTAMP_HEADER: stamp,
            SIGNATURE_HEADER: sign(self._secret, stamp, raw),
        }
        status, outcome = None, "failed"
        try:
            answer = self._session().post(
                delivery.url,
                data=raw,
                headers=headers,
                timeout=switches.webhook_timeout_seconds,
                allow_redirects=False,
            )
            status = answer.status_code
            if 200 <= status < 300:
                outcome = "delivered"
        except requests.Timeout:
            outcome = "timeout"
        except requests.RequestException:
            outcome = "failed"
        self._note(delivery, status, outcome)
        if outcome == "delivered":
            return
        offsets = switches.retry_offsets_seconds
        if delivery.number >= len(offsets):
            self._note(delivery, status, "given_up")
            return
        due = delivery.first_due + int(1000 * offsets[delivery.number])
        self._push(
            _Delivery(
                max(due, delivery.due + 1),
                next(self._numbers),
                event,
                delivery.trace_id,
                delivery.url,
                delivery.first_due,
                delivery.number + 1,
                delivery.is_duplicate,
            )
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # a proxy of the environment is not meant for receivers on this machine
            session.trust_env = False
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session
