"""The same posterior by linear algebra: where to start, and an oracle to hold the fit against.

Without nights everything but the spreads is Gaussian, so the density of the spreads is known up to
a constant and the rest is known exactly given them. This code shares nothing with the PyMC model
but the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import OWN, Statistics

# Where the posterior of the terms is taken for the sampler's coordinates: spreads of four seasons.
_SKILL, _CLUTCH, OPPONENT = 0.09, 0.015, 0.02


class Spreads(NamedTuple):
    """What the Gaussian part is conditional on.

    Attributes:
        skill: Covariance of the three skills, shape (3, 3).
        clutch: S.d. of the clutch deviation.
        opponent: S.d. of the opponents.
    """

    skill: Floats
    clutch: float
    opponent: float


class Conditional(NamedTuple):
    """The posterior given the spreads; P players, k terms.

    Attributes:
        log_density: Of the data given the spreads, up to a constant.
        terms: Mean of the terms, shape (k,).
        term_covariance: Their covariance, shape (k, k).
        own: Mean of the own effects, shape (P, 4).
        own_covariance: Their covariance by player, shape (P, 4, 4).
    """

    log_density: float
    terms: Floats
    term_covariance: Floats
    own: Floats
    own_covariance: Floats


class Reference(NamedTuple):
    """Coordinates for the terms.

    Attributes:
        centre: About their posterior mean, shape (k,).
        factor: Cholesky factor of about their posterior covariance, shape (k, k).
        opponent_information: What the shots say of one opponent, 1 / variance, as if of him alone.
    """

    centre: Floats
    factor: Floats
    opponent_information: float


def reference(statistics: Statistics, priors: Priors) -> Reference:
    """Centre and scale of the terms' posterior at typical spreads; slopes of nights at zero."""
    spreads = Spreads(_SKILL**2 * np.eye(len(KINDS)), _CLUTCH, OPPONENT)
    found = conditional(statistics, priors, spreads, with_own=False)
    terms = statistics.design.terms[: statistics.design.fixed]
    opponents = [number for number, term in enumerate(terms) if term.prior == "opponent"]
    information = 0.0
    if len(opponents) > 1:
        of_these = found.term_covariance[np.ix_(opponents, opponents)]
        # what they have in common is not known of any one: it is the level as well
        common = (of_these.sum() - np.trace(of_these)) / (of_these.size - len(of_these))
        information = max(1 / (np.trace(of_these) / len(of_these) - common) - 1 / OPPONENT**2, 0.0)
    factor = np.asarray(np.linalg.cholesky(found.term_covariance), dtype=np.float64)
    return Reference(found.terms, factor, information)


def conditional(
    statistics: Statistics, priors: Priors, spreads: Spreads, *, with_own: bool = True
) -> Conditional:
    """Integrate terms and own effects out, given the spreads.

    Args:
        statistics: The sums; slopes of nights, if any, are taken as zero.
        priors: Scales of the terms.
        spreads: What the rest is conditional on.
        with_own: Whether own effects are wanted, the dearest part.

    Source: Block elimination of a Gaussian with P blocks of 4 beside k shared terms.
    """
    k = statistics.design.fixed
    scales = np.array(
        [
            spreads.opponent if term.prior == "opponent" else float(getattr(priors, term.prior))
            for term in statistics.design.terms[:k]
        ]
    )
    prior = np.zeros((len(OWN), len(OWN)))
    prior[: len(KINDS), : len(KINDS)] = np.linalg.inv(spreads.skill)
    prior[-1, -1] = 1 / spreads.clutch**2
    own_residuals = statistics.own_residuals
    crossed = statistics.own_terms[:, :, :k]
    precision = statistics.own_squares + prior
    inverse = np.linalg.inv(precision)
    solved = inverse @ crossed
    left = (
        statistics.term_squares[:k, :k]
        + np.diag(1 / scales**2)
        # as products of long matrices: einsum does not use BLAS
        - crossed.reshape(-1, k).T @ solved.reshape(-1, k)
    )
    right = statistics.term_residuals[:k] - solved.reshape(-1, k).T @ own_residuals.reshape(-1)
    covariance = np.linalg.inv(left)
    covariance = (covariance + covariance.T) / 2
    terms = covariance @ right
    log_density = 0.5 * (
        len(precision) * np.linalg.slogdet(prior)[1]
        - np.linalg.slogdet(precision)[1].sum()
        + np.einsum("pd,pde,pe->", own_residuals, inverse, own_residuals)
        - 2 * np.log(scales).sum()
        - np.linalg.slogdet(left)[1]
        + right @ terms
    )
    if not with_own:
        nothing = np.zeros((0, len(OWN)))
        return Conditional(log_density, terms, covariance, nothing, nothing[:, :, None])
    own = np.einsum("pde,pe->pd", inverse, own_residuals - crossed @ terms)
    through_terms = (solved.reshape(-1, k) @ covariance).reshape(solved.shape)
    own_covariance = inverse + through_terms @ solved.transpose(0, 2, 1)
    return Conditional(log_density, terms, covariance, own, own_covariance)


class Integrated(NamedTuple):
    """Posterior by importance sampling of the spreads; n draws.

    Attributes:
        weights: Normalised, shape (n,).
        skill_spread: Draws, shape (n, 3).
        skill_correlation: Draws of the three correlations (2pt-3pt, 2pt-ft, 3pt-ft), shape (n, 3).
        clutch_spread: Draws, shape (n,).
        opponent_spread: Draws, shape (n,).
        own: Posterior mean of the own effects, shape (P, 4).
        own_sd: Their posterior s.d., shape (P, 4).
        terms: Posterior mean of the terms, shape (k,).
        term_sd: Their posterior s.d., shape (k,).
        effective: Effective number of draws, 1 / sum of squared weights.
    """

    weights: Floats
    skill_spread: Floats
    skill_correlation: Floats
    clutch_spread: Floats
    opponent_spread: Floats
    own: Floats
    own_sd: Floats
    terms: Floats
    term_sd: Floats
    effective: float


# Coordinates of the spreads: logarithms, and for correlations the inverse hyperbolic tangent of
# partial ones.
_DIMENSIONS = 2 * len(KINDS) + 2
_PAIRS = ((1, 0), (2, 0), (2, 1))
# A tail heavier than the posterior's
_FREEDOM, _WIDENING = 6.0, 1.15


def integrate(
    statistics: Statistics, priors: Priors, *, draws: int = 4000, seed: int = 1
) -> Integrated:
    """Integrate the whole posterior: spreads by importance sampling, everything else exactly.

    Args:
        statistics: Sums without nights.
        priors: The priors.
        draws: Draws of the eight spreads and correlations.
        seed: For the draws.

    Returns:
        Means and s.d. of everything, good to about 1 / sqrt(``effective``) of a s.d.
    """

    def log_posterior(point: Floats) -> float:
        spreads, density = _unfold(point, priors)
        if spreads is None:
            return -np.inf
        found = conditional(statistics, priors, spreads, with_own=False)
        return found.log_density + density

    start = np.array([np.log(_SKILL)] * 3 + [0.0] * 3 + [np.log(_CLUTCH), np.log(OPPONENT)])
    mode = minimize(
        lambda point: -log_posterior(point),
        start,
        method="Nelder-Mead",
        options={"maxiter": 4000, "xatol": 1e-3, "fatol": 1e-3, "adaptive": True},
    ).x
    factor = np.linalg.cholesky(np.linalg.inv(_curvature(log_posterior, mode)))
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal((draws, _DIMENSIONS))
    tail = np.sqrt(_FREEDOM / generator.chisquare(_FREEDOM, draws))
    standard = normal * tail[:, None]
    points = mode + _WIDENING * standard @ factor.T
    log_weights = np.array([log_posterior(point) for point in points]) + 0.5 * (
        _FREEDOM + _DIMENSIONS
    ) * np.log1p((standard**2).sum(axis=1) / _FREEDOM)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()

    players, k = len(statistics.own_squares), statistics.design.fixed
    own, own_square = np.zeros((players, len(OWN))), np.zeros((players, len(OWN)))
    terms, term_square = np.zeros(k), np.zeros(k)
    for weight, point in zip(weights, points, strict=True):
        if weight < 1e-3 / draws:
            continue
        spreads, _ = _unfold(point, priors)
        if spreads is None:
            continue
        found = conditional(statistics, priors, spreads)
        own += weight * found.own
        own_square += weight * (found.own**2 + np.diagonal(found.own_covariance, axis1=1, axis2=2))
        terms += weight * found.terms
        term_square += weight * (found.terms**2 + np.diagonal(found.term_covariance))
    partial = np.tanh(points[:, 3:6])
    correlation = partial.copy()
    correlation[:, 2] = partial[:, 0] * partial[:, 1] + partial[:, 2] * np.sqrt(
        (1 - partial[:, 0] ** 2) * (1 - partial[:, 1] ** 2)
    )
    return Integrated(
        weights=weights,
        skill_spread=np.exp(points[:, :3]),
        skill_correlation=correlation,
        clutch_spread=np.exp(points[:, 6]),
        opponent_spread=np.exp(points[:, 7]),
        own=own,
        own_sd=np.sqrt(own_square - own**2),
        terms=terms,
        term_sd=np.sqrt(term_square - terms**2),
        effective=float(1 / (weights**2).sum()),
    )


def _unfold(point: Floats, priors: Priors) -> tuple[Spreads | None, float]:
    """Spreads at a point and the log prior density there, with the change of coordinates."""
    spread = np.exp(point[:3])
    clutch, opponent = np.exp(point[6]), np.exp(point[7])
    partial = np.tanh(point[3:6])
    if not np.all(np.isfinite(spread)) or clutch < 1e-8 or np.abs(partial).max() > 0.9999:
        return None, -np.inf
    factor = np.zeros((3, 3))
    factor[0, 0] = 1
    factor[1, :2] = partial[0], np.sqrt(1 - partial[0] ** 2)
    factor[2, 0] = partial[1]
    factor[2, 1] = partial[2] * np.sqrt(1 - partial[1] ** 2)
    factor[2, 2] = np.sqrt(max(1 - factor[2, 0] ** 2 - factor[2, 1] ** 2, 1e-12))
    covariance = spread[:, None] * (factor @ factor.T) * spread
    # half-normal in the spread, its logarithm as coordinate
    density = (-0.5 * (spread / priors.skill) ** 2 + point[:3]).sum()
    density += -0.5 * (clutch / priors.clutch) ** 2 + point[6]
    density += -0.5 * (opponent / priors.opponent) ** 2 + point[7]
    # LKJ: (1 - partial^2) to the power of shape + (size - 2 - column) / 2 - 1, and once more for
    # the inverse tangent
    for value, (_, column) in zip(partial, _PAIRS, strict=True):
        density += (priors.skill_correlation_shape + (1 - column) / 2) * np.log1p(-(value**2))
    return Spreads(covariance, float(clutch), float(opponent)), float(density)


def _curvature(
    log_posterior: Callable[[Floats], float], mode: Floats, step: float = 0.05
) -> Floats:
    """Negative second derivatives at the mode by differences, made positive definite."""
    size = len(mode)
    hessian = np.zeros((size, size))
    at_mode = log_posterior(mode)
    moves = step * np.eye(size)
    for j in range(size):
        for k in range(j + 1):
            if j == k:
                value = (
                    log_posterior(mode + moves[j]) - 2 * at_mode + log_posterior(mode - moves[j])
                )
            else:
                value = 0.25 * (
                    log_posterior(mode + moves[j] + moves[k])
                    - log_posterior(mode + moves[j] - moves[k])
                    - log_posterior(mode - moves[j] + moves[k])
                    + log_posterior(mode - moves[j] - moves[k])
                )
            hessian[j, k] = hessian[k, j] = -value / step**2
    values, vectors = np.linalg.eigh(hessian)
    # nearly flat towards no spread at all: no wider than an e-fold there
    positive: Floats = vectors @ np.diag(np.maximum(values, 1.0)) @ vectors.T
    return positive
