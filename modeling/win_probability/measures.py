"""How far predictions are from what happened: losses, calibration, comparisons of two models.

States of one game share its outcome, so games are what is independent: every standard error here
is clustered by game.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from modeling.win_probability.data import PlayedStates
from modeling.win_probability.model import Floats

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BINS = 20  # of 0.05, as nflfastR and those who follow it count
GROUPS = ("all", "Q1", "Q2", "Q3", "Q4", "clutch", "overtime")
"""Parts of games that are judged by themselves; a quarter is without the overtime after it."""

_LEAST = 1e-15  # a probability of 0 that came true would cost infinitely much


class Estimate(NamedTuple):
    """A mean with its standard error."""

    value: float
    standard_error: float


class Comparison(NamedTuple):
    """One model's loss minus another's, on the same states; below 0 the first is better.

    Attributes:
        by_game: Mean over games of the mean difference in each.
        by_state: Mean over all states; games with more actions weigh more.
        t: ``by_game`` in standard errors.
    """

    by_game: Estimate
    by_state: Estimate

    @property
    def t(self) -> float:
        """The mean over games in standard errors; 0 where the two never differ."""
        error = self.by_game.standard_error
        return self.by_game.value / error if error > 0 else 0.0


class Bins(NamedTuple):
    """States by predicted probability, for each of ``GROUPS``; each array is (groups, bins).

    Attributes:
        states: How many there are.
        predicted: Sum of their probabilities.
        won: How many of them ended in a win of the home side.
    """

    states: Floats
    predicted: Floats
    won: Floats

    def error(self) -> Floats:
        """Weighted calibration error of each group; NaN where it has no state.

        The mean over states of |mean predicted - share won| of a state's bin.
        """
        total = self.states.sum(axis=1)
        distance = np.abs(self.predicted - self.won).sum(axis=1)
        error: Floats = np.where(total > 0, distance / np.maximum(total, 1), np.nan)
        return error


def brier(predicted: Floats, won: Floats) -> Floats:
    """Squared error of each prediction."""
    return (predicted - won) ** 2


def log_loss(predicted: Floats, won: Floats) -> Floats:
    """Logarithmic loss of each prediction (nats)."""
    kept = np.clip(predicted, _LEAST, 1 - _LEAST)
    losses: Floats = -np.log(np.where(won == 1, kept, 1 - kept))
    return losses


def correct(predicted: Floats, won: Floats) -> Floats:
    """1 where the favourite won, a half where there was none."""
    hit: Floats = np.where(predicted == 0.5, 0.5, (predicted > 0.5) == (won == 1))
    return hit


def mean_of_states(values: Floats, game: Integers) -> Estimate:
    """Mean over states, its standard error clustered by game."""
    if not len(values):
        return Estimate(math.nan, math.nan)
    mean = float(values.mean())
    return Estimate(mean, _clustered((values - mean) / len(values), game))


def mean_of_games(values: Floats, game: Integers) -> Estimate:
    """Mean over games of the mean of each game's states."""
    _, number, counts = np.unique(game, return_inverse=True, return_counts=True)
    means = np.bincount(number, values) / counts
    if len(means) < 2:
        return Estimate(float(means.mean()) if len(means) else math.nan, math.nan)
    return Estimate(float(means.mean()), float(means.std(ddof=1) / math.sqrt(len(means))))


def difference_of_means(values: Floats, is_first: Flags, game: Integers) -> Estimate:
    """Mean where ``is_first`` minus the mean elsewhere; a game may stand on both sides."""
    first, second = values[is_first], values[~is_first]
    if not len(first) or not len(second):
        return Estimate(math.nan, math.nan)
    influence = np.where(
        is_first,
        (values - first.mean()) / len(first),
        -(values - second.mean()) / len(second),
    )
    return Estimate(float(first.mean() - second.mean()), _clustered(influence, game))


def compare(loss: Floats, other_loss: Floats, game: Integers) -> Comparison:
    """Paired by game: what a game is worth to a model it mostly is to the other as well."""
    difference = loss - other_loss
    return Comparison(mean_of_games(difference, game), mean_of_states(difference, game))


def binned(
    predicted: Floats, won: Floats, quarter: Integers, is_clutch: Flags, is_overtime: Flags
) -> Bins:
    """Count states by predicted probability.

    Args:
        predicted: Shape (n,).
        won: 1 where the home side won, shape (n,).
        quarter: 1 to 4; whatever in overtime, shape (n,).
        is_clutch: Shape (n,).
        is_overtime: Shape (n,).
    """
    bins = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    part = np.where(is_overtime, 4, quarter - 1)
    code = part * BINS + bins

    def counted(weights: Floats | None) -> Floats:
        parts = np.bincount(code, weights, 5 * BINS).reshape(5, BINS).astype(np.float64)
        late = np.bincount(bins[is_clutch], None if weights is None else weights[is_clutch], BINS)
        return np.vstack([parts.sum(axis=0), parts[:4], late, parts[4]])

    return Bins(counted(None), counted(predicted), counted(won))


def binned_states(played: PlayedStates, predicted: Floats) -> Bins:
    """Count played states by predicted probability."""
    return binned(
        predicted,
        played.home_won,
        played.period,
        played.is_clutch,
        played.states.is_overtime == 1,
    )


def in_group(played: PlayedStates, group: str) -> Flags:
    """Which states belong to one of ``GROUPS``."""
    is_overtime = played.states.is_overtime == 1
    if group == "all":
        return np.ones(len(is_overtime), dtype=bool)
    chosen: Flags = played.is_clutch
    if group == "overtime":
        chosen = is_overtime
    elif group != "clutch":
        chosen = (played.period == int(group[1])) & ~is_overtime
    return chosen


def sign_flips(
    played: PlayedStates, predicted: Floats, *, count: int = 2000, seed: int = 1
) -> Floats:
    """Calibration errors that luck gives these very games, if the predictions are right.

    What a game adds to the distance of every bin has mean zero then: it gets a random sign, the
    whole game at once. Needs no simulated world, and knows only the games that there are.

    Returns:
        Shape (count, groups).
    """
    random = np.random.default_rng(seed)
    bins = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    distance = predicted - played.home_won
    errors = np.full((count, len(GROUPS)), np.nan)
    for place, group in enumerate(GROUPS):
        chosen = in_group(played, group)
        if not chosen.any():
            continue
        _, number = np.unique(played.game[chosen], return_inverse=True)
        games = int(number.max()) + 1
        sums = np.bincount(number * BINS + bins[chosen], distance[chosen], games * BINS)
        signs = random.choice(np.array([-1.0, 1.0]), (count, games))
        errors[:, place] = np.abs(signs @ sums.reshape(games, BINS)).sum(axis=1) / chosen.sum()
    return errors


def _clustered(influence: Floats, game: Integers) -> float:
    """Standard error of a sum of contributions that are independent between games."""
    of_games = np.bincount(np.unique(game, return_inverse=True)[1], influence)
    games = len(of_games)
    if games < 2:
        return math.nan
    return float(math.sqrt(games / (games - 1) * (of_games**2).sum()))
