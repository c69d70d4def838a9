"""When a game is asked for: while something is missing, and again while the league may edit it.

The league corrects a game for days: most corrections come in the night after it, a few days later.
A final game is therefore read again when it reaches certain ages, and left alone after the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion.nba.http import NO_VALIDATORS, Validators
from ingestion.nba.payloads import Resource
from ingestion.nba.schedule import FINAL, LIVE, Fixture

REREAD_AGES = tuple(timedelta(hours=hours) for hours in (4, 8, 24, 48, 96, 168, 336))
"""Ages, counted from tip-off, at which a final game is read again: the last is two weeks."""
REREAD_WINDOW = REREAD_AGES[-1]
MAY_HAVE_STARTED = timedelta(hours=12)
"""So long after tip-off a game is asked for although the schedule, a cached file, has it open."""

PLAY_BY_PLAYS: tuple[Resource, ...] = ("playbyplay", "playbyplayv3", "playbyplayv2")
BOX_SCORES: tuple[Resource, ...] = ("boxscore", "boxscoretraditionalv3")


def of_the_same_kind(resource: Resource) -> tuple[Resource, ...]:
    """The resources that can stand in for one another."""
    for kind in (PLAY_BY_PLAYS, BOX_SCORES):
        if resource in kind:
            return kind
    return (resource,)


@dataclass(frozen=True)
class Read:
    """The last answer about a record: its content, that it is unchanged, or that there is none.

    Attributes:
        resource: What was asked for.
        key: Game id; season of a schedule.
        read_at: When it was answered (aware).
        source: ``cdn``, ``stats`` or ``file``.
        http_status: Status of the answer, None for a file.
        game_status: Of a box score: 1 not started, 2 live, 3 final; None where it is not told.
        validators: Of the newest stored content.
    """

    resource: Resource
    key: str
    read_at: datetime
    source: str
    http_status: int | None = None
    game_status: int | None = None
    validators: Validators = NO_VALIDATORS

    @property
    def has_content(self) -> bool:
        """Whether there was content, stored by now."""
        return self.http_status in (None, 200, 304)


Reads = Mapping[tuple[Resource, str], Read]


def is_due(fixture: Fixture, reads: Reads, now: datetime) -> bool:
    """Whether a run at ``now`` should ask for a game.

    Args:
        fixture: What the schedule says of it.
        reads: The last answers, by resource and key.
        now: Time of the run (aware).
    """
    if fixture.is_postponed:
        return False
    if fixture.status == LIVE:
        return True
    age = None if fixture.tipoff_at is None else now - fixture.tipoff_at
    if fixture.status != FINAL:
        return age is not None and timedelta(0) <= age <= MAY_HAVE_STARTED
    answers = [_newest(fixture.game_id, kind, reads) for kind in (PLAY_BY_PLAYS, BOX_SCORES)]
    known = [answer for answer in answers if answer is not None]
    if len(known) < len(answers):
        return True
    if any(read.game_status not in (None, FINAL) for read in known):
        return True  # read while it was being played
    if age is None:
        return False
    if age <= REREAD_WINDOW and not all(read.has_content for read in known):
        return True
    last_age = age - (now - min(read.read_at for read in known))
    return any(last_age < checkpoint <= age for checkpoint in REREAD_AGES)


def _newest(game_id: str, kind: Iterable[Resource], reads: Reads) -> Read | None:
    """The last answer with content of any of these resources, else the last without."""
    found = [reads[resource, game_id] for resource in kind if (resource, game_id) in reads]
    return max(found, key=lambda read: (read.has_content, read.read_at), default=None)
