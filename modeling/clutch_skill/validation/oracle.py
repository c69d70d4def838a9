"""The sampler against integration by linear algebra, which shares only the sums with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from modeling.clutch_skill.exact import integrate
from modeling.clutch_skill.fit import CHAINS, DRAWS, TUNE, Fit, Sampler, Say
from modeling.clutch_skill.observations import Floats, Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import OWN, summarise
from modeling.clutch_skill.validation.fits import SKILL_PAIRS

MOST_SHIFT = 0.1
"""Means may lie apart by so much of a posterior s.d."""

MOST_STRETCH = 0.1
"""Posterior s.d. may differ by this share."""


def compare(
    observations: Observations,
    *,
    seed: int = 1,
    exact_draws: int = 8000,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    sampler: Sampler | None = None,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Fit both ways, without nights.

    Args:
        observations: Real seasons or a simulated league.
        seed: For both.
        exact_draws: Draws of the eight spreads and correlations for integration.
        draws: Of each chain.
        tune: Of each chain.
        chains: Of the fit.
        sampler: A model of the same shape and the usual priors that is compiled already.
        say: Told what is done.

    Returns:
        For each group of quantities the largest distance of means in s.d. and the largest
        difference of s.d., and how many quantities there are.
    """
    priors = Priors()
    statistics = summarise(observations, with_nights=False)
    fit = (sampler or Sampler(statistics, priors, say)).sample(
        statistics, seed=seed, draws=draws, tune=tune, chains=chains, say=say
    )
    say("integrating")
    exact = integrate(statistics, priors, draws=exact_draws, seed=seed)

    def weighted(values: Floats) -> tuple[Floats, Floats]:
        mean = exact.weights @ values
        return mean, np.sqrt(exact.weights @ (values - mean) ** 2)

    rows = [
        _apart(
            "spreads of skill",
            fit.skill_spread,
            *weighted(exact.skill_spread),
        ),
        _apart(
            "correlations of skills",
            np.stack([fit.skill_correlation[:, j, k] for j, k in SKILL_PAIRS], axis=1),
            *weighted(exact.skill_correlation),
        ),
        _apart(
            "clutch spread", fit.clutch_spread[:, None], *weighted(exact.clutch_spread[:, None])
        ),
        _apart(
            "opponent spread",
            fit.opponent_spread[:, None],
            *weighted(exact.opponent_spread[:, None]),
        ),
        _apart("terms", fit.coefficients[:, : statistics.design.fixed], exact.terms, exact.term_sd),
        *_own_apart(fit, exact.own, exact.own_sd),
    ]
    return {
        "fits": 1,
        "seed": seed,
        "players": len(statistics.role),
        "attempts": observations.attempts,
        "exact_draws": exact_draws,
        "exact_effective": round(exact.effective),
        "least_effective": round(min(fit.diagnostics.min_ess_bulk, fit.diagnostics.min_ess_tail)),
        "rows": rows,
        "agrees": all(
            row["shift"] <= MOST_SHIFT and row["stretch"] <= MOST_STRETCH for row in rows
        ),
    }


def _own_apart(fit: Fit, mean: Floats, sd: Floats) -> list[dict[str, Any]]:
    """By kind and clutch deviation."""
    return [
        _apart(f"own {name}", fit.own[:, :, k], mean[:, k], sd[:, k]) for k, name in enumerate(OWN)
    ]


def _apart(what: str, draws: Floats, mean: Floats, sd: Floats) -> dict[str, Any]:
    return {
        "what": what,
        "quantities": draws.shape[1],
        "shift": round(float((np.abs(draws.mean(axis=0) - mean) / sd).max()), 4),
        "stretch": round(float(np.abs(draws.std(axis=0) / sd - 1).max()), 4),
    }
