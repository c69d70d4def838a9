"""Many leagues through the real fit: are its intervals and its statements as good as they say?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import chisquare

from modeling.clutch_skill.design import NIGHTS
from modeling.clutch_skill.fit import Say
from modeling.clutch_skill.observations import Floats
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statements import summarise_draws
from modeling.clutch_skill.statistics import OWN
from modeling.clutch_skill.validation.fits import (
    Fitter,
    drawn_quantities,
    group_of,
    own_draws,
    true_quantities,
)
from modeling.clutch_skill.worlds import League, World, drawn_truth, realistic_truth, simulate

CALIBRATION_PRIORS = replace(Priors(), level=0.02, role=0.04, skill=0.05)
"""Truth is drawn from these and fitted with these.

Levels, roles and skills as wide as the model's own priors allow would ask for free throws that go
in more often than always: an average shooter makes 0.77, and three s.d. of 0.1 meet 1.
"""

# A rank among so many draws, in bins of eight. Thinned, so that draws are nearly independent.
_RANKS = 64
_BINS = 8
# Players by how often they shoot, in shares of all; ranks of one player are independent by league.
_PLAYERS = (0.1, 0.5, 0.9, 1.0)
_TEAM = 15

SLOPES = (0.0, 0.01, 0.02, 0.04)
MISSING = (0.0, 0.35, 0.7)


class Scores:
    """Ranks and coverage, gathered league by league."""

    def __init__(self) -> None:
        self.ranks: dict[str, list[int]] = defaultdict(list)
        self.inside: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, name: str, truth: float, draws: Floats) -> None:
        """One quantity of one league."""
        thinned = draws[np.linspace(0, len(draws) - 1, _RANKS - 1).astype(int)]
        self.ranks[name].append(int((thinned < truth).sum()))
        self.inside[name].append(covered(np.array([truth]), draws[:, None]))

    def quantities(self) -> list[dict[str, Any]]:
        """For each name coverage and the histogram of its ranks with its p value."""
        found = []
        for name, ranks in self.ranks.items():
            counts = np.bincount(np.array(ranks) * _BINS // _RANKS, minlength=_BINS)
            half, most = np.mean(self.inside[name], axis=0)
            found.append(
                {
                    "quantity": name,
                    "group": group_of(name),
                    "covered_50": round(float(half), 4),
                    "covered_90": round(float(most), 4),
                    "ranks": counts.tolist(),
                    "p": float(chisquare(counts).pvalue),
                }
            )
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Coverage by group, with s.e. over leagues: within one, errors hang together."""
        by_group: dict[str, list[Floats]] = defaultdict(list)
        for name, inside in self.inside.items():
            by_group[group_of(name)].append(np.array(inside))
        return [_coverage_of(group, np.mean(values, axis=0)) for group, values in by_group.items()]


def covered(truth: Floats, draws: Floats) -> tuple[float, float]:
    """Shares of m truths within the 50 and the 90 % interval of draws of shape (s, m)."""
    low, below, above, high = np.quantile(draws, (0.05, 0.25, 0.75, 0.95), axis=0)
    return (
        float(((truth >= below) & (truth <= above)).mean()),
        float(((truth >= low) & (truth <= high)).mean()),
    )


def _coverage_of(group: str, by_league: Floats) -> dict[str, Any]:
    mean = by_league.mean(axis=0)
    error = by_league.std(axis=0, ddof=1) / np.sqrt(len(by_league)) if len(by_league) > 1 else mean
    return {
        "group": group,
        "covered_50": round(float(mean[0]), 4),
        "covered_50_se": round(float(error[0]), 4),
        "covered_90": round(float(mean[1]), 4),
        "covered_90_se": round(float(error[1]), 4),
    }


def calibrate(
    fits: int,
    *,
    first_seed: int = 1,
    players: int = 450,
    teams: int = 30,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Simulation-based calibration: truth from the priors, ranks and coverage of all quantities.

    Half of the leagues wear devices as a whole, half only in a team of 15; 0 to 70 % of the nights
    are missing, at random.

    Args:
        fits: Number of leagues.
        first_seed: They are numbered from here.
        players: Of each league.
        teams: Of each league.
        say: Told of progress.

    Returns:
        Coverage by group and by quantity, ranks, their p values, and what the sampler said.

    Source: Talts et al. (2018), arXiv:1804.06788.
    """
    fitter = Fitter(CALIBRATION_PRIORS, say)
    scores, of_team = Scores(), Scores()
    own: list[list[tuple[float, float]]] = [[] for _ in OWN]
    worst: dict[str, float] = {"r_hat": 0.0, "divergences": 0.0, "ess": np.inf, "clipped": 0.0}
    for number in range(fits):
        seed = first_seed + number
        world = World(
            seed,
            players=players,
            teams=teams,
            athletes=_TEAM if number % 2 else players,
            missing=float(np.random.default_rng([seed, 5]).uniform(0, 0.7)),
        )
        league = simulate(world, drawn_truth(world, CALIBRATION_PRIORS))
        fit = fitter.fit(league.observations, seed=seed)
        truth = true_quantities(league.truth)
        for name, draws in drawn_quantities(fit).items():
            scores.add(name, truth[name], draws)
            if world.athletes == _TEAM and group_of(name).startswith("slopes"):
                of_team.add(name, truth[name], draws)
        effects = own_draws(fit, seed)
        order = np.argsort(fit.statistics.attempts.sum(axis=1))
        for column, name in enumerate(OWN):
            own[column].append(covered(league.truth.own[:, column], effects[:, :, column]))
            for share in _PLAYERS:
                player = order[int(share * (players - 1))]
                scores.add(
                    f"own_{name}_of_{share:.0%}",
                    float(league.truth.own[player, column]),
                    effects[:, player, column],
                )
        _note(worst, fit.diagnostics, league)
        held = np.mean(list(own), axis=(0, 1))[1]
        say(f"league {number + 1} of {fits}: 90 % intervals of players hold {held:.1%} so far")
    quantities = scores.quantities()
    smallest = min(quantities, key=lambda row: row["p"])
    return {
        "fits": fits,
        "first_seed": first_seed,
        "groups": [
            *(
                _coverage_of(f"own {name}, all players", np.array(by_league))
                for name, by_league in zip(OWN, own, strict=True)
            ),
            *(row for row in scores.groups() if not row["group"].startswith("own ")),
            *(row | {"group": f"{row['group']}, one team of 15"} for row in of_team.groups()),
        ],
        "quantities": quantities,
        "smallest_p": smallest["p"],
        "smallest_p_of": smallest["quantity"],
        # Holm: the smallest of m p values is held against 1 / m of the level
        "smallest_p_holm": min(1.0, smallest["p"] * len(quantities)),
        "sampler": worst,
    }


def _note(worst: dict[str, float], diagnostics: Any, league: League) -> None:
    worst["r_hat"] = max(worst["r_hat"], diagnostics.max_r_hat)
    worst["divergences"] += diagnostics.divergences
    worst["ess"] = min(worst["ess"], diagnostics.min_ess_bulk)
    worst["clipped"] = max(worst["clipped"], league.clipped)


def null_leagues(
    fits: int,
    *,
    first_seed: int = 10_001,
    players: int = 450,
    teams: int = 30,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Leagues in which nothing but skill and role is there: how often is something told apart?

    Args:
        fits: Number of leagues; half of them wear devices as a whole, half in a team of 15.
        first_seed: They are numbered from here.
        players: Of each league.
        teams: Of each league.
        say: Told of progress.
    """
    fitter = Fitter(Priors(), say)
    flagged: dict[str, list[float]] = defaultdict(list)
    spread = []
    for number in range(fits):
        seed = first_seed + number
        world = World(seed, players=players, teams=teams, athletes=_TEAM if number % 2 else players)
        league = simulate(world, realistic_truth(world, is_null=True))
        fit = fitter.fit(league.observations, seed=seed)
        spread.append(float(fit.clutch_spread.mean()))
        deviation = own_draws(fit, seed, len(fit.clutch_spread))[:, :, -1]
        flagged["players' clutch deviation"].append(
            float(summarise_draws(deviation).is_told_apart.mean())
        )
        by_group: dict[str, list[Floats]] = defaultdict(list)
        truth = true_quantities(league.truth)
        for name, draws in drawn_quantities(fit).items():
            group = group_of(name)
            if truth[name] == 0.0 and not group.startswith(("spreads", "correlations")):
                by_group[group].append(draws)
        for group, of_group in by_group.items():
            told_apart = summarise_draws(np.stack(of_group, axis=1)).is_told_apart
            flagged[group].append(float(told_apart.mean()))
        effects = np.stack([x for group in by_group.values() for x in group], axis=1)
        flagged["all effects together"].append(float(summarise_draws(effects).is_told_apart.mean()))
        say(f"null league {number + 1} of {fits}")
    return {
        "fits": fits,
        "first_seed": first_seed,
        "told_apart": [
            {
                "group": group,
                "share": round(float(np.mean(shares)), 4),
                "se": round(float(np.std(shares, ddof=1) / np.sqrt(fits)), 4) if fits > 1 else None,
            }
            for group, shares in flagged.items()
        ],
        "clutch_spread_mean": round(float(np.mean(spread)), 4),
    }


def slope_grid(
    leagues: int,
    *,
    first_seed: int = 20_001,
    players: int = 450,
    teams: int = 30,
    slopes: tuple[float, ...] = SLOPES,
    missing: tuple[float, ...] = MISSING,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Is a slope of last night's HRV found without bias, whatever is missing, under device error?

    Args:
        leagues: For each slope and share of missing nights; the same seeds for all.
        first_seed: They are numbered from here.
        players: Of each league; all of them wear a device.
        teams: Of each league.
        slopes: In points a field-goal attempt per s.d. of the true night.
        missing: Shares of nights without any value.
        say: Told of progress.

    Returns:
        For each cell bias with its s.e., what the prior alone takes off, coverage, and what a
        regression on the measured nights says.
    """
    fitter = Fitter(Priors(), say)
    cells = [(slope, share, players) for slope in slopes for share in missing]
    cells.append((0.02, 0.35, _TEAM))
    rows = []
    for number, (slope, share, athletes) in enumerate(cells, 1):
        found, sds, inside, naive, told_apart = [], [], [], [], []
        for seed in range(first_seed, first_seed + leagues):
            world = World(seed, players=players, teams=teams, athletes=athletes, missing=share)
            league = simulate(world, realistic_truth(world, night=(slope, 0.0, 0.0, 0.0)))
            fit = fitter.fit(league.observations, seed=seed)
            draws = fit.night[:, 0]
            found.append(draws.mean())
            sds.append(draws.std())
            inside.append(covered(np.array([slope]), draws[:, None])[1])
            told_apart.append(float(summarise_draws(draws[:, None]).is_told_apart[0]))
            naive.append(_regressed(fit.statistics))
        sd = float(np.mean(sds))
        # likelihood alone: 1 / sd^2 less the prior's part
        error = 1 / max(1 / sd**2 - 1 / Priors().night ** 2, 1e-9)
        rows.append(
            {
                "slope": slope,
                "missing": share,
                "athletes": athletes,
                "leagues": leagues,
                "mean": round(float(np.mean(found)), 5),
                "bias": round(float(np.mean(found)) - slope, 5),
                "bias_se": round(float(np.std(found, ddof=1) / np.sqrt(leagues)), 5),
                "posterior_sd": round(sd, 5),
                "prior_takes": round(-slope * error / (error + Priors().night ** 2), 5),
                "covered_90": round(float(np.mean(inside)), 4),
                "told_apart": round(float(np.mean(told_apart)), 4),
                "regression": round(float(np.mean(naive)), 5),
            }
        )
        say(f"cell {number} of {len(cells)}: {rows[-1]}")
    return {"fits": leagues * len(cells), "first_seed": first_seed, "cells": rows}


def _regressed(statistics: Any) -> float:
    """Slope on the measured HRV as if it were the true one, missing nights as mean ones."""
    names = [term.name for term in statistics.design.terms]
    columns = [
        names.index(f"night_{number}_0")
        for number, measured in enumerate(statistics.design.patterns)
        if NIGHTS.index("HRV") in measured
    ]
    squares = statistics.term_squares[columns, columns].sum()
    return float(statistics.term_residuals[columns].sum() / squares)
