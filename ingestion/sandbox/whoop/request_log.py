"""What was asked of the service: one line per request, countable by what tests care about."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop.limits import MINUTE_MILLI

_FIELDS = ("endpoint", "status", "user_id", "minute", "method")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request outside ``/__sim``.

    Attributes:
        at: ms since 1970, simulated.
        method: HTTP method.
        endpoint: Path as a template, e.g. ``/developer/v2/cycle/{id}``.
        path: Path with query, without any secret.
        status: Of the answer.
        user_id: Member of the token; None without a valid one.
    """

    at: int
    method: str
    endpoint: str
    path: str
    status: int
    user_id: int | None

    @property
    def minute(self) -> int:
        """Simulated minute since 1970."""
        return self.at // MINUTE_MILLI


class RequestLog:
    """All requests, in the order of their answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[LoggedRequest] = []

    def add(self, line: LoggedRequest) -> None:
        """Append a line."""
        with self._lock:
            self._lines.append(line)

    def lines(self) -> list[LoggedRequest]:
        """Give all lines."""
        with self._lock:
            return list(self._lines)

    def clear(self) -> None:
        """Forget all lines."""
        with self._lock:
            self._lines.clear()

    def counts(self, *by: str) -> Counter[tuple[object, ...]]:
        """Count requests.

        Args:
            by: Any of ``endpoint``, ``status``, ``user_id``, ``minute``, ``method``.

        Returns:
            Number of requests by tuples of these.

        Raises:
            SandboxError: If a name is none of them.
        """
        for name in by:
            if name not in _FIELDS:
                raise SandboxError(
                    "by", f"requests have no {name!r}", f"give some of {', '.join(_FIELDS)}"
                )
        return Counter(tuple(getattr(line, name) for name in by) for line in self.lines())
