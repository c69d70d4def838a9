"""Clocks of tests."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until someone sleeps."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.slept = 0.0

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += seconds
            self._now += timedelta(seconds=max(0.0, seconds))


class FastClock:
    """The machine's clock, so many times as fast; the same one in every process."""

    def __init__(self, started: float, speed: float) -> None:
        self.started = started
        self.speed = speed

    def now(self) -> datetime:
        passed = (time.time() - self.started) * self.speed
        return datetime.fromtimestamp(self.started + passed, UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)
