"""The world in which the predictions are exactly right, and the yardsticks made of it."""

from __future__ import annotations

import numpy as np
import pytest

from modeling.errors import ModelError
from modeling.win_probability.judge import calibration
from modeling.win_probability.measures import GROUPS, binned, binned_states, sign_flips
from modeling.win_probability.model import probability
from modeling.win_probability.perfect import RightWorld, SimulatedGames
from tests.support.simulated_games import RIGHT, simulated_season


@pytest.fixture(scope="module")
def world() -> RightWorld:
    played = simulated_season("2021-22", 1230, seed=1)
    return RightWorld(played, probability(RIGHT, played.states))


@pytest.fixture(scope="module")
def draws(world: RightWorld) -> list[SimulatedGames]:
    return list(world.draws(60, seed=4))


def test_its_predictions_are_right_everywhere(draws: list[SimulatedGames]) -> None:
    """By quarter, in clutch time and in overtime, in 20 bins each, over 60 seasons."""
    counted = [games.bins() for games in draws]
    gaps = np.array([each.predicted - each.won for each in counted])
    states = np.array([each.states for each in counted])
    mean = gaps.sum(axis=0) / np.maximum(states.sum(axis=0), 1)
    # seasons are independent: their spread tells how far the sum may be off
    error = gaps.std(axis=0, ddof=1) * np.sqrt(len(draws)) / np.maximum(states.sum(axis=0), 1)
    reached = states.sum(axis=0) > 2000
    assert reached.sum() > 100
    z = (mean / np.maximum(error, 1e-12))[reached]
    assert np.abs(z).max() < 4.5
    assert np.mean(z**2) < 1.5


def test_it_resembles_the_games_it_was_made_of(
    world: RightWorld, draws: list[SimulatedGames]
) -> None:
    played = simulated_season("2021-22", 1230, seed=1)
    expected = probability(RIGHT, played.states)
    expected = expected * (1 - expected)
    for quarter in (1, 2, 3, 4):
        real = expected[(played.period == quarter) & (played.states.is_overtime == 0)].mean()
        drawn = np.mean(
            [
                np.mean(
                    (games.predicted * (1 - games.predicted))[
                        (games.quarter == quarter) & ~games.is_overtime
                    ]
                )
                for games in draws
            ]
        )
        assert drawn == pytest.approx(real, rel=0.06), quarter
    clutch = np.mean([games.is_clutch.mean() for games in draws])
    assert clutch == pytest.approx(played.is_clutch.mean(), rel=0.25)
    overtimes = np.mean([len(np.unique(games.game[games.is_overtime])) for games in draws])
    real_overtimes = len(np.unique(played.game[played.states.is_overtime == 1]))
    assert overtimes == pytest.approx(real_overtimes, rel=0.15)


def test_its_floor_is_the_published_one(world: RightWorld) -> None:
    """1,230 games, 20 bins: mean 0.0131, 90th percentile 0.0173 (methods and numbers, 2b)."""
    band = world.band(200)
    assert band.mean()[0] == pytest.approx(0.0131, abs=0.002)
    assert band.percentile(90.0)[0] == pytest.approx(0.0173, abs=0.003)


def test_four_times_the_games_halve_it(world: RightWorld) -> None:
    played = simulated_season("2021-22", 320, seed=2)
    fewer = RightWorld(played, probability(RIGHT, played.states)).band(200)
    ratio = fewer.mean()[0] / world.band(200).mean()[0]
    assert ratio == pytest.approx(np.sqrt(1230 / 320), rel=0.15)


def test_signs_drawn_by_game_agree_with_it(world: RightWorld) -> None:
    played = simulated_season("2021-22", 1230, seed=6)
    flips = sign_flips(played, probability(RIGHT, played.states))
    means = world.band(200).mean()
    for place, group in enumerate(GROUPS):
        if group != "overtime":  # some 40 games: the one season that there is tells little
            assert flips[:, place].mean() == pytest.approx(means[place], rel=0.3), group


def test_a_model_that_overrates_leaders_falls_out_of_the_band(world: RightWorld) -> None:
    """And the same games under their right predictions stay inside."""
    limit = world.band(200).percentile(97.5)[0]
    found = {}
    for name, sharpened in (("right", 1.0), ("too sure", 1.35)):
        outside = 0
        for games in world.draws(20, seed=8):
            odds = np.log(games.predicted / (1 - games.predicted + 1e-300) + 1e-300) * sharpened
            sure = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
            error = binned(
                sure, games.home_won, games.quarter, games.is_clutch, games.is_overtime
            ).error()[0]
            outside += error > limit
        found[name] = outside
    assert found["right"] <= 3
    assert found["too sure"] >= 18


def test_the_table_names_every_part(world: RightWorld) -> None:
    played = simulated_season("2021-22", 1230, seed=1)
    predicted = probability(RIGHT, played.states)
    rows = calibration(played, predicted, world.band(50))
    assert [row.group for row in rows] == list(GROUPS)
    errors = binned_states(played, predicted).error()
    assert [row.error for row in rows] == pytest.approx(list(errors))
    assert rows[0].right_percentiles[0] < rows[0].right_percentiles[2]


def test_a_few_games_are_refused() -> None:
    played = simulated_season("2021-22", 20, seed=1)
    with pytest.raises(ModelError, match="20 games are too few"):
        RightWorld(played, probability(RIGHT, played.states))


def test_games_without_overtime_have_no_overtime() -> None:
    played = simulated_season("2021-22", 200, seed=1)
    without = played.of_games(
        ~np.isin(np.arange(200), np.unique(played.game[played.states.is_overtime == 1]))
    )
    band = RightWorld(without, probability(RIGHT, without.states)).band(20)
    assert np.isnan(band.errors[:, GROUPS.index("overtime")]).all()
    assert np.isfinite(band.errors[:, 0]).all()
