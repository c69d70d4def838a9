"""Where what blocks runs: a few threads beside the one that answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

_Result = TypeVar("_Result")


class Threads:
    """Threads for what blocks; who comes when all are at work waits.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter: CapacityLimiter | None = None

    async def run(self, function: Callable[..., _Result], *args: Any, **kw: Any) -> _Result:
        """Call a function in one of them."""
        if self._limiter is None:  # it belongs to the loop that runs by now
            self._limiter = CapacityLimiter(self._most)
        return await anyio.to_thread.run_sync(partial(function, *args, **kw), limiter=self._limiter)
