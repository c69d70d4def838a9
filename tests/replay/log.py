"""What a server was asked, and by how many connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class LoggedRequest:
    """One request and what became of it.

    Attributes:
        path: Path with its query.
        moment: When it came (``time.monotonic``).
        connection: Number of the connection it came over.
        headers: Of the request, by lower-case name.
        status: HTTP status of the answer; None where none was sent.
        fault: Name of the fault that the answer had, None without one.
        seconds: How long the answer took.
    """

    path: str
    moment: float
    connection: int
    headers: dict[str, str]
    status: int | None = None
    fault: str | None = None
    seconds: float = 0.0


@dataclass
class RequestLog:
    """Every request to a server; safe to read while it serves."""

    requests: list[LoggedRequest] = field(default_factory=list)
    most_at_once: int = 0
    _open: int = 0
    _last_connection: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new_connection(self) -> int:
        """Number of a connection that was just opened."""
        with self._lock:
            self._last_connection += 1
            return self._last_connection

    @contextmanager
    def answering(
        self, path: str, connection: int, headers: dict[str, str]
    ) -> Iterator[LoggedRequest]:
        """Log a request while it is being answered."""
        request = LoggedRequest(path, time.monotonic(), connection, headers)
        with self._lock:
            self.requests.append(request)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            yield request
        finally:
            with self._lock:
                self._open -= 1
                request.seconds = time.monotonic() - request.moment

    def clear(self) -> None:
        """Forget what came so far."""
        with self._lock:
            self.requests.clear()
            self.most_at_once = self._open

    @property
    def total(self) -> int:
        """Number of requests."""
        return len(self.requests)

    @property
    def per_path(self) -> Counter[str]:
        """Number of requests by path."""
        return Counter(request.path for request in list(self.requests))

    @property
    def most_repeated(self) -> tuple[str, int]:
        """The path that was asked for most often, and how often; ``("", 0)`` before any request."""
        most = self.per_path.most_common(1)
        return most[0] if most else ("", 0)

    @property
    def connections(self) -> int:
        """Connections that carried a request."""
        return len({request.connection for request in list(self.requests)})

    @property
    def faults(self) -> Counter[str]:
        """Number of answers by fault."""
        return Counter(request.fault for request in list(self.requests) if request.fault)

    @property
    def statuses(self) -> Counter[int | None]:
        """Number of answers by HTTP status, None where none was sent."""
        return Counter(request.status for request in list(self.requests))

    @property
    def peak_per_second(self) -> int:
        """The largest number of requests that came within any one second."""
        moments = sorted(request.moment for request in list(self.requests))
        most = first = 0
        for last, moment in enumerate(moments):
            while moment - moments[first] >= 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most

    def summary(self) -> str:
        """All counts in one line."""
        path, times = self.most_repeated
        return (
            f"{self.total:,} requests for {len(self.per_path):,} paths over {self.connections} "
            f"connections, at most {self.most_at_once} at once and {self.peak_per_second} a "
            f"second; most repeated: {times} x {path}; "
            f"faults: {dict(sorted(self.faults.items())) or 'none'}"
        )
