"""Data sets that were broken on purpose: each is refused, with the field and the fix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from modeling.clutch_skill.observations import NIGHT_VALUES, THREE, TWO, Observations
from modeling.clutch_skill.refusals import check
from modeling.clutch_skill.worlds import World, realistic_truth, simulate
from modeling.errors import ModelError

WORLD = World(seed=11, players=120, teams=8, games=60, athletes=12)

HRV, RECOVERY, SLEEP, STRAIN = range(len(NIGHT_VALUES))


@pytest.fixture(scope="module")
def good() -> Observations:
    return simulate(WORLD, realistic_truth(WORLD)).observations


def games(observations: Observations, **changes: np.ndarray) -> Observations:
    return observations._replace(player_games=observations.player_games._replace(**changes))


def cells(observations: Observations, **changes: np.ndarray) -> Observations:
    return observations._replace(cells=observations.cells._replace(**changes))


def with_one(values: np.ndarray, value: float) -> np.ndarray:
    """A copy with one value changed."""
    changed = values.copy()
    changed.flat[len(values) // 2] = value
    return changed


def nights(observations: Observations, column: int, values: object) -> Observations:
    changed = observations.player_games.nights.copy()
    measured = np.isfinite(changed[:, column])
    changed[measured, column] = np.broadcast_to(np.asarray(values), measured.shape)[measured]
    return games(observations, nights=changed)


def one_night(observations: Observations, column: int, value: float) -> Observations:
    changed = observations.player_games.nights.copy()
    changed[np.flatnonzero(np.isfinite(changed[:, column]))[0], column] = value
    return games(observations, nights=changed)


def misses_for_makes(observations: Observations) -> Observations:
    """Every make is read as a miss and the other way round.

    A make is worth its points less what was expected, a miss what was expected less: with value v,
    residual r and the same expectation e the swapped residual is v - 2 e - r. What a shot was worth
    is unknown here, so the league's mean expectation of its kind stands for it.
    """
    value, expected = np.array([2.0, 3.0, 1.0]), np.array([1.04, 1.09, 0.77])
    shots = observations.cells
    shift = (value - 2 * expected)[shots.kind]
    return cells(
        observations,
        residual=shots.attempts * shift - shots.residual,
        residual_squares=shots.attempts * shift**2
        - 2 * shift * shots.residual
        + shots.residual_squares,
    )


def swapped_columns(observations: Observations, first: int, second: int) -> Observations:
    order = list(range(len(NIGHT_VALUES)))
    order[first], order[second] = second, first
    return games(observations, nights=observations.player_games.nights[:, order])


def relabelled(observations: Observations, first: int, second: int) -> Observations:
    kinds = np.arange(3)
    kinds[first], kinds[second] = second, first
    return cells(observations, kind=kinds[observations.cells.kind])


def one_player(good: Observations) -> Observations:
    return good.of_rows(good.player_games.player == 3)


def little_clutch_time(good: Observations) -> Observations:
    shots = good.cells
    in_clutch = np.flatnonzero(shots.is_clutch)
    return good._replace(cells=shots.take(np.delete(np.arange(len(shots.row)), in_clutch[60:])))


def scaled_leverage(good: Observations) -> Observations:
    return cells(good, leverage=100 * good.cells.leverage)


def constant_leverage(good: Observations) -> Observations:
    shots = good.cells
    return cells(
        good,
        leverage=np.where(shots.is_clutch, 0.4 * shots.attempts, 0),
        leverage_squares=np.where(shots.is_clutch, 0.16 * shots.attempts, 0),
    )


def a_fifth(good: Observations) -> Observations:
    return nights(good, RECOVERY, good.player_games.nights[:, RECOVERY] / 5)


BROKEN: dict[str, tuple[str, Callable[[Observations], Observations]]] = {
    "one player": ("player_id", one_player),
    "too few clutch shots": ("is_clutch", little_clutch_time),
    "no clutch shots": (
        "is_clutch",
        lambda o: cells(o, is_clutch=np.zeros_like(o.cells.is_clutch)),
    ),
    "no nights at all": (
        "pregame_baselines",
        lambda o: games(o, nights=np.full_like(o.player_games.nights, np.nan)),
    ),
    "all at home": ("is_home", lambda o: games(o, is_home=np.ones(len(o.game_ids)))),
    "nobody at home": ("is_home", lambda o: games(o, is_home=np.zeros(len(o.game_ids)))),
    "one rating": (
        "opponent_rating",
        lambda o: games(o, opponent_rating=np.full(len(o.game_ids), 1.5)),
    ),
    "one leverage": ("leverage_sum", constant_leverage),
    "one HRV": ("hrv_baseline_deviation", lambda o: nights(o, HRV, 0.3)),
    "one recovery": ("recovery_score_pregame", lambda o: nights(o, RECOVERY, 66.0)),
    "one sleep": ("sleep_performance_pregame", lambda o: nights(o, SLEEP, 80.0)),
    "one strain": ("day_strain_pregame", lambda o: nights(o, STRAIN, 10.0)),
    "NaN in a residual": (
        "residual",
        lambda o: cells(o, residual=with_one(o.cells.residual, np.nan)),
    ),
    "NaN in squares": (
        "residual_squares",
        lambda o: cells(o, residual_squares=with_one(o.cells.residual_squares, np.nan)),
    ),
    "NaN in a margin": ("margin", lambda o: cells(o, margin=with_one(o.cells.margin, np.nan))),
    "NaN in a rating": (
        "opponent_rating",
        lambda o: games(o, opponent_rating=with_one(o.player_games.opponent_rating, np.nan)),
    ),
    "NaN in home": (
        "is_home",
        lambda o: games(o, is_home=with_one(o.player_games.is_home, np.nan)),
    ),
    "infinite rest": (
        "rest_days",
        lambda o: games(o, rest_days=with_one(o.player_games.rest_days, np.inf)),
    ),
    "infinite night": ("nights", lambda o: one_night(o, RECOVERY, np.inf)),
    "infinite level": (
        "hrv_level",
        lambda o: games(o, hrv_level=with_one(o.player_games.hrv_level, np.inf)),
    ),
    "a cell of no attempt": (
        "attempts",
        lambda o: cells(o, attempts=with_one(o.cells.attempts, 0.0)),
    ),
    "makes are misses": ("points_scored", misses_for_makes),
    "residual in per cent": (
        "residual_squares",
        lambda o: cells(o, residual_squares=1e4 * o.cells.residual_squares),
    ),
    "clutch is not clutch": ("is_clutch", lambda o: cells(o, is_clutch=~o.cells.is_clutch)),
    "late is early": ("phase", lambda o: cells(o, is_late=~o.cells.is_late)),
    "overtime is regulation": ("phase", lambda o: cells(o, is_overtime=~o.cells.is_overtime)),
    "twos are threes": ("residual_squares", lambda o: relabelled(o, TWO, THREE)),
    "twos are free throws": ("residual_squares", lambda o: relabelled(o, TWO, 2)),
    "threes are free throws": ("residual_squares", lambda o: relabelled(o, THREE, 2)),
    "leverage in per cent": ("leverage_sum", scaled_leverage),
    "margin in tenths": ("margin_sum", lambda o: cells(o, margin=10 * o.cells.margin)),
    "recovery is HRV": ("hrv_baseline_deviation", lambda o: swapped_columns(o, HRV, RECOVERY)),
    "sleep is strain": ("day_strain_pregame", lambda o: swapped_columns(o, SLEEP, STRAIN)),
    "strain is recovery": ("day_strain_pregame", lambda o: swapped_columns(o, RECOVERY, STRAIN)),
    "recovery as a share": (
        "recovery_score_pregame",
        lambda o: nights(o, RECOVERY, o.player_games.nights[:, RECOVERY] / 100),
    ),
    "sleep as a share": (
        "sleep_performance_pregame",
        lambda o: nights(o, SLEEP, o.player_games.nights[:, SLEEP] / 100),
    ),
    "a night of 130 %": ("sleep_performance_pregame", lambda o: one_night(o, SLEEP, 130.0)),
    "squares of other shots": (
        "margin_squares",
        lambda o: cells(o, margin_squares=np.roll(o.cells.margin_squares, 1)),
    ),
    "no free throws": ("shot_kind", lambda o: o._replace(cells=o.cells.take(o.cells.kind != 2))),
}


def test_an_untouched_world_passes(good: Observations) -> None:
    check(good)
    check(good, with_nights=False)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_refused(good: Observations, name: str) -> None:
    field, damage = BROKEN[name]
    with pytest.raises(ModelError) as refusal:
        check(damage(good))
    message = str(refusal.value)
    assert field in message.split(". Fix:")[0]
    assert ". Fix: " in message


def test_what_is_wrong_with_nights_does_not_matter_without_them(good: Observations) -> None:
    check(nights(good, RECOVERY, 66.0), with_nights=False)


def test_two_athletes_are_too_few_to_say_that_nights_are_missing(good: Observations) -> None:
    """Nights are not fitted then, and none of them is no reason to refuse the shots."""
    worn = good.player_games.is_worn & (good.player_games.player < 2)
    check(games(good, is_worn=worn, nights=np.full_like(good.player_games.nights, np.nan)))
