"""Data that no model should be fitted to, each with the field and the fix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modeling.clutch_skill.nights import LEAST_ATHLETES, LEAST_NIGHTS
from modeling.clutch_skill.observations import (
    FREE_THROW,
    KINDS,
    NIGHT_VALUES,
    Cells,
    Observations,
    PlayerGames,
)
from modeling.errors import ModelError

LEAST_PLAYERS = 20
"""Spreads between players need players; a league of two teams has as many."""

LEAST_CLUTCH_ATTEMPTS = 100

# Points a shot that a season's mean may lie off what its shots were worth: five times the largest
# of four seasons (0.014), and the sampling error of few shots.
_MOST_BIAS = 0.07
_STANDARD_ERRORS = 5.0
# Points squared around what a shot was worth, per kind, of four seasons: 0.92, 2.06, 0.17.
_VARIANCES = ((0.6, 1.2), (1.4, 2.6), (0.05, 0.25))
# Share of shots in clutch time: 4 % in four seasons; a league of close games has 10 %.
_MOST_CLUTCH_SHARE = 0.25
_MOST_MARGIN = 5.0
_MOST_LATE_SHARE = 0.6
# Leverages of clutch shots spread by 0.16 over four seasons.
_LEAST_LEVERAGE_SPREAD = 0.01
# A sum of squares may be off by so much per attempt: expectations are rounded.
_ROUNDING = 0.001
# What a value of the night can be; a value outside has the wrong label or unit.
_RANGES = ((-12.0, 12.0), (0.0, 100.0), (0.0, 100.0), (0.0, 21.0))
# Nights of a group that all have one value do not come from bodies.
_LEAST_SPREAD = (0.05, 0.5, 0.5, 0.05)
_LEAST_FOR_LABELS = 50
# A mean within the range of another label: deviations from one's own baseline lie around zero.
_MOST_MEAN_DEVIATION = 2.0


def check(observations: Observations, *, with_nights: bool = True) -> None:
    """Refuse what would give wrong answers that look right.

    Args:
        observations: What was read.
        with_nights: Whether nights are to enter.

    Raises:
        ModelError: Names the first field that is wrong, what it should be, and the fix.
    """
    for problem in _problems(observations, with_nights=with_nights):
        raise ModelError(problem)


def _problems(observations: Observations, *, with_nights: bool) -> Iterator[str]:
    yield from _numbers(observations)
    yield from _sizes(observations)
    yield from _shots(observations.cells)
    yield from _situations(observations)
    if with_nights:
        yield from _nights(observations.player_games)


def _numbers(observations: Observations) -> Iterator[str]:
    may_be_missing = {"rest_days", "nights", "hrv_level"}
    for name, values in zip(Cells._fields, observations.cells, strict=True):
        if count := int((~np.isfinite(values.astype(float))).sum()):
            yield (
                f"player_game_shots, {name}: {count} values are not a number. Fix: dbt build; the "
                "mart's tests name the game."
            )
    for name, values in zip(PlayerGames._fields, observations.player_games, strict=True):
        numbers = np.asarray(values, dtype=float)
        bad = np.isinf(numbers) if name in may_be_missing else ~np.isfinite(numbers)
        if count := int(bad.sum()):
            yield (
                f"player_game_contexts, {name}: {count} values are not a number. Fix: dbt build; "
                "the mart's tests name the game."
            )


def _sizes(observations: Observations) -> Iterator[str]:
    cells = observations.cells
    shooters = len(np.unique(observations.player_games.player[cells.row]))
    if shooters < LEAST_PLAYERS:
        yield (
            f"player_id: {shooters} players took a shot, {LEAST_PLAYERS} are needed to tell how "
            "far players differ. Fix: fit more games (--season)."
        )
    if observations.clutch_attempts < LEAST_CLUTCH_ATTEMPTS:
        yield (
            f"is_clutch: {observations.clutch_attempts} shots in clutch time, "
            f"{LEAST_CLUTCH_ATTEMPTS} are needed. Fix: fit more games (--season)."
        )
    if bool((cells.attempts < 1).any()):
        yield "attempts: a row of player_game_shots has none. Fix: dbt build --full-refresh."


def _shots(cells: Cells) -> Iterator[str]:
    for kind, name in enumerate(KINDS):
        chosen = cells.kind == kind
        attempts = cells.attempts[chosen].sum()
        if attempts == 0:
            yield f"shot_kind: no {name} at all. Fix: dbt build; look at expected_points."
            return
        variance = cells.residual_squares[chosen].sum() / attempts
        mean = cells.residual[chosen].sum() / attempts
        slack = _STANDARD_ERRORS * np.sqrt(variance / attempts)
        if abs(mean) > _MOST_BIAS + slack:
            yield (
                f"points_scored: a {name} brings {mean:+.3f} points over what it was worth, "
                f"{_MOST_BIAS} at most in any season: makes and misses, or kinds of shots, are "
                "swapped, or average_expected_points is wrong. Fix: look at expected_points."
            )
        low, high = _VARIANCES[kind]
        if not low - slack <= variance <= high + slack:
            yield (
                f"residual_squares: points of a {name} scatter by {variance:.2f} around what it "
                f"was worth, {low} to {high} is possible. Fix: look at expected_points and "
                "shot_kind."
            )


def _situations(observations: Observations) -> Iterator[str]:
    cells = observations.cells
    clutch = cells.is_clutch
    share = cells.attempts[clutch].sum() / cells.attempts.sum()
    if share > _MOST_CLUTCH_SHARE:
        yield (
            f"is_clutch: {100 * share:.0f} % of shots, {100 * _MOST_CLUTCH_SHARE:.0f} % at most: "
            "the label is swapped. Fix: dbt build; look at clutch_situations."
        )
    if bool((clutch & ~cells.is_late).any()):
        yield "phase: clutch time before the fourth quarter. Fix: look at player_game_shots.phase."
    if bool((cells.is_overtime & ~cells.is_late).any()):
        yield "phase: overtime before the fourth quarter. Fix: look at player_game_shots.phase."
    late = cells.attempts[cells.is_late].sum() / cells.attempts.sum()
    if late > _MOST_LATE_SHARE:
        yield (
            f"phase: {100 * late:.0f} % of shots in the fourth quarter and later: the label is "
            "swapped. Fix: look at player_game_shots.phase."
        )
    if bool((np.abs(cells.margin[clutch]) > _MOST_MARGIN * cells.attempts[clutch] + 1e-9).any()):
        yield (
            f"margin_sum: a margin above {_MOST_MARGIN:.0f} in clutch time. Fix: look at "
            "player_game_shots.margin_sum and var clutch_max_score_margin."
        )
    mean = cells.leverage[clutch] / cells.attempts[clutch]
    if bool(((mean < 0) | (mean > 1)).any()):
        yield "leverage_sum: a leverage outside 0 to 1. Fix: look at win_probability.leverage."
    for name in ("residual", "leverage", "margin"):
        sums, squares = getattr(cells, name), getattr(cells, f"{name}_squares")
        # no numbers have such a sum and such a sum of squares
        if bool((sums**2 > cells.attempts * (squares + _ROUNDING * cells.attempts)).any()):
            yield (
                f"{name}_squares: smaller than the sum of {name} allows: they are not of the same "
                "shots. Fix: dbt build --full-refresh --select player_game_shots."
            )
    attempts = cells.attempts[clutch].sum()
    leverage_mean = cells.leverage[clutch].sum() / attempts
    leverage_variance = cells.leverage_squares[clutch].sum() / attempts - leverage_mean**2
    if leverage_variance < _LEAST_LEVERAGE_SPREAD**2:
        yield (
            "leverage_sum: the same for every shot in clutch time. Fix: dbt build; look at "
            "win_probability.leverage."
        )
    played = np.unique(cells.row)
    for name in ("is_home", "opponent_rating"):
        values = getattr(observations.player_games, name)[played]
        if np.ptp(values) == 0:
            yield (
                f"{name}: {values[0]:g} in every game. Fix: dbt build; look at "
                f"player_game_contexts.{name} and pregame_strengths."
            )
    home = observations.player_games.is_home[played]
    if not 0.3 <= home.mean() <= 0.7:
        yield (
            f"is_home: {100 * home.mean():.0f} % of player-games at home. Fix: look at "
            "player_game_contexts.is_home."
        )
    free_throws = cells.kind == FREE_THROW
    made = cells.attempts[free_throws].sum() / cells.attempts.sum()
    if made > 0.5:
        yield (
            f"shot_kind: {100 * made:.0f} % of attempts are free throws: the label is swapped. "
            "Fix: look at player_game_shots.shot_kind."
        )


def _nights(games: PlayerGames) -> Iterator[str]:
    worn = games.is_worn
    athletes = np.unique(games.player[worn])
    if len(athletes) < LEAST_ATHLETES:
        return
    values = games.nights[worn]
    if not np.isfinite(values).any():
        yield (
            f"pregame_baselines: {len(athletes)} athletes wear a device and not one night was "
            "measured. Fix: clutch ingest whoop; or fit with --without-wearables."
        )
        return
    for k, name in enumerate(NIGHT_VALUES):
        measured = values[np.isfinite(values[:, k]), k]
        if len(measured) < LEAST_NIGHTS:
            continue
        low, high = _RANGES[k]
        outside = int(((measured < low) | (measured > high)).sum())
        if outside:
            yield (
                f"{name}: {outside} of {len(measured)} nights outside {low:g} to {high:g}: wrong "
                "label or unit. Fix: look at pregame_baselines."
            )
        if measured.std() < _LEAST_SPREAD[k]:
            yield (
                f"{name}: {measured[0]:g} on nearly every night ({len(measured)} nights). Fix: "
                "look at pregame_baselines and the records behind it."
            )
        if (
            k == 0
            and len(measured) >= _LEAST_FOR_LABELS
            and abs(measured.mean()) > _MOST_MEAN_DEVIATION
        ):
            yield (
                f"{name}: {measured.mean():+.1f} on average, deviations from one's own baseline "
                "lie around 0: another value has its label. Fix: look at pregame_baselines."
            )
