"""How far do answers move when priors are halved and doubled, or nights missing for a reason?"""

from __future__ import annotations

from typing import Any

import numpy as np

from modeling.clutch_skill.fit import Say
from modeling.clutch_skill.observations import Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statements import summarise_draws
from modeling.clutch_skill.validation.fits import Fitter, own_draws
from modeling.clutch_skill.worlds import World, realistic_truth, simulate

_NIGHT = ("night", "night_clutch", "night_between", "no_night")
CHANGES: dict[str, tuple[float, tuple[str, ...]]] = {
    "as they are": (1.0, ()),
    "clutch spread halved": (0.5, ("clutch",)),
    "clutch spread doubled": (2.0, ("clutch",)),
    "nights halved": (0.5, _NIGHT),
    "nights doubled": (2.0, _NIGHT),
    "all halved": (0.5, ()),
    "all doubled": (2.0, ()),
}
"""What is multiplied by what; no name is all."""

MISSING_WITH = (0.0, 0.3, 0.6)
_SLOPE = 0.02
_TOP = 10


def to_priors(
    observations: Observations, *, seed: int = 1, with_nights: bool = False, say: Say
) -> dict[str, Any]:
    """Fit with each change of the priors.

    Args:
        observations: Real seasons or a simulated league.
        seed: For the fits.
        with_nights: Whether nights enter; without, changes of their priors are left out.
        say: Told what is done.

    Returns:
        For each change the clutch spread, the slope of HRV, the deviation of the ten players who
        were highest with the priors as they are and how many are told apart.
    """
    rows: list[dict[str, Any]] = []
    top: Any = None
    for name, (factor, names) in CHANGES.items():
        if names == _NIGHT and not with_nights:
            continue
        say(f"priors: {name}")
        fit = Fitter(Priors().scaled(factor, *names), say).fit(
            observations, seed=seed, with_nights=with_nights, draws=1000
        )
        deviations = own_draws(fit, seed, 1000)[:, :, -1]
        summary = summarise_draws(deviations)
        if top is None:
            top = np.argsort(-summary.mean)[:_TOP]
        row = {
            "priors": name,
            "clutch_spread": round(float(fit.clutch_spread.mean()), 4),
            "clutch_spread_90": [
                round(float(x), 4) for x in np.quantile(fit.clutch_spread, (0.05, 0.95))
            ],
            "top_deviation": round(float(summary.mean[top].mean()), 4),
            "top_sd": round(float(summary.sd[top].mean()), 4),
            "players_told_apart": int(summary.is_told_apart.sum()),
            "clutch_field_goals": _term(fit, "clutch_field_goals"),
            "leverage": _term(fit, "leverage"),
        }
        if fit.has_nights:
            row["hrv"] = round(float(fit.night[:, 0].mean()), 4)
            row["hrv_sd"] = round(float(fit.night[:, 0].std()), 4)
        rows.append(row)
    return {"fits": len(rows), "seed": seed, "top": _TOP, "rows": rows}


def _term(fit: Any, name: str) -> float:
    return round(float(fit.coefficients[:, fit.statistics.design.number_of(name)].mean()), 4)


def simulated_to_priors(
    *, seed: int = 40_001, players: int = 450, teams: int = 30, say: Say
) -> dict[str, Any]:
    """:func:`to_priors` on a league that wears devices, HRV worth 0.02 a shot per s.d."""
    world = World(seed, players=players, teams=teams, athletes=players)
    league = simulate(world, realistic_truth(world, night=(_SLOPE, 0.0, 0.0, 0.0)))
    return to_priors(league.observations, seed=seed, with_nights=True, say=say)


def to_missing(
    leagues: int,
    *,
    first_seed: int = 50_001,
    players: int = 450,
    teams: int = 30,
    missing: float = 0.5,
    say: Say,
) -> dict[str, Any]:
    """Bad nights are missing more often than good ones, which the model does not know.

    Args:
        leagues: For each strength, the same seeds.
        first_seed: They are numbered from here.
        players: Of each league; all of them wear a device.
        teams: Of each league.
        missing: Share of missing nights.
        say: Told of progress.

    Returns:
        For each strength the slope of HRV that is found, its bias, and the term of games without
        a night, which a slope above zero then pushes below.
    """
    fitter = Fitter(Priors(), say)
    rows = []
    for strength in MISSING_WITH:
        slopes, without, clutch = [], [], []
        for seed in range(first_seed, first_seed + leagues):
            world = World(
                seed,
                players=players,
                teams=teams,
                athletes=players,
                missing=missing,
                missing_with=strength,
            )
            league = simulate(world, realistic_truth(world, night=(_SLOPE, 0.0, 0.0, 0.0)))
            fit = fitter.fit(league.observations, seed=seed)
            slopes.append((fit.night[:, 0].mean(), fit.night[:, 0].std()))
            without.append(fit.coefficients[:, fit.statistics.design.number_of("no_night")].mean())
            clutch.append(fit.clutch_spread.mean())
        mean, sd = np.mean(slopes, axis=0)
        error = np.std([slope for slope, _ in slopes], ddof=1) / np.sqrt(leagues)
        rows.append(
            {
                "missing_with": strength,
                "missing": missing,
                "leagues": leagues,
                "slope": _SLOPE,
                "bias": round(float(mean) - _SLOPE, 5),
                "bias_se": round(float(error), 5),
                "posterior_sd": round(float(sd), 5),
                "no_night": round(float(np.mean(without)), 5),
                "clutch_spread": round(float(np.mean(clutch)), 5),
            }
        )
        say(f"missing with {strength}: {rows[-1]}")
    return {"fits": leagues * len(rows), "first_seed": first_seed, "rows": rows}
