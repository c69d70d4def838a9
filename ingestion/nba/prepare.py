"""From what arrived to what is to be stored: check, compare with what is stored, note gaps."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ingestion.ledger import QuarantinedItem, QuarantineEntry
from ingestion.nba.http import NO_VALIDATORS
from ingestion.nba.payloads import Payload, PayloadError, Resource, read_payload
from ingestion.nba.raw_tables import RawRow, StoredVersion
from ingestion.nba.rereads import BOX_SCORES, PLAY_BY_PLAYS, Read, Reads, of_the_same_kind
from ingestion.nba.schedule import FINAL, NOT_STARTED
from ingestion.nba.source import Arrival, Source

_FORBIDDEN = 403
_LONGEST_KEY = 200  # a malformed id is whatever a file is called


@dataclass
class Chunk:
    """What became of some games.

    Attributes:
        games: How many games it is about.
        unchanged: Payloads equal to the newest stored version, or to another copy in this chunk.
        rows: New versions by resource.
        stale: Payloads older than the newest stored version: a cache had not followed yet.
        quarantine: What was set aside.
        good_keys: Records that arrived in good order, by resource.
        reads: What was answered, for the next run to know.
    """

    games: int = 0
    unchanged: int = 0
    stale: int = 0
    rows: dict[Resource, list[RawRow]] = field(default_factory=dict)
    quarantine: list[QuarantineEntry] = field(default_factory=list)
    good_keys: dict[Resource, list[str]] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)

    def set_aside(self, arrival: Arrival, error: PayloadError) -> None:
        """Add what arrived to the quarantine."""
        self._note(arrival.resource, arrival.key, error, arrival.origin, arrival.body)

    def keep_stale(self, payload: Payload, arrival: Arrival, newer: str) -> None:
        """Keep a payload that is older than what is stored; nothing has to be done about it."""
        self.stale += 1
        detail = f"{arrival.origin} is of {payload.source_time}, older than the stored {newer}"
        item = QuarantinedItem(arrival.resource, payload.key, "stale_copy", detail, arrival.origin)
        self.quarantine.append(QuarantineEntry(item, arrival.body, is_settled=True))

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
        unsettled = {
            (entry.item.resource, entry.item.record_key)
            for entry in self.quarantine
            if not entry.is_settled
        }
        settled: dict[str, list[str]] = {}
        for good, keys in self.good_keys.items():
            # a game's play-by-play in one form makes up for the lack of it in another
            for resource in of_the_same_kind(good):
                settled.setdefault(resource, []).extend(
                    key for key in keys if (resource, key) not in unsettled
                )
        return settled


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
        known: The last answers, by resource and key.
        now: Time of the run (aware).
        read: Checks a payload, here or in another process.
    """

    def __init__(
        self,
        source: Source,
        newest: Mapping[Resource, Mapping[str, StoredVersion]],
        known: Reads,
        now: datetime,
        read: PayloadReader = read_payload,
    ) -> None:
        self._source = source
        self._newest = newest
        self._known = known
        self._now = now
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
        for key, arrivals in zip(keys, self._source.fetch(keys), strict=True):
            self._game(chunk, key, arrivals)
        return chunk

    def _game(self, chunk: Chunk, key: str, arrivals: Sequence[Arrival]) -> None:
        good: dict[Resource, list[tuple[Payload, Arrival]]] = {}
        bad: list[tuple[Arrival, PayloadError]] = []
        status: int | None = None
        # While the first host could not say, or may have turned us away, what the second says is no
        # answer: the next run asks both again.
        open_kinds = {
            of_the_same_kind(arrival.resource)
            for arrival in arrivals
            if arrival.http_status == _FORBIDDEN
            or (arrival.failure is not None and arrival.failure.reason == "unavailable")
        }
        for arrival in arrivals:
            if arrival.is_unchanged:
                known = self._known[arrival.resource, key]
                status = known.game_status if known.game_status is not None else status
                chunk.unchanged += 1
                chunk.good_keys.setdefault(arrival.resource, []).append(key)
                chunk.reads.append(
                    replace(known, read_at=self._now, http_status=arrival.http_status)
                )
                continue
            try:
                payload = self._read(arrival)
                self._refuse_to_forget(payload)
            except PayloadError as error:
                if error.reason == "not_found":
                    self._note_answer(chunk, arrival, None)
                if not arrival.is_superseded:
                    bad.append((arrival, error))
            else:
                good.setdefault(arrival.resource, []).append((payload, arrival))
                status = payload.game_status if payload.game_status is not None else status
        for arrival, damage in bad:
            # before the end of a game files come late, and before tip-off there is only a box score
            if damage.reason == "not_found" and (not arrival.is_expected or status == NOT_STARTED):
                continue
            chunk.set_aside(arrival, damage)
        for copies in good.values():
            self._compare(chunk, copies)
        if open_kinds:
            chunk.reads = [
                read
                for read in chunk.reads
                if read.key != key or of_the_same_kind(read.resource) not in open_kinds
            ]
        # what arrived damaged or was not found is noted already, with its own reason
        asked_for = {arrival.resource for arrival in arrivals if not arrival.is_superseded}
        first_origin = arrivals[0].origin
        if any(good.get(resource) for resource in PLAY_BY_PLAYS) and not self._is_known(
            BOX_SCORES, key, asked_for
        ):
            chunk.note_gap(
                "boxscore",
                key,
                PayloadError(
                    "missing_box_score", f"game {key} has a play-by-play but no box score anywhere"
                ),
                first_origin,
            )
        if status == FINAL and not self._is_known(PLAY_BY_PLAYS, key, asked_for):
            chunk.note_gap(
                "playbyplay",
                key,
                PayloadError(
                    "missing_play_by_play",
                    f"game {key} is final by its box score (game.gameStatus 3) but has no "
                    "play-by-play anywhere",
                ),
                first_origin,
            )

    def _refuse_to_forget(self, payload: Payload) -> None:
        known = self._newest[payload.resource].get(payload.key)
        if payload.is_empty and known is not None and known.content_hash != payload.content_hash:
            raise PayloadError(
                "no_actions",
                f"game {payload.key} has no action any more, but a stored version has",
            )

    def _is_known(self, kind: Sequence[Resource], key: str, asked_for: set[Resource]) -> bool:
        return any(resource in asked_for or key in self._newest[resource] for resource in kind)

    def _note_answer(self, chunk: Chunk, arrival: Arrival, payload: Payload | None) -> None:
        if payload is None and arrival.key in self._newest[arrival.resource]:
            return  # what is stored stays; that it is gone for the moment is in the quarantine
        chunk.reads.append(
            Read(
                arrival.resource,
                arrival.key if payload is None else payload.key,
                self._now,
                arrival.source,
                arrival.http_status,
                None if payload is None else payload.game_status,
                # an answer without content must not make the next one "unchanged"
                NO_VALIDATORS if payload is None else arrival.validators,
            )
        )

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
            self._note_answer(chunk, arrival, payload)
            return
        if known is not None and _is_older(payload.source_time, known.source_time):
            chunk.keep_stale(payload, arrival, str(known.source_time))
            return
        self._note_answer(chunk, arrival, payload)
        fetched_at = datetime.now(UTC)
        if known is not None and fetched_at <= known.fetched_at:
            # a clock that was set back must not make the new version look older than the known one
            fetched_at = known.fetched_at + timedelta(microseconds=1)
        row = RawRow.of(
            payload, source=arrival.source, origin=arrival.origin, fetched_at=fetched_at
        )
        chunk.rows.setdefault(payload.resource, []).append(row)

    def _read(self, arrival: Arrival) -> Payload:
        if arrival.failure is not None or arrival.body is None:
            raise arrival.failure or PayloadError("empty_body", f"{arrival.origin} sent nothing")
        key = None if arrival.resource == "schedule" else arrival.key
        payload = self._read_payload(arrival.resource, key, arrival.body, is_gzip=arrival.is_gzip)
        if payload.source_time is None and arrival.validators.last_modified is not None:
            return replace(payload, source_time=arrival.validators.last_modified)
        return payload


def _is_older(time: str | None, than: str | None) -> bool:
    """Whether a payload's own time says that it was made before another of the same record."""
    if time is None or than is None:
        return False
    if time.endswith("GMT") != than.endswith("GMT"):
        return False  # one is the envelope's, whose zone nobody states, the other HTTP's
    moments = [_moment(text) for text in (time, than)]
    if moments[0] is None or moments[1] is None:
        return False
    return moments[0] < moments[1]


def _moment(text: str) -> datetime | None:
    try:
        if text.endswith("GMT"):
            return email.utils.parsedate_to_datetime(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
