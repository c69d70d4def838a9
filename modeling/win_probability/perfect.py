"""Games under a model that is exactly right: what luck alone does to every check.

A right model's probability is a martingale that ends at the outcome. Here it is

    p = P(x(1) > tie) + P(|x(1)| <= tie) * (win in overtime),   x(1) | x(tau) ~ N(x(tau), 1 - tau)

with x a Brownian motion on an information clock tau that runs from 0 (tip-off) to 1 (end of
regulation). The clock is read from the judged predictions: at every time left the simulated ones
have the same expected Brier score. x(0) is drawn from the predictions at tip-off, actions come when
they came in real games, and as many games are tied at the end; overtime is such a motion again.
The margin, which clutch time and buckets are made of, is x in the scale of the real margins of its
time. Close games get the last five minutes of close ones, which have more actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from modeling.errors import ModelError
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.measures import Bins, Flags, Integers, binned
from modeling.win_probability.model import Floats

DRAWS = 400
SEED = 20231024
PERCENTILES = (50.0, 90.0, 95.0, 97.5)

CLUTCH_SECONDS = 300.0
CLUTCH_MARGIN = 5.0
OVERTIME_SECONDS = 300.0
LEAST_GAMES = 50

# Times left at which the clock and the scale of margins are read (s): close where both change fast.
_TIMES = np.array(
    [0, 1, 3, 6, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 540, *range(720, 2881, 180)],
    dtype=np.float64,
)
_OVERTIME_TIMES = np.array([0, 5, 15, 30, 60, 120, 180, 240, 300], dtype=np.float64)


class Clock(NamedTuple):
    """What is open at a time left, by interpolation; all arrays have shape (k,).

    Attributes:
        seconds: Times left, ascending (s).
        open_share: 1 - tau there, 1 at the start.
        margin_scale: Points of margin that x of 1 stands for there.
    """

    seconds: Floats
    open_share: Floats
    margin_scale: Floats

    def at(self, seconds_left: Floats) -> tuple[Floats, Floats]:
        """Open share and margin scale at some times left."""
        return (
            np.interp(seconds_left, self.seconds, self.open_share),
            np.interp(seconds_left, self.seconds, self.margin_scale),
        )


class SimulatedGames(NamedTuple):
    """States of games of a world in which the predictions are exactly right.

    Attributes:
        predicted: Probability that the home side wins, shape (n,).
        home_won: 1 where it did, shape (n,).
        game: Number of the game, shape (n,).
        quarter: 1 to 4, shape (n,).
        is_overtime: Shape (n,).
        is_clutch: Shape (n,).
        seconds_left: As in ``States`` (s), shape (n,).
        home_margin: Whole points, shape (n,).
    """

    predicted: Floats
    home_won: Floats
    game: Integers
    quarter: Integers
    is_overtime: Flags
    is_clutch: Flags
    seconds_left: Floats
    home_margin: Floats

    def bins(self) -> Bins:
        """Counted as ``measures.binned`` counts."""
        return binned(self.predicted, self.home_won, self.quarter, self.is_clutch, self.is_overtime)


class Band(NamedTuple):
    """What a right model shows in as many games.

    Attributes:
        errors: Weighted calibration error of each draw and group, (draws, groups).
        deviations: Sum of predicted minus won by draw, group and bin, over the states of the bin.
        brier: Brier score of each draw, all states, (draws,).
    """

    errors: Floats
    deviations: Floats
    brier: Floats

    def percentile(self, of: float) -> Floats:
        """Percentile of the calibration error of each group."""
        values: Floats = np.nanpercentile(self.errors, of, axis=0)
        return values

    def mean(self) -> Floats:
        """Mean calibration error of each group."""
        values: Floats = np.nanmean(self.errors, axis=0)
        return values

    def rank(self, errors: Floats) -> Floats:
        """Share of right models that show a smaller error, per group."""
        rank: Floats = (self.errors < errors).mean(axis=0)
        return rank

    def excess(self, errors: Floats) -> tuple[float, float]:
        """The worst group, in standard deviations above a right model's mean.

        Several groups give luck several chances; this is one figure for all of them.

        Returns:
            The figure, and its 97.5th percentile for a right model.
        """
        mean, spread = self.mean(), np.nanstd(self.errors, axis=0)
        spread = np.where(spread > 0, spread, np.inf)
        worst = float(np.nanmax((errors - mean) / spread))
        usual = np.nanmax((self.errors - mean) / spread, axis=1)
        return worst, float(np.percentile(usual, 97.5))


class _Times(NamedTuple):
    """When actions come, game below game: times left, quarters, and where each game begins."""

    seconds: Floats
    quarter: Integers
    open_share: Floats
    scale: Floats
    counts: Integers

    def of_games(self, order: Integers) -> _Times:
        """The times of these games, in this order."""
        counts = self.counts[order]
        begins = (np.cumsum(self.counts) - self.counts)[order]
        places = np.arange(counts.sum()) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
        return _Times(
            self.seconds[places],
            self.quarter[places],
            self.open_share[places],
            self.scale[places],
            counts,
        )

    def motion(self, start: Floats, open_share: float, random: np.random.Generator) -> Floats:
        """A Brownian motion in every game, from ``start`` where ``open_share`` was open."""
        begins = np.cumsum(self.counts) - self.counts
        has = self.counts > 0
        before = np.concatenate([[open_share], self.open_share[:-1]])
        before[begins[has]] = open_share
        step = np.sqrt(np.maximum(before - self.open_share, 0.0))
        moved = np.cumsum(random.standard_normal(len(step)) * step)
        # one running sum for all games: take off what stood there before each
        offset = np.zeros(len(start))
        offset[has] = np.concatenate([[0.0], moved])[begins[has]]
        return moved + np.repeat(start - offset, self.counts)


class RightWorld:
    """Draws games that look like some real ones and follow their predictions exactly.

    Args:
        played: States of real games: their times, margins and number of games.
        predicted: Predictions of them, shape (n,).

    Raises:
        ModelError: If there are too few games.
    """

    def __init__(self, played: PlayedStates, predicted: Floats) -> None:
        games, first = np.unique(played.game, return_index=True)
        if len(games) < LEAST_GAMES:
            raise ModelError(
                f"{len(games)} games are too few to tell a wrong model from luck; {LEAST_GAMES} "
                "are the least. Fix: load more games."
            )
        self._games = len(games)
        self._start = ndtri(np.clip(predicted[first], 1e-6, 1 - 1e-6))
        is_overtime = played.states.is_overtime == 1
        self._read_regulation(played, predicted, ~is_overtime)
        tied = np.unique(played.game[is_overtime])
        spread = math.sqrt(1.0 + float(np.var(self._start)))
        self._tie = float(ndtri(0.5 + len(tied) / self._games / 2)) * spread
        self._overtimes: list[Floats] = []
        if len(tied):
            self._read_overtimes(played, predicted, is_overtime)

    def _read_regulation(self, played: PlayedStates, predicted: Floats, regular: Flags) -> None:
        _, game = np.unique(played.game[regular], return_inverse=True)
        margin = played.states.home_margin[regular]
        seconds = _falling(np.minimum(played.states.seconds_left[regular], 2880.0), game)
        self._clock = _read_clock(seconds, predicted[regular], margin, game, _TIMES)
        open_share, scale = self._clock.at(seconds)
        # nothing is decided before the last whistle
        open_share = np.maximum(open_share, 1e-9)
        quarter = np.clip(played.period[regular], 1, 4)
        is_late = seconds <= CLUTCH_SECONDS
        self._early, self._late = (
            _Times(
                seconds[part],
                quarter[part],
                open_share[part],
                scale[part],
                np.bincount(game[part], minlength=self._games),
            )
            for part in (~is_late, is_late)
        )
        # who leads by much has fewer actions in the last minutes
        ends = np.cumsum(self._early.counts) - 1
        self._by_closeness = np.argsort(np.abs(margin[~is_late][ends]), kind="stable")

    def _read_overtimes(self, played: PlayedStates, predicted: Floats, is_overtime: Flags) -> None:
        seconds = np.minimum(played.states.seconds_left[is_overtime], OVERTIME_SECONDS)
        period = played.period[is_overtime]
        game = played.game[is_overtime]
        self._overtime_clock = _read_clock(
            seconds,
            predicted[is_overtime],
            played.states.home_margin[is_overtime],
            game * 100 + np.maximum(period, 5),
            _OVERTIME_TIMES,
        )
        for one in np.unique(game):
            self._overtimes.append(np.minimum.accumulate(seconds[(game == one) & (period <= 5)]))
        at_start = ndtri(
            np.clip(predicted[is_overtime][seconds == OVERTIME_SECONDS], 1e-6, 1 - 1e-6)
        )
        of_games = math.sqrt(float(np.mean(self._start**2)))
        of_overtimes = math.sqrt(float(np.mean(at_start**2))) if len(at_start) else 0.0
        self._overtime_share = of_overtimes / max(of_games, 1e-9)

    def draw(self, random: np.random.Generator) -> SimulatedGames:
        """One season of right predictions."""
        start = random.choice(self._start, self._games)
        overtime_start = start * self._overtime_share if self._overtimes else start * 0.0
        early = self._early.motion(start, 1.0, random)
        # through 5:00 of the last quarter
        ends = np.cumsum(self._early.counts) - 1
        open_late = float(self._clock.at(np.array(CLUTCH_SECONDS))[0])
        rest = np.sqrt(np.maximum(self._early.open_share[ends] - open_late, 0.0))
        late_start = early[ends] + rest * random.standard_normal(self._games)
        order = np.empty(self._games, dtype=np.int64)
        order[np.argsort(np.abs(late_start), kind="stable")] = self._by_closeness
        late_times = self._late.of_games(order)
        late = late_times.motion(late_start, open_late, random)
        last_open = np.full(self._games, open_late)
        last = late_start.copy()
        has = late_times.counts > 0
        late_ends = np.cumsum(late_times.counts)[has] - 1
        last_open[has], last[has] = late_times.open_share[late_ends], late[late_ends]
        end = last + np.sqrt(last_open) * random.standard_normal(self._games)
        home_won = (end > 0).astype(np.float64)
        numbers = np.arange(self._games)
        parts = [
            self._columns(times, x, np.repeat(numbers, times.counts), overtime_start)
            for times, x in ((self._early, early), (late_times, late))
        ]
        if self._overtimes:
            for tied in np.flatnonzero(np.abs(end) <= self._tie):
                won, columns = self._overtime(int(tied), float(overtime_start[tied]), random)
                home_won[tied] = won
                parts.append(columns)
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        # by game, each in the order it was played
        in_order = np.argsort(joined[1], kind="stable")
        predicted, game, *others = (column[in_order] for column in joined)
        return SimulatedGames(predicted, home_won[game], game, *others)

    def _columns(
        self, times: _Times, x: Floats, game: Integers, overtime_start: Floats
    ) -> tuple[NDArray[Any], ...]:
        spread = np.sqrt(times.open_share)
        above = ndtr((x - self._tie) / spread)
        tied = ndtr((x + self._tie) / spread) - above
        margin = np.rint(x * times.scale)
        is_clutch = (times.seconds <= CLUTCH_SECONDS) & (np.abs(margin) <= CLUTCH_MARGIN)
        predicted = above + tied * ndtr(overtime_start)[game]
        no = np.zeros(len(x), dtype=bool)
        return predicted, game, times.quarter, no, is_clutch, times.seconds, margin

    def _overtime(
        self, game: int, start: float, random: np.random.Generator
    ) -> tuple[float, tuple[NDArray[Any], ...]]:
        times = self._overtimes[int(random.integers(len(self._overtimes)))]
        open_share, scale = self._overtime_clock.at(times)
        open_share = np.maximum(open_share, 1e-9)
        step = np.sqrt(np.maximum(-np.diff(open_share, prepend=1.0), 0.0))
        x = start + np.cumsum(random.standard_normal(len(times)) * step)
        won = float(x[-1] + math.sqrt(open_share[-1]) * random.standard_normal() > 0)
        margin = np.rint(x * scale)
        count = len(times)
        return won, (
            ndtr(x / np.sqrt(open_share)),
            np.full(count, game),
            np.full(count, 4),
            np.ones(count, dtype=bool),
            np.abs(margin) <= CLUTCH_MARGIN,
            times,
            margin,
        )

    def draws(self, count: int = DRAWS, seed: int = SEED) -> Iterator[SimulatedGames]:
        """Several, always the same for a seed."""
        random = np.random.default_rng(seed)
        for _ in range(count):
            yield self.draw(random)

    def band(
        self,
        count: int = DRAWS,
        seed: int = SEED,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Band:
        """Calibration of a right model in as many games, again and again.

        Args:
            count: Number of draws.
            seed: Of the random numbers.
            progress: Told the number of draws done.
        """
        errors, deviations, scores = [], [], []
        for number, games in enumerate(self.draws(count, seed), 1):
            counted = games.bins()
            errors.append(counted.error())
            with np.errstate(invalid="ignore"):
                deviations.append((counted.predicted - counted.won) / counted.states)
            scores.append(float(((games.predicted - games.home_won) ** 2).mean()))
            progress(number)
        return Band(np.array(errors), np.array(deviations), np.array(scores))


def _falling(seconds: Floats, game: Integers) -> Floats:
    """Times left that never rise within a game."""
    # games one below the other, so that one running minimum serves all of them
    shifted = seconds - game * 10000.0
    falling: Floats = np.minimum.accumulate(shifted) + game * 10000.0
    return falling


def _read_clock(
    seconds: Floats, predicted: Floats, margin: Floats, game: Integers, times: Floats
) -> Clock:
    """The clock on which a Brownian motion is as uncertain as these predictions.

    E p(1 - p) of p = Phi(z), z ~ N(0, s^2), is 1/4 - asin(s^2 / (1 + s^2)) / 2 pi, and on the clock
    s^2 = (variance at the start + tau) / (1 - tau). One vote a game and time, its last state by
    then: close games have more actions at the end, and would make it look less certain than it is.
    """
    _, number = np.unique(game, return_inverse=True)
    # one rising scale for all games, one below the other
    played = number * 10000.0 - _falling(seconds, number)
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    wanted = np.arange(len(firsts))[:, None] * 10000.0 - times[None, :]
    last = np.searchsorted(played, wanted, side="right") - 1
    last = np.maximum(last, firsts[:, None])
    uncertain = (predicted * (1 - predicted))[last].mean(axis=0)
    points = np.sqrt((margin[last] ** 2).mean(axis=0))
    # 1 / (1 + s^2)
    certain = 1.0 - np.sin(2 * np.pi * (0.25 - np.clip(uncertain, 1e-6, 0.25)))
    # what is known never becomes less
    certain = np.maximum.accumulate(certain)
    open_share = certain / certain[-1]
    # x has the variance s^2 (1 - tau)
    variance = np.maximum((1.0 / certain - 1.0) * open_share, 1e-6)
    return Clock(times, open_share, points / np.sqrt(variance))
