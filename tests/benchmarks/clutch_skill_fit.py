"""One fit of the Bayesian model in a process of its own, with its time by part.

``python -m tests.benchmarks.clutch_skill_fit URL SEED SEASON...`` prints JSON. Nothing is
published: the run ends where it would be written.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from unittest.mock import patch

import numpy as np
import psycopg

from modeling.clutch_skill import run
from modeling.clutch_skill.fit import Fit, Sampler, effective
from modeling.clutch_skill.statistics import Statistics


def main(url: str, seed: int, seasons: list[str]) -> dict[str, Any]:
    """Fit and measure; see the module's description."""
    kept: list[Fit] = []

    class Kept(Sampler):
        """The product's own; what it drew stays."""

        def sample(self, statistics: Statistics, **options: Any) -> Fit:
            kept.append(super().sample(statistics, **options))
            return kept[-1]

    written: list[object] = []
    with (
        psycopg.connect(url) as connection,
        patch.object(run, "Sampler", Kept),
        patch.object(run, "write", lambda _, what: written.append(what)),
    ):
        outcome = run.fit(connection, seasons, seed=seed)
    fitted = kept[-1]
    spreads = np.column_stack(
        [fitted.skill_spread, fitted.clutch_spread[:, None], fitted.opponent_spread[:, None]]
    )
    own = fitted.own.reshape(len(fitted.own), -1, 4)
    groups = {
        "spreads": spreads,
        "terms": fitted.coefficients[:, : fitted.statistics.design.fixed],
        "own skill": own[:, :, :3].reshape(len(own), -1),
        "own clutch deviation": own[:, :, 3],
    }
    parts = {name: value for name, value in outcome.seconds.items() if name != "publish"}
    return {
        "published": outcome.exit_code == 0,
        "refusal": outcome.run.get("refusal_reasons"),
        "attempts": outcome.run["attempts"],
        "players": outcome.run["players"],
        "seconds": parts,
        "divergences": fitted.diagnostics.divergences,
        "ess": {name: float(effective(fitted, values)[0].min()) for name, values in groups.items()},
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    address, number, *names = sys.argv[1:]
    print(json.dumps(main(address, int(number), names)))
