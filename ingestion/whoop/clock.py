"""The time, as something that can be handed in: a simulated service has a time of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time and waits."""

    def now(self) -> datetime:
        """The time (aware, UTC)."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time (aware, UTC)."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; nothing for 0 and less."""
        time.sleep(max(0.0, seconds))
