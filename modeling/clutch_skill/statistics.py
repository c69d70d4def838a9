"""Sums over all shots that the likelihood stands on; they do not grow with the number of games.

With known spread of a shot of each kind the likelihood is Gaussian and linear, so sums of weighted
products say all that the shots say. Weights are 1 / variance of a shot's points (by kind, from the
shots themselves: some hundred thousand tell it to a part in a hundred).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from modeling.clutch_skill.design import (
    LEVERAGE_MEAN,
    LEVERAGE_SPREAD,
    LOADING,
    MARGIN_STEP,
    Design,
    columns,
    of_cells,
    plan,
)
from modeling.clutch_skill.nights import LEAST_ATHLETES, Nights, gather_nights, no_nights
from modeling.clutch_skill.observations import KINDS, Floats, Observations

OWN = (*KINDS, "clutch")
"""What is a player's own: a skill in each kind of shot and a clutch deviation."""

CLUTCH = len(KINDS)

# Role: attempts a game, pulled to somebody who shoots rarely; 8 attempts a game are 0.
_ROLE_ATTEMPTS, _ROLE_GAMES, _ROLE_CENTRE = 10.0, 3.0, 8.0
# A player's mix of shots is pulled to the league's by so many attempts.
_MIX_ATTEMPTS = 50.0


class Statistics(NamedTuple):
    """Weighted sums over all shots; P players, K terms, 4 own effects a player.

    Attributes:
        design: The terms.
        nights: The nights of the player-games.
        variances: Variance of a shot's points by kind (points squared), shape (3,).
        own_squares: Products of a player's own columns, shape (P, 4, 4).
        own_residuals: Own columns times residual, shape (P, 4).
        own_terms: Own columns times terms, shape (P, 4, K).
        term_squares: Products of terms, shape (K, K).
        term_residuals: Terms times residual, shape (K,).
        attempts: Attempts of each kind, shape (P, 3).
        clutch_attempts: The same in clutch time, shape (P, 3).
        residuals: Residual of each kind in points, shape (P, 3).
        clutch_residuals: The same in clutch time, shape (P, 3).
        role: Logarithm of attempts a game, 0 at 8, shape (P,).
        mix: Shares of the kinds in his attempts, pulled to the league's, shape (P, 3).
    """

    design: Design
    nights: Nights
    variances: Floats
    own_squares: Floats
    own_residuals: Floats
    own_terms: Floats
    term_squares: Floats
    term_residuals: Floats
    attempts: Floats
    clutch_attempts: Floats
    residuals: Floats
    clutch_residuals: Floats
    role: Floats
    mix: Floats


def role_of(attempts: Floats, games: Floats) -> Floats:
    """Logarithm of attempts a game, pulled to somebody who shoots rarely; 0 at 8.

    Args:
        attempts: Shots of each player.
        games: Games in which he took one; none for a player who is new.
    """
    return np.log((attempts + _ROLE_ATTEMPTS) / (games + _ROLE_GAMES) / _ROLE_CENTRE)


def summarise(observations: Observations, *, with_nights: bool = True) -> Statistics:
    """Sum the shots up.

    Args:
        observations: Checked ones (:mod:`modeling.clutch_skill.refusals`).
        with_nights: Whether nights enter, where enough athletes have them.

    Returns:
        The sums. Too few athletes with nights: as without any.
    """
    games, cells = observations.player_games, observations.cells
    players = len(observations.player_ids)
    nights = no_nights(len(games.player))
    if with_nights and games.is_worn.any():
        gathered = gather_nights(games)
        if gathered.athletes >= LEAST_ATHLETES:
            nights = gathered
    design = plan(observations, nights)
    player = games.player[cells.row]

    def by_player(values: Floats) -> Floats:
        found = np.zeros((players, len(KINDS)))
        np.add.at(found, (player, cells.kind), values)
        return found

    attempts = by_player(cells.attempts)
    played = np.bincount(games.player[np.unique(cells.row)], minlength=players)
    role = role_of(attempts.sum(axis=1), played.astype(np.float64))
    of_kind = np.bincount(cells.kind, cells.attempts, len(KINDS))
    squares = np.bincount(cells.kind, cells.residual_squares, len(KINDS))
    variances = squares / of_kind
    weight = 1 / variances[cells.kind]
    loading = LOADING[cells.kind]

    sums = columns(design, of_cells(cells, games, nights, role))
    weighted = sums * (weight / cells.attempts)[:, None]
    term_squares = weighted.T @ sums
    term_residuals = weighted.T @ cells.residual
    _mend_within_cells(observations, design, weight, term_squares, term_residuals)

    own_squares = np.zeros((players, len(OWN), len(OWN)))
    own_residuals = np.zeros((players, len(OWN)))
    own_terms = np.zeros((players, len(OWN), len(design.terms)))
    # what an attempt of each cell has in the own columns
    own = np.zeros((len(cells.row), len(OWN)))
    own[np.arange(len(cells.row)), cells.kind] = 1
    own[:, CLUTCH] = loading * cells.is_clutch
    for first in range(len(OWN)):
        own_residuals[:, first] = np.bincount(
            player, weight * own[:, first] * cells.residual, players
        )
        collect = sparse.csr_matrix(
            (weight * own[:, first], (player, np.arange(len(player)))),
            shape=(players, len(player)),
        )
        own_terms[:, first] = collect @ sums
        for second in range(len(OWN)):
            own_squares[:, first, second] = np.bincount(
                player, weight * cells.attempts * own[:, first] * own[:, second], players
            )
    return Statistics(
        design=design,
        nights=nights,
        variances=variances,
        own_squares=own_squares,
        own_residuals=own_residuals,
        own_terms=own_terms,
        term_squares=term_squares,
        term_residuals=term_residuals,
        attempts=attempts,
        clutch_attempts=by_player(cells.attempts * cells.is_clutch),
        residuals=by_player(cells.residual),
        clutch_residuals=by_player(cells.residual * cells.is_clutch),
        role=role,
        mix=(attempts + _MIX_ATTEMPTS * of_kind / of_kind.sum())
        / (attempts.sum(axis=1, keepdims=True) + _MIX_ATTEMPTS),
    )


def _mend_within_cells(
    observations: Observations,
    design: Design,
    weight: Floats,
    term_squares: Floats,
    term_residuals: Floats,
) -> None:
    """Leverage and margin differ from shot to shot: their own products are not those of sums."""
    cells = observations.cells
    loading = LOADING[cells.kind] * cells.is_clutch
    leverage, margin = design.number_of("leverage"), design.number_of("margin")
    centred_squares = (
        cells.leverage_squares
        - 2 * LEVERAGE_MEAN * cells.leverage
        + LEVERAGE_MEAN**2 * cells.attempts
    )
    scale = weight * loading**2
    term_squares[leverage, leverage] = (scale * centred_squares).sum() / LEVERAGE_SPREAD**2
    term_squares[margin, margin] = (scale * cells.margin_squares).sum() / MARGIN_STEP**2
    both = (scale * (cells.leverage_margin - LEVERAGE_MEAN * cells.margin)).sum()
    term_squares[leverage, margin] = both / LEVERAGE_SPREAD / MARGIN_STEP
    term_squares[margin, leverage] = term_squares[leverage, margin]
    scale = weight * loading
    term_residuals[leverage] = (
        scale * (cells.leverage_residual - LEVERAGE_MEAN * cells.residual)
    ).sum() / LEVERAGE_SPREAD
    term_residuals[margin] = (scale * cells.margin_residual).sum() / MARGIN_STEP
