"""Simulated games whose outcome is known to follow a random walk, as the models read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from modeling.win_probability.data import PlayedStates
from modeling.win_probability.fit import START
from modeling.win_probability.invariants import random_states
from modeling.win_probability.model import Coefficients, States, probability

STEPS_OF_A_GAME = 96
SECONDS_OF_A_STEP = 30.0
STEPS_OF_AN_OVERTIME = 10

RIGHT = replace(
    START, rating=1.0, home=1.0, after_regulation=0.0, pace=12.0, doubt=1.0, overtime_pace=12.0
)
"""Near what these games follow; the formula's bend at the end is for real ones."""


def simulated_season(
    season: str, games: int, seed: int, *, spread: float = 12.0, first_number: int = 0
) -> PlayedStates:
    """A season of games in which every step of 30 s moves the margin by a rounded normal.

    The better side drifts; a tie goes into overtimes until it is none.

    Args:
        season: Its name; games are played from October 20th on, ten a day.
        games: How many.
        seed: Of the random numbers.
        spread: Standard deviation of the final margin (points).
        first_number: Number of the first game among all games.
    """
    random = np.random.default_rng(seed)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("t", "m", "ot", "q", "g", "w")}
    ratings = random.normal(0.0, 5.0, games)
    of_step = spread / np.sqrt(STEPS_OF_A_GAME)
    for game in range(games):
        drift = (ratings[game] + 2.5) / STEPS_OF_A_GAME
        margins = np.rint(np.cumsum(random.normal(drift, of_step, STEPS_OF_A_GAME)))
        margin = np.concatenate([[0.0], margins[:-1]])
        left = 2880.0 - SECONDS_OF_A_STEP * np.arange(STEPS_OF_A_GAME)
        times, leads = [left], [margin]
        quarters = [4 - np.minimum((left - 1) // 720, 3)]
        overtimes = [np.zeros(STEPS_OF_A_GAME)]
        last, period = margins[-1], 4
        while last == 0:
            period += 1
            steps = np.rint(np.cumsum(random.normal(drift, of_step, STEPS_OF_AN_OVERTIME)))
            times.append(300.0 - SECONDS_OF_A_STEP * np.arange(STEPS_OF_AN_OVERTIME))
            leads.append(np.concatenate([[0.0], steps[:-1]]))
            quarters.append(np.full(STEPS_OF_AN_OVERTIME, period))
            overtimes.append(np.ones(STEPS_OF_AN_OVERTIME))
            last = steps[-1]
        count = sum(len(each) for each in times)
        columns["t"] += times
        columns["m"] += leads
        columns["q"] += quarters
        columns["ot"] += overtimes
        columns["g"].append(np.full(count, game))
        columns["w"].append(np.full(count, float(last > 0)))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    game = joined["g"].astype(np.int64)
    nothing = np.zeros(len(game))
    start = date(int(season[:4]), 10, 20)
    return PlayedStates(
        States(
            joined["t"],
            joined["ot"],
            joined["m"],
            nothing,
            nothing,
            nothing,
            nothing,
            ratings[game],
            np.full(len(game), 2.5),
            nothing,
            nothing,
            nothing,
        ),
        joined["w"],
        game,
        joined["q"].astype(np.int64),
        (joined["q"] >= 4) & (joined["t"] <= 300) & (np.abs(joined["m"]) <= 5),
        np.arange(len(game)),
        [f"{first_number + number:010d}" for number in range(games)],
        [season] * games,
        [start + timedelta(days=number // 10) for number in range(games)],
    )


def joined(seasons: list[PlayedStates]) -> PlayedStates:
    """Several seasons as one, games numbered through."""
    before = np.cumsum([0, *(len(each.game_ids) for each in seasons)])
    return PlayedStates(
        States(
            *(
                np.concatenate([getattr(each.states, name) for each in seasons])
                for name in States._fields
            )
        ),
        np.concatenate([each.home_won for each in seasons]),
        np.concatenate([each.game + b for each, b in zip(seasons, before, strict=False)]),
        np.concatenate([each.period for each in seasons]),
        np.concatenate([each.is_clutch for each in seasons]),
        np.concatenate([each.order_number for each in seasons]),
        [game for each in seasons for game in each.game_ids],
        [season for each in seasons for season in each.seasons],
        [day for each in seasons for day in each.dates],
    )


def drawn_by(coefficients: Coefficients, count: int, seed: int) -> PlayedStates:
    """States of every kind, each of a game of its own that ends as often as the formula says."""
    states = random_states(count, seed)
    random = np.random.default_rng(seed + 1)
    won = (random.random(count) < probability(coefficients, states)).astype(float)
    return PlayedStates(
        states,
        won,
        np.arange(count),
        np.where(
            states.is_overtime == 1, 5, 4 - np.minimum(states.seconds_left // 720.01, 3)
        ).astype(np.int64),
        np.zeros(count, dtype=bool),
        np.arange(count),
        [str(number) for number in range(count)],
        ["2020-21"] * count,
        [date(2020, 10, 20)] * count,
    )
