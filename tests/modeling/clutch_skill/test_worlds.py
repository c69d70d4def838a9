"""Simulated leagues: like real ones in size and scatter, and made by the truth they name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modeling.clutch_skill.data import hash_of
from modeling.clutch_skill.exact import Spreads, conditional
from modeling.clutch_skill.nights import gather_nights
from modeling.clutch_skill.observations import KINDS, Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.refusals import check
from modeling.clutch_skill.statistics import CLUTCH, summarise
from modeling.clutch_skill.worlds import (
    SITUATIONS,
    League,
    World,
    drawn_truth,
    realistic_truth,
    simulate,
)

SMALL = World(3, players=90, teams=6, athletes=90)


@pytest.fixture(scope="module")
def season() -> League:
    world = World(11, athletes=450)
    return simulate(world, realistic_truth(world))


def test_a_seed_is_a_league() -> None:
    truth = realistic_truth(SMALL)
    first, second = (hash_of(simulate(SMALL, truth).observations) for _ in range(2))
    other = replace(SMALL, seed=4)
    assert first == second
    assert first != hash_of(simulate(other, realistic_truth(other)).observations)


def test_a_season_scatters_like_real_ones(season: League) -> None:
    statistics = summarise(season.observations, with_nights=False)
    # three real seasons: 0.920, 2.062, 0.172
    np.testing.assert_allclose(statistics.variances, (0.920, 2.062, 0.172), rtol=0.05)
    assert season.clipped < 0.005


def test_a_season_is_as_large_as_real_ones(season: League) -> None:
    """539 to 598 players, 257,000 to 293,000 shots and 10,300 to 12,700 in clutch time a season."""
    observations = season.observations
    cells, games = observations.cells, observations.player_games
    assert 230_000 < observations.attempts < 320_000
    assert 0.03 < observations.clutch_attempts / observations.attempts < 0.05
    assert 20_000 < len(games.player) < 28_000
    shares = np.bincount(cells.kind, cells.attempts) / observations.attempts
    np.testing.assert_allclose(shares, (0.484, 0.314, 0.203), atol=0.04)
    clutch = cells.is_clutch
    attempts = cells.attempts[clutch].sum()
    assert cells.leverage[clutch].sum() / attempts == pytest.approx(0.43, abs=0.02)
    assert np.sqrt(cells.margin_squares[clutch].sum() / attempts) == pytest.approx(3.1, abs=0.2)
    assert games.is_back_to_back.mean() == pytest.approx(0.17, abs=0.03)
    assert games.is_home.mean() == pytest.approx(0.5, abs=0.01)


def test_the_model_takes_it(season: League) -> None:
    check(season.observations)


def test_nobody_plays_twice_in_a_game_or_against_himself(season: League) -> None:
    observations = season.observations
    games = observations.player_games
    pairs = set(zip(games.player.tolist(), observations.game_ids, strict=True))
    assert len(pairs) == len(games.player)
    own_team = games.player % 30
    assert not (own_team == games.opponent).any()


def test_cells_are_sums_of_shots(season: League) -> None:
    cells = season.observations.cells
    assert (cells.attempts >= 1).all()
    # a made two is at most two points above what it was worth
    assert (np.abs(cells.residual) <= 3 * cells.attempts).all()
    outside = ~cells.is_clutch
    for values in (cells.leverage, cells.margin, cells.leverage_margin):
        assert (values[outside] == 0).all()
    assert (cells.is_late | ~cells.is_clutch).all()
    # Cauchy and Schwarz
    assert (cells.leverage**2 <= cells.leverage_squares * cells.attempts + 1e-9).all()


def test_the_sums_find_every_shared_effect() -> None:
    """Effects ten times real ones: each of them within four standard errors, none left out."""
    world = World(5)
    truth = realistic_truth(world)
    generator = np.random.default_rng(1)
    large = {
        name: value if name.startswith(("level", "role")) else float(generator.normal(0, 0.05))
        for name, value in truth.terms.items()
    }
    truth = truth._replace(terms=large)
    statistics = summarise(simulate(world, truth).observations)
    wide = Priors().scaled(5.0, "situation", "league_clutch")
    spread = truth.skill_spread
    found = conditional(
        statistics,
        wide,
        Spreads(
            spread[:, None] * truth.skill_correlation * spread, float(truth.clutch_spread), 0.05
        ),
    )
    names = [term.name for term in statistics.design.terms]
    expected = np.array([large[name] for name in names])
    distance = (found.terms - expected) / np.sqrt(np.diagonal(found.term_covariance))
    assert set(SITUATIONS) <= set(names)
    assert np.abs(distance).max() < 4
    assert 0.6 < (distance**2).mean() < 1.6
    own = (truth.own - found.own) / np.sqrt(np.diagonal(found.own_covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(own.std(axis=0), 1, atol=0.15)


@pytest.mark.parametrize("missing", [0.0, 0.35, 0.7])
def test_nights_are_missing_as_often_as_asked(missing: float) -> None:
    world = replace(SMALL, missing=missing)
    games = simulate(world, realistic_truth(world)).observations.player_games
    assert np.isnan(games.nights[:, 3]).mean() == pytest.approx(missing, abs=0.02)
    nights = gather_nights(games)
    assert nights.patterns == ((0, 1, 2, 3), (2, 3))
    assert nights.counts[1] / nights.counts.sum() == pytest.approx(world.partly, abs=0.02)


def test_what_is_measured_is_the_true_night_and_an_error() -> None:
    league = simulate(SMALL, realistic_truth(SMALL))
    nights = gather_nights(league.observations.player_games)
    full = nights.pattern == 0
    for k, reliability in enumerate(league.truth.reliability):
        seen = np.corrcoef(nights.within[full, k], league.true_nights[full, k])[0, 1]
        assert seen**2 == pytest.approx(reliability, abs=0.04)


def test_bad_nights_are_missing_more_often_when_asked() -> None:
    def gap(strength: float) -> float:
        world = replace(SMALL, missing=0.5, missing_with=strength)
        league = simulate(world, realistic_truth(world))
        is_missing = np.isnan(league.observations.player_games.nights[:, 3])
        hrv = league.true_nights[:, 0]
        return float(hrv[is_missing].mean() - hrv[~is_missing].mean())

    assert abs(gap(0.0)) < 0.08
    assert gap(0.6) < -0.7


def test_a_shot_does_not_care_for_a_truth_of_zero() -> None:
    """Two truths are compared on the same schedule and the same shots."""

    def shots(observations: Observations) -> list[float]:
        return observations.cells.attempts.tolist()

    strong = realistic_truth(SMALL, night=(0.05, 0, 0, 0))
    assert shots(simulate(SMALL, strong).observations) == shots(
        simulate(SMALL, realistic_truth(SMALL)).observations
    )


def test_truth_is_drawn_from_the_priors() -> None:
    priors = Priors()
    truths = [drawn_truth(World(seed, players=400), priors) for seed in range(300)]
    clutch = np.array([truth.clutch_spread for truth in truths])
    # a half-normal has this mean
    assert clutch.mean() == pytest.approx(priors.clutch * np.sqrt(2 / np.pi), rel=0.1)
    home = np.array([truth.terms["home"] for truth in truths])
    assert home.std() == pytest.approx(priors.situation, rel=0.12)
    corners = np.array([truth.skill_correlation[0, 2] for truth in truths])
    # each correlation of an LKJ(2) of size 3 is Beta(2.5, 2.5) on -1 to 1: variance 1 / 6
    assert corners.var() == pytest.approx(1 / 6, rel=0.25)
    scaled = [truth.own[:, CLUTCH].std() / truth.clutch_spread for truth in truths]
    assert np.mean(scaled) == pytest.approx(1, abs=0.02)
    assert len(KINDS) == truths[0].own.shape[1] - 1
