"""A short slice of the validation, by two compiled models: the long runs are commands."""

from __future__ import annotations

import numpy as np
import pytest

from modeling.clutch_skill.exact import Spreads, conditional
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statements import summarise_draws
from modeling.clutch_skill.statistics import CLUTCH, Statistics, summarise
from modeling.clutch_skill.validation.coverage import CALIBRATION_PRIORS, Scores
from modeling.clutch_skill.validation.fits import (
    Fitter,
    drawn_quantities,
    own_draws,
    true_quantities,
)
from modeling.clutch_skill.validation.forecast import (
    FULL,
    LEAGUE,
    OVERALL,
    RAW,
    Said,
    Season,
    came,
    judge,
    said_by_fit,
    said_by_league,
    said_by_record,
    split,
)
from modeling.clutch_skill.validation.oracle import compare
from modeling.clutch_skill.validation.placebo import placebo
from modeling.clutch_skill.worlds import World, drawn_truth, realistic_truth, simulate

pytestmark = pytest.mark.slow

SIZE = {"players": 90, "teams": 6}


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def with_nights() -> Fitter:
    """Compiles once for all tests with nights."""
    return Fitter(CALIBRATION_PRIORS)


@pytest.fixture(scope="module")
def without_nights() -> Fitter:
    return Fitter(Priors())


def test_the_truth_lies_where_the_fit_says(with_nights: Fitter) -> None:
    """Six leagues with truth from the priors: some 80 quantities each, and players by the way."""
    distances, own = [], []
    for seed in range(1, 7):
        world = World(seed, athletes=90, missing=0.1 * seed, **SIZE)
        league = simulate(world, drawn_truth(world, CALIBRATION_PRIORS))
        fit = with_nights.fit(league.observations, seed=seed)
        assert fit.diagnostics.max_r_hat < 1.1
        truth = true_quantities(league.truth)
        distances.append(
            [
                (truth[name] - draws.mean()) / draws.std()
                for name, draws in drawn_quantities(fit).items()
            ]
        )
        effects = own_draws(fit, seed)
        own.append(((league.truth.own - effects.mean(axis=0)) / effects.std(axis=0)).std(axis=0))
    z = np.array(distances)
    # right posteriors give a mean of 0 and a mean square of 1; of 400 numbers that hang together
    assert abs(z.mean()) < 0.2
    assert 0.7 < (z**2).mean() < 1.4
    assert np.abs(z).max() < 5
    # within a league a spread that is missed stretches all players alike: six are few for this
    np.testing.assert_allclose(np.mean(own, axis=0), 1, atol=0.5)


def test_last_night_is_found_and_the_night_after_is_not(with_nights: Fitter) -> None:
    world = World(21, athletes=90, missing=0.1, **SIZE)
    league = simulate(world, realistic_truth(world, night=(0.08, 0.0, 0.0, 0.0)))
    found = placebo(league.observations, seed=1, fitter=with_nights, say=quiet)
    assert found["last_night"][0]["told_apart"]
    assert found["last_night"][0]["mean"] > 3 * abs(found["night_after"][0]["mean"])
    # of eight that are all zero, two at once are one chance in sixteen at most
    assert sum(row["told_apart"] for row in found["night_after"]) <= 1
    assert max(map(abs, found["correlation_with_night_after"])) < 0.1


def test_sampling_agrees_with_integration(without_nights: Fitter) -> None:
    world = World(31, **SIZE)
    observations = simulate(world, realistic_truth(world)).observations
    found = compare(
        observations,
        exact_draws=1500,
        draws=1000,
        tune=400,
        chains=2,
        sampler=without_nights.sampler(summarise(observations)),
    )
    assert found["exact_effective"] > 200
    for row in found["rows"]:
        # a tenth of a s.d. and what 500 effective draws of either side leave, over 360 players
        assert row["shift"] < 0.1 + 0.15, row
        assert row["stretch"] < 0.1 + 0.1, row


def said_given(statistics: Statistics, season: Season, spreads: Spreads) -> Said:
    found = conditional(statistics, Priors(), spreads)
    mean = season.terms @ found.terms + (season.own * found.own).sum(axis=1)
    variance = season.luck + np.einsum("pd,pde,pe->p", season.own, found.own_covariance, season.own)
    return Said(mean, variance)


def test_a_clutch_deviation_that_is_there_is_forecast() -> None:
    """Where players differ by 0.15 in clutch time, who knows of it beats who does not."""
    world = World(41, seasons=2, **SIZE)
    league = simulate(world, realistic_truth(world, clutch_spread=0.15))
    before, unseen = split(league.observations)
    assert before.season_names == [league.observations.season_names[0]]
    statistics = summarise(before)
    season = came(statistics, unseen)
    truth = league.truth
    skill = truth.skill_spread[:, None] * truth.skill_correlation * truth.skill_spread
    # the prior of 0.02 is far from this world: the model is told the spread
    said = {
        LEAGUE: said_by_league(statistics, Priors(), season),
        RAW: said_by_record(statistics, season),
        OVERALL: said_given(statistics, season, Spreads(skill, 1e-4, 0.022)),
        FULL: said_given(statistics, season, Spreads(skill, 0.15, 0.022)),
    }
    found = judge(season, said)
    better = {row["what"]: row["full_better_by"] for row in found["models"]}
    assert found["new_players"] > 0
    assert better[LEAGUE] > 0
    assert better[RAW] > 0
    assert better[OVERALL] > 0
    assert found["attempts"] == unseen.clutch_attempts


def test_a_fit_forecasts_as_its_formula_does(without_nights: Fitter) -> None:
    """Draws of a fit say about what the formula says at the true spreads; new players included."""
    world = World(42, seasons=2, **SIZE)
    league = simulate(world, realistic_truth(world))
    before, unseen = split(league.observations)
    statistics = summarise(before)
    season = came(statistics, unseen)
    fit = without_nights.sampler(statistics).sample(
        statistics, seed=1, draws=500, tune=400, chains=2
    )
    by_fit = said_by_fit(fit, season)
    truth = league.truth
    skill = truth.skill_spread[:, None] * truth.skill_correlation * truth.skill_spread
    by_formula = said_given(statistics, season, Spreads(skill, truth.clutch_spread, 0.022))
    played = season.attempts > 0
    scale = np.sqrt(by_formula.variance[played])
    assert np.abs((by_fit.mean - by_formula.mean)[played] / scale).max() < 0.5
    np.testing.assert_allclose(by_fit.variance[played], by_formula.variance[played], rtol=0.25)


def test_ranks_of_a_right_posterior_are_even_and_of_a_wrong_one_are_not() -> None:
    """The check itself: it must be able to fail."""
    generator = np.random.default_rng(1)

    def of_normal(stretch: float, shift: float) -> tuple[float, float]:
        scores = Scores()
        for _ in range(400):
            truth = generator.normal()
            seen = truth + generator.normal()
            draws = seen / 2 + shift + stretch * np.sqrt(0.5) * generator.normal(size=1000)
            scores.add("home", truth, draws)
        row = scores.quantities()[0]
        return row["p"], row["covered_90"]

    p, covered_90 = of_normal(1.0, 0.0)
    assert p > 0.001
    assert covered_90 == pytest.approx(0.9, abs=0.05)
    assert of_normal(0.6, 0.0)[0] < 1e-4
    assert of_normal(1.0, 0.5)[0] < 1e-4
    assert of_normal(0.6, 0.0)[1] < 0.82


def test_null_players_are_not_told_apart(without_nights: Fitter) -> None:
    world = World(51, **SIZE)
    league = simulate(world, realistic_truth(world, is_null=True))
    fit = without_nights.fit(league.observations, seed=1)
    told_apart = summarise_draws(own_draws(fit, 1, 500)[:, :, CLUTCH]).is_told_apart
    assert told_apart.mean() <= 0.05
