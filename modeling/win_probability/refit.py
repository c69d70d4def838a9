"""Fit a candidate version, hold it against the one in force, publish it or say why not.

Held back is a share of the games that the version in force has never seen, spread evenly over them:
neither model was fitted on those. The candidate is fitted on all other games and is what is
published; it is not fitted again with the held-back ones, so what was checked is what scores. It is
valid from the day after the last game of all: no game is scored with coefficients that saw it, and
no published value changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection

from modeling.errors import ModelError
from modeling.win_probability.data import (
    PAUSE_DAYS,
    PlayedStates,
    finished_seasons,
    read_played_states,
)
from modeling.win_probability.fit import fit
from modeling.win_probability.invariants import broken
from modeling.win_probability.measures import (
    Comparison,
    binned_states,
    compare,
    log_loss,
)
from modeling.win_probability.model import probability
from modeling.win_probability.perfect import RightWorld
from modeling.win_probability.versions import (
    SEED,
    Version,
    append_version,
    read_versions,
    rounded,
)

HELD_BACK_SHARE = 0.2
LEAST_HELD_BACK = 100
LEAST_FITTED = 1000

# A candidate knows more games than the version in force and should be no worse on new ones. Luck on
# a few hundred games may say otherwise: one standard error is forgiven, if small. The limit is
# a fifth of what gradient boosting loses to the formula (nats a game): refits must not add up.
FORGIVEN_STANDARD_ERRORS = 1.0
LARGEST_LOSS = 0.001

Say = Callable[[str], None]


class Measured(NamedTuple):
    """A candidate beside the version in force, on games that neither was fitted on.

    Attributes:
        comparison: The candidate's log loss minus the other's.
        calibration_excess: The candidate's worst calibration error among the parts of games, in
            standard deviations above a right model's mean.
        calibration_limit: 97.5th percentile of the same for a right model.
    """

    comparison: Comparison
    calibration_excess: float
    calibration_limit: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "log_loss_difference": {
                "by_game": self.comparison.by_game._asdict(),
                "by_state": self.comparison.by_state._asdict(),
                "t": self.comparison.t,
            },
            "calibration_excess": self.calibration_excess,
            "calibration_limit": self.calibration_limit,
        }


class Refit(NamedTuple):
    """What became of a candidate.

    Attributes:
        candidate: The version, as it was or would have been written.
        in_force: The version that it was held against.
        held_back: Games neither was fitted on.
        measured: How it did on them; None if it breaks an invariant, which ends the matter.
        refused: Why it was not published; empty if it was.
    """

    candidate: Version
    in_force: Version
    held_back: int
    measured: Measured | None
    refused: list[str]

    @property
    def exit_code(self) -> int:
        """0 published, 3 not."""
        return 3 if self.refused else 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "published": not self.refused,
            "refused": self.refused,
            "candidate": self.candidate.as_dict(),
            "in_force": self.in_force.as_dict(),
            "held_back_games": self.held_back,
            "measured": self.measured.as_dict() if self.measured else None,
        }

    def lines(self) -> list[str]:
        """For the person at the terminal."""
        lines = [
            f"candidate: fitted on {self.candidate.fitted_games:,} games of "
            f"{', '.join(self.candidate.fitted_seasons)}"
        ]
        if self.measured:
            by_game, by_state = self.measured.comparison
            lines += [
                f"log loss minus that of version {self.in_force.number} on {self.held_back:,} "
                f"games that neither saw: {by_game.value:+.5f} ± {by_game.standard_error:.5f} a "
                f"game, {by_state.value:+.5f} ± {by_state.standard_error:.5f} a state",
                f"calibration: worst part {self.measured.calibration_excess:+.1f} s.d. from a "
                f"right model's mean, limit {self.measured.calibration_limit:+.1f}",
            ]
        if self.refused:
            return [*lines, *(f"not published: {reason}" for reason in self.refused)]
        return [
            *lines,
            f"published: version {self.candidate.number}, for games from "
            f"{self.candidate.valid_from} on. Next: commit the seed, then dbt build.",
        ]


def refit(
    connection: Connection[Any],
    *,
    until: str | None = None,
    held_back: float = HELD_BACK_SHARE,
    seed_path: Path = SEED,
    say: Say = lambda _: None,
) -> Refit:
    """Fit on all finished seasons and publish what is not worse.

    Args:
        connection: A connection that may read ``analytics``.
        until: Last season to use; default: the newest finished one.
        held_back: Share of the games that are new to the version in force; from 1 on, how many.
        seed_path: The versions.
        say: Told what is being done.

    Raises:
        ModelError: If there are too few games, or none that are new.
    """
    in_force = read_versions(seed_path)[-1]
    seasons = [season for season in finished_seasons(connection) if not until or season <= until]
    if not seasons:
        raise ModelError(
            f"no finished season{f' up to {until}' if until else ''} is loaded (one is finished "
            f"{PAUSE_DAYS} days after its last game). Fix: clutch ingest nba --season, then dbt "
            "build."
        )
    say(f"reading {', '.join(seasons)}")
    played = read_played_states(connection, seasons)
    return refit_on(played, in_force, held_back=held_back, seed_path=seed_path, say=say)


def refit_on(
    played: PlayedStates,
    in_force: Version,
    *,
    held_back: float = HELD_BACK_SHARE,
    seed_path: Path = SEED,
    say: Say = lambda _: None,
) -> Refit:
    """:func:`refit` on games at hand.

    Args:
        played: Every state of the games to use.
        in_force: The newest version.
        held_back: As in :func:`refit`.
        seed_path: The versions.
        say: Told what is being done.

    Raises:
        ModelError: As :func:`refit`.
    """
    is_held_back = choose_held_back(played, in_force, held_back, read_versions(seed_path))
    known, new = played.of_games(~is_held_back), played.of_games(is_held_back)
    say(f"fitting on {known.game_count:,} games, {new.game_count:,} held back")
    used = np.unique(played.game)
    candidate = Version(
        in_force.number + 1,
        max(played.dates[game] for game in used) + timedelta(days=1),
        sorted({played.seasons[game] for game in np.unique(known.game)}),
        known.game_count,
        rounded(fit(known)),
    )
    if faults := broken(candidate.coefficients):
        refused = [f"an invariant is broken: {sentence}" for sentence in faults]
        return Refit(candidate, in_force, new.game_count, None, refused)
    ours = probability(candidate.coefficients, new.states)
    theirs = probability(in_force.coefficients, new.states)
    comparison = compare(log_loss(ours, new.home_won), log_loss(theirs, new.home_won), new.game)
    say("simulating a right model")
    # as if the candidate's own predictions were right
    band = RightWorld(new, ours).band()
    measured = Measured(comparison, *band.excess(binned_states(new, ours).error()))
    refused = reasons(candidate, in_force, measured)
    if not refused:
        append_version(candidate, seed_path)
    return Refit(candidate, in_force, new.game_count, measured, refused)


def choose_held_back(
    played: PlayedStates, in_force: Version, held_back: float, versions: list[Version]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which games are held back: so many of those that are new, evenly spread over their dates.

    Raises:
        ModelError: If too few are new, or too few would be left to fit on.
    """
    used = np.unique(played.game)
    new = [
        int(game)
        for game in used
        if not in_force.has_seen(played.seasons[game], played.dates[game], versions)
    ]
    if not new:
        raise ModelError(
            f"version {in_force.number} was fitted on these very seasons "
            f"({', '.join(in_force.fitted_seasons)}); there is nothing new to learn from. Fix: "
            "load a later season."
        )
    count = round(held_back * len(new)) if held_back < 1 else int(held_back)
    least = min(count, len(new))
    if least < LEAST_HELD_BACK or len(used) - least < LEAST_FITTED:
        raise ModelError(
            f"{len(used):,} games, {len(new):,} of them new to version {in_force.number}, {least} "
            f"held back: a verdict needs {LEAST_HELD_BACK} held back and a fit {LEAST_FITTED:,} "
            "others. Fix: load more seasons, or change --held-back."
        )
    new.sort(key=lambda game: (played.dates[game], played.game_ids[game]))
    places = np.floor((np.arange(least) + 0.5) * len(new) / least).astype(int)
    chosen = np.zeros(len(played.game_ids), dtype=bool)
    chosen[np.array(new)[places]] = True
    return chosen


def reasons(candidate: Version, in_force: Version, measured: Measured) -> list[str]:
    """Why a candidate must not be published; none if it may."""
    found = []
    if candidate.coefficients == in_force.coefficients:
        found.append(f"its coefficients are those of version {in_force.number}")
    value, error = measured.comparison.by_game
    allowed = min(FORGIVEN_STANDARD_ERRORS * error, LARGEST_LOSS)
    if not value <= allowed:
        found.append(
            f"it is worse than version {in_force.number} on games that neither saw: log loss "
            f"{value:+.5f} a game, {allowed:.5f} is allowed"
        )
    if not measured.calibration_excess <= measured.calibration_limit:
        found.append(
            f"its calibration is off by more than luck: {measured.calibration_excess:+.1f} "
            f"standard deviations, a right model stays below {measured.calibration_limit:+.1f} "
            "in 97.5 of 100 cases"
        )
    if candidate.valid_from <= in_force.valid_from:
        found.append(
            f"it would be valid from {candidate.valid_from} on, not after version "
            f"{in_force.number} ({in_force.valid_from})"
        )
    return found
