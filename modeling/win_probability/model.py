"""The win probability formula and its derivatives.

The same formula stands once in SQL (``dbt_project/macros/win_probability.sql``), which is what
scores games; this one fits it. A test holds the two together to 1e-12.

A state is what can be known right after an action. The home side's expected final lead is divided
by the spread that the rest of the game still has, and a logistic curve bent to the normal
distribution (``NORMAL_LINEAR``, ``NORMAL_CUBIC``) makes a probability of it:

    lead   = margin + close-game step * exp(-t / step_seconds) + free_throw * pending
             + (held + held_late * exp(-t / held_late_seconds))
             * (1 - exp(-t / buzzer_seconds)) * ball
             + strength * (T + after_regulation)
    spread = sqrt(pace^2 T + doubt^2 T^2 + last_shots^2 (1 - exp(-t / buzzer_seconds)) + buzzer^2
             + free_throw_variance * |pending|)

with t seconds left in regulation (in overtime: in that overtime) and T = t / 2880. Every term
changes its sign when the sides change places, so the two sides' probabilities add up to one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REGULATION_SECONDS = 2880.0

# Bowling et al. 2009, JIEM 2:114: logistic(1.5976 z + 0.07056 z^3) is the normal distribution
# function to 1.4e-4. SQL has no such function before PostgreSQL 16, and none in the common subset.
NORMAL_LINEAR = 1.5976
NORMAL_CUBIC = 0.07056598

# Nothing that is not over is certain: beyond this the curve says 3e-7.
LARGEST_LOGIT = 15.0


class States(NamedTuple):
    """Game states, one element each; every array has shape (n,).

    Attributes:
        seconds_left: Time left in regulation, in overtime in that overtime (s).
        is_overtime: 1 in overtime, else 0.
        home_margin: Points of the home side minus those of the visitors, after the action.
        ball: Who has the ball after the action: 1 home, -1 visitors, 0 nobody can tell.
        is_loose_after_shot: 1 while a missed field goal waits for its rebound; ``ball`` is the
            shooting side then.
        is_loose_after_free_throw: The same for a missed last free throw.
        pending_free_throws: Free throws to come, positive for the home side.
        rating_difference: Home minus visitors, before the game (points a game, shrunken).
        home_edge: What playing at home was worth in the league before the game (points).
        home_back_to_back: 1 if the home side played the day before.
        away_back_to_back: The same of the visitors.
        is_playoff: 1 in the playoffs.
    """

    seconds_left: Floats
    is_overtime: Floats
    home_margin: Floats
    ball: Floats
    is_loose_after_shot: Floats
    is_loose_after_free_throw: Floats
    pending_free_throws: Floats
    rating_difference: Floats
    home_edge: Floats
    home_back_to_back: Floats
    away_back_to_back: Floats
    is_playoff: Floats

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> States:
        """The states at these places."""
        return States(*(column[chosen] for column in self))


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """One version of the model; units are those of ``seeds/win_probability_coefficients.csv``.

    Attributes:
        rating: Weight of a point of rating difference (points a game).
        home: Weight of a point of the league's home edge (points a game).
        home_back_to_back: Of a home side that played yesterday (points a game).
        away_back_to_back: Of visitors who played yesterday (points a game).
        playoff: Extra for the home side in the playoffs (points a game).
        after_regulation: Share of a game for which strength still counts when time is up
            (overtime).
        overtime_strength: Weight of strength in overtime beside that in regulation.
        held: What having the ball is worth to the side that has it (points).
        held_late: What it is worth on top of that at the end (points).
        held_late_seconds: How soon that fades with the time left (s).
        loose_after_shot: Share of the ball that the shooting side keeps until the rebound
            (-1 to 1).
        loose_after_free_throw: The same after a missed free throw.
        free_throw: What a free throw to come is worth (points).
        step_1: What a lead of one counts beyond one point at the end (points).
        step_2: The same for a lead of two.
        step_3: The same for a lead of three.
        step_seconds: How soon the three fade with the time left (s).
        pace: Spread of a whole game's random walk (points).
        doubt: Spread of what is not known of the two sides' strength (points a game).
        last_shots: Spread that stays while there is any time for a shot (points).
        buzzer: Spread when time is up (points).
        buzzer_seconds: How soon the last shot becomes possible with the time left (s).
        free_throw_variance: Spread of a free throw to come, squared (points^2).
        overtime_pace: As ``pace``, in overtime.
    """

    rating: float
    home: float
    home_back_to_back: float
    away_back_to_back: float
    playoff: float
    after_regulation: float
    overtime_strength: float
    held: float
    held_late: float
    held_late_seconds: float
    loose_after_shot: float
    loose_after_free_throw: float
    free_throw: float
    step_1: float
    step_2: float
    step_3: float
    step_seconds: float
    pace: float
    doubt: float
    last_shots: float
    buzzer: float
    buzzer_seconds: float
    free_throw_variance: float
    overtime_pace: float

    @classmethod
    def names(cls) -> list[str]:
        """The coefficients' names, in the order of the seed's columns."""
        return [field.name for field in dataclasses.fields(cls)]

    @classmethod
    def from_mapping(cls, values: Mapping[str, str | float]) -> Coefficients:
        """Coefficients of a row of the seed.

        Raises:
            KeyError: If one is missing.
        """
        return cls(**{name: float(values[name]) for name in cls.names()})

    def __iter__(self) -> Iterator[float]:
        return iter(dataclasses.astuple(self))


def logit(coefficients: Coefficients, states: States) -> Floats:
    """Log odds that the home side wins.

    Args:
        coefficients: The model's version.
        states: n states of games that are not over.

    Returns:
        Shape (n,), within ``LARGEST_LOGIT`` of 0.
    """
    _, raw, _ = _standardised(coefficients, states)
    return np.clip(raw, -LARGEST_LOGIT, LARGEST_LOGIT)


def probability(coefficients: Coefficients, states: States) -> Floats:
    """Probability that the home side wins, shape (n,)."""
    return 1.0 / (1.0 + np.exp(-logit(coefficients, states)))


def negative_log_likelihood(
    coefficients: Coefficients, states: States, home_won: Floats, weights: Floats
) -> tuple[float, Floats]:
    """Weighted mean log loss and its gradient.

    Args:
        coefficients: The model's version.
        states: n states.
        home_won: 1 where the home side went on to win, shape (n,).
        weights: Weight of each state, shape (n,).

    Returns:
        The loss (nats a state) and its derivative by each coefficient, shape (24,).
    """
    z, raw, derivatives = _standardised(coefficients, states, with_derivatives=True)
    log_odds = np.clip(raw, -LARGEST_LOGIT, LARGEST_LOGIT)
    total = weights.sum()
    losses = np.logaddexp(0.0, -log_odds) * home_won + np.logaddexp(0.0, log_odds) * (1 - home_won)
    by_logit = 1.0 / (1.0 + np.exp(-log_odds)) - home_won
    by_z = by_logit * (NORMAL_LINEAR + 3.0 * NORMAL_CUBIC * z * z) * weights
    by_z = np.where(np.abs(raw) < LARGEST_LOGIT, by_z, 0.0)
    gradient = np.array([(by_z * derivatives[name]).sum() for name in Coefficients.names()])
    return float((losses * weights).sum() / total), gradient / total


def _fading(seconds_left: Floats, scale: float) -> Floats:
    # cut off where SQL has to: Postgres refuses an exp() too small to be told from 0
    faded: Floats = np.exp(-np.minimum(seconds_left / scale, 50.0))
    return faded


def _standardised(
    c: Coefficients, s: States, *, with_derivatives: bool = False
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Expected lead in units of its spread, its log odds, and dz by each coefficient if wanted."""
    t = s.seconds_left
    share = t / REGULATION_SECONDS
    held_late = _fading(t, c.held_late_seconds)
    step_fade = _fading(t, c.step_seconds)
    closing = _fading(t, c.buzzer_seconds)
    still_open = 1.0 - closing

    size = np.abs(s.home_margin)
    side = np.sign(s.home_margin)
    step = side * np.select([size == 1, size == 2, size == 3], [c.step_1, c.step_2, c.step_3], 0.0)
    ball = s.ball * np.where(
        s.is_loose_after_shot == 1,
        c.loose_after_shot,
        np.where(s.is_loose_after_free_throw == 1, c.loose_after_free_throw, 1.0),
    )
    strength = (
        c.rating * s.rating_difference
        + c.home * s.home_edge
        + c.home_back_to_back * s.home_back_to_back
        + c.away_back_to_back * s.away_back_to_back
        + c.playoff * s.is_playoff
    )
    in_regulation = 1.0 - s.is_overtime
    weight = in_regulation + c.overtime_strength * s.is_overtime
    rest = share + c.after_regulation
    worth = c.held + c.held_late * held_late
    pending = np.abs(s.pending_free_throws)
    pace = in_regulation * c.pace + s.is_overtime * c.overtime_pace

    lead = (
        s.home_margin
        + step * step_fade
        + c.free_throw * s.pending_free_throws
        + worth * still_open * ball
        + strength * weight * rest
    )
    variance = (
        pace * pace * share
        + c.doubt * c.doubt * share * share
        + c.last_shots * c.last_shots * still_open
        + c.buzzer * c.buzzer
        + c.free_throw_variance * pending
    )
    spread = np.sqrt(variance)
    z = lead / spread
    raw = z * (NORMAL_LINEAR + NORMAL_CUBIC * z * z)
    if not with_derivatives:
        return z, raw, {}

    by_lead = 1.0 / spread
    by_variance = -0.5 * z / variance
    moved = by_lead * weight * rest
    fading = closing * t / c.buzzer_seconds**2
    derivatives = {
        "rating": moved * s.rating_difference,
        "home": moved * s.home_edge,
        "home_back_to_back": moved * s.home_back_to_back,
        "away_back_to_back": moved * s.away_back_to_back,
        "playoff": moved * s.is_playoff,
        "after_regulation": by_lead * strength * weight,
        "overtime_strength": by_lead * strength * rest * s.is_overtime,
        "held": by_lead * still_open * ball,
        "held_late": by_lead * held_late * still_open * ball,
        "held_late_seconds": by_lead
        * (c.held_late * held_late * t / c.held_late_seconds**2 * still_open * ball),
        "loose_after_shot": by_lead * worth * still_open * s.ball * (s.is_loose_after_shot == 1),
        "loose_after_free_throw": by_lead
        * (worth * still_open * s.ball * (s.is_loose_after_free_throw == 1)),
        "free_throw": by_lead * s.pending_free_throws,
        "step_1": by_lead * side * (size == 1) * step_fade,
        "step_2": by_lead * side * (size == 2) * step_fade,
        "step_3": by_lead * side * (size == 3) * step_fade,
        "step_seconds": by_lead * step * step_fade * t / c.step_seconds**2,
        "pace": by_variance * 2.0 * c.pace * share * in_regulation,
        "doubt": by_variance * 2.0 * c.doubt * share * share,
        "last_shots": by_variance * 2.0 * c.last_shots * still_open,
        "buzzer": by_variance * 2.0 * c.buzzer,
        "buzzer_seconds": -by_lead * worth * ball * fading - by_variance * c.last_shots**2 * fading,
        "free_throw_variance": by_variance * pending,
        "overtime_pace": by_variance * 2.0 * c.overtime_pace * share * s.is_overtime,
    }
    return z, raw, derivatives
