"""The model of ``modeling.clutch_skill`` as one would first write it, under PyMC's own NUTS.

One normal likelihood for each player-game, kind of shot and part of the game, and a variable for
each player's own effects and for each opponent, in non-centred form: the same priors and the same
data as :mod:`modeling.clutch_skill.model`, nothing integrated out, no sums over games. Leverage
and margin enter with their mean of the cell; their scatter within a cell is all that is left out.

A process of its own, because PyTensor reads its settings once:
``python -m tests.benchmarks.clutch_skill_rows URL SEASON TUNE DRAWS CHAINS SEED`` prints a line of
JSON before it samples and one after.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

# PyTensor's own default: the C compiler if there is one, and not what the product sets.
os.environ["PYTENSOR_FLAGS"] = ""

import numpy as np
import psycopg
import pymc as pm
import pytensor
import pytensor.tensor as pt

import modeling.clutch_skill.quiet  # noqa: F401 - its warnings are not for this table
from modeling.clutch_skill.data import read_observations
from modeling.clutch_skill.design import LOADING, columns, of_cells
from modeling.clutch_skill.observations import KINDS, Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import summarise


def build(observations: Observations, priors: Priors) -> pm.Model:
    """Write the model down, one normal per cell."""
    statistics = summarise(observations, with_nights=False)
    design, cells, games = statistics.design, observations.cells, observations.player_games
    sums = columns(design, of_cells(cells, games, statistics.nights, statistics.role))
    means = sums / cells.attempts[:, None]
    # levels and opponents are looked up: a matrix of mostly zeros would be slower
    levels = len(KINDS) * design.seasons
    opponent = design.number_of("opponent_rating") + 1
    others = list(range(levels, opponent))
    scales = np.array([float(getattr(priors, design.terms[k].prior)) for k in others])
    loading = LOADING[cells.kind]
    player = games.player[cells.row]
    with pm.Model() as model:
        level = priors.level * pm.Normal("level", shape=levels)
        other = scales * pm.Normal("other", shape=len(others))
        opponent_spread = pm.HalfNormal("opponent_spread", priors.opponent)
        opponents = opponent_spread * pm.Normal("opponent", shape=design.teams)
        factor, _, skill_spread = pm.LKJCholeskyCov(
            "skill",
            n=len(KINDS),
            eta=priors.skill_correlation_shape,
            sd_dist=pm.HalfNormal.dist(priors.skill, shape=len(KINDS)),
        )
        clutch_spread = pm.HalfNormal("clutch_spread", priors.clutch)
        players = len(observations.player_ids)
        skill = pm.Normal("skill_standard", shape=(players, len(KINDS))) @ factor.T
        deviation = clutch_spread * pm.Normal("deviation_standard", shape=players)
        pm.Deterministic("terms", pt.concatenate([level, other, opponents]))
        pm.Deterministic("skill_spread", skill_spread)
        pm.Deterministic("own", pt.concatenate([skill, deviation[:, None]], axis=1))
        expected = (
            level[cells.kind * design.seasons + games.season[cells.row]]
            + pt.as_tensor(means[:, others]) @ other
            + loading * opponents[games.opponent[cells.row]]
            + skill[player, cells.kind]
            + loading * cells.is_clutch * deviation[player]
        )
        pm.Normal(
            "residual",
            expected,
            np.sqrt(statistics.variances[cells.kind] / cells.attempts),
            observed=cells.residual / cells.attempts,
        )
    return model


def main(url: str, season: str, tune: int, draws: int, chains: int, seed: int) -> dict[str, Any]:
    """Sample; see the module's description."""
    import arviz as az

    with psycopg.connect(url) as connection:
        observations = read_observations(connection, [season])
    started = time.monotonic()
    model = build(observations, Priors())
    with model:
        # what pm.sample compiles, compiled before: the clock of sampling starts after it
        value, gradient = model.compile_logp(), model.compile_dlogp()
        compiled = time.monotonic()
        point = model.initial_point()
        value(point)
        before = time.monotonic()
        for _ in range(20):
            gradient(point)
        facts = {
            "cells": len(observations.cells.row),
            "parameters": int(sum(np.size(each) for each in point.values())),
            "linker": str(pytensor.config.linker),
            "compiler": str(pytensor.config.cxx) or "none",
            "compile": compiled - started,
            "gradient": (time.monotonic() - before) / 20,
        }
        # at once: whoever waits may not wait for the draws
        print(json.dumps(facts), flush=True)
        trace = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=min(chains, 2),
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
        )
    seconds = float(trace.sample_stats.attrs["sampling_time"])
    found = az.ess(trace, var_names=["skill_spread", "clutch_spread", "opponent_spread"])
    spreads = min(float(found[name].min()) for name in found.data_vars)
    of_terms = float(az.ess(trace, var_names=["terms"])["terms"].min())
    own = az.ess(trace, var_names=["own"])["own"].values
    return {
        "sample": seconds,
        "share_of_draws": draws / (draws + tune),
        "steps": float(trace.sample_stats["n_steps"].mean()),
        "divergences": int(trace.sample_stats["diverging"].sum()),
        "ess": {
            "spreads": spreads,
            "terms": of_terms,
            "own skill": float(own[:, :3].min()),
            "own clutch deviation": float(own[:, 3].min()),
        },
    }


if __name__ == "__main__":
    address, name, *numbers = sys.argv[1:]
    print(json.dumps(main(address, name, *map(int, numbers))))
