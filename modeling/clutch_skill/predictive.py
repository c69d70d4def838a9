"""Would the model have made such data? Before the fit (prior) and after it (posterior).

A check compares a discrepancy of the data from what a draw expects with the same of data made by
that draw (Gelman, Meng & Stern 1996). Its p value lies around one half for a model that is right;
near 0 or 1 the data scatter more, or less, than the model can.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modeling.clutch_skill.fit import Fit
from modeling.clutch_skill.observations import KINDS, Floats
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import CLUTCH, OWN, Statistics

# A right model fails one such check in two hundred at each end.
LEAST_P, MOST_P = 0.005, 0.995
_DRAWS = 500
_LEAST_ATTEMPTS = 20.0


class Check(NamedTuple):
    """One posterior predictive check.

    Attributes:
        name: What is compared.
        seen: Mean discrepancy of the data.
        expected: Mean discrepancy of made data.
        p: Share of draws whose made data are more discrepant.
    """

    name: str
    seen: float
    expected: float
    p: float

    @property
    def passed(self) -> bool:
        """Whether the data look like the model's."""
        return LEAST_P <= self.p <= MOST_P

    def __str__(self) -> str:
        """In words."""
        return f"{self.name}: {self.seen:.3f} seen, {self.expected:.3f} expected, p {self.p:.3f}"


def posterior_checks(fit: Fit, seed: int) -> list[Check]:
    """Hold the data against what the draws make.

    Args:
        fit: With own effects.
        seed: For made data.

    Returns:
        By kind of shot and for clutch time the scatter of players' sums around what a draw expects;
        the most extreme player; and whether own effects look normal.
    """
    generator = np.random.default_rng(seed)
    statistics = fit.statistics
    chosen = np.linspace(0, len(fit.own) - 1, min(_DRAWS, len(fit.own))).astype(int)
    own, coefficients = fit.own[chosen], fit.with_own(fit.coefficients)[chosen]
    expected = np.einsum(
        "pdk,sk->spd", statistics.own_terms, coefficients, optimize=True
    ) + np.einsum("pde,spe->spd", statistics.own_squares, own, optimize=True)
    information = np.diagonal(statistics.own_squares, axis1=1, axis2=2)
    scale = np.sqrt(np.where(information > 0, information, 1))
    standard = (statistics.own_residuals - expected) / scale
    volumes = statistics.attempts.sum(axis=1)
    attempts = np.column_stack([statistics.attempts, statistics.clutch_attempts.sum(axis=1)])
    checks = []
    for column, name in enumerate(OWN):
        enough = attempts[:, column] >= _LEAST_ATTEMPTS
        if not enough.any():
            continue
        seen = standard[:, enough, column]
        made = generator.standard_normal(seen.shape)
        checks.append(_check(f"scatter of players, {name}", _scatter(seen), _scatter(made)))
        checks.append(_check(f"most extreme player, {name}", _extreme(seen), _extreme(made)))
    often = volumes >= np.median(volumes)
    for name, group in (("who shoots more", often), ("who shoots less", ~often)):
        some = group[:, None] & (attempts[:, : len(KINDS)] >= _LEAST_ATTEMPTS)
        if some.any():
            seen = standard[:, :, : len(KINDS)][:, some]
            made = generator.standard_normal(seen.shape)
            checks.append(_check(f"scatter of {name}", _scatter(seen), _scatter(made)))
    factor = np.linalg.cholesky(fit.with_own(fit.skill_covariance)[chosen])
    skills = np.linalg.solve(factor[:, None], own[:, :, : len(KINDS), None])[..., 0]
    deviation = own[:, :, CLUTCH] / fit.with_own(fit.clutch_spread)[chosen][:, None]
    for name, seen in (("skill", skills.reshape(len(skills), -1)), ("deviation", deviation)):
        made = generator.standard_normal(seen.shape)
        checks.append(_check(f"tails of own {name}", _tails(seen), _tails(made)))
    return checks


def _check(name: str, seen: Floats, made: Floats) -> Check:
    # where both are equal, as counts can be, luck decides
    p = float((made > seen).mean() + 0.5 * (made == seen).mean())
    return Check(name, float(seen.mean()), float(made.mean()), p)


def _scatter(values: Floats) -> Floats:
    return np.asarray((values**2).mean(axis=1))


def _extreme(values: Floats) -> Floats:
    return np.asarray(np.abs(values).max(axis=1))


def _tails(values: Floats) -> Floats:
    return np.asarray((values**4).mean(axis=1))


class PriorSaid(NamedTuple):
    """What a prior says of a quantity that people know, in points an attempt.

    Attributes:
        quantity: What.
        low: 5th percentile.
        median: Median.
        high: 95th percentile.
        known: A published or measured figure that must lie inside.
    """

    quantity: str
    low: float
    median: float
    high: float
    known: float


def prior_said(
    statistics: Statistics, priors: Priors, *, draws: int = 2000, seed: int = 1
) -> list[PriorSaid]:
    """Draw leagues from the priors alone and say what they would look like.

    Args:
        statistics: Who shot how often; no residual enters.
        priors: The priors.
        draws: Leagues.
        seed: For the draws.
    """
    generator = np.random.default_rng(seed)

    def half_normal(scale: float) -> Floats:
        return np.abs(generator.normal(0, scale, draws))

    attempts = statistics.attempts[:, :2].sum(axis=1)
    regular = attempts >= np.quantile(attempts, 0.75)
    mix = statistics.mix[regular, :2]
    mix = mix / mix.sum(axis=1, keepdims=True)
    spread = np.sqrt(
        (half_normal(priors.skill) ** 2)[:, None] * (mix[:, 0] ** 2).mean()
        + (half_normal(priors.skill) ** 2)[:, None] * (mix[:, 1] ** 2).mean()
    )[:, 0]
    clutch = half_normal(priors.clutch)
    volume = np.median(statistics.clutch_attempts.sum(axis=1)[regular])
    noise = float(statistics.variances[:2].mean()) / max(volume, 1)
    found = {
        "s.d. between regular players, field goals": (spread, 0.0655),
        "s.d. between players, clutch deviation": (clutch, 0.019),
        "reliability of the clutch record of a regular": (clutch**2 / (clutch**2 + noise), 0.014),
        "league, clutch against other shots": (
            generator.normal(0, priors.league_clutch, draws),
            -0.05,
        ),
        "one s.d. of last night's HRV": (generator.normal(0, priors.night, draws), 0.0),
        "at home": (generator.normal(0, priors.situation, draws), 0.0085),
    }
    return [
        PriorSaid._make([name, *np.quantile(values, (0.05, 0.5, 0.95)).tolist(), known])
        for name, (values, known) in found.items()
    ]
