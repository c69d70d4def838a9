"""The simulated clock: everything in the service happens by it, nothing by the wall clock."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from ingestion.sandbox.nba.settings import SandboxError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_milli(moment: datetime) -> int:
    """Give an aware moment in milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_milli(milli: int) -> datetime:
    """Give milliseconds since 1970 as a moment in UTC."""
    return EPOCH + timedelta(milliseconds=milli)


class Clock:
    """A clock that stands still until it is moved, or runs at a multiple of real time.

    It never goes back.

    Args:
        start: Where it starts (aware).
        speed: Simulated seconds per real second; 0 stands still, 1 is real time.
    """

    def __init__(self, start: datetime, speed: float = 0.0) -> None:
        if speed < 0:
            raise SandboxError("speed", f"{speed} is below 0", "give 0, 1 or more")
        self._lock = threading.Lock()
        self._base = to_milli(start)
        self._since = time.monotonic()
        self.speed = speed

    def milli(self) -> int:
        """Simulated time in milliseconds since 1970."""
        with self._lock:
            return self._milli()

    def _milli(self) -> int:
        if not self.speed:
            return self._base
        return self._base + int(1000 * self.speed * (time.monotonic() - self._since))

    @property
    def now(self) -> datetime:
        """Simulated time (UTC)."""
        return from_milli(self.milli())

    def reach(self, milli: int) -> None:
        """Move on to a time; one that is past changes nothing.

        Args:
            milli: Milliseconds since 1970.
        """
        with self._lock:
            if milli > self._milli():
                self._base = milli
                self._since = time.monotonic()
