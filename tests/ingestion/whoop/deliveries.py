"""Deliveries as WHOOP sends them, and a client that sends many at once."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ingestion.whoop.signature import sign

PATH = "/webhooks/whoop"
TYPES = tuple(
    f"{kind}.{what}" for kind in ("sleep", "recovery", "workout") for what in ("updated", "deleted")
)


@dataclass(frozen=True)
class Delivery:
    """One POST."""

    body: bytes
    timestamp: str | None
    signature: str | None

    def request(self) -> bytes:
        """The bytes on the wire."""
        lines = [
            f"POST {PATH} HTTP/1.1",
            "Host: receiver.example",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
        ]
        if self.timestamp is not None:
            lines.append(f"X-WHOOP-Signature-Timestamp: {self.timestamp}")
        if self.signature is not None:
            lines.append(f"X-WHOOP-Signature: {self.signature}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def signed(body: bytes, secret: str, at: float | None = None) -> Delivery:
    """A body with a true signature."""
    timestamp = str(int((time.time() if at is None else at) * 1000))
    return Delivery(body, timestamp, sign(secret, timestamp, body))


def event(
    source: random.Random, user_id: int = 990001, kind: str | None = None
) -> dict[str, object]:
    """What a delivery says."""

    def some_uuid() -> str:
        return str(uuid.UUID(int=source.getrandbits(128), version=4))

    return {
        "user_id": user_id,
        "id": some_uuid(),
        "type": kind or source.choice(TYPES),
        "trace_id": some_uuid(),
    }


def encoded(content: object) -> bytes:
    """JSON as WHOOP writes it."""
    return json.dumps(content, separators=(",", ":")).encode()


def _flip(source: random.Random, body: bytes) -> bytes:
    place = source.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << source.randrange(8))]) + body[place + 1 :]


def mutated(source: random.Random, true: Delivery, other: Delivery, secret: str) -> Delivery:
    """A delivery made of true ones that must not be taken."""
    assert true.timestamp is not None
    assert true.signature is not None
    stale = str(int(true.timestamp) - 9_000_000)
    place = source.randrange(43)
    letter = "A" if true.signature[place] != "A" else "B"
    forgeries: list[Callable[[], Delivery]] = [
        lambda: replace(true, body=_flip(source, true.body)),
        lambda: replace(true, body=true.body[: source.randrange(len(true.body))]),
        lambda: replace(true, body=true.body + b" "),
        lambda: replace(true, body=json.dumps(json.loads(true.body)).encode()),
        lambda: replace(true, body=other.body),
        lambda: replace(true, body=b"x" * 20_000),
        lambda: replace(true, signature=other.signature),
        lambda: replace(
            true, signature=true.signature[:place] + letter + true.signature[place + 1 :]
        ),
        lambda: replace(true, signature=sign("another secret", true.timestamp, true.body)),
        lambda: replace(true, signature=sign(secret, "", true.body)),
        lambda: replace(true, signature=None),
        lambda: replace(true, signature=""),
        lambda: replace(true, timestamp=None),
        lambda: replace(true, timestamp=str(int(true.timestamp) + 1)),
        lambda: replace(true, timestamp=true.timestamp + ".0"),
        lambda: Delivery(true.body, stale, sign(secret, stale, true.body)),  # replayed too late
    ]
    return source.choice(forgeries)()


def deliver(
    base_url: str,
    deliveries: Sequence[Delivery],
    *,
    connections: int = 8,
    per_second: float | None = None,
) -> list[tuple[int, float]]:
    """Send deliveries over kept connections; gives status and seconds of each, in their order.

    Args:
        base_url: The receiver.
        deliveries: What to send.
        connections: How many at the same time.
        per_second: Send at this rate, and count the time from when a delivery was due: a receiver
            that stands still is charged for all that wait. None: as fast as answers come.
    """
    place = urlsplit(base_url)
    requests = [delivery.request() for delivery in deliveries]
    answers: list[tuple[int, float]] = [(0, 0.0)] * len(requests)

    async def work(numbers: asyncio.Queue[tuple[int, float]]) -> None:
        reader = writer = None
        while True:
            number, due = await numbers.get()
            if number < 0:
                break
            if writer is None:
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
            assert reader is not None
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            await reader.readexactly(length)
            answers[number] = (int(head.split(b" ", 2)[1]), time.perf_counter() - due)
            if b"connection: close" in head.lower():
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    async def send_all() -> None:
        numbers: asyncio.Queue[tuple[int, float]] = asyncio.Queue(
            maxsize=0 if per_second else connections
        )
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(work(numbers))
            begun = time.perf_counter()
            for number in range(len(requests)):
                due = time.perf_counter()
                if per_second is not None:
                    due = begun + number / per_second
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await numbers.put((number, due))
            for _ in range(connections):
                await numbers.put((-1, 0.0))

    asyncio.run(send_all())
    return answers
