"""Fit the coefficients to played games by maximum likelihood."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from modeling.errors import ModelError
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.model import (
    Coefficients,
    Floats,
    States,
    negative_log_likelihood,
)

# Where every fit starts: round numbers near those of any season.
START = Coefficients(
    rating=3.0,
    home=1.5,
    home_back_to_back=-3.0,
    away_back_to_back=5.0,
    playoff=1.0,
    after_regulation=0.005,
    overtime_strength=1.0,
    held=0.5,
    held_late=0.2,
    held_late_seconds=15.0,
    loose_after_shot=-0.45,
    loose_after_free_throw=-0.75,
    free_throw=0.75,
    step_1=0.3,
    step_2=0.2,
    step_3=0.2,
    step_seconds=60.0,
    pace=18.0,
    doubt=11.0,
    last_shots=1.3,
    buzzer=0.7,
    buzzer_seconds=3.0,
    free_throw_variance=0.177,
    overtime_pace=19.0,
)

# Not fitted: the last seconds have too few states to tell how soon these terms fade. Left free, two
# fits on nearly the same games gave 0.33 points within 17 s and 0.72 within 8 s at the same loss.
# The variance is that of a throw that goes in 77 times in a hundred.
FIXED = {
    "held_late_seconds": 15.0,
    "step_seconds": 60.0,
    "buzzer_seconds": 3.0,
    "free_throw_variance": 0.177,
}

# Spreads are fitted as logarithms, within these bounds.
_BOUNDS = {
    "pace": (5.0, 60.0),
    "doubt": (1.0, 60.0),
    "last_shots": (0.3, 5.0),
    "buzzer": (0.3, 2.0),
    "overtime_pace": (5.0, 60.0),
}

# The end of a game has few states and terms of its own: all of them enter, of the rest every eighth
# with eight times the weight. Neighbours in a game tell nearly the same.
CLOSING_SECONDS = 180.0
THINNING = 8


def fit(played: PlayedStates) -> Coefficients:
    """The most likely coefficients.

    Args:
        played: States of finished games; every game counts with its states.

    Raises:
        ModelError: If the search does not end in a minimum.
    """
    states, home_won, weights = thinned(played)
    names = Coefficients.names()
    is_logarithm = np.array([name in _BOUNDS for name in names])
    start = np.array(list(START))
    start[is_logarithm] = np.log(start[is_logarithm])
    start = np.array([FIXED.get(name, at) for name, at in zip(names, start, strict=True)])
    bounds = [
        tuple(np.log(_BOUNDS[name]))
        if name in _BOUNDS
        else (FIXED.get(name), FIXED.get(name))  # none of both for a free one
        for name in names
    ]

    def coefficients_at(point: Floats) -> Coefficients:
        return Coefficients(*(float(v) for v in np.where(is_logarithm, np.exp(point), point)))

    def loss(point: Floats) -> tuple[float, Floats]:
        at = coefficients_at(point)
        value, gradient = negative_log_likelihood(at, states, home_won, weights)
        return value, gradient * np.where(is_logarithm, np.array(list(at)), 1.0)

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "maxcor": 30, "ftol": 1e-11, "gtol": 1e-6},
    )
    if not found.success:
        raise ModelError(
            f"the fit did not end in a minimum ({found.message}). Fix: give more games; a season "
            "has enough."
        )
    return coefficients_at(found.x)


def thinned(played: PlayedStates) -> tuple[States, Floats, Floats]:
    """States for the fit with their outcomes and weights.

    Returns:
        m states, 1 where the home side won (m,), and weights (m,).
    """
    states = played.states
    is_closing = (states.seconds_left <= CLOSING_SECONDS) | (states.is_overtime == 1)
    is_kept = is_closing | (np.arange(len(is_closing)) % THINNING == 0)
    weights = np.where(is_closing, 1.0, float(THINNING))
    return states.take(is_kept), played.home_won[is_kept], weights[is_kept]
