"""What can go wrong with an answer, and when it shall.

A plan decides by the path of a request and by how often that path was asked for before, never by
the order in which requests of several connections come: the same plan gives the same faults in
every run.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Kind(StrEnum):
    """What is wrong with an answer."""

    STATUS = "status"
    """Another status; 429 and 503 with or without ``Retry-After``."""
    RESET_BEFORE_ANSWER = "reset before any byte"
    RESET_IN_BODY = "reset in the body"
    SHORT_BODY = "body shorter than its Content-Length"
    CUT_JSON = "200 with cut JSON"
    CUT_GZIP = "200 with cut gzip"
    SLOW_HEADERS = "late answer"
    SLOW_BODY = "body in dribs and drabs"
    STALE = "older version from a cache"
    WRONG_GAME = "another game's body"
    HTML = "200 with a block page"
    BLOCKED = "403 with a block page"
    SILENCE = "no answer"


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: What is wrong.
        status: Of :attr:`Kind.STATUS`.
        retry_after: Form of ``Retry-After``, None to leave it out.
        seconds: What ``Retry-After`` says; how late or slow an answer is; how long silence lasts.
    """

    kind: Kind
    status: int = 503
    retry_after: Literal["seconds", "date"] | None = None
    seconds: float = 1.0

    @property
    def name(self) -> str:
        """What the log calls it."""
        if self.kind is not Kind.STATUS:
            return self.kind.value
        told = f", Retry-After as {self.retry_after}" if self.retry_after else ""
        return f"HTTP {self.status}{told}"


# a client that asks again gets over these within one run
PASSING = (
    Fault(Kind.STATUS, 429),
    Fault(Kind.STATUS, 429, "seconds"),
    Fault(Kind.STATUS, 429, "date"),
    Fault(Kind.STATUS, 500),
    Fault(Kind.STATUS, 502),
    Fault(Kind.STATUS, 503),
    Fault(Kind.RESET_BEFORE_ANSWER),
    Fault(Kind.RESET_IN_BODY),
    Fault(Kind.SHORT_BODY),
    Fault(Kind.SLOW_HEADERS, seconds=0.3),
    Fault(Kind.SLOW_BODY, seconds=0.3),
)
# these look like an answer: what came is set aside, and a later run reads it again
DAMAGING = (
    Fault(Kind.CUT_JSON),
    Fault(Kind.CUT_GZIP),
    Fault(Kind.WRONG_GAME),
    Fault(Kind.HTML),
)


class Rule(ABC):
    """Says which fault an answer shall have."""

    @abstractmethod
    def fault(self, path: str, number: int, total: int) -> Fault | None:
        """The fault, or None for an answer in good order.

        Args:
            path: Path with its query.
            number: How often this path was asked for before.
            total: How many requests came before on all paths.
        """


@dataclass(frozen=True)
class Listed(Rule):
    """Faults for the first, second, ... request of every path that matches.

    Attributes:
        pattern: Regular expression, searched in the path.
        faults: By request; None is an answer in good order.
        repeat_last: Whether the last one is for all further requests.
    """

    pattern: str
    faults: Sequence[Fault | None]
    repeat_last: bool = False

    def fault(self, path: str, number: int, total: int) -> Fault | None:
        if not self.faults or re.search(self.pattern, path) is None:
            return None
        if number < len(self.faults):
            return self.faults[number]
        return self.faults[-1] if self.repeat_last else None


@dataclass(frozen=True)
class Random(Rule):
    """Faults by chance, reproducible from a seed.

    Attributes:
        seed: Another seed, other faults.
        rate: Share of answers that have a fault (0-1).
        faults: One of these, all alike likely.
        first: Only the first so many requests of a path; below the client's attempts, what may
            pass does pass within a run, and after one run more there are no faults left.
        pattern: Regular expression, searched in the path.
    """

    seed: int
    rate: float
    faults: Sequence[Fault]
    first: int
    pattern: str

    def fault(self, path: str, number: int, total: int) -> Fault | None:
        if number >= self.first or re.search(self.pattern, path) is None:
            return None
        chance = random.Random(f"{self.seed} {path} {number}")
        return chance.choice(self.faults) if chance.random() < self.rate else None


@dataclass(frozen=True)
class From(Rule):
    """One fault for everything from some moment on.

    Attributes:
        total: How many requests are answered before.
        then: The fault.
        pattern: Regular expression, searched in the path.
    """

    total: int
    then: Fault
    pattern: str = ""

    def fault(self, path: str, number: int, total: int) -> Fault | None:
        return self.then if total >= self.total and re.search(self.pattern, path) else None


class FaultPlan:
    """Rules; the first that gives a fault decides. Without rules every answer is in good order."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    @classmethod
    def random(
        cls,
        seed: int,
        *,
        rate: float,
        faults: Sequence[Fault] = (*PASSING, *DAMAGING),
        first: int = 4,
        pattern: str = "",
    ) -> FaultPlan:
        """Faults by chance; see :class:`Random`."""
        return cls(Random(seed, rate, faults, first, pattern))

    @classmethod
    def blocked(cls, after: int, pattern: str = "") -> FaultPlan:
        """403 for everything once ``after`` requests were answered."""
        return cls(From(after, Fault(Kind.BLOCKED), pattern))

    def __add__(self, other: FaultPlan) -> FaultPlan:
        return FaultPlan(*self.rules, *other.rules)

    def fault(self, path: str, number: int, total: int) -> Fault | None:
        """The fault of an answer; see :meth:`Rule.fault`."""
        for rule in self.rules:
            if (found := rule.fault(path, number, total)) is not None:
                return found
        return None


def names(faults: Collection[Fault]) -> set[str]:
    """What the log calls these faults."""
    return {fault.name for fault in faults}
