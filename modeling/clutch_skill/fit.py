"""Sampling with nutpie, and what the sampler says about itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import arviz as az
import numpy as np
import nutpie
from threadpoolctl import threadpool_limits

import modeling.clutch_skill.quiet  # noqa: F401 - before PyMC and ArviZ
from modeling.clutch_skill.model import Built, build, packed
from modeling.clutch_skill.observations import Floats
from modeling.clutch_skill.own_effects import draw_own_effects
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import CLUTCH, Statistics

Say = Callable[[str], None]

# Every quantity that is sampled gives some 0.4 effective draws a draw or more; own effects, of
# which half are kept, give the least: 2,100 of three seasons, where 1,000 are asked for.
DRAWS, TUNE, CHAINS, CORES = 1500, 400, 4, 2
TARGET_ACCEPT = 0.85
# Own effects are nearly independent from draw to draw; every second one tells enough.
_OWN_EVERY = 2
_SAY_EVERY_SECONDS = 5.0
_HIGHEST_TREE = 10


class Diagnostics(NamedTuple):
    """Of everything that is published.

    Attributes:
        max_r_hat: Largest rank-normalised split r-hat.
        min_ess_bulk: Least effective sample size of the bulk.
        min_ess_tail: Least effective sample size of the tails.
        divergences: Divergent transitions after tuning.
        min_e_bfmi: Least energy Bayesian fraction of missing information of a chain.
        max_tree_depth_hits: Transitions that were stopped at the deepest tree.
        worst: Name of the quantity with the least effective sample size.
    """

    max_r_hat: float
    min_ess_bulk: float
    min_ess_tail: float
    divergences: int
    min_e_bfmi: float
    max_tree_depth_hits: int
    worst: str


class Fit(NamedTuple):
    """Draws of a posterior; c chains of n draws, flattened to s = c x n where said.

    Attributes:
        statistics: What was fitted.
        priors: With what.
        skill_spread: Shape (s, 3), points an attempt.
        skill_correlation: Shape (s, 3, 3).
        clutch_spread: Shape (s,).
        opponent_spread: Shape (s,).
        coefficients: All terms, shape (s, K).
        night: Slopes on every shot, shape (s, 4); empty without nights.
        night_clutch: Slopes in clutch time over and above, shape (s, 4); empty without nights.
        night_reliability: Shape (s, 4); empty without nights.
        night_correlation: Shape (s, 4, 4); empty without nights.
        own: Own effects of every second draw, shape (s / 2, P, 4); none if not asked for.
        chains: Number of chains c.
        tune: Draws of each that were dropped.
        diagnostics: Of what was sampled and of the own effects.
        seconds: Wall time by part (s): ``compile``, ``sample``, ``own``.
    """

    statistics: Statistics
    priors: Priors
    skill_spread: Floats
    skill_correlation: Floats
    clutch_spread: Floats
    opponent_spread: Floats
    coefficients: Floats
    night: Floats
    night_clutch: Floats
    night_reliability: Floats
    night_correlation: Floats
    own: Floats
    chains: int
    tune: int
    diagnostics: Diagnostics
    seconds: dict[str, float]

    def with_own(self, values: Floats) -> Floats:
        """Those of s draws that the own effects belong to."""
        return values[::_OWN_EVERY]

    @property
    def has_nights(self) -> bool:
        """Whether nights entered."""
        return self.night.size > 0

    @property
    def skill_covariance(self) -> Floats:
        """Shape (s, 3, 3)."""
        spread = self.skill_spread
        return spread[:, :, None] * self.skill_correlation * spread[:, None, :]

    def chained(self, values: Floats) -> Floats:
        """Flattened draws as chains again, shape (c, n, ...)."""
        return values.reshape(self.chains, -1, *values.shape[1:])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Chains are parallel already; threads inside each small product would wait for one another.

    With them a season's fit with nights took ten times as long.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


class Sampler:
    """A compiled model; other data of the same shape need no new compilation.

    Args:
        statistics: The sums.
        priors: The priors.
        say: Where to say what is done.
    """

    def __init__(self, statistics: Statistics, priors: Priors, say: Say = lambda _: None) -> None:
        say("compiling the model")
        started = time.monotonic()
        self._built: Built = build(statistics, priors)
        self._compiled: Any = nutpie.compile_pymc_model(self._built.model)
        self._fits = _shape(statistics)
        self._priors = priors
        self.compile_seconds = time.monotonic() - started

    def suits(self, statistics: Statistics) -> bool:
        """Whether sums have the shape that was compiled."""
        return _shape(statistics) == self._fits

    @_one_thread()
    def sample(
        self,
        statistics: Statistics,
        *,
        seed: int,
        draws: int = DRAWS,
        tune: int = TUNE,
        chains: int = CHAINS,
        with_own: bool = True,
        say: Say = lambda _: None,
    ) -> Fit:
        """Draw from the posterior.

        Args:
            statistics: Sums of the shape that was compiled.
            seed: For the sampler and the own effects.
            draws: Kept draws of each chain.
            tune: Draws before them.
            chains: Number of chains, two at a time.
            with_own: Whether to draw own effects as well.
            say: Where to say what is done.

        Returns:
            The draws, with diagnostics.

        Raises:
            ValueError: If the sums have another shape, or ``draws`` is odd.
        """
        if draws % _OWN_EVERY:
            raise ValueError(f"draws: {draws} is no multiple of {_OWN_EVERY}")
        if not self.suits(statistics):
            raise ValueError(f"compiled for {self._fits}, these sums are {_shape(statistics)}")
        started = time.monotonic()
        background = nutpie.sample(
            self._compiled.with_data(**packed(statistics, self._priors)),
            draws=draws,
            tune=tune,
            chains=chains,
            cores=CORES,
            seed=seed,
            maxdepth=_HIGHEST_TREE,
            target_accept=TARGET_ACCEPT,
            progress_bar=False,
            save_warmup=False,
            blocking=False,
        )
        while True:
            try:
                trace: Any = background.wait(timeout=_SAY_EVERY_SECONDS)
                break
            except TimeoutError:
                say(f"sampling {chains} chains: {time.monotonic() - started:.0f} s")
        sampled = time.monotonic()

        def flat(name: str) -> Floats:
            values = trace.posterior[name].values
            return np.asarray(values.reshape(-1, *values.shape[2:]), dtype=np.float64)

        nothing = np.zeros((draws * chains, 0))
        has_nights = self._built.has_nights
        fit = Fit(
            statistics=statistics,
            priors=self._priors,
            skill_spread=flat("skill_spread"),
            skill_correlation=flat("skill_correlation"),
            clutch_spread=flat("clutch_spread"),
            opponent_spread=flat("opponent_spread"),
            coefficients=flat("coefficients"),
            night=flat("night") if has_nights else nothing,
            night_clutch=flat("night_clutch") if has_nights else nothing,
            night_reliability=flat("night_reliability") if has_nights else nothing,
            night_correlation=flat("night_correlation") if has_nights else nothing,
            own=np.zeros((draws * chains, 0, 4)),
            chains=chains,
            tune=tune,
            diagnostics=Diagnostics(1.0, np.inf, np.inf, 0, np.inf, 0, ""),
            seconds={"compile": self.compile_seconds, "sample": sampled - started},
        )
        if with_own:
            say("drawing players' own effects")
            own = draw_own_effects(
                statistics,
                fit.with_own(fit.skill_covariance),
                fit.with_own(fit.clutch_spread),
                fit.with_own(fit.coefficients),
                seed,
            )
            fit = fit._replace(own=own)
        fit.seconds["own"] = time.monotonic() - sampled
        return fit._replace(diagnostics=_diagnose(fit, trace.sample_stats))


def effective(fit: Fit, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Bulk ESS, tail ESS and r-hat of flattened draws.

    Args:
        fit: Whose chains they are.
        values: Shape (s, m).

    Returns:
        Three arrays of shape (m,).
    """
    dataset = az.convert_to_dataset({"x": fit.chained(values)})
    found = (
        az.ess(dataset, method="bulk"),
        az.ess(dataset, method="tail"),
        az.rhat(dataset),
    )
    bulk, tail, r_hat = (np.atleast_1d(np.asarray(each["x"].values, float)) for each in found)
    return bulk, tail, r_hat


def _shape(statistics: Statistics) -> tuple[object, ...]:
    design = statistics.design
    return (len(statistics.own_squares), len(design.terms), design.fixed, design.patterns)


def _diagnose(fit: Fit, stats: Any) -> Diagnostics:
    design = fit.statistics.design
    upper = np.triu_indices(fit.skill_correlation.shape[1], 1)
    sampled = {
        "skill_spread": fit.skill_spread,
        "skill_correlation": fit.skill_correlation[:, upper[0], upper[1]],
        "clutch_spread": fit.clutch_spread[:, None],
        "opponent_spread": fit.opponent_spread[:, None],
        "terms": fit.coefficients[:, : design.fixed],
        "night": fit.night,
        "night_clutch": fit.night_clutch,
        "own skill": fit.own[:, :, :CLUTCH].reshape(len(fit.own), -1),
        "own clutch deviation": fit.own[:, :, CLUTCH:].reshape(len(fit.own), -1),
    }
    lowest = {}
    tails, r_hats = [], []
    for name, values in sampled.items():
        if values.size == 0:
            continue
        bulk, tail, r_hat = effective(fit, values)
        lowest[name] = min(float(bulk.min()), float(tail.min()))
        tails.append((float(bulk.min()), float(tail.min())))
        r_hats.append(float(r_hat.max()))
    energy = np.asarray(stats["energy"].values, dtype=np.float64)
    e_bfmi = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
    return Diagnostics(
        max_r_hat=max(r_hats),
        min_ess_bulk=min(bulk for bulk, _ in tails),
        min_ess_tail=min(tail for _, tail in tails),
        divergences=int(stats["diverging"].values.sum()),
        min_e_bfmi=float(e_bfmi.min()),
        max_tree_depth_hits=int((stats["depth"].values >= _HIGHEST_TREE).sum()),
        worst=min(lowest, key=lambda name: lowest[name]),
    )
