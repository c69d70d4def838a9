"""Predicted clutch scores of players in games, played or to come.

Of a player in a game the model expects theta, points over expected an attempt in clutch time at his
own mix of shots: skill, clutch deviation, circumstances and, if he wears a device, his night. The
score is

    100 x Phi((theta - median) / 0.08)

where the median is that of the league's clutch attempts (half of them are taken by better players)
in neutral circumstances, and 0.08 is about one s.d. between players. 50 is the median, 84 one s.d.
above it, whatever the season. Its interval says how well theta is known; what he then scores is
mostly luck, which ``game_reliability`` and the interval of points say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from modeling.clutch_skill.design import LOADING, columns, of_clutch_attempts
from modeling.clutch_skill.effects import clutch_deviations, full_skills, overall_skills
from modeling.clutch_skill.fit import Fit
from modeling.clutch_skill.observations import KINDS, Floats, Flags, Integers, Observations

SCORE_SPREAD = 0.08
"""Points an attempt that one s.d. of the score's normal scale stands for."""

_DRAWS = 2000
_ROWS_AT_ONCE = 1000
# Clutch attempts of a player in a game to come, when his own games tell none.
_USUAL_CLUTCH_ATTEMPTS = 2.5
_PULL_GAMES = 5.0


class Predictions(NamedTuple):
    """Of n player-games; all arrays have shape (n,).

    Attributes:
        row: Row of ``observations.player_games``.
        score: Posterior mean of the score, 0-100.
        score_sd: Its s.d.
        lower_50: 25th percentile of the score.
        upper_50: 75th percentile.
        lower_90: 5th percentile.
        upper_90: 95th percentile.
        above_median: Probability that the score is above 50.
        reliability: Share of the variance between players that is settled for him, 0-1.
        points: Expected points over expected an attempt.
        points_lower_90: 5th percentile of what he then scores, luck included (points an attempt).
        points_upper_90: 95th percentile.
        game_reliability: Share of the variance of one such game that is the player, 0-1.
        used_wearables: Whether his own night entered.
        night_effect: Score less the score with his mean night; NaN without.
        night_lower_90: 5th percentile.
        night_upper_90: 95th percentile.
    """

    row: Integers
    score: Floats
    score_sd: Floats
    lower_50: Floats
    upper_50: Floats
    lower_90: Floats
    upper_90: Floats
    above_median: Floats
    reliability: Floats
    points: Floats
    points_lower_90: Floats
    points_upper_90: Floats
    game_reliability: Floats
    used_wearables: Flags
    night_effect: Floats
    night_lower_90: Floats
    night_upper_90: Floats


def predict(fit: Fit, observations: Observations, seed: int) -> Predictions:
    """Score player-games with an action in clutch time, and those to come.

    Args:
        fit: With own effects.
        observations: What it was fitted to.
        seed: For the luck of a game and for nights that are known badly.
    """
    statistics = fit.statistics
    games = observations.player_games
    rows = np.flatnonzero(games.has_clutch_action | games.is_upcoming)
    every = max(1, len(fit.own) // _DRAWS)
    coefficients = fit.with_own(fit.coefficients)[::every]
    own = (overall_skills(fit) + clutch_deviations(fit))[::every]
    # the skill is that of all his attempts, so his role is in it and not in the terms
    level = np.einsum("spk,pk->sp", full_skills(fit)[::every], statistics.mix)
    own_without_role = own - level + np.einsum(
        "spk,pk->sp", fit.own[::every, :, : len(KINDS)], statistics.mix
    )

    # what terms add to one attempt in clutch time, and in neutral circumstances
    shots = of_clutch_attempts(games.take(rows), _taken(statistics, rows), statistics.role, statistics.mix)
    design_columns = columns(statistics.design, shots)
    neutral = _neutral(statistics, design_columns, games.player[rows], coefficients)
    median = _median(neutral.by_player + own_without_role, statistics)

    variance = statistics.mix @ statistics.variances
    expected = _clutch_attempts(observations, rows)
    population = float(
        np.median((own - own.mean(axis=1, keepdims=True)).var(axis=1))
    )
    posterior = own.var(axis=0)
    prior_variance = np.einsum(
        "pj,jk,pk->p", statistics.mix, fit.skill_covariance.mean(axis=0), statistics.mix
    ) + (statistics.mix @ LOADING) ** 2 * float((fit.clutch_spread**2).mean())
    reliability = np.clip(1 - posterior / prior_variance, 0, 1)

    generator = np.random.default_rng(seed)
    parts = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        chosen = rows[part]
        player = games.player[chosen]
        of_night = _night_columns(statistics, design_columns[part])
        without = own_without_role[:, player] + coefficients @ (
            design_columns[part] - of_night
        ).T
        night = coefficients @ of_night.T
        has_night = statistics.nights.pattern[chosen] >= 0
        theta = without + night
        score = 100 * ndtr((theta - median[:, None]) / SCORE_SPREAD)
        moved = score - 100 * ndtr((without - median[:, None]) / SCORE_SPREAD)
        luck = generator.standard_normal(theta.shape) * np.sqrt(variance[player] / expected[part])
        low, below, above, high = np.quantile(score, (0.05, 0.25, 0.75, 0.95), axis=0)
        points_low, points_high = np.quantile(theta + luck, (0.05, 0.95), axis=0)
        night_low, night_high = np.quantile(moved, (0.05, 0.95), axis=0)
        nothing = np.where(has_night, 0, np.nan)
        parts.append(
            Predictions(
                row=chosen,
                score=score.mean(axis=0),
                score_sd=score.std(axis=0),
                lower_50=below,
                upper_50=above,
                lower_90=low,
                upper_90=high,
                above_median=(theta > median[:, None]).mean(axis=0),
                reliability=reliability[player],
                points=theta.mean(axis=0),
                points_lower_90=points_low,
                points_upper_90=points_high,
                game_reliability=population
                / (population + variance[player] / expected[part]),
                used_wearables=has_night,
                night_effect=moved.mean(axis=0) + nothing,
                night_lower_90=night_low + nothing,
                night_upper_90=night_high + nothing,
            )
        )
    return Predictions(*(np.concatenate(values) for values in zip(*parts, strict=True)))
