"""The sums against a regression that is written out shot by shot, and what is integrated out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import modeling.clutch_skill.quiet  # noqa: F401 - before PyMC and ArviZ
from modeling.clutch_skill.exact import Spreads, conditional
from modeling.clutch_skill.nights import LEAST_NIGHTS, gather_nights
from modeling.clutch_skill.observations import FREE_THROW, KINDS, Cells, Observations, PlayerGames
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import Statistics, summarise
from modeling.clutch_skill.worlds import World, realistic_truth, simulate

SUMS = (
    *("variances", "own_squares", "own_residuals", "own_terms", "term_squares", "term_residuals"),
    *("attempts", "clutch_attempts", "residuals", "clutch_residuals", "role", "mix"),
)


class Shots(dict[str, np.ndarray]):
    """One entry per shot under each name."""

    @property
    def count(self) -> int:
        return len(self["row"])


@pytest.fixture(scope="module")
def league() -> Observations:
    """24 players, 4 teams, two seasons; six of them wear a device."""
    world = World(seed=4, players=24, teams=4, games=24, seasons=2, athletes=6)
    return simulate(world, realistic_truth(world)).observations


@pytest.fixture(scope="module")
def shots(league: Observations) -> Shots:
    """Shots of the league's player-games, made here: cells that differ in all that cells can."""
    generator = np.random.default_rng(8)
    count = 4000
    part = generator.choice(5, count, p=[0.5, 0.2, 0.05, 0.2, 0.05])
    clutch = part >= 3
    return Shots(
        row=np.sort(generator.integers(0, len(league.game_ids), count)),
        kind=generator.integers(0, 3, count),
        is_clutch=clutch,
        is_late=part >= 1,
        is_overtime=(part == 2) | (part == 4),
        residual=generator.normal(0.02, 1, count),
        leverage=np.where(clutch, generator.random(count), 0.0),
        margin=np.where(clutch, generator.integers(-5, 6, count), 0.0),
    )


def in_cells(shots: Shots, code: np.ndarray) -> Cells:
    """Sums of shots with the same code."""
    _, first, cell = np.unique(code, return_index=True, return_inverse=True)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, values)

    residual, leverage, margin = shots["residual"], shots["leverage"], shots["margin"]
    return Cells(
        **{name: shots[name][first] for name in ("row", "kind", "is_clutch")},
        **{name: shots[name][first] for name in ("is_late", "is_overtime")},
        attempts=total(np.ones(shots.count)),
        residual=total(residual),
        residual_squares=total(residual**2),
        leverage=total(leverage),
        leverage_squares=total(leverage**2),
        leverage_residual=total(leverage * residual),
        margin=total(margin),
        margin_squares=total(margin**2),
        margin_residual=total(margin * residual),
        leverage_margin=total(leverage * margin),
    )


@pytest.fixture(scope="module")
def observations(league: Observations, shots: Shots) -> Observations:
    part = 2 * shots["is_clutch"] + shots["is_late"] + shots["is_overtime"]
    return league._replace(cells=in_cells(shots, 15 * shots["row"] + 5 * shots["kind"] + part))


def written_out(
    observations: Observations, shots: Shots, statistics: Statistics
) -> tuple[np.ndarray, np.ndarray]:
    """The regression's columns, one row per shot, from the formula in design.py: terms, own."""
    games, design = observations.player_games, statistics.design
    terms = np.zeros((shots.count, len(design.terms)))
    own = np.zeros((shots.count, 4))
    names = [term.name for term in design.terms]
    pattern_terms = [
        (part, number, k)
        for part in ("night", "night_clutch")
        for number, measured in enumerate(design.patterns)
        for k in measured
    ]
    nights = statistics.nights
    for n in range(shots.count):
        row, kind, clutch = shots["row"][n], shots["kind"][n], bool(shots["is_clutch"][n])
        loading = 0.3 if kind == FREE_THROW else 1.0
        name = KINDS[kind]
        rest = games.rest_days[row]
        rest = 4.0 if np.isnan(rest) else min(max(rest, 2.0), 4.0)
        team = observations.team_ids[games.opponent[row]]
        values = {
            f"level_{name}_{observations.season_names[games.season[row]]}": 1.0,
            f"role_{name}": statistics.role[games.player[row]],
            "clutch_free_throws" if kind == FREE_THROW else "clutch_field_goals": float(clutch),
            "late": loading * shots["is_late"][n],
            "overtime": loading * shots["is_overtime"][n],
            "leverage": loading * clutch * (shots["leverage"][n] - 0.43) / 0.16,
            "margin": loading * clutch * shots["margin"][n] / 5,
            "playoff": loading * games.is_playoff[row],
            "home": loading * games.is_home[row],
            "back_to_back": loading * games.is_back_to_back[row],
            "rest": loading * (rest - 2),
            "opponent_rating": loading * games.opponent_rating[row] / 5,
            f"opponent_{team}": loading,
            "no_night": loading * nights.no_night[row],
        }
        for k, value in enumerate(("hrv", "recovery", "sleep", "strain")):
            values[f"between_{value}"] = loading * nights.between[row, k]
        for part, number, k in pattern_terms:
            if nights.pattern[row] == number and (part == "night" or clutch):
                values[f"{part}_{number}_{k}"] = loading * nights.within[row, k]
        for term, value in values.items():
            terms[n, names.index(term)] = value
        own[n, kind] = 1
        own[n, 3] = loading * clutch
    return terms, own


def test_sums_are_those_of_a_regression_written_out_shot_by_shot(
    observations: Observations, shots: Shots
) -> None:
    found = summarise(observations)
    assert len(found.nights.patterns) == 2
    assert (observations.cells.attempts > 1).sum() > 200
    terms, own = written_out(observations, shots, found)
    assert (np.abs(terms).sum(axis=0) > 0).all()
    residual, kind = shots["residual"], shots["kind"]
    variances = np.array([(residual[kind == k] ** 2).mean() for k in range(3)])
    weight = 1 / variances[kind]
    player = observations.player_games.player[shots["row"]]

    def close(name: str, expected: np.ndarray) -> None:
        np.testing.assert_allclose(
            getattr(found, name), expected, rtol=1e-9, atol=1e-8, err_msg=name
        )

    close("variances", variances)
    close("term_residuals", terms.T @ (weight * residual))
    for p in range(len(observations.player_ids)):
        his = player == p
        weighted = own[his] * weight[his, None]
        close_to = {
            "own_squares": weighted.T @ own[his],
            "own_residuals": weighted.T @ residual[his],
            "own_terms": weighted.T @ terms[his],
        }
        for name, expected in close_to.items():
            np.testing.assert_allclose(
                getattr(found, name)[p], expected, rtol=1e-9, atol=1e-8, err_msg=name
            )
    close("term_squares", terms.T @ (terms * weight[:, None]))


def test_cells_say_what_their_shots_say(
    league: Observations, observations: Observations, shots: Shots
) -> None:
    """However shots are put together into cells, the sums are the same."""
    together = summarise(observations)
    single = summarise(league._replace(cells=in_cells(shots, np.arange(shots.count))))
    for name in SUMS:
        np.testing.assert_allclose(
            getattr(single, name), getattr(together, name), rtol=1e-9, atol=1e-8, err_msg=name
        )


def test_the_order_of_cells_does_not_matter(observations: Observations) -> None:
    order = np.random.default_rng(3).permutation(len(observations.cells.row))
    shuffled = observations._replace(cells=observations.cells.take(order))
    together, other = summarise(observations), summarise(shuffled)
    for name in SUMS:
        np.testing.assert_allclose(
            getattr(other, name), getattr(together, name), rtol=1e-9, atol=1e-8, err_msg=name
        )


@pytest.fixture(scope="module")
def log_density() -> Callable[[Statistics, Priors, Spreads, np.ndarray], float]:
    """The model's density in the spreads and terms themselves, without change of coordinates."""
    import pymc as pm
    import pytensor

    from modeling.clutch_skill.model import build

    compiled: dict[int, tuple[pm.Model, object, object]] = {}

    def value(statistics: Statistics, priors: Priors, spreads: Spreads, terms: np.ndarray) -> float:
        if id(statistics) not in compiled:
            model = build(statistics, priors).model
            (of_terms,) = model.replace_rvs_by_values([model["terms"]])
            compiled[id(statistics)] = (
                model,
                pytensor.function(
                    model.value_vars, model.logp(jacobian=False), on_unused_input="ignore"
                ),
                pytensor.function(model.value_vars, of_terms, on_unused_input="ignore"),
            )
        model, density, terms_at = compiled[id(statistics)]
        scale = np.sqrt(np.diag(spreads.skill))
        correlation = np.linalg.cholesky(spreads.skill / np.outer(scale, scale))
        left = np.sqrt(1 - correlation[2, 0] ** 2)
        partial = np.array([correlation[1, 0], correlation[2, 0], correlation[2, 1] / left])

        def point(standard: np.ndarray) -> list[object]:
            at = {
                "skill_spread_log__": np.log(scale),
                "skill_partial_logodds__": np.log1p(partial) - np.log1p(-partial),
                "clutch_signed": spreads.clutch / priors.clutch,
                # nothing depends on a sign
                "opponent_signed": -spreads.opponent / priors.opponent,
                "standard_terms": standard,
            }
            return [at[variable.name] for variable in model.value_vars]

        # terms are linear in what is sampled: where it is zero, and one for each
        centre = terms_at(*point(np.zeros(len(terms))))
        steps = np.array([terms_at(*point(row)) for row in np.eye(len(terms))]).T - centre[:, None]
        found = float(density(*point(np.linalg.solve(steps, terms - centre))))
        return found - float(np.linalg.slogdet(steps)[1])

    return value


def test_own_effects_are_integrated_out_exactly(
    observations: Observations,
    log_density: Callable[[Statistics, Priors, Spreads, np.ndarray], float],
) -> None:
    """The model's density against dense normal algebra, in which own effects are written out.

    p(data | spreads) = p(data, terms | spreads) / p(terms | data, spreads) at any terms: the model
    gives the first, exact.py both others, up to a constant that neither spreads nor terms change.
    """
    statistics, priors = summarise(observations, with_nights=False), Priors()
    generator = np.random.default_rng(5)
    gaps = []
    for skill, correlation, clutch, opponent in (
        ((0.09, 0.10, 0.08), (0.1, 0.0, 0.5), 0.015, 0.02),
        ((0.05, 0.20, 0.03), (-0.6, 0.3, -0.2), 0.05, 0.01),
        ((0.15, 0.06, 0.10), (0.4, 0.4, 0.4), 0.002, 0.06),
    ):
        matrix = np.eye(3)
        matrix[[1, 2, 2], [0, 0, 1]] = matrix[[0, 0, 1], [1, 2, 2]] = correlation
        spreads = Spreads(np.outer(skill, skill) * matrix, clutch, opponent)
        exact = conditional(statistics, priors, spreads)
        for far in (0.0, 0.5, 2.0):
            away = (
                far
                * np.linalg.cholesky(exact.term_covariance)
                @ generator.standard_normal(len(exact.terms))
            )
            of_terms = -0.5 * away @ np.linalg.solve(exact.term_covariance, away)
            of_terms -= 0.5 * np.linalg.slogdet(exact.term_covariance)[1]
            given = log_density(statistics, priors, spreads, exact.terms + away)
            given -= _of_spreads(np.array(skill), matrix, clutch, opponent, priors)
            gaps.append(given - of_terms - exact.log_density)
    assert np.ptp(gaps) < 1e-6


def _of_spreads(
    skill: np.ndarray, correlation: np.ndarray, clutch: float, opponent: float, priors: Priors
) -> float:
    """Log prior of spreads and partial correlations, up to a constant."""
    factor = np.linalg.cholesky(correlation)
    partial = np.array([factor[1, 0], factor[2, 0], factor[2, 1] / np.sqrt(1 - factor[2, 0] ** 2)])
    shape = priors.skill_correlation_shape + np.array([0.5, 0.5, 0.0])
    return float(
        -0.5 * (skill**2).sum() / priors.skill**2
        - 0.5 * clutch**2 / priors.clutch**2
        - 0.5 * opponent**2 / priors.opponent**2
        + ((shape - 1) * np.log1p(-(partial**2))).sum()
    )


def test_exact_conditional_is_dense_regression(observations: Observations) -> None:
    """Means and covariances of :func:`conditional` by one big matrix of all effects."""
    statistics, priors = summarise(observations, with_nights=False), Priors()
    spreads = Spreads(
        np.array([[0.0081, 0.001, 0], [0.001, 0.01, 0.002], [0, 0.002, 0.0064]]), 0.02, 0.03
    )
    found = conditional(statistics, priors, spreads)
    players, k = len(statistics.own_squares), statistics.design.fixed
    scales = [
        spreads.opponent if term.prior == "opponent" else getattr(priors, term.prior)
        for term in statistics.design.terms[:k]
    ]
    size = k + 4 * players
    precision, right = np.zeros((size, size)), np.zeros(size)
    precision[:k, :k] = statistics.term_squares + np.diag(1 / np.array(scales) ** 2)
    right[:k] = statistics.term_residuals
    prior = np.zeros((4, 4))
    prior[:3, :3] = np.linalg.inv(spreads.skill)
    prior[3, 3] = 1 / spreads.clutch**2
    for p in range(players):
        his = slice(k + 4 * p, k + 4 * p + 4)
        precision[his, his] = statistics.own_squares[p] + prior
        precision[his, :k] = statistics.own_terms[p]
        precision[:k, his] = statistics.own_terms[p].T
        right[his] = statistics.own_residuals[p]
    covariance = np.linalg.inv(precision)
    mean = covariance @ right
    np.testing.assert_allclose(found.terms, mean[:k], atol=1e-10)
    np.testing.assert_allclose(found.term_covariance, covariance[:k, :k], atol=1e-10)
    np.testing.assert_allclose(found.own, mean[k:].reshape(players, 4), atol=1e-10)
    for p in range(players):
        his = slice(k + 4 * p, k + 4 * p + 4)
        np.testing.assert_allclose(found.own_covariance[p], covariance[his, his], atol=1e-10)


def _games(player: list[int], nights: np.ndarray, level: np.ndarray) -> PlayerGames:
    rows = len(player)
    zeros, off = np.zeros(rows), np.zeros(rows, dtype=bool)
    return PlayerGames(
        player=np.array(player),
        season=np.zeros(rows, dtype=np.int64),
        opponent=np.zeros(rows, dtype=np.int64),
        is_home=zeros,
        is_playoff=zeros,
        is_back_to_back=zeros,
        rest_days=zeros + 2,
        opponent_rating=zeros,
        is_upcoming=off,
        has_clutch_action=off,
        device=np.array(player),
        # player 9 wears nothing
        is_worn=np.array(player) != 9,
        nights=nights,
        hrv_level=level,
    )


@pytest.fixture(scope="module")
def worn() -> PlayerGames:
    """Six athletes of 12 nights; a seventh has too few; player 9 wears nothing."""
    generator = np.random.default_rng(6)
    player = [p for p in range(6) for _ in range(12)] + [6] * (LEAST_NIGHTS - 1) + [9] * 5
    athlete = np.array(player)
    nights = generator.normal(0, 1, (len(player), 4)) * [1, 15, 8, 3] + [0, 60, 80, 11]
    nights[:, 1:] += 3 * athlete[:, None]
    nights[athlete == 9] = np.nan
    nights[0] = np.nan
    nights[[1, 13], :2] = np.nan
    nights[2, 3] = np.nan
    # HRV of athlete 5 is known on too few nights
    nights[np.flatnonzero(athlete == 5)[LEAST_NIGHTS - 1 :], 0] = np.nan
    level = 4 + 0.1 * athlete + generator.normal(0, 0.01, len(player))
    level[np.isnan(nights[:, 0])] = np.nan
    return _games(player, nights, level)


def test_nights_are_sorted_by_what_was_measured(worn: PlayerGames) -> None:
    found = gather_nights(worn)
    assert found.patterns == ((0, 1, 2, 3), (0, 1, 2), (1, 2, 3), (2, 3))
    assert found.counts.tolist() == [56, 1, 12, 2]
    assert found.pattern[[0, 1, 2, 3, 13]].tolist() == [-1, 3, 1, 0, 3]
    # too few of HRV for a mean of his own: missing on every night of his
    assert set(found.pattern[worn.player == 5].tolist()) == {2}
    # too few nights at all: as if there were none, and it is told apart from not wearing one
    assert set(found.pattern[worn.player == 6].tolist()) == {-1}
    assert found.no_night.sum() == 1 + (worn.player == 6).sum()
    assert found.no_night[worn.player == 9].sum() == 0
    assert found.athletes == 6


def test_nights_are_centred_on_the_athletes_own_mean(worn: PlayerGames) -> None:
    found = gather_nights(worn)
    squares = 0.0
    freedom = 0
    for athlete in range(6):
        his = worn.player == athlete
        values = worn.nights[his, 1]
        known = np.isfinite(values)
        expected = np.where(known, values - values[known].mean(), 0)
        squares += (expected**2).sum()
        freedom += known.sum() - 1
        np.testing.assert_allclose(found.within[his, 1] * found.spreads[1], expected, atol=1e-9)
    assert found.spreads[1] == pytest.approx(np.sqrt(squares / freedom))
    assert (found.within[worn.player >= 6] == 0).all()
    chosen = found.within[found.pattern == 2][:, [1, 2, 3]]
    np.testing.assert_allclose(found.squares[2], chosen.T @ chosen)


def test_athletes_are_compared_by_their_own_means(worn: PlayerGames) -> None:
    found = gather_nights(worn)
    means = np.array([np.nanmean(worn.nights[worn.player == p, 1]) for p in range(6)])
    standard = (means - means.mean()) / means.std()
    for athlete in range(6):
        np.testing.assert_allclose(
            found.between[worn.player == athlete, 1], standard[athlete], atol=1e-9
        )
    # HRV is compared by its level, of those who have enough of it
    levels = np.array([np.nanmean(worn.hrv_level[worn.player == p]) for p in range(5)])
    standard = (levels - levels.mean()) / levels.std()
    np.testing.assert_allclose(found.between[worn.player == 0, 0], standard[0], atol=1e-9)
    assert (found.between[worn.player >= 6] == 0).all()
    assert (found.between[worn.player == 5, 0] == 0).all()


def test_a_shift_of_an_athletes_nights_does_not_move_what_is_within(worn: PlayerGames) -> None:
    moved = worn.nights.copy()
    moved[worn.player == 2] += 20
    before, after = gather_nights(worn), gather_nights(worn._replace(nights=moved))
    np.testing.assert_allclose(after.within, before.within, atol=1e-9)


def test_too_few_athletes_or_nights_leave_nights_out(league: Observations) -> None:
    games = league.player_games
    few = league._replace(player_games=games._replace(is_worn=games.is_worn & (games.player < 4)))
    assert summarise(few).design.patterns == ()
    assert summarise(few).nights.athletes == 0
    assert "no_night" not in [term.name for term in summarise(few).design.terms]
    assert summarise(league).nights.athletes == 6
    without = league._replace(
        player_games=games._replace(nights=np.full_like(games.nights, np.nan))
    )
    assert summarise(without).design.patterns == ()
    assert summarise(league, with_nights=False).design.patterns == ()
