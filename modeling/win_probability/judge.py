"""Judge the formula on a season that it has not seen, beside what it has to beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection

from modeling.errors import ModelError
from modeling.win_probability.baselines import Boosting, Logistic
from modeling.win_probability.buckets import FAMILY_ERROR, Bucket, buckets
from modeling.win_probability.data import PlayedStates, finished_seasons, read_played_states
from modeling.win_probability.endgame import BallWorth, Lead, ball_worth, last_minute_leads
from modeling.win_probability.fit import fit
from modeling.win_probability.measures import (
    GROUPS,
    Comparison,
    Estimate,
    binned_states,
    brier,
    compare,
    correct,
    in_group,
    log_loss,
    mean_of_states,
    sign_flips,
)
from modeling.win_probability.model import Coefficients, Floats, probability
from modeling.win_probability.perfect import DRAWS, Band, RightWorld

FORMULA = "formula"
LIMIT_PERCENTILE = 97.5

Say = Callable[[str], None]
Rows = Sequence[tuple[str, ...]]


class Score(NamedTuple):
    """Losses of one model in one part of the games; standard errors clustered by game."""

    states: int
    games: int
    brier: Estimate
    log_loss: Estimate
    accuracy: Estimate

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "states": self.states,
            "games": self.games,
            **{name: getattr(self, name)._asdict() for name in ("brier", "log_loss", "accuracy")},
        }


class Calibration(NamedTuple):
    """Weighted calibration error of one part of the games, and what luck does to a right model.

    Attributes:
        group: One of ``measures.GROUPS``.
        games: Games with a state there.
        error: The error.
        right_mean: Mean error of a right model in simulated games.
        right_percentiles: Its 90th, 95th and 97.5th percentile.
        flips_limit: 97.5th percentile of the same games under random signs.
        rank: Share of right models with a smaller error.
    """

    group: str
    games: int
    error: float
    right_mean: float
    right_percentiles: tuple[float, float, float]
    flips_limit: float
    rank: float

    @property
    def is_inside(self) -> bool:
        """Whether luck alone may do as much, by both yardsticks."""
        return self.error <= min(self.right_percentiles[-1], self.flips_limit)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict() | {"is_inside": self.is_inside}


class Judgement(NamedTuple):
    """What a season that was not fitted on says.

    Attributes:
        fitted_seasons: What the models were fitted on.
        unseen: What they were judged on.
        fitted_games: Games of the former.
        coefficients: The formula's, as fitted here.
        scores: By model and group.
        comparisons: The formula's log loss and Brier score minus another model's.
        calibration: The formula's, by group.
        buckets: The formula's, by margin and clock.
        ball: What the ball is worth in a late tie, unseen season and all.
        leads: Leads of the last minute, likewise.
    """

    fitted_seasons: list[str]
    unseen: str
    fitted_games: int
    coefficients: Coefficients
    scores: dict[str, dict[str, Score]]
    comparisons: dict[str, dict[str, Comparison]]
    calibration: list[Calibration]
    buckets: list[Bucket]
    ball: dict[str, list[BallWorth]]
    leads: dict[str, list[Lead]]

    @property
    def buckets_off(self) -> int:
        """Buckets that miss by more than luck."""
        return sum(bucket.is_off for bucket in self.buckets)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "fitted_seasons": self.fitted_seasons,
            "fitted_games": self.fitted_games,
            "unseen": self.unseen,
            "coefficients": dict(zip(Coefficients.names(), self.coefficients, strict=True)),
            "scores": {
                model: {group: score.as_dict() for group, score in of_model.items()}
                for model, of_model in self.scores.items()
            },
            "comparisons": {
                model: {
                    loss: {
                        "by_game": found.by_game._asdict(),
                        "by_state": found.by_state._asdict(),
                        "t": found.t,
                    }
                    for loss, found in of_model.items()
                }
                for model, of_model in self.comparisons.items()
            },
            "calibration": [each.as_dict() for each in self.calibration],
            "buckets": [each.as_dict() for each in self.buckets],
            "buckets_off": self.buckets_off,
            "ball": {name: [e.as_dict() for e in each] for name, each in self.ball.items()},
            "leads": {name: [e.as_dict() for e in each] for name, each in self.leads.items()},
        }

    def tables(self) -> list[tuple[str, tuple[str, ...], Rows]]:
        """Title, headings and rows of each table."""
        return [
            self._scores_table(),
            self._comparisons_table(),
            self._calibration_table(),
            self._buckets_table(),
            self._ball_table(),
            self._leads_table(),
        ]

    def _scores_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (
                group if model == FORMULA else "",
                model,
                f"{score.states:,}",
                f"{score.games:,}",
                _shown(score.brier),
                _shown(score.log_loss),
                f"{score.accuracy.value:.1%}",
            )
            for group in GROUPS
            for model, of_model in self.scores.items()
            if (score := of_model.get(group)) is not None
        ]
        headings = ("part", "model", "states", "games", "Brier", "log loss", "favourite won")
        return f"{self.unseen}, after a fit on {', '.join(self.fitted_seasons)}", headings, rows

    def _comparisons_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (model, loss, _shown(found.by_game, 5), f"{found.t:+.1f}", _shown(found.by_state, 5))
            for model, of_model in self.comparisons.items()
            for loss, found in of_model.items()
        ]
        headings = ("formula minus", "loss", "mean over games", "t", "mean over states")
        return "Paired by game; below 0 the formula is better", headings, rows

    def _calibration_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (
                each.group,
                f"{each.games:,}",
                f"{each.error:.4f}",
                f"{each.right_mean:.4f}",
                *(f"{value:.4f}" for value in each.right_percentiles),
                f"{each.flips_limit:.4f}",
                f"{each.rank:.0%}",
                "yes" if each.is_inside else "NO",
            )
            for each in self.calibration
        ]
        headings = (
            *("part", "games", "error", "right model: mean", "90 %", "95 %", "97.5 %"),
            *("same games, signs drawn: 97.5 %", "rank", "inside"),
        )
        return "Weighted calibration error in 20 bins, beside that of a right model", headings, rows

    def _buckets_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (
                f"{math.ceil(b.margins[0]):+d} to {math.floor(b.margins[1]):+d}",
                f"{b.seconds[0]:.0f}-{b.seconds[1]:.0f}".replace("-1-0", "0"),
                f"{b.games}",
                f"{b.predicted:.3f}",
                f"{b.won:.3f}",
                f"{b.p_value:.3f}",
                "OFF" if b.is_off else "",
            )
            for b in sorted(self.buckets, key=lambda bucket: bucket.p_value)[:10]
        ]
        title = (
            f"Margin x clock, first state of each game: {self.buckets_off} of "
            f"{len(self.buckets)} buckets off (Holm, {FAMILY_ERROR:.0%}); the ten worst"
        )
        return title, ("home margin", "seconds left", "games", "predicted", "won", "p", ""), rows

    def _ball_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (
                seasons,
                each.convention,
                f"{each.games_with}",
                f"{each.games_without}",
                _shown(each.predicted, 3),
                _shown(each.won, 3),
            )
            for seasons, found in self.ball.items()
            for each in found
        ]
        headings = ("games of", "convention", "with", "without", "predicted", "won")
        return "Tied, under 30 s: home wins with the ball minus without", headings, rows

    def _leads_table(self) -> tuple[str, tuple[str, ...], Rows]:
        rows = [
            (
                seasons,
                f"{each.points}",
                f"{each.games}",
                _shown(each.predicted, 3),
                _shown(each.won, 3),
            )
            for seasons, found in self.leads.items()
            for each in found
        ]
        headings = ("games of", "lead", "games", "predicted", "won")
        return "Leads in the last minute, at the first such moment", headings, rows


def judge(
    connection: Connection[Any],
    fit_seasons: Sequence[str] = (),
    unseen: str | None = None,
    *,
    draws: int = DRAWS,
    say: Say = lambda _: None,
) -> Judgement:
    """Fit formula and baselines on some seasons, judge them on another.

    Args:
        connection: A connection that may read ``analytics``.
        fit_seasons: Default: every finished season but the unseen one that came before it.
        unseen: Default: the newest finished season that is not fitted on.
        draws: Seasons of a right model.
        say: Told what is being done.

    Raises:
        ModelError: If the seasons cannot be had or overlap.
    """
    fitted, unseen = _chosen(finished_seasons(connection), fit_seasons, unseen)
    say(f"reading {', '.join([*fitted, unseen])}")
    played = read_played_states(connection, sorted({*fitted, unseen}))
    return judge_on(played, fitted, unseen, draws=draws, say=say)


def judge_on(
    played: PlayedStates,
    fitted: list[str],
    unseen: str,
    *,
    draws: int = DRAWS,
    say: Say = lambda _: None,
) -> Judgement:
    """:func:`judge` on games at hand."""
    known, new = played.of_seasons(fitted), played.of_seasons([unseen])
    say(f"fitting the formula on {known.game_count:,} games")
    coefficients = fit(known)
    predicted = {FORMULA: probability(coefficients, new.states)}
    say("fitting the logistic regression")
    predicted["logistic, 8 terms"] = Logistic(known).probability(new.states)
    if len(fitted) > 1:
        say("fitting gradient boosted trees")
        predicted["gradient boosting"] = Boosting(known).probability(new.states)
    ours = predicted[FORMULA]
    say(f"simulating {draws} seasons of a right model")
    band = RightWorld(new, ours).band(draws)
    every = probability(coefficients, played.states)
    of_all = f"{min(fitted[0], unseen)} to {max(fitted[-1], unseen)}"
    return Judgement(
        fitted,
        unseen,
        known.game_count,
        coefficients,
        {model: scores(new, values) for model, values in predicted.items()},
        {
            model: {
                name: compare(loss(ours, new.home_won), loss(values, new.home_won), new.game)
                for name, loss in (("log loss", log_loss), ("Brier", brier))
            }
            for model, values in predicted.items()
            if model != FORMULA
        },
        calibration(new, ours, band),
        buckets(
            ours,
            new.home_won,
            new.game,
            new.states.home_margin,
            new.states.seconds_left,
            new.states.is_overtime == 1,
        ),
        {unseen: ball_worth(new, ours), of_all: ball_worth(played, every)},
        {unseen: last_minute_leads(new, ours), of_all: last_minute_leads(played, every)},
    )


def scores(played: PlayedStates, predicted: Floats) -> dict[str, Score]:
    """Losses of one model, by group; groups without a state are left out."""
    found = {}
    for group in GROUPS:
        chosen = in_group(played, group)
        if not chosen.any():
            continue
        won, game, p = played.home_won[chosen], played.game[chosen], predicted[chosen]
        found[group] = Score(
            int(chosen.sum()),
            len(np.unique(game)),
            mean_of_states(brier(p, won), game),
            mean_of_states(log_loss(p, won), game),
            mean_of_states(correct(p, won), game),
        )
    return found


def calibration(played: PlayedStates, predicted: Floats, band: Band) -> list[Calibration]:
    """Weighted calibration error of each group that has a state, with both yardsticks."""
    errors = binned_states(played, predicted).error()
    mean, rank = band.mean(), band.rank(errors)
    percentiles = np.array([band.percentile(of) for of in (90.0, 95.0, LIMIT_PERCENTILE)])
    flips = np.percentile(sign_flips(played, predicted), LIMIT_PERCENTILE, axis=0)
    found = []
    for place, group in enumerate(GROUPS):
        chosen = in_group(played, group)
        if not chosen.any():
            continue
        p90, p95, limit = (float(value) for value in percentiles[:, place])
        found.append(
            Calibration(
                group,
                len(np.unique(played.game[chosen])),
                float(errors[place]),
                float(mean[place]),
                (p90, p95, limit),
                float(flips[place]),
                float(rank[place]),
            )
        )
    return found


def _chosen(
    finished: Sequence[str], fit_seasons: Sequence[str], unseen: str | None
) -> tuple[list[str], str]:
    fitted = sorted(set(fit_seasons))
    if unseen is None:
        left = [season for season in finished if season not in fitted]
        if not left:
            raise ModelError(
                "no finished season is left to judge on"
                + (
                    ". Fix: fit on fewer seasons."
                    if finished
                    else "; none is loaded. Fix: clutch ingest nba --season, then dbt build."
                )
            )
        unseen = left[-1]
    if unseen in fitted:
        raise ModelError(
            f"{unseen} is fitted on and would be judged on. Fix: name another one as unseen."
        )
    if not fitted:
        fitted = [season for season in finished if season < unseen]
    if not fitted:
        raise ModelError(
            f"no finished season before {unseen} is loaded to fit on. Fix: clutch ingest nba "
            "--season, then dbt build."
        )
    return fitted, unseen


def _shown(estimate: Estimate, digits: int = 4) -> str:
    return f"{estimate.value:.{digits}f} ± {estimate.standard_error:.{digits}f}"
