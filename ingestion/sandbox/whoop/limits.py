"""Request limits of a client: 100 a minute and 10,000 in 24 hours, shared by all its members."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

MINUTE_MILLI = 60_000
DAY_MILLI = 86_400_000


@dataclass(frozen=True)
class Budget:
    """What is left after a request.

    Attributes:
        is_allowed: False when a limit was used up before the request.
        limit: Limit that is nearest to being used up.
        remaining: Requests left of it.
        reset_seconds: Seconds until it gives room again.
        headers: The three ``X-RateLimit`` headers.
    """

    is_allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    headers: dict[str, str]


class RateLimits:
    """Counts requests in simulated time.

    Args:
        per_minute: Limit over 60 s.
        per_day: Limit over 24 h.
    """

    def __init__(self, per_minute: int, per_day: int) -> None:
        self._windows = ((per_minute, MINUTE_MILLI), (per_day, DAY_MILLI))
        self._times: list[int] = []

    def take(self, now: int, *, sliding: bool) -> Budget:
        """Ask for one request; a refused one is not counted.

        Args:
            now: Simulated time, milliseconds since 1970.
            sliding: Whether the windows end at ``now``; otherwise they are whole minutes and days
                of UTC.
        """
        is_allowed = all(
            self._used(now, window, sliding) < limit for limit, window in self._windows
        )
        if is_allowed:
            self._times.append(now)
            if self._times[0] <= now - 2 * DAY_MILLI:
                del self._times[: bisect_left(self._times, now - DAY_MILLI)]
        return self._budget(now, sliding, is_allowed)

    def give_back(self) -> None:
        """Forget the request counted last."""
        if self._times:
            self._times.pop()

    def _start(self, now: int, window: int, sliding: bool) -> int:
        return now - window + 1 if sliding else now - now % window

    def _used(self, now: int, window: int, sliding: bool) -> int:
        return len(self._times) - bisect_left(self._times, self._start(now, window, sliding))

    def _budget(self, now: int, sliding: bool, is_allowed: bool) -> Budget:
        states = []
        for limit, window in self._windows:
            used = self._used(now, window, sliding)
            if sliding and used:
                end = self._times[len(self._times) - used] + window
            elif sliding:
                end = now + window
            else:
                end = now - now % window + window
            states.append((max(0, limit - used), -window, limit, end))
        # the nearest limit is the one with the fewest requests left; of two used up, the longer
        remaining, _, limit, end = min(states)
        reset = max(1, -(-(end - now) // 1000))
        every = ", ".join(f"{limit};window={window // 1000}" for limit, window in self._windows)
        return Budget(
            is_allowed,
            limit,
            remaining,
            reset,
            {
                "X-RateLimit-Limit": f"{limit}, {every}",
                "X-RateLimit-Remaining": str(remaining),
                "X-RateLimit-Reset": str(reset),
            },
        )
