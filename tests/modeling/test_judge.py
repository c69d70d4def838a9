"""Judging: losses and their errors, baselines that are worth beating, and what is printed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from modeling.errors import ModelError
from modeling.win_probability.baselines import Boosting, Logistic
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.judge import Judgement, _chosen, judge_on
from modeling.win_probability.measures import (
    GROUPS,
    Estimate,
    brier,
    compare,
    correct,
    difference_of_means,
    in_group,
    log_loss,
    mean_of_games,
    mean_of_states,
)
from modeling.win_probability.model import probability
from tests.support.simulated_games import RIGHT, joined, simulated_season

SEASONS = ["2020-21", "2021-22", "2022-23"]


@pytest.fixture(scope="module")
def played() -> PlayedStates:
    return joined(
        [
            simulated_season(season, 600, seed=number, first_number=1000 * number)
            for number, season in enumerate(SEASONS)
        ]
    )


@pytest.fixture(scope="module")
def judgement(played: PlayedStates) -> Judgement:
    return judge_on(played, SEASONS[:2], SEASONS[2], draws=100)


def test_losses_by_hand() -> None:
    predicted, won = np.array([0.8, 0.5, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    assert list(brier(predicted, won)) == pytest.approx([0.04, 0.25, 0.0, 0.0])
    assert list(log_loss(predicted, won)) == pytest.approx([-np.log(0.8), np.log(2), 0, 0])
    assert list(correct(predicted, won)) == [1.0, 0.5, 1.0, 1.0]
    # certain and wrong costs much, not infinitely much
    assert 30 < log_loss(np.array([0.0]), np.array([1.0]))[0] < 40


def test_standard_errors_count_games_not_states() -> None:
    """Doubling every state changes no error; and they tell how means spread."""
    random = np.random.default_rng(1)
    means, claimed = [], []
    for _ in range(300):
        of_game = random.normal(0.0, 1.0, 100)
        counts = random.integers(1, 40, 100)
        game = np.repeat(np.arange(100), counts)
        values = of_game[game] + random.normal(0.0, 0.1, len(game))
        estimate = mean_of_states(values, game)
        means.append(estimate.value)
        claimed.append(estimate.standard_error)
        doubled = mean_of_states(np.repeat(values, 2), np.repeat(game, 2))
        assert doubled == pytest.approx(estimate)
    assert np.mean(claimed) == pytest.approx(np.std(means), rel=0.1)


def test_means_over_games_give_each_game_one_vote() -> None:
    found = mean_of_games(np.array([1.0, 3.0, 10.0]), np.array([7, 7, 9]))
    assert found == pytest.approx(Estimate(6.0, np.std([2.0, 10.0], ddof=1) / np.sqrt(2)))
    assert np.isnan(mean_of_games(np.array([1.0]), np.array([0])).standard_error)


def test_a_difference_of_means_knows_that_games_stand_on_both_sides() -> None:
    random = np.random.default_rng(2)
    differences, claimed = [], []
    for _ in range(300):
        of_game = random.normal(0.0, 1.0, 80)
        game = np.repeat(np.arange(80), 2)
        is_first = np.tile([True, False], 80)
        values = of_game[game] + is_first * 0.5 + random.normal(0.0, 0.3, 160)
        found = difference_of_means(values, is_first, game)
        differences.append(found.value)
        claimed.append(found.standard_error)
    assert np.mean(differences) == pytest.approx(0.5, abs=0.01)
    # what a game has on both sides cancels: 0.047, not 0.16
    assert np.mean(claimed) == pytest.approx(np.std(differences), rel=0.12)
    assert np.isnan(difference_of_means(values, np.ones(160, bool), game).value)


def test_paired_comparison_sees_what_unpaired_errors_hide(played: PlayedStates) -> None:
    better = probability(RIGHT, played.states)
    worse = probability(replace(RIGHT, pace=15.0), played.states)
    losses = [log_loss(each, played.home_won) for each in (better, worse)]
    found = compare(losses[0], losses[1], played.game)
    alone = mean_of_states(losses[0], played.game).standard_error
    assert found.t < -3
    assert found.by_state.standard_error < alone / 2
    same = compare(losses[0], losses[0], played.game)
    assert (same.by_game.value, same.t) == (0.0, 0.0)


def test_groups_part_the_game(played: PlayedStates) -> None:
    parts = sum(
        in_group(played, group).astype(int) for group in GROUPS if group not in ("all", "clutch")
    )
    assert (parts == 1).all()


def test_baselines_are_worth_beating(played: PlayedStates) -> None:
    """Near what drew the games, far from the base rate, and right about more points."""
    known, new = played.of_seasons(SEASONS[:2]), played.of_seasons(SEASONS[2:])
    truth = log_loss(probability(RIGHT, new.states), new.home_won).mean()
    base = log_loss(np.full(len(new.home_won), known.home_won.mean()), new.home_won).mean()
    for model in (Logistic(known), Boosting(known)):
        predicted = model.probability(new.states)
        loss = log_loss(predicted, new.home_won).mean()
        assert loss < truth + 0.012, type(model).__name__
        assert loss < base - 0.15
        more = model.probability(new.states._replace(home_margin=new.states.home_margin + 2))
        assert (more >= predicted - 1e-12).all()
    assert Boosting(known).trees % 25 == 0


def test_boosting_needs_two_seasons(played: PlayedStates) -> None:
    with pytest.raises(ModelError, match="needs two"):
        Boosting(played.of_seasons(SEASONS[:1]))


def test_a_judgement_holds_everything(judgement: Judgement, played: PlayedStates) -> None:
    assert (judgement.fitted_games, judgement.unseen) == (1200, "2022-23")
    assert list(judgement.scores) == ["formula", "logistic, 8 terms", "gradient boosting"]
    for of_model in judgement.scores.values():
        assert list(of_model) == list(GROUPS)
        assert of_model["all"].states == len(played.of_seasons(SEASONS[2:]).home_won)
    assert [each.group for each in judgement.calibration] == list(GROUPS)
    # the formula is nearly what these games follow
    assert judgement.buckets_off == 0
    assert sum(each.is_inside for each in judgement.calibration) >= 6
    assert list(judgement.leads) == ["2022-23", "2020-21 to 2022-23"]
    read = json.loads(json.dumps(judgement.as_dict()))
    assert read["scores"]["formula"]["all"]["games"] == 600
    assert len(read["buckets"]) == len(judgement.buckets) > 50


def test_tables_have_a_row_for_everything(judgement: Judgement) -> None:
    for title, headings, rows in judgement.tables():
        assert title
        assert all(len(row) == len(headings) for row in rows), title
    scores, pairs, calibration, buckets, ball, leads = judgement.tables()
    assert len(scores[2]) == 3 * len(GROUPS)
    assert len(pairs[2]) == 4
    assert len(calibration[2]) == len(GROUPS)
    assert len(buckets[2]) == 10
    assert len(ball[2]) == 8
    assert len(leads[2]) == 8


@pytest.mark.parametrize(
    ("finished", "fitted", "unseen", "found"),
    [
        (SEASONS, [], None, (SEASONS[:2], SEASONS[2])),
        (SEASONS, SEASONS[1:], None, (SEASONS[1:], SEASONS[0])),
        (SEASONS, [], SEASONS[1], (SEASONS[:1], SEASONS[1])),
        (SEASONS, SEASONS[:1], SEASONS[2], (SEASONS[:1], SEASONS[2])),
    ],
)
def test_which_seasons_are_taken(
    finished: list[str], fitted: list[str], unseen: str | None, found: tuple[list[str], str]
) -> None:
    assert _chosen(finished, fitted, unseen) == found


@pytest.mark.parametrize(
    ("finished", "fitted", "unseen", "message"),
    [
        ([], [], None, "none is loaded. Fix: clutch ingest nba"),
        (SEASONS[:1], [], None, "no finished season before 2020-21"),
        (SEASONS, SEASONS, None, "Fix: fit on fewer seasons"),
        (SEASONS, SEASONS[:2], SEASONS[1], "2021-22 is fitted on and would be judged on"),
    ],
)
def test_seasons_that_cannot_be_are_said(
    finished: list[str], fitted: list[str], unseen: str | None, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        _chosen(finished, fitted, unseen)
