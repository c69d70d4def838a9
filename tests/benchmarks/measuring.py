"""Wall and CPU time of a piece of work, for this side and the server, and how they spread."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What a piece of work cost.

    Attributes:
        wall_seconds: Time on the clock.
        client_cpu_seconds: CPU of this process and of the processes it started and waited for.
        server_cpu_seconds: CPU of all processes of the database server.
    """

    wall_seconds: float = 0.0
    client_cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0

    @property
    def cpu_seconds(self) -> float:
        """Client and server together."""
        return self.client_cpu_seconds + self.server_cpu_seconds

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.wall_seconds + other.wall_seconds,
            self.client_cpu_seconds + other.client_cpu_seconds,
            self.server_cpu_seconds + other.server_cpu_seconds,
        )


@contextmanager
def measured(server_processes: Callable[[], Sequence[int]]) -> Iterator[Cost]:
    """Measure what happens inside; the figures are there when the block has ended.

    Args:
        server_processes: Gives the ids of the server's processes, its first process among them.
    """
    cost = Cost()
    server, client, wall = _server_cpu(server_processes()), _client_cpu(), time.perf_counter()
    yield cost
    cost.wall_seconds = time.perf_counter() - wall
    cost.client_cpu_seconds = _client_cpu() - client
    cost.server_cpu_seconds = _server_cpu(server_processes()) - server


def _client_cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _server_cpu(pids: Sequence[int]) -> float:
    """CPU seconds of a server; its first process counts the sessions that ended."""
    ticks = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue  # ended just now
        # user and system time, its own and of ended children; the name before ')' may hold spaces
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / _TICKS_PER_SECOND


@dataclass(frozen=True)
class Spread:
    """A figure of several repetitions: its median, smallest and largest value."""

    median: float
    least: float
    most: float
    repetitions: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise repetitions.

        Raises:
            statistics.StatisticsError: If there is none.
        """
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        digits = 2 if self.median < 100 else 0
        if self.repetitions == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f}-{self.most:,.{digits}f})"


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Ratios pair by pair of what ran side by side, so that a slow minute slows both."""
    return Spread.of([a / b for a, b in zip(numerators, denominators, strict=True)])
