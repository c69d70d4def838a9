"""The end of close games: who has the ball in a tie, and what a small lead is worth.

The published figure for the ball in a tie with less than 30 s left is 15 points (61.4 % against
46.6 %, philstead23/nba-win-probability); it depends on who is said to have the ball, so each
convention is named.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modeling.win_probability.buckets import first_of
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.measures import (
    Estimate,
    Flags,
    Integers,
    difference_of_means,
    mean_of_states,
)
from modeling.win_probability.model import Floats

TIED_SECONDS = 30.0
LAST_MINUTE = 60.0
LEADS = (1, 2, 3, 4)


class BallWorth(NamedTuple):
    """What the ball is worth to the home side in a late tie: its wins with it minus without.

    Attributes:
        convention: Who has the ball, and which states count.
        games_with: Games in which the home side had it.
        games_without: Games in which the visitors had it.
        predicted: The model's difference (share of games).
        won: The difference seen.
    """

    convention: str
    games_with: int
    games_without: int
    predicted: Estimate
    won: Estimate

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return _as_dict(self)


class Lead(NamedTuple):
    """Sides ahead by so much in the last minute of regulation, at the first such moment.

    Attributes:
        points: The lead.
        games: Games and sides.
        predicted: Mean probability that the leader wins.
        won: Share of leaders that won.
    """

    points: int
    games: int
    predicted: Estimate
    won: Estimate

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return _as_dict(self)


def _as_dict(figures: BallWorth | Lead) -> dict[str, Any]:
    return figures._asdict() | {
        "predicted": figures.predicted._asdict(),
        "won": figures.won._asdict(),
    }


def ball_worth(played: PlayedStates, predicted: Floats) -> list[BallWorth]:
    """By four conventions: two of who has the ball, two of which states count."""
    states = played.states
    is_late_tie = (
        (states.home_margin == 0)
        & (states.seconds_left > 0)
        & (states.seconds_left < TIED_SECONDS)
        & (states.is_overtime == 0)
    )
    throws = np.sign(states.pending_free_throws).astype(np.int64)
    feed = states.ball.astype(np.int64)
    found = []
    for name, side in (
        ("ball after the action, a side at the line has it", np.where(throws != 0, throws, feed)),
        ("ball after the action", feed),
    ):
        chosen = np.flatnonzero(is_late_tie & (side != 0))
        first = chosen[first_of(played.game[chosen], side[chosen])]
        found.append(
            _worth(f"{name}; first state by game and side", played, predicted, side, first)
        )
        found.append(_worth(f"{name}; all states", played, predicted, side, chosen))
    return found


def last_minute_leads(played: PlayedStates, predicted: Floats) -> list[Lead]:
    """Leads of one to four points."""
    states = played.states
    side = np.sign(states.home_margin).astype(np.int64)
    of_leader = np.where(side > 0, predicted, 1.0 - predicted)
    leader_won = np.where(side > 0, played.home_won, 1.0 - played.home_won)
    is_late = (
        (states.seconds_left > 0) & (states.seconds_left <= LAST_MINUTE) & (states.is_overtime == 0)
    )
    leads = []
    for points in LEADS:
        chosen = np.flatnonzero(is_late & (np.abs(states.home_margin) == points))
        first = chosen[first_of(played.game[chosen], side[chosen])]
        game = played.game[first]
        leads.append(
            Lead(
                points,
                len(first),
                mean_of_states(of_leader[first], game),
                mean_of_states(leader_won[first], game),
            )
        )
    return leads


def _worth(
    convention: str, played: PlayedStates, predicted: Floats, side: Integers, chosen: Integers
) -> BallWorth:
    has_ball: Flags = side[chosen] == 1
    game = played.game[chosen]
    return BallWorth(
        convention,
        len(np.unique(game[has_ball])),
        len(np.unique(game[~has_ball])),
        difference_of_means(predicted[chosen], has_ball, game),
        difference_of_means(played.home_won[chosen], has_ball, game),
    )
