"""What may be said of a quantity, in words, by one rule for effects and players."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modeling.clutch_skill.observations import Floats

ROPE = 0.01
"""Region of practical equivalence: below a hundredth of a point a shot nobody would do otherwise.

A starter takes some ten shots a game: a tenth of a point. The smallest difference between players
that a season's overall record can tell is three times that.
"""

SURE = 0.975
"""Probability of a sign from which on it is called one: a true zero is called at most one time in
twenty, and less often the more the prior pulls it to zero."""

_SURE_OF_ROPE = 0.9


class Summary(NamedTuple):
    """Of m quantities; all arrays have shape (m,).

    Attributes:
        mean: Posterior mean.
        sd: Posterior s.d.
        lower_90: 5th percentile.
        lower_50: 25th percentile.
        median: Median.
        upper_50: 75th percentile.
        upper_90: 95th percentile.
        probability_positive: Share of draws above zero.
        probability_in_rope: Share of draws within :data:`ROPE` of zero.
    """

    mean: Floats
    sd: Floats
    lower_90: Floats
    lower_50: Floats
    median: Floats
    upper_50: Floats
    upper_90: Floats
    probability_positive: Floats
    probability_in_rope: Floats

    @property
    def is_told_apart(self) -> np.ndarray:
        """Whether the sign is called, shape (m,)."""
        return np.maximum(self.probability_positive, 1 - self.probability_positive) > SURE


def summarise_draws(draws: Floats) -> Summary:
    """Summaries over the first axis of draws, shape (s, m)."""
    low, below, median, above, high = np.quantile(draws, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    return Summary(
        mean=draws.mean(axis=0),
        sd=draws.std(axis=0),
        lower_90=low,
        lower_50=below,
        median=median,
        upper_50=above,
        upper_90=high,
        probability_positive=(draws > 0).mean(axis=0),
        probability_in_rope=(np.abs(draws) < ROPE).mean(axis=0),
    )


def statements(summary: Summary) -> list[str]:
    """One sentence for each quantity."""
    found = []
    rows = zip(*summary, summary.is_told_apart, strict=True)
    for mean, _, low, _, _, _, high, positive, in_rope, told_apart in rows:
        where = f"{mean:+.3f} points ({low:+.3f} to {high:+.3f} with 90 %)"
        if in_rope >= _SURE_OF_ROPE:
            found.append(f"practically zero: within {ROPE} with {100 * in_rope:.0f} %; {where}")
        elif told_apart:
            sign, share = ("above", positive) if positive > 0.5 else ("below", 1 - positive)
            found.append(f"{sign} zero with {100 * share:.1f} %: {where}")
        else:
            found.append(f"not distinguishable from zero: {where}")
    return found
