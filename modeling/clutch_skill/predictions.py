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

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from modeling.clutch_skill.design import LOADING, Design, columns, of_clutch_attempts
from modeling.clutch_skill.effects import clutch_deviations, overall_skills
from modeling.clutch_skill.fit import Fit
from modeling.clutch_skill.nights import no_nights
from modeling.clutch_skill.observations import (
    KINDS,
    NIGHT_VALUES,
    Flags,
    Floats,
    Integers,
    Observations,
    PlayerGames,
)
from modeling.clutch_skill.statistics import CLUTCH, Statistics

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
        seed: For the luck of a game.
    """
    statistics, design = fit.statistics, fit.statistics.design
    games, mix = observations.player_games, statistics.mix
    rows = np.flatnonzero(games.has_clutch_action | games.is_upcoming)
    every = -(-len(fit.own) // _DRAWS)
    coefficients = fit.with_own(fit.coefficients)[::every]
    own_effects = fit.own[::every]
    # role is among the terms
    own = np.einsum("spk,pk->sp", own_effects[:, :, : len(KINDS)], mix) + own_effects[
        :, :, CLUTCH
    ] * (mix @ LOADING)

    median = league_median(fit, own, coefficients)
    shots = of_clutch_attempts(games, statistics.nights, statistics.role, mix)
    added = columns(design, shots)[rows]
    of_night = slice(design.fixed, None)
    of_game = slice(design.fixed)

    variance = mix @ statistics.variances
    attempts = clutch_attempts(observations, rows)
    total = overall_skills(fit) + clutch_deviations(fit)
    population = float(np.median(total.var(axis=1)))
    prior_variance = np.einsum("pj,jk,pk->p", mix, fit.skill_covariance.mean(axis=0), mix) + (
        mix @ LOADING
    ) ** 2 * float((fit.clutch_spread**2).mean())
    reliability = np.clip(1 - total.var(axis=0) / prior_variance, 0, 1)

    generator = np.random.default_rng(seed)
    parts = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        chosen = rows[part]
        player = games.player[chosen]
        without = own[:, player] + coefficients[:, of_game] @ added[part, of_game].T
        night = coefficients[:, of_night] @ added[part, of_night].T
        has_night = statistics.nights.pattern[chosen] >= 0
        theta = without + night
        score = 100 * ndtr((theta - median[:, None]) / SCORE_SPREAD)
        moved = score - 100 * ndtr((without - median[:, None]) / SCORE_SPREAD)
        luck = generator.standard_normal(theta.shape) * np.sqrt(variance[player] / attempts[part])
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
                game_reliability=population / (population + variance[player] / attempts[part]),
                used_wearables=has_night,
                night_effect=moved.mean(axis=0) + nothing,
                night_lower_90=night_low + nothing,
                night_upper_90=night_high + nothing,
            )
        )
    return Predictions._make(np.concatenate(values) for values in zip(*parts, strict=True))


def league_median(fit: Fit, own: Floats, coefficients: Floats) -> Floats:
    """Median over clutch attempts of what their shooters are expected to score, by draw.

    In neutral circumstances: the last season, half at home, the opponents' mean, nobody's night.

    Args:
        fit: The fit.
        own: Own effects at the players' mix, shape (s, P).
        coefficients: The draws of the terms that belong to them, shape (s, K).

    Returns:
        Shape (s,), points an attempt.
    """
    statistics, design = fit.statistics, fit.statistics.design
    players = len(statistics.mix)
    expected = own + coefficients @ neutral_columns(design, statistics).T
    weight = statistics.clutch_attempts.sum(axis=1)
    order = np.argsort(expected, axis=1)
    below = np.cumsum(weight[order], axis=1)
    middle = (below < below[:, -1:] / 2).sum(axis=1).clip(0, players - 1)
    draw = np.arange(len(expected))
    return np.asarray(expected[draw, order[draw, middle]])


def neutral_columns(design: Design, statistics: Statistics) -> Floats:
    """Terms of one clutch attempt of each player in neutral circumstances, shape (P, K)."""
    players = len(statistics.mix)
    nobody = np.zeros(players)
    games = PlayerGames(
        player=np.arange(players),
        season=np.full(players, design.seasons - 1),
        opponent=np.zeros(players, dtype=np.int64),
        is_home=np.full(players, 0.5),
        is_playoff=nobody,
        is_back_to_back=nobody,
        rest_days=np.full(players, 2.0),
        opponent_rating=nobody,
        is_upcoming=np.zeros(players, dtype=bool),
        has_clutch_action=np.ones(players, dtype=bool),
        device=np.full(players, -1),
        is_worn=np.zeros(players, dtype=bool),
        nights=np.full((players, len(NIGHT_VALUES)), np.nan),
        hrv_level=np.full(players, np.nan),
    )
    shots = of_clutch_attempts(games, no_nights(players), statistics.role, statistics.mix)
    found = columns(design, shots)
    first = design.number_of("opponent_rating") + 1
    found[:, first : first + design.teams] = (statistics.mix @ LOADING)[:, None] / design.teams
    return found


def clutch_attempts(observations: Observations, rows: Integers) -> Floats:
    """Attempts in clutch time of player-games, at least one; games to come: his usual number.

    His usual number is the mean of his games with any, pulled to the league's.
    """
    games, cells = observations.player_games, observations.cells
    of_row = np.bincount(
        cells.row[cells.is_clutch],
        cells.attempts[cells.is_clutch],
        minlength=len(games.player),
    )
    players = len(observations.player_ids)
    total = np.bincount(games.player, of_row, players)
    count = np.bincount(games.player, of_row > 0, players)
    usual = (total + _PULL_GAMES * _USUAL_CLUTCH_ATTEMPTS) / (count + _PULL_GAMES)
    return np.where(games.is_upcoming[rows], usual[games.player[rows]], np.maximum(of_row[rows], 1))
