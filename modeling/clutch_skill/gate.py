"""What a run must be to be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modeling.clutch_skill.fit import Diagnostics
from modeling.clutch_skill.predictive import Check

MOST_R_HAT = 1.01
LEAST_ESS = 1000.0
LEAST_E_BFMI = 0.3


def lacks_draws(diagnostics: Diagnostics) -> bool:
    """Whether nothing but more draws is wanting."""
    return (
        min(diagnostics.min_ess_bulk, diagnostics.min_ess_tail) < LEAST_ESS
        and diagnostics.divergences == 0
        and diagnostics.max_tree_depth_hits == 0
    )


def reasons(diagnostics: Diagnostics, checks: Sequence[Check]) -> list[str]:
    """Why a run may not be published; empty if it may.

    Source: Vehtari et al. 2021, arXiv:1903.08008 (r-hat below 1.01); Betancourt 2016,
        arXiv:1604.00695 (E-BFMI). ESS of 1,000: tails of 90 % intervals good to a part in thirty.
    """
    found = []
    numbers = (diagnostics.max_r_hat, diagnostics.min_ess_bulk, diagnostics.min_ess_tail)
    if not np.all(np.isfinite([*numbers, diagnostics.min_e_bfmi])):
        found.append("a draw is not a number")
    # written so that what is not a number fails
    if not diagnostics.max_r_hat < MOST_R_HAT:
        found.append(f"r-hat {diagnostics.max_r_hat:.4f}, must be below {MOST_R_HAT}")
    for name, value in (("bulk", diagnostics.min_ess_bulk), ("tail", diagnostics.min_ess_tail)):
        if not value >= LEAST_ESS:
            found.append(
                f"{name} effective sample size {value:.0f} ({diagnostics.worst}), must be at least "
                f"{LEAST_ESS:.0f}"
            )
    if diagnostics.divergences:
        found.append(f"{diagnostics.divergences} divergences, there must be none")
    if not diagnostics.min_e_bfmi > LEAST_E_BFMI:
        found.append(f"E-BFMI {diagnostics.min_e_bfmi:.2f}, must be above {LEAST_E_BFMI}")
    if diagnostics.max_tree_depth_hits:
        found.append(f"{diagnostics.max_tree_depth_hits} transitions hit the deepest tree")
    found += [f"posterior predictive check failed: {check}" for check in checks if not check.passed]
    return found


def of_effects(effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same for what is published of effects: sums and differences of what was sampled.

    Args:
        effects: Rows with ``effect``, ``ess_bulk`` and ``ess_tail``.
    """
    return [
        f"{row['effect']}: effective sample size {row['ess_bulk']:.0f} bulk, "
        f"{row['ess_tail']:.0f} tail, must be at least {LEAST_ESS:.0f}"
        for row in effects
        if not (row["ess_bulk"] >= LEAST_ESS and row["ess_tail"] >= LEAST_ESS)
    ]
