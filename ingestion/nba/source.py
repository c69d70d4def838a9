"""What every source of NBA payloads offers: a folder of files, or the league's host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ingestion.nba.payloads import PayloadError, Resource


@dataclass(frozen=True)
class Arrival:
    """A body as it came in, or the reason why none came.

    Attributes:
        resource: What it should be.
        key: Game id that its name promises, malformed ones included; for a schedule the name
            itself.
        origin: Address, or file name relative to the folder.
        body: The bytes, None where there are none.
        is_gzip: Whether the sender or the name says that the bytes are gzip.
        failure: Why there is no body.
    """

    resource: Resource
    key: str
    origin: str
    body: bytes | None = None
    is_gzip: bool = False
    failure: PayloadError | None = None


class Source(Protocol):
    """A place that payloads come from."""

    @property
    def kind(self) -> Literal["cdn", "file"]:
        """What the raw tables say in ``source``."""
        ...

    @property
    def game_keys(self) -> Sequence[str]:
        """Every game on offer, in the order in which it is to be stored."""
        ...

    @property
    def schedules(self) -> Sequence[Arrival]:
        """Schedules that came along."""
        ...

    def fetch(self, game_keys: Sequence[str]) -> Iterator[Arrival]:
        """Yield what there is of these games, game by game."""
        ...
