"""What a kind of damage is, and a game that can be damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Row = dict[str, Any]
GameResource = Literal["playbyplay", "boxscore"]

FREE_OF_WALL_CLOCK = frozenset(
    {
        "action_timestamp",
        "action_timestamp_recorded",
        "is_action_timestamp_repaired",
        "start_timestamp",
        "end_timestamp",
    }
)
"""Columns that the wall clock enters."""


@dataclass
class Game:
    """Both payloads of one game, to be damaged in place."""

    game_id: str
    play_by_play: Row | None
    box_score: Row | None

    @property
    def actions(self) -> list[Row]:
        assert self.play_by_play is not None
        actions: list[Row] = self.play_by_play["game"]["actions"]
        return actions

    @property
    def box(self) -> Row:
        assert self.box_score is not None
        box: Row = self.box_score["game"]
        return box

    @property
    def players(self) -> list[Row]:
        """Everybody on the box score, home before away."""
        found: list[Row] = [*self.box["homeTeam"]["players"], *self.box["awayTeam"]["players"]]
        return found

    @property
    def clutch(self) -> list[Row]:
        """The actions in clutch time."""
        rows, margin = [], 0
        for row in self.actions:
            if row["period"] >= 4 and row["clock"] <= "PT05M00.00S" and abs(margin) <= 5:
                rows.append(row)
            margin = int(row["scoreHome"]) - int(row["scoreAway"])
        return rows

    def files(self) -> dict[GameResource, bytes]:
        """The payloads as JSON; without one that was taken away."""
        payloads: dict[GameResource, Row | None] = {
            "playbyplay": self.play_by_play,
            "boxscore": self.box_score,
        }
        return {
            resource: orjson.dumps(payload)
            for resource, payload in payloads.items()
            if payload is not None
        }


@dataclass(frozen=True)
class Outcome:
    """What must become of a damaged game.

    Attributes:
        quarantined: Reason in the quarantine; the payload is not stored.
        flagged: Reasons in ``game_quality``.
        is_same: Whether the game's rows equal those of the undamaged game.
        unlike: Columns that may differ all the same, because the damage is in them.
        wall_clock_seconds: How far a repaired wall clock may be from the undamaged one; None where
            it cannot be repaired, or need not.
        differences: Statistics of which ``game_reconciliation`` has a difference.
    """

    quarantined: str | None = None
    flagged: tuple[str, ...] = ()
    is_same: bool = False
    unlike: frozenset[str] = frozenset()
    wall_clock_seconds: int | None = None
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.quarantined is not None:
            return f"quarantined: `{self.quarantined}`"
        words = "clutch rows as without it" if self.is_same else "loaded"
        if self.wall_clock_seconds is not None:
            words += ", wall clock repaired"
        if self.unlike and self.wall_clock_seconds is None:
            words += f" but for {', '.join(f'`{name}`' for name in sorted(self.unlike))}"
        if self.flagged:
            words += f", flagged: {', '.join(f'`{reason}`' for reason in self.flagged)}"
        if self.differences:
            words += f", difference of {', '.join(self.differences)} in `game_reconciliation`"
        return words


def quarantined(reason: str) -> Outcome:
    """Set aside at ingestion."""
    return Outcome(quarantined=reason)


def flagged(*reasons: str) -> Outcome:
    """Loaded as it is, and named as suspect."""
    return Outcome(flagged=reasons)


def unharmed(*unlike: str, flagged: tuple[str, ...] = ()) -> Outcome:
    """Passes or is repaired: the game's clutch rows are those of the undamaged game."""
    return Outcome(is_same=True, unlike=frozenset(unlike), flagged=flagged)


def clock_repaired(seconds: int | None) -> Outcome:
    """As ``unharmed``, with a wall clock that is repaired to within some seconds."""
    return Outcome(is_same=True, unlike=FREE_OF_WALL_CLOCK, wall_clock_seconds=seconds)


@dataclass(frozen=True)
class Kind:
    """One kind of damage.

    Attributes:
        name: In words, unique.
        seen: Where it was seen, or that it is a precaution.
        outcome: What must become of a game that has it.
        edit: Damages the content of a game in place.
        resource: The payload that ``mangle`` is for, and that the quarantine must name.
        mangle: Damages the bytes of that payload; gets the bytes of another game too.
    """

    name: str
    seen: str
    outcome: Outcome
    edit: Callable[[Game], None] = field(default=lambda game: None, repr=False)
    resource: GameResource = "playbyplay"
    mangle: Callable[[bytes, bytes], bytes] | None = field(default=None, repr=False)

    @property
    def is_seen(self) -> bool:
        return not self.seen.startswith("precaution")

    def damage(self, game: Game, other: Game) -> dict[GameResource, bytes]:
        """The files of the damaged game."""
        before = game.files()
        self.edit(game)
        files = game.files()
        if self.mangle is not None:
            files[self.resource] = self.mangle(files[self.resource], other.files()[self.resource])
        assert files != before, f"{self.name} damaged nothing"
        return files
