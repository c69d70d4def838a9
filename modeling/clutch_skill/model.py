"""The model in PyMC, on sums and with every player's own effects integrated out.

    residual of an attempt ~ Normal(terms + loading-weighted own effects, variance of its kind)
    own[p] = (skill[2pt], skill[3pt], skill[freethrow]) ~ Normal(0, spread and correlation)
    clutch[p] ~ Normal(0, clutch spread): a deviation from his own skill, not from the league

Given the spreads and the terms each player's four effects are normal, so they leave the posterior
by an exact 4 x 4 formula (:mod:`.own_effects_density`) and come back by exact draws
(:mod:`.own_effects`). What is left to sample are some seventy numbers instead of two thousand.

Nights: the true night z (HRV, recovery, sleep, strain; s.d. 1 within the athlete) is normal with an
unknown correlation; of it x = sqrt(reliability) z + error was measured, wholly, in part or not at
all. The shots have E[z | what was measured] times the slopes, and what was measured has its own
likelihood. A night without any measurement has the mean night and tells the correlation nothing.
What is left out: slopes make shots after a badly known night scatter more, by slope squared, which
is 1/500 of what a game's shots scatter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import modeling.clutch_skill.quiet  # noqa: F401 - before PyMC and ArviZ
from modeling.clutch_skill.design import NIGHTS
from modeling.clutch_skill.exact import OPPONENT, reference
from modeling.clutch_skill.loops import Tensor
from modeling.clutch_skill.nights_density import measured_nights
from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.own_effects_density import own_effects_integrated
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import OWN, Statistics

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
    """What the model reads of the data, by name."""
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
        "opponent_information": np.array(at.opponent_information),
        "scales": term_scales(statistics, priors),
    }
    if statistics.design.patterns:
        squares = np.zeros((len(statistics.design.patterns), len(NIGHTS), len(NIGHTS)))
        for number, columns in enumerate(statistics.design.patterns):
            squares[number][np.ix_(columns, columns)] = statistics.nights.squares[number]
        found |= {"night_counts": statistics.nights.counts, "night_squares": squares}
    return found


def packed(statistics: Statistics, priors: Priors) -> dict[str, Floats]:
    """The same one after the other; another data set of the same shape fits in its place."""
    return {"numbers": _joined(arrays(statistics, priors))}


def _joined(known: dict[str, Floats]) -> Floats:
    # each array of its own would take half a second to compile
    return np.concatenate([np.ravel(values) for values in known.values()])


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
        data = _data(statistics, priors)
        skill_spread = pm.HalfNormal("skill_spread", priors.skill, dims="kind")
        # the clutch deviation stands beside the skills without a correlation
        factor = _correlation("skill", len(KINDS), priors.skill_correlation_shape, beside=1)
        # Half-normal, sampled with a sign that nothing depends on: the data push it against zero,
        # where a logarithm has a long tail and a sharp bend and this has neither.
        clutch_signed = priors.clutch * pm.Normal("clutch_signed")
        pm.Deterministic("clutch_spread", pt.abs(clutch_signed))
        opponent_signed = priors.opponent * pm.Normal("opponent_signed")
        pm.Deterministic("opponent_spread", pt.abs(opponent_signed))

        # The posterior of the terms is close to a known normal: sampled in its coordinates. With
        # their spread opponents move as one does alone of whom the shots say so much: to zero in
        # proportion where they say little, hardly where they say much, so that neither few games
        # nor many make a funnel of it.
        standard = pm.Flat("standard_terms", shape=design.fixed)
        spread = pt.where(is_opponent, opponent_signed, 1.0)
        told = data["opponent_information"]
        shrinkage = pt.sqrt((1 / OPPONENT**2 + told) / (1 + told * opponent_signed**2))
        by_spread = pt.where(is_opponent, shrinkage, 1.0)
        multiples = by_spread * (by_spread * spread * data["centre"] + data["factor"] @ standard)
        pm.Potential(
            "prior_of_terms",
            is_opponent.sum() * pt.log(shrinkage) - 0.5 * ((multiples / data["scales"]) ** 2).sum(),
        )
        terms = pm.Deterministic("terms", multiples * spread, dims="term")

        coefficients = terms
        if design.patterns:
            coefficients = pt.concatenate([terms, _nights(design.patterns, data, priors)])
        pm.Deterministic("coefficients", coefficients)
        pm.Potential(
            "likelihood",
            coefficients @ data["term_residuals"]
            - 0.5 * coefficients @ data["term_squares"] @ coefficients
            + own_effects_integrated(
                factor * pt.concatenate([skill_spread, clutch_signed[None]])[:, None],
                data["own_residuals"]
                - (coefficients @ data["own_terms"]).reshape(statistics.own_residuals.shape),
                data["own_squares"],
            ),
        )
    return Built(model, bool(design.patterns))


def _data(statistics: Statistics, priors: Priors) -> dict[str, Tensor]:
    known = arrays(statistics, priors)
    numbers = pm.Data("numbers", _joined(known))
    found, first = {}, 0
    for name, values in known.items():
        found[name] = numbers[first : first + values.size].reshape(values.shape)
        first += values.size
    return found


def _correlation(name: str, size: int, shape: float, beside: int = 0) -> Tensor:
    """Lower Cholesky factor of a correlation matrix with an LKJ prior.

    PyMC's own ``LKJCorr`` samples in a cube that reaches beyond correlation matrices.

    Args:
        name: Of its partial correlations; ``_correlation`` after it for the matrix.
        size: Rows that correlate.
        shape: Of the prior, 1 for all matrices alike.
        beside: Rows after them that do not.

    Returns:
        Shape (size + beside, size + beside).
    """
    rows, columns = np.tril_indices(size, -1)
    # partial correlations (p + 1) / 2 are Beta, narrower for later columns
    concentration = shape + (size - 2 - columns) / 2
    partial = 2 * pm.Beta(f"{name}_partial", concentration, concentration, shape=len(rows)) - 1
    # As two products with known matrices: entry (j, k) is the partial correlation, or 1 on the
    # diagonal, times what the columns before k have left of a row's length one.
    all_rows = size + beside
    places, before = np.zeros((2, all_rows, all_rows, len(rows)))
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        places[row, column, number] = 1
        before[row, column + 1 : row + 1, number] = 0.5
    entries = (all_rows**2, len(rows))
    factor = (np.eye(all_rows).ravel() + places.reshape(entries) @ partial) * pt.exp(
        before.reshape(entries) @ pt.log1p(-(partial**2))
    )
    factor = factor.reshape((all_rows, all_rows))
    pm.Deterministic(f"{name}_correlation", (factor @ factor.T)[:size, :size])
    return factor


def _nights(
    patterns: tuple[tuple[int, ...], ...], data: dict[str, Tensor], priors: Priors
) -> Tensor:
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
    masks = np.zeros((len(patterns), len(NIGHTS)))
    for number, columns in enumerate(patterns):
        masks[number, columns] = 1
    density, expected = measured_nights(
        measured,
        true * root[:, None],
        pt.stack([slope, in_clutch]),
        masks,
        data["night_counts"],
        data["night_squares"],
    )
    pm.Potential("nights", density)
    # first all slopes on every shot, then those in clutch time; of each what was measured
    chosen = np.eye(2 * masks.size)[np.tile(masks.ravel(), 2) > 0]
    return chosen @ expected.reshape((2 * masks.size,))
