"""Buckets of margin and clock: a planted fault is found, a right model is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from modeling.win_probability.buckets import (
    averaged,
    buckets,
    first_of,
    holm,
    p_value,
)
from modeling.win_probability.model import probability
from modeling.win_probability.perfect import RightWorld, SimulatedGames
from tests.support.simulated_games import RIGHT, simulated_season


@pytest.fixture(scope="module")
def seasons() -> list[SimulatedGames]:
    """A hundred seasons under predictions that are exactly right."""
    played = simulated_season("2021-22", 1230, seed=1)
    return list(RightWorld(played, probability(RIGHT, played.states)).draws(100, seed=2))


def of(games: SimulatedGames, predicted: np.ndarray) -> list:
    return buckets(
        predicted,
        games.home_won,
        games.game,
        games.home_margin,
        games.seconds_left,
        games.is_overtime,
    )


def test_a_right_model_is_left_alone(seasons: list[SimulatedGames]) -> None:
    off = [any(bucket.is_off for bucket in of(games, games.predicted)) for games in seasons[:30]]
    # 5 % of right models may have one; of thirty at most five, else luck is one in a hundred
    assert sum(off) <= 5
    assert np.mean([len(of(games, games.predicted)) for games in seasons[:3]]) > 80


def test_a_planted_fault_is_found_where_it_is(seasons: list[SimulatedGames]) -> None:
    """Leads of 6 to 9 in the third quarter, said to be worth 12 points of a hundred too much."""
    for games in seasons[:5]:
        is_there = (
            (games.home_margin >= 6)
            & (games.home_margin <= 9)
            & (games.seconds_left > 720)
            & (games.seconds_left <= 1440)
        )
        wrong = np.where(is_there, np.minimum(games.predicted + 0.12, 0.999), games.predicted)
        off = [bucket for bucket in of(games, wrong) if bucket.is_off]
        assert [(b.margins, b.seconds) for b in off] == [((5.5, 9.5), (720.0, 1440.0))]


def test_the_first_state_is_unbiased_and_the_mean_of_states_is_not(
    seasons: list[SimulatedGames],
) -> None:
    """Leads of 15 and more in the third quarter, under a model that is exactly right."""
    gaps: dict[str, list[float]] = {"first state": [], "mean of states": []}
    for games in seasons:
        is_there = (
            (games.home_margin >= 15)
            & (games.seconds_left > 720)
            & (games.seconds_left <= 1440)
            & ~games.is_overtime
        )
        places = np.flatnonzero(is_there)
        first = places[first_of(games.game[places])]
        gaps["first state"].append(float((games.predicted - games.home_won)[first].mean()))
        predicted, won = averaged(games.predicted, games.home_won, games.game, is_there)
        gaps["mean of states"].append(predicted - won)
    for name, each in gaps.items():
        error = np.std(each, ddof=1) / np.sqrt(len(each))
        print(f"{name}: predicted minus won {np.mean(each):+.4f} +- {error:.4f}")
        if name == "first state":
            assert abs(np.mean(each)) < 3 * error
        else:
            assert np.mean(each) > max(0.005, 5 * error)


def test_exact_p_values() -> None:
    half = np.full(10, 0.5)
    assert p_value(half, 5) == 1.0
    assert p_value(half, 0) == pytest.approx(2 / 1024)
    assert p_value(half, 9) == pytest.approx(2 * 11 / 1024)
    # not binomial: two sure games and a coin
    assert p_value(np.array([1.0, 1.0, 0.5]), 3) == pytest.approx(1.0)
    assert p_value(np.array([1.0, 1.0, 0.5]), 1) == 0.0


def test_holm_steps_down() -> None:
    falls = holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05)
    assert list(falls) == [True, False, False, True]
    assert list(holm(np.array([0.02, 0.02, 0.9]), 0.05)) == [False, False, False]
    assert list(holm(np.array([0.001]), 0.05)) == [True]
    assert list(holm(np.array([]), 0.05)) == []


def test_first_of_takes_the_first_of_every_combination() -> None:
    game = np.array([0, 0, 0, 1, 1, 0])
    cell = np.array([2, 2, -1, 2, 2, -1])
    assert list(first_of(game, cell)) == [0, 2, 3]
    assert list(first_of(np.array([], dtype=np.int64))) == []
