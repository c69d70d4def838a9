"""Win probability by margin and clock: which cells miss by more than luck.

Each game has one vote in a bucket, **its first state there**. That is a stopping time, so a right
model is right on average over such states (optional stopping). The mean over a game's states in the
bucket, which published checks take, is not: a side that soon leaves the bucket for a larger lead
counts its few states as much as one that stays all quarter, so even a right model seems to
overrate leaders. ``tests/modeling/test_buckets.py`` shows both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modeling.win_probability.measures import Flags, Integers
from modeling.win_probability.model import Floats

# Edges lie between whole margins and are the leads people speak of; seconds left of a game.
MARGIN_EDGES = (-99.0, -14.5, -9.5, -5.5, -2.5, -0.5, 0.5, 2.5, 5.5, 9.5, 14.5, 99.0)
SECONDS_EDGES = (-1.0, 0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 720.0, 1440.0, 2160.0, 2881.0)
LEAST_GAMES = 30
FAMILY_ERROR = 0.05


class Bucket(NamedTuple):
    """One cell of margin and clock; margins and seconds beyond the first edge, up to the second.

    Attributes:
        margins: Home margin (points).
        seconds: Time left (s).
        games: Games with a state there.
        predicted: Mean probability that the home side wins, at the first state of each.
        won: Share that it won.
        p_value: Exact, two-sided: how often a right model is off as far.
        is_off: Whether that is too rare to be luck among all buckets (Holm).
    """

    margins: tuple[float, float]
    seconds: tuple[float, float]
    games: int
    predicted: float
    won: float
    p_value: float
    is_off: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict()


def buckets(
    predicted: Floats,
    won: Floats,
    game: Integers,
    home_margin: Floats,
    seconds_left: Floats,
    is_overtime: Flags,
) -> list[Bucket]:
    """Every bucket of regulation with enough games; all arrays have shape (n,), games in order."""
    cell = _cells(home_margin, seconds_left)
    chosen = np.flatnonzero(~is_overtime)
    first = chosen[first_of(game[chosen], cell[chosen])]
    found: list[Bucket] = []
    columns = len(SECONDS_EDGES) - 1
    for number in np.unique(cell[first]):
        votes = first[cell[first] == number]
        if len(votes) < LEAST_GAMES:
            continue
        row, column = divmod(int(number), columns)
        found.append(
            Bucket(
                (MARGIN_EDGES[row], MARGIN_EDGES[row + 1]),
                (SECONDS_EDGES[column], SECONDS_EDGES[column + 1]),
                len(votes),
                float(predicted[votes].mean()),
                float(won[votes].mean()),
                p_value(predicted[votes], round(float(won[votes].sum()))),
                False,
            )
        )
    is_off = holm(np.array([bucket.p_value for bucket in found]), FAMILY_ERROR)
    return [b._replace(is_off=bool(off)) for b, off in zip(found, is_off, strict=True)]


def averaged(
    predicted: Floats, won: Floats, game: Integers, is_in_bucket: Flags
) -> tuple[float, float]:
    """Predicted and won where a game's vote is the mean of its states: the biased way."""
    _, number, counts = np.unique(game[is_in_bucket], return_inverse=True, return_counts=True)
    means = np.bincount(number, predicted[is_in_bucket]) / counts
    wins = np.bincount(number, won[is_in_bucket]) / counts
    return float(means.mean()), float(wins.mean())


def first_of(*keys: Integers) -> Integers:
    """Places of the first element of every combination of keys, ascending."""
    combined = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        low = int(key.min()) if len(key) else 0
        combined = combined * (int(key.max()) - low + 1 if len(key) else 1) + (key - low)
    places: Integers = np.sort(np.unique(combined, return_index=True)[1])
    return places


def p_value(probabilities: Floats, successes: int) -> float:
    """Two-sided exact p-value of a number of successes under independent probabilities."""
    distribution = np.ones(1)
    for p in probabilities:
        distribution = np.convolve(distribution, [1.0 - p, p])
    below = float(distribution[: successes + 1].sum())
    above = float(distribution[successes:].sum())
    return min(1.0, 2.0 * min(below, above))


def holm(p_values: Floats, family_error: float) -> Flags:
    """Which hypotheses fall when at most one family in 1 / ``family_error`` may lose a true one."""
    order = np.argsort(p_values)
    limits = family_error / (len(p_values) - np.arange(len(p_values)))
    stands = np.flatnonzero(p_values[order] > limits)
    falls = np.zeros(len(p_values), dtype=bool)
    falls[order[: stands[0] if len(stands) else len(p_values)]] = True
    return falls


def _cells(home_margin: Floats, seconds_left: Floats) -> Integers:
    row = np.searchsorted(MARGIN_EDGES, home_margin) - 1
    column = np.searchsorted(SECONDS_EDGES, seconds_left) - 1
    cells: Integers = row * (len(SECONDS_EDGES) - 1) + column
    return cells
