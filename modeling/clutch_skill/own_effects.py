"""Draws of the players' own effects, exactly, given draws of everything else."""

from __future__ import annotations

import numpy as np

from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.statistics import OWN, Statistics

_AT_ONCE = 100


def draw_own_effects(
    statistics: Statistics,
    skill_covariance: Floats,
    clutch_spread: Floats,
    coefficients: Floats,
    seed: int,
) -> Floats:
    """Draw skills and clutch deviation of each player from their normal distributions.

    Args:
        statistics: The sums.
        skill_covariance: Draws, shape (n, 3, 3).
        clutch_spread: Draws, shape (n,).
        coefficients: Draws of all terms, shape (n, K).
        seed: For the draws.

    Returns:
        Shape (n, P, 4), points an attempt; in the order of
        :data:`~modeling.clutch_skill.statistics.OWN`.
    """
    generator = np.random.default_rng(seed)
    players = len(statistics.own_squares)
    found = np.empty((len(clutch_spread), players, len(OWN)))
    for first in range(0, len(found), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        size = len(found[part])
        prior = np.zeros((size, 1, len(OWN), len(OWN)))
        prior[:, 0, : len(KINDS), : len(KINDS)] = np.linalg.inv(skill_covariance[part])
        # no spread at all is a precision without end; this is close enough to it
        prior[:, 0, -1, -1] = 1 / np.maximum(clutch_spread[part], 1e-6) ** 2
        factor = np.linalg.cholesky(statistics.own_squares + prior)
        residuals = statistics.own_residuals - np.einsum(
            "pdk,sk->spd", statistics.own_terms, coefficients[part], optimize=True
        )
        half = np.linalg.solve(factor, residuals[..., None])
        standard = generator.standard_normal(half.shape)
        found[part] = np.linalg.solve(np.swapaxes(factor, -1, -2), half + standard)[..., 0]
    return found
