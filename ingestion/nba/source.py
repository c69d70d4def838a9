"""What every source of NBA payloads offers: a folder of files, or the league's host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ingestion.nba.http import NO_VALIDATORS, Validators
from ingestion.nba.payloads import PayloadError, Resource

SourceName = Literal["cdn", "stats", "file"]


@dataclass(frozen=True)
class Arrival:
    """A body as it came in, or the reason why none came.

    Attributes:
        resource: What it should be.
        key: Game id that its name promises, malformed ones included; for a schedule the name
            itself.
        origin: Address, or file name relative to the folder.
        source: What the raw tables say in ``source``.
        body: The bytes, None where there are none.
        is_gzip: Whether the sender or the name says that the bytes are gzip.
        failure: Why there is no body, or why it is not to be looked at.
        http_status: Status of the answer, None without one and for a file.
        validators: What the host said to tell later whether it has changed.
        is_expected: Whether it is a gap if there is nothing. Before a game is over it is none.
        is_superseded: Whether another source had what was asked for here.
    """

    resource: Resource
    key: str
    origin: str
    source: SourceName
    body: bytes | None = None
    is_gzip: bool = False
    failure: PayloadError | None = None
    http_status: int | None = None
    validators: Validators = NO_VALIDATORS
    is_expected: bool = True
    is_superseded: bool = False

    @property
    def is_unchanged(self) -> bool:
        """Whether the host said that nothing has changed since the last time."""
        return self.body is None and self.failure is None


class Source(Protocol):
    """A place that payloads come from."""

    @property
    def game_keys(self) -> Sequence[str]:
        """Every game on offer, in the order in which it is to be stored."""
        ...

    @property
    def schedules(self) -> Sequence[Arrival]:
        """Schedules that came along."""
        ...

    def fetch(self, game_keys: Sequence[str]) -> Iterator[list[Arrival]]:
        """Yield what there is of each of these games, in order."""
        ...
