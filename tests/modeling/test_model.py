"""The formula itself: its derivatives, its symmetries, its limits."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from modeling.win_probability.fit import START, fit
from modeling.win_probability.invariants import broken, mirrored, random_states
from modeling.win_probability.model import (
    LARGEST_LOGIT,
    Coefficients,
    States,
    negative_log_likelihood,
    probability,
)
from modeling.win_probability.versions import read_versions
from tests.support.simulated_games import drawn_by

PUBLISHED = read_versions()


@pytest.fixture(scope="module")
def states() -> States:
    return random_states(5000, seed=3)


@pytest.fixture(params=[START, *(v.coefficients for v in PUBLISHED)], ids=lambda _: "")
def coefficients(request: pytest.FixtureRequest) -> Coefficients:
    found: Coefficients = request.param
    return found


def test_the_gradient_is_that_of_finite_differences(
    coefficients: Coefficients, states: States
) -> None:
    random = np.random.default_rng(5)
    won = (random.random(5000) < 0.5).astype(float)
    weights = random.uniform(0.5, 8.0, 5000)
    _, gradient = negative_log_likelihood(coefficients, states, won, weights)
    for place, name in enumerate(Coefficients.names()):
        value = getattr(coefficients, name)
        step = 1e-6 * max(abs(value), 0.01)
        up, down = (
            negative_log_likelihood(replace(coefficients, **{name: at}), states, won, weights)[0]
            for at in (value + step, value - step)
        )
        slope = (up - down) / (2 * step)
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7), name


def test_every_coefficient_moves_something(states: States) -> None:
    """A term that no state reaches would pass the test above."""
    won = np.ones(5000)
    _, gradient = negative_log_likelihood(START, states, won, won)
    assert (gradient != 0).all()


def test_what_is_one_sides_is_not_the_others(coefficients: Coefficients, states: States) -> None:
    both = probability(coefficients, states) + probability(coefficients, mirrored(states))
    assert np.abs(both - 1).max() < 1e-12


def test_a_point_more_never_hurts(coefficients: Coefficients, states: States) -> None:
    ladder = np.stack(
        [
            probability(coefficients, states._replace(home_margin=np.full(5000, float(margin))))
            for margin in range(-60, 61)
        ]
    )
    assert (np.diff(ladder, axis=0) >= 0).all()


def test_when_time_is_up_the_leader_has_as_good_as_won() -> None:
    at_end = random_states(4000, seed=7)._replace(
        seconds_left=np.zeros(4000), pending_free_throws=np.zeros(4000)
    )
    found = probability(PUBLISHED[-1].coefficients, at_end)
    # a foul at the buzzer and a review may still change one point, hardly three
    assert found[at_end.home_margin >= 3].min() > 0.99
    assert found[at_end.home_margin <= -3].max() < 0.01
    assert found.max() <= 1 / (1 + np.exp(-LARGEST_LOGIT))
    # the ball is worth nothing then
    without = probability(PUBLISHED[-1].coefficients, at_end._replace(ball=np.zeros(4000)))
    assert np.array_equal(found, without)


def test_a_moment_changes_little() -> None:
    """Nothing jumps at the ends of quarters or where a term is cut off."""
    count = 20_000
    states = random_states(count, seed=9)._replace(is_overtime=np.zeros(count))
    times = np.random.default_rng(1).choice(
        [2879.99, 2160.0, 1440.0, 720.0, 300.0, 50.0 * 17.0006, 60.0, 1.0, 0.01], count
    )
    before, after = (
        probability(
            PUBLISHED[-1].coefficients, states._replace(seconds_left=np.maximum(times + moved, 0))
        )
        for moved in (0.01, 0.0)
    )
    assert np.abs(before - after).max() < 0.005


def test_the_published_versions_hold_the_invariants() -> None:
    assert [broken(version.coefficients) for version in PUBLISHED] == [[] for _ in PUBLISHED]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"step_1": 3.0}, "a point more makes a side less likely to win"),
        ({"step_2": -2.0}, "a point more makes a side less likely to win"),
        ({"free_throw_variance": -50.0}, "a probability is no number from 0 to 1"),
        ({"held": float("nan")}, "a probability is no number from 0 to 1"),
    ],
)
def test_broken_coefficients_are_seen(fault: dict[str, float], sentence: str) -> None:
    assert broken(replace(PUBLISHED[-1].coefficients, **fault)) == [sentence]


def test_lost_symmetry_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import modeling.win_probability.invariants as invariants

    def biased(c: Coefficients, s: States) -> np.ndarray:
        return np.clip(probability(c, s) + 1e-9, 0, 1)

    monkeypatch.setattr(invariants, "probability", biased)
    assert broken(PUBLISHED[-1].coefficients) == ["the two sides' probabilities do not add up to 1"]


@pytest.mark.slow
def test_the_fit_recovers_the_coefficients_that_drew_the_games() -> None:
    truth = replace(START, pace=16.0, doubt=9.0, held=1.2, free_throw=0.6, rating=2.0, step_1=0.5)
    played = drawn_by(truth, 400_000, seed=11)
    found = fit(played)
    # the curvature at the truth tells how well so many states can tell each one
    tolerance = 4 * standard_errors(truth, played.states)
    for name, error in zip(Coefficients.names(), tolerance, strict=True):
        # spreads and times are kept within bounds, which may be nearer than luck
        assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=error), name


def standard_errors(truth: Coefficients, states: States) -> np.ndarray:
    """By the information of every eighth state, which is what the fit uses of most of them."""
    thin = states.take(np.arange(0, len(states.ball), 8))
    count = len(thin.ball)
    ones = np.ones(count)
    names = Coefficients.names()
    base = probability(truth, thin)
    jacobian = np.empty((count, len(names)))
    for place, field in enumerate(dataclasses.fields(Coefficients)):
        value = getattr(truth, field.name)
        step = 1e-5 * max(abs(value), 0.01)
        moved = probability(replace(truth, **{field.name: value + step}), thin)
        jacobian[:, place] = (moved - base) / step
    weight = ones / np.maximum(base * (1 - base), 1e-12)
    information = jacobian.T @ (jacobian * weight[:, None])
    return np.sqrt(np.diag(np.linalg.inv(information)))
