"""What must hold of any coefficients, whatever games they were fitted on."""

from __future__ import annotations

import numpy as np

from modeling.win_probability.model import Coefficients, Floats, States, probability

_CHECKED_STATES = 20_000
_TOLERANCE = 1e-12
_SIGNED = (
    "home_margin",
    "ball",
    "pending_free_throws",
    "rating_difference",
    "home_edge",
    "home_back_to_back",
    "away_back_to_back",
    "is_playoff",
)


def broken(coefficients: Coefficients, seed: int = 1) -> list[str]:
    """The invariants that do not hold, each as a sentence; none if all do.

    Finite and within 0 and 1; antisymmetric (what is one side's is not the other's); never falling
    as the margin rises, at any time left and whoever has the ball.
    """
    states = random_states(_CHECKED_STATES, seed)
    with np.errstate(all="ignore"):
        found = probability(coefficients, states)
        other = probability(coefficients, mirrored(states))
        ladder = np.stack(
            [
                probability(coefficients, states._replace(home_margin=np.full(len(found), margin)))
                for margin in np.arange(-12.0, 13.0)
            ]
        )
    wrong = []
    if not np.isfinite(found).all() or (found < 0).any() or (found > 1).any():
        return ["a probability is no number from 0 to 1"]
    if np.abs(found + other - 1.0).max() > _TOLERANCE:
        wrong.append("the two sides' probabilities do not add up to 1")
    if (np.diff(ladder, axis=0) < -_TOLERANCE).any():
        wrong.append("a point more makes a side less likely to win")
    return wrong


def mirrored(states: States) -> States:
    """The same states with the sides changed, home court and all."""
    return states._replace(**{name: -getattr(states, name) for name in _SIGNED})


def random_states(count: int, seed: int) -> States:
    """States of every kind, the edges among them: time is up, overtime, throws, loose balls."""
    random = np.random.default_rng(seed)
    edges = np.array([0.0, 0.1, 1.0, 23.9, 60.0, 300.0, 720.0, 2880.0])
    is_overtime = (random.random(count) < 0.2).astype(float)
    longest = np.where(is_overtime == 1, 300.0, 2880.0)
    seconds = np.round(longest * random.random(count) ** 3, 2)
    at_edge = random.random(count) < 0.3
    seconds = np.where(at_edge, np.minimum(random.choice(edges, count), longest), seconds)
    ball = random.integers(-1, 2, count).astype(float)
    loose = random.integers(0, 6, count)

    def flags(share: float) -> Floats:
        return (random.random(count) < share).astype(float)

    return States(
        seconds_left=seconds,
        is_overtime=is_overtime,
        # half of them close
        home_margin=np.where(
            random.random(count) < 0.5,
            random.integers(-4, 5, count),
            random.integers(-60, 61, count),
        ).astype(float),
        ball=ball,
        is_loose_after_shot=((loose == 0) & (ball != 0)).astype(float),
        is_loose_after_free_throw=((loose == 1) & (ball != 0)).astype(float),
        pending_free_throws=random.integers(-3, 4, count) * flags(0.3),
        rating_difference=np.round(random.normal(0.0, 8.0, count), 4),
        home_edge=np.round(random.uniform(-2.0, 6.0, count), 4),
        home_back_to_back=flags(0.2),
        away_back_to_back=flags(0.2),
        is_playoff=flags(0.1),
    )
