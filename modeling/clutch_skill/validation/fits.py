"""Short fits of many leagues by one compiled model, and all quantities by one set of names."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from modeling.clutch_skill.design import NIGHTS
from modeling.clutch_skill.fit import Fit, Sampler, Say
from modeling.clutch_skill.observations import KINDS, Floats, Observations
from modeling.clutch_skill.own_effects import draw_own_effects
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import Statistics, summarise
from modeling.clutch_skill.worlds import Truth

# An interval of one fit is read off so many draws; the error that leaves averages out over fits.
DRAWS, TUNE, CHAINS = 500, 400, 2
_OWN_DRAWS = 250

SKILL_PAIRS = list(combinations(range(len(KINDS)), 2))
NIGHT_PAIRS = list(combinations(range(len(NIGHTS)), 2))


class Fitter:
    """Fits leagues; the model is compiled once for each shape.

    Args:
        priors: With which they are fitted.
        say: Where to say what is done.
    """

    def __init__(self, priors: Priors, say: Say = lambda _: None) -> None:
        self.priors = priors
        self._say = say
        self._samplers: dict[object, Sampler] = {}

    def fit(
        self,
        observations: Observations,
        *,
        seed: int,
        with_nights: bool = True,
        draws: int = DRAWS,
        tune: int = TUNE,
    ) -> Fit:
        """A short fit without own effects."""
        statistics = summarise(observations, with_nights=with_nights)
        return self.sampler(statistics).sample(
            statistics, seed=seed, draws=draws, tune=tune, chains=CHAINS, with_own=False
        )

    def sampler(self, statistics: Statistics) -> Sampler:
        """The compiled model for sums of this shape."""
        design = statistics.design
        shape = (len(statistics.role), len(design.terms), design.fixed, design.patterns)
        if shape not in self._samplers:
            self._samplers[shape] = Sampler(statistics, self.priors, self._say)
        return self._samplers[shape]


def own_draws(fit: Fit, seed: int, draws: int = _OWN_DRAWS) -> Floats:
    """Some draws of the own effects, shape (draws, P, 4)."""
    chosen = np.linspace(0, len(fit.clutch_spread) - 1, draws).astype(int)
    return draw_own_effects(
        fit.statistics,
        fit.skill_covariance[chosen],
        fit.clutch_spread[chosen],
        fit.coefficients[chosen],
        seed,
    )


def drawn_quantities(fit: Fit) -> dict[str, Floats]:
    """Draws of everything but own effects, by name."""
    found = {f"spread_{kind}": fit.skill_spread[:, k] for k, kind in enumerate(KINDS)}
    found |= {"spread_clutch": fit.clutch_spread, "spread_opponent": fit.opponent_spread}
    found |= {
        f"correlation_{KINDS[j]}_{KINDS[k]}": fit.skill_correlation[:, j, k] for j, k in SKILL_PAIRS
    }
    design = fit.statistics.design
    found |= {
        term.name: fit.coefficients[:, k] for k, term in enumerate(design.terms[: design.fixed])
    }
    if not fit.has_nights:
        return found
    for k, name in enumerate(NIGHTS):
        found[f"night_{name}"] = fit.night[:, k]
        found[f"night_clutch_{name}"] = fit.night_clutch[:, k]
        found[f"reliability_{name}"] = fit.night_reliability[:, k]
    return found | {
        f"nights_{NIGHTS[j]}_{NIGHTS[k]}": fit.night_correlation[:, j, k] for j, k in NIGHT_PAIRS
    }


def true_quantities(truth: Truth) -> dict[str, float]:
    """The truth of :func:`drawn_quantities`, by the same names."""
    found = {f"spread_{kind}": truth.skill_spread[k] for k, kind in enumerate(KINDS)}
    found |= {"spread_clutch": truth.clutch_spread, "spread_opponent": truth.opponent_spread}
    found |= {
        f"correlation_{KINDS[j]}_{KINDS[k]}": truth.skill_correlation[j, k] for j, k in SKILL_PAIRS
    }
    found |= truth.terms
    for k, name in enumerate(NIGHTS):
        found[f"night_{name}"] = truth.night[k]
        found[f"night_clutch_{name}"] = truth.night_clutch[k]
        found[f"reliability_{name}"] = truth.reliability[k]
    return found | {
        f"nights_{NIGHTS[j]}_{NIGHTS[k]}": truth.night_correlation[j, k] for j, k in NIGHT_PAIRS
    }


def group_of(quantity: str) -> str:
    """What a quantity belongs to, for tables."""
    for start, group in _GROUPS:
        if quantity.startswith(start):
            return group
    return "circumstances"


_GROUPS = (
    ("spread_", "spreads between players and opponents"),
    ("correlation_", "correlations of skills"),
    ("level_", "levels, roles and clutch time"),
    ("role_", "levels, roles and clutch time"),
    ("clutch_", "levels, roles and clutch time"),
    ("opponent_rating", "circumstances"),
    ("opponent_", "opponents"),
    ("between_", "nights, between athletes"),
    ("night_clutch_", "slopes of nights in clutch time"),
    ("night_", "slopes of nights"),
    ("nights_", "correlations of nights"),
    ("reliability_", "reliability of nights"),
    ("own_clutch", "own clutch deviation"),
    ("own_", "own skill"),
)
