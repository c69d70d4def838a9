"""What the formula has to beat: a logistic regression and gradient boosted trees.

Both get the formula's inputs and the same games; both are judged on the season that none has seen.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from modeling.errors import ModelError
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.fit import thinned
from modeling.win_probability.measures import log_loss
from modeling.win_probability.model import REGULATION_SECONDS, Floats, States

# Keeps the last seconds from outweighing all others: m / sqrt(t + 20) (methods and numbers, 2b).
_SOFTENING_SECONDS = 20.0
_LATE_SECONDS = 60.0

# The best of six settings, fitted on 2020-21 and 2021-22 and tried on 2022-23: log loss 0.4847, the
# others (8 to 31 leaves, of 0.7 to 4 % of the states at least) 0.4850 to 0.4854. Small leaves learn
# single games by heart. The number of trees is chosen anew in every run.
_LEAVES = 6
_LEAST_SHARE_OF_A_LEAF = 0.075
_LEARNING_RATE = 0.08
_RIDGE = 100.0
_MOST_TREES = 400
_TREES_AT_A_TIME = 25


class Logistic:
    """Logistic regression on eight terms, without intercept: the sides change places evenly.

    Args:
        played: States to fit.
    """

    def __init__(self, played: PlayedStates) -> None:
        states, won, weights = thinned(played)
        terms = self._terms(states)
        self._scale = terms.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        _need_both_outcomes(won)
        # hardly any penalty: there are 100,000 times as many states as terms
        self._model = LogisticRegression(C=1e4, fit_intercept=False, max_iter=1000)
        self._model.fit(terms / self._scale, won, sample_weight=weights)

    def probability(self, states: States) -> Floats:
        """Probability that the home side wins, shape (n,)."""
        found: Floats = self._model.predict_proba(self._terms(states) / self._scale)[:, 1]
        return found

    @staticmethod
    def _terms(s: States) -> Floats:
        t = s.seconds_left
        share = t / REGULATION_SECONDS
        lead = s.home_margin / np.sqrt(t + _SOFTENING_SECONDS)
        return np.column_stack(
            [
                lead,
                lead * share,
                lead * np.exp(-t / _LATE_SECONDS),
                s.ball / np.sqrt(t + _SOFTENING_SECONDS),
                s.pending_free_throws / np.sqrt(t + _SOFTENING_SECONDS),
                s.rating_difference * np.sqrt(share),
                s.rating_difference * share,
                s.home_edge * np.sqrt(share),
            ]
        )


class Boosting:
    """Gradient boosted trees on every input of the formula and the margin by the root of time.

    The number of trees is the best on the last of the seasons after a fit on those before; then all
    are fitted again with it. More leads to more: trees may not let a better margin, ball, throw or
    rating count against a side.

    Args:
        played: States to fit, of two seasons at least.
    """

    def __init__(self, played: PlayedStates) -> None:
        seasons = sorted({played.seasons[game] for game in np.unique(played.game)})
        if len(seasons) < 2:
            raise ModelError(
                "gradient boosting is tuned on the last of its seasons and needs two. Fix: fit on "
                "two seasons and more."
            )
        self.trees = self._best_number(
            played.of_seasons(seasons[:-1]), played.of_seasons(seasons[-1:])
        )
        states, won, weights = thinned(played)
        self._model = self._empty(self.trees, len(won))
        self._model.fit(self._columns(states), won, sample_weight=weights)

    def probability(self, states: States) -> Floats:
        """Probability that the home side wins, shape (n,)."""
        found: Floats = self._model.predict_proba(self._columns(states))[:, 1]
        return found

    def _best_number(self, earlier: PlayedStates, later: PlayedStates) -> int:
        states, won, weights = thinned(earlier)
        _need_both_outcomes(won)
        grown = self._empty(_MOST_TREES, len(won))
        grown.fit(self._columns(states), won, sample_weight=weights)
        test, test_won, test_weights = thinned(later)
        losses = [
            float(np.average(log_loss(stage[:, 1], test_won), weights=test_weights))
            for number, stage in enumerate(grown.staged_predict_proba(self._columns(test)), 1)
            if number % _TREES_AT_A_TIME == 0
        ]
        return _TREES_AT_A_TIME * (int(np.argmin(losses)) + 1)

    @staticmethod
    def _empty(trees: int, states: int) -> HistGradientBoostingClassifier:
        rising = [1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0]
        return HistGradientBoostingClassifier(
            learning_rate=_LEARNING_RATE,
            max_iter=trees,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=max(20, round(_LEAST_SHARE_OF_A_LEAF * states)),
            l2_regularization=_RIDGE,
            monotonic_cst=rising,
            early_stopping=False,
            random_state=1,
        )

    @staticmethod
    def _columns(s: States) -> Floats:
        t = s.seconds_left
        return np.column_stack(
            [
                s.home_margin,
                s.home_margin / np.sqrt(t + _SOFTENING_SECONDS),
                t,
                s.is_overtime,
                s.ball,
                s.is_loose_after_shot,
                s.is_loose_after_free_throw,
                s.pending_free_throws,
                s.rating_difference,
                s.home_edge,
                s.home_back_to_back,
                s.away_back_to_back,
                s.is_playoff,
            ]
        )


def _need_both_outcomes(won: Floats) -> None:
    if won.min() == won.max():
        raise ModelError("every game ended the same way. Fix: fit on more games.")
