"""The model in PyMC, on sums and with every player's own effects integrated out.

    residual of an attempt ~ Normal(terms + loading-weighted own effects, variance of its kind)
    own[p] = (skill[2pt], skill[3pt], skill[freethrow]) ~ Normal(0, spread and correlation)
    clutch[p] ~ Normal(0, clutch spread): a deviation from his own skill, not from the league

Given the spreads and the terms each player's four effects are normal, so they leave the posterior
by an exact 4 x 4 formula and come back by exact draws (:mod:`.own_effects`). What is left to sample
are some seventy numbers instead of two thousand.

Nights: the true night z (HRV, recovery, sleep, strain; s.d. 1 within the athlete) is normal with an
unknown correlation; of it x = sqrt(reliability) z + error was measured, wholly, in part or not at
all. The shots have E[z | what was measured] times the slopes, and what was measured has its own
likelihood. A night without any measurement has the mean night and tells the correlation nothing.
What is left out: slopes make shots after a badly known night scatter more, by slope squared, which
is 1/500 of what a game's shots scatter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import modeling.clutch_skill.quiet  # noqa: F401 - before PyMC and ArviZ
from modeling.clutch_skill.design import NIGHTS
from modeling.clutch_skill.exact import reference
from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import CLUTCH, OWN, Statistics

Tensor = Any  # pytensor's own types tell nothing to a checker

# Pairs of night values that come from one reading of the device: HRV and recovery.
_SHARED_READING = np.zeros((len(NIGHTS), len(NIGHTS)))
_SHARED_READING[[0, 1], [1, 0]] = 1


class Built(NamedTuple):
    """A model and what its draws are named.

    Attributes:
        model: The PyMC model.
        has_nights: Whether it has effects of nights.
    """

    model: pm.Model
    has_nights: bool


def arrays(statistics: Statistics, priors: Priors) -> dict[str, Floats]:
    """What the model reads of the data; another data set of the same shape fits in its place."""
    at = reference(statistics, priors)
    players, terms = len(statistics.own_squares), len(statistics.term_residuals)
    found = {
        "own_squares": statistics.own_squares,
        "own_residuals": statistics.own_residuals,
        # terms first: one product of a vector and a matrix gives all players
        "own_terms": np.ascontiguousarray(
            statistics.own_terms.reshape(players * len(OWN), terms).T
        ),
        "term_squares": statistics.term_squares,
        "term_residuals": statistics.term_residuals,
        "centre": at.centre,
        "factor": at.factor,
        "scales": term_scales(statistics, priors),
    }
    for number, squares in enumerate(statistics.nights.squares):
        found[f"night_squares_{number}"] = squares
        found[f"night_count_{number}"] = np.array(statistics.nights.counts[number])
    return found


def term_scales(statistics: Statistics, priors: Priors) -> Floats:
    """Prior s.d. of each fixed term; 1 for opponents, which are multiples of their spread."""
    return np.array(
        [
            1.0 if term.prior == "opponent" else float(getattr(priors, term.prior))
            for term in statistics.design.terms[: statistics.design.fixed]
        ]
    )


def build(statistics: Statistics, priors: Priors) -> Built:
    """Write the model down.

    Args:
        statistics: Sums of P players and K terms.
        priors: Scales.

    Returns:
        Variables ``skill_spread`` (3,), ``skill_correlation`` (3, 3), ``clutch_spread``,
        ``opponent_spread``, ``terms`` (k,); with nights ``night`` (4,), ``night_clutch`` (4,),
        ``night_reliability`` (4,), ``night_correlation`` (4, 4) and ``coefficients`` (K,): terms
        and what the slopes come to for each pattern of measured values.

    Source: Integration as for any linear mixed model (Bates et al. 2015, arXiv:1406.5823, section
        3); canonical partial correlations of the LKJ prior, Lewandowski, Kurowicka & Joe (2009).
    """
    design = statistics.design
    is_opponent = np.array([term.prior == "opponent" for term in design.terms[: design.fixed]])
    coordinates = {
        "kind": list(KINDS),
        "term": [term.name for term in design.terms[: design.fixed]],
        "value": list(NIGHTS),
    }
    with pm.Model(coords=coordinates) as model:
        data = {name: pm.Data(name, values) for name, values in arrays(statistics, priors).items()}
        skill_spread = pm.HalfNormal("skill_spread", priors.skill, dims="kind")
        skill_factor = skill_spread[:, None] * _correlation(
            "skill", len(KINDS), priors.skill_correlation_shape
        )
        clutch_spread = pm.HalfNormal("clutch_spread", priors.clutch)
        opponent_spread = pm.HalfNormal("opponent_spread", priors.opponent)

        # The posterior of the terms is close to a known normal: sampled in its coordinates, and
        # opponents as multiples of their spread, so that few games make no funnel of it.
        standard = pm.Flat("standard_terms", shape=design.fixed)
        multiples = data["centre"] + data["factor"] @ standard
        pm.Potential("prior_of_terms", -0.5 * ((multiples / data["scales"]) ** 2).sum())
        terms = pm.Deterministic(
            "terms", multiples * pt.where(is_opponent, opponent_spread, 1.0), dims="term"
        )

        coefficients = terms
        if design.patterns:
            coefficients = pt.concatenate([terms, *_nights(design.patterns, data, priors)])
        pm.Deterministic("coefficients", coefficients)
        pm.Potential(
            "likelihood",
            coefficients @ data["term_residuals"]
            - 0.5 * coefficients @ data["term_squares"] @ coefficients
            + _players(data, coefficients, skill_factor, clutch_spread),
        )
    return Built(model, bool(design.patterns))


def _correlation(name: str, size: int, shape: float) -> Tensor:
    """Lower Cholesky factor of a correlation matrix with an LKJ prior, shape (size, size).

    PyMC's own ``LKJCorr`` samples in a cube that reaches beyond correlation matrices.
    """
    rows, columns = (np.asarray(each) for each in np.tril_indices(size, -1))
    # partial correlations (p + 1) / 2 are Beta, narrower for later columns
    concentration = shape + (size - 2 - columns) / 2
    raw = pm.Beta(f"{name}_partial", concentration, concentration, shape=len(rows))
    partial = pt.set_subtensor(pt.zeros((size, size))[rows, columns], 2 * raw - 1)
    # of a row's length one, what the columns before have left
    left = pt.cumprod(1 - partial**2, axis=1)
    before = pt.concatenate([pt.ones((size, 1)), left[:, :-1]], axis=1)
    factor = (partial + np.eye(size)) * pt.sqrt(before)
    pm.Deterministic(f"{name}_correlation", factor @ factor.T)
    return factor


def _players(
    data: dict[str, Tensor], coefficients: Tensor, factor: Tensor, clutch_spread: Tensor
) -> Tensor:
    """Log density of all players' shots with their own effects integrated out, up to a constant.

    First the clutch deviation, then the three skills; every step for all players at once.

    Args:
        data: The sums.
        coefficients: Of all terms, shape (K,).
        factor: Cholesky factor of the skills' covariance, shape (3, 3).
        clutch_spread: S.d. of the clutch deviation.
    """
    squares = data["own_squares"]
    players = squares.shape[0]
    open_residuals = data["own_residuals"] - (coefficients @ data["own_terms"]).reshape(
        (players, len(OWN))
    )
    variance = clutch_spread**2
    # 1 + information x variance: 1 for who never shot in clutch time
    grown = 1 + squares[:, CLUTCH, CLUTCH] * variance
    share = variance / grown
    deviation = open_residuals[:, CLUTCH]
    density = 0.5 * (share * deviation**2 - pt.log(grown)).sum()
    crossed = [squares[:, k, CLUTCH] for k in range(CLUTCH)]
    rest = [open_residuals[:, k] - share * crossed[k] * deviation for k in range(CLUTCH)]

    inverse: Tensor = pt.linalg.inv(factor @ factor.T)
    prior = [[inverse[j, k] for k in range(CLUTCH)] for j in range(CLUTCH)]
    precision = [
        [
            prior[j][k] - share * crossed[j] * crossed[k] + (squares[:, j, j] if j == k else 0.0)
            for k in range(CLUTCH)
        ]
        for j in range(CLUTCH)
    ]
    cofactor, determinant = _cofactors(precision)
    quadratic = sum(
        cofactor[j][k] * rest[j] * rest[k] for j in range(CLUTCH) for k in range(CLUTCH)
    )
    return (
        density
        + 0.5 * (quadratic / determinant - pt.log(determinant)).sum()
        - players * pt.log(pt.diag(factor)).sum()
    )


def _cofactors(matrix: list[list[Tensor]]) -> tuple[list[list[Tensor]], Tensor]:
    """Cofactors and determinant of symmetric 3 x 3 matrices, element by element."""
    (a, b, c), (_, d, e), (_, _, f) = matrix
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    cofactor = [
        [first, second, third],
        [second, a * f - c * c, b * c - a * e],
        [third, b * c - a * e, a * d - b * b],
    ]
    return cofactor, a * first + b * second + c * third


def _nights(
    patterns: tuple[tuple[int, ...], ...], data: dict[str, Tensor], priors: Priors
) -> list[Tensor]:
    """Slopes of nights, the likelihood of what was measured, and coefficients by pattern."""
    slope = pm.Normal("night", 0, priors.night, dims="value")
    in_clutch = pm.Normal("night_clutch", 0, priors.night_clutch, dims="value")
    weight = priors.reliability_weight
    mean = np.array(priors.reliability)
    reliability = pm.Beta("night_reliability", weight * mean, weight * (1 - mean), dims="value")
    factor = _correlation("night", len(NIGHTS), priors.night_correlation_shape)
    true = factor @ factor.T
    root = pt.sqrt(reliability)
    # covariances of what was measured, and of it with the true night
    noise = pt.sqrt(1 - reliability)
    measured = (
        true * root[:, None] * root
        + pt.diag(1 - reliability)
        # recovery is computed from the HRV of the same reading: their errors go together as they do
        + true * _SHARED_READING * noise[:, None] * noise
    )
    crossed = true * root[:, None]
    coefficients: tuple[list[Tensor], list[Tensor]] = ([], [])
    for number, columns in enumerate(patterns):
        these = np.array(columns)
        covariance = measured[these][:, these]
        inverse: Tensor = pt.linalg.inv(covariance)
        pm.Potential(
            f"nights_{number}",
            -0.5 * data[f"night_count_{number}"] * pt.log(pt.linalg.det(covariance))
            - 0.5 * (inverse * data[f"night_squares_{number}"]).sum(),
        )
        expected = inverse @ crossed[these]
        for part, slopes in zip(coefficients, (slope, in_clutch), strict=True):
            part.append(expected @ slopes)
    return [*coefficients[0], *coefficients[1]]
