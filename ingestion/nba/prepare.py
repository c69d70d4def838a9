"""From what arrived to what is to be stored: check, compare with what is stored, note gaps."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ingestion.nba.ledger import QuarantineEntry
from ingestion.nba.payloads import Payload, PayloadError, Resource, read_payload
from ingestion.nba.raw_tables import RawRow, StoredVersion
from ingestion.nba.report import QuarantinedItem
from ingestion.nba.source import Arrival, Source

_NOT_STARTED = 1
_FINAL = 3
_LONGEST_KEY = 200  # a malformed id is whatever a file is called


@dataclass
class Chunk:
    """What became of some games.

    Attributes:
        games: How many games it is about.
        unchanged: Payloads equal to the newest stored version, or to another copy in this chunk.
        rows: New versions by resource.
        quarantine: What was set aside.
        good_keys: Records that arrived in good order, by resource.
    """

    games: int = 0
    unchanged: int = 0
    rows: dict[Resource, list[RawRow]] = field(default_factory=dict)
    quarantine: list[QuarantineEntry] = field(default_factory=list)
    good_keys: dict[Resource, list[str]] = field(default_factory=dict)

    def set_aside(self, arrival: Arrival, error: PayloadError) -> None:
        """Add what arrived to the quarantine."""
        self._note(arrival.resource, arrival.key, error, arrival.origin, arrival.body)

    def note_gap(self, resource: Resource, key: str, error: PayloadError, origin: str) -> None:
        """Add something that should have arrived to the quarantine."""
        self._note(resource, key, error, origin, None)

    def _note(
        self, resource: Resource, key: str, error: PayloadError, origin: str, body: bytes | None
    ) -> None:
        item = QuarantinedItem(resource, key[:_LONGEST_KEY], error.reason, error.detail, origin)
        self.quarantine.append(QuarantineEntry(item, body))

    def settled_keys(self) -> dict[str, list[str]]:
        """Records of which nothing but good payloads arrived, by resource."""
        unsettled = {(entry.item.resource, entry.item.record_key) for entry in self.quarantine}
        return {
            resource: [key for key in keys if (resource, key) not in unsettled]
            for resource, keys in self.good_keys.items()
        }


class PayloadReader(Protocol):
    """The signature of :func:`ingestion.nba.payloads.read_payload`."""

    def __call__(
        self, resource: Resource, key: str | None, body: bytes, *, is_gzip: bool
    ) -> Payload:
        """Check a body as it arrived."""
        ...


class Preparer:
    """Checks what a source has and compares it with what is stored.

    Args:
        source: Where the payloads come from.
        newest: The newest stored version of every record, by resource and key.
        read: Checks a payload, here or in another process.
    """

    def __init__(
        self,
        source: Source,
        newest: Mapping[Resource, Mapping[str, StoredVersion]],
        read: PayloadReader = read_payload,
    ) -> None:
        self._source = source
        self._newest = newest
        self._read_payload = read

    def schedules(self) -> Chunk:
        """Prepare the schedules that came along."""
        chunk = Chunk()
        by_season: dict[str, list[tuple[Payload, Arrival]]] = {}
        for arrival in self._source.schedules:
            try:
                payload = self._read(arrival)
            except PayloadError as error:
                chunk.set_aside(arrival, error)
                continue
            by_season.setdefault(payload.key, []).append((payload, arrival))
        for copies in by_season.values():
            self._compare(chunk, copies)
        return chunk

    def games(self, keys: Sequence[str]) -> Chunk:
        """Fetch and prepare some games."""
        chunk = Chunk(games=len(keys))
        # one game at a time: what is not new is forgotten before the next one is read
        for key, of_game in itertools.groupby(
            self._source.fetch(keys), key=operator.attrgetter("key")
        ):
            self._game(chunk, key, list(of_game))
        return chunk

    def _game(self, chunk: Chunk, key: str, arrivals: Sequence[Arrival]) -> None:
        good: dict[Resource, list[tuple[Payload, Arrival]]] = {}
        bad: list[tuple[Arrival, PayloadError]] = []
        for arrival in arrivals:
            try:
                payload = self._read(arrival)
            except PayloadError as error:
                bad.append((arrival, error))
            else:
                good.setdefault(arrival.resource, []).append((payload, arrival))
        box_scores = good.get("boxscore")
        status = box_scores[0][0].game_status if box_scores else None
        for arrival, damage in bad:
            # before tip-off there is a box score and no play-by-play: nothing is wrong
            if status == _NOT_STARTED and damage.reason == "not_found":
                continue
            chunk.set_aside(arrival, damage)
        for copies in good.values():
            self._compare(chunk, copies)
        # what arrived damaged or was not found is noted already, with its own reason
        arrived = {arrival.resource for arrival in arrivals}
        if good.get("playbyplay") and not self._is_known("boxscore", key, arrived):
            chunk.note_gap(
                "boxscore",
                key,
                PayloadError(
                    "missing_box_score", f"game {key} has a play-by-play but no box score anywhere"
                ),
                good["playbyplay"][0][1].origin,
            )
        if status == _FINAL and not self._is_known("playbyplay", key, arrived):
            chunk.note_gap(
                "playbyplay",
                key,
                PayloadError(
                    "missing_play_by_play",
                    f"game {key} is final by its box score (game.gameStatus 3) but has no "
                    "play-by-play anywhere",
                ),
                arrivals[0].origin,
            )

    def _is_known(self, resource: Resource, key: str, arrived: set[Resource]) -> bool:
        return resource in arrived or key in self._newest[resource]

    def _compare(self, chunk: Chunk, copies: Sequence[tuple[Payload, Arrival]]) -> None:
        """Add the newest of several copies of one record, if it differs from what is stored."""
        # a folder may hold a record twice: the source's own time decides, then the order of names
        payload, arrival = max(
            enumerate(copies), key=lambda copy: (copy[1][0].source_time or "", copy[0])
        )[1]
        for other, other_arrival in copies:
            if other is payload:
                continue
            if other.content_hash == payload.content_hash:
                chunk.unchanged += 1
                continue
            chunk.set_aside(
                other_arrival,
                PayloadError(
                    "conflicting_copy",
                    f"{other_arrival.origin} differs from the newer {arrival.origin} of this run",
                ),
            )
        chunk.good_keys.setdefault(payload.resource, []).append(arrival.key)
        known = self._newest[payload.resource].get(payload.key)
        if known is not None and known.content_hash == payload.content_hash:
            chunk.unchanged += 1
            return
        fetched_at = datetime.now(UTC)
        if known is not None and fetched_at <= known.fetched_at:
            # a clock that was set back must not make the new version look older than the known one
            fetched_at = known.fetched_at + timedelta(microseconds=1)
        row = RawRow.of(
            payload, source=self._source.kind, origin=arrival.origin, fetched_at=fetched_at
        )
        chunk.rows.setdefault(payload.resource, []).append(row)

    def _read(self, arrival: Arrival) -> Payload:
        if arrival.failure is not None or arrival.body is None:
            raise arrival.failure or PayloadError("empty_body", f"{arrival.origin} sent nothing")
        key = None if arrival.resource == "schedule" else arrival.key
        return self._read_payload(arrival.resource, key, arrival.body, is_gzip=arrival.is_gzip)
