"""Game states and their outcomes, from the marts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from modeling.errors import ModelError
from modeling.marts import read_columns, reading
from modeling.win_probability.model import Floats, States


class PlayedStates(NamedTuple):
    """States of finished games, in the order of the games' ids and of their actions.

    Attributes:
        states: n states before the game was over.
        home_won: 1 where the home side won, shape (n,).
        game: Number of the game, 0 and up in the order of ``game_ids``, shape (n,).
        period: 1-4, 5 and more for overtimes, shape (n,).
        is_clutch: Whether the action fell into clutch time, shape (n,).
        order_number: Place of the action in its game, shape (n,).
        game_ids: League ids of the games.
        seasons: Season of each game.
        dates: Local date of each game.
    """

    states: States
    home_won: Floats
    game: NDArray[np.int64]
    period: NDArray[np.int64]
    is_clutch: NDArray[np.bool_]
    order_number: NDArray[np.int64]
    game_ids: list[str]
    seasons: list[str]
    dates: list[date]

    def of_seasons(self, seasons: Sequence[str]) -> PlayedStates:
        """The states of these seasons; games keep their numbers."""
        return self.of_games(np.array([season in seasons for season in self.seasons], dtype=bool))

    def of_games(self, is_wanted: NDArray[np.bool_]) -> PlayedStates:
        """The states of some games, by a flag for each of ``game_ids``."""
        chosen = is_wanted[self.game]
        return PlayedStates(
            self.states.take(chosen),
            self.home_won[chosen],
            self.game[chosen],
            self.period[chosen],
            self.is_clutch[chosen],
            self.order_number[chosen],
            self.game_ids,
            self.seasons,
            self.dates,
        )

    @property
    def game_count(self) -> int:
        """Number of games with a state."""
        return len(np.unique(self.game))


_GAMES = """
    select games.game_id, games.season, games.game_date
    from analytics.games inner join analytics.pregame_strengths using (game_id)
    where games.is_final and games.season = any(%(seasons)s)
    order by games.game_id
"""

_STATES = """
    with played as (
        select
            *,
            row_number() over (order by game_id) - 1 as game,
            home_score > away_score as home_won
        from analytics.games
        inner join analytics.pregame_strengths using (game_id)
        where is_final and season = any(%(seasons)s)
    )

    select {columns}
    from analytics.game_states as states
    inner join played on states.game_id = played.game_id
    where not states.is_over
    order by played.game_id, states.period, states.order_number
"""

_PUBLISHED = """
    select {columns}
    from analytics.game_states as states
    inner join analytics.games on states.game_id = games.game_id
    inner join analytics.pregame_strengths as strengths on states.game_id = strengths.game_id
    left join analytics.win_probability as probabilities
        on states.game_id = probabilities.game_id
        and states.order_number = probabilities.order_number
    where not states.is_over and games.is_final and games.season = any(%(seasons)s)
    order by states.game_id, states.period, states.order_number
"""

PAUSE_DAYS = 30

_FINISHED = """
    select games.season
    from analytics.games
    left join analytics.pregame_strengths as strengths on games.game_id = strengths.game_id
    group by games.season
    having count(strengths.game_id) > 0
        and min(games.is_final::integer) = 1
        and (
            max(games.game_date) < current_date - %(pause_days)s::integer
            or games.season < (select max(season) from analytics.games)
        )
    order by games.season
"""

# of States, then the others; with the type they travel in
_COLUMNS = {
    "seconds_left": ("states.seconds_left", "f8"),
    "is_overtime": ("states.is_overtime::integer", "i2"),
    "home_margin": ("states.home_margin", "i2"),
    "ball": ("states.ball_side", "i2"),
    "is_loose_after_shot": ("states.is_loose_after_shot::integer", "i2"),
    "is_loose_after_free_throw": ("states.is_loose_after_free_throw::integer", "i2"),
    "pending_free_throws": ("states.home_pending_free_throws", "i2"),
    "rating_difference": ("played.home_rating - played.away_rating", "f8"),
    "home_edge": ("played.home_edge_points", "f8"),
    "home_back_to_back": ("played.is_home_back_to_back::integer", "i2"),
    "away_back_to_back": ("played.is_away_back_to_back::integer", "i2"),
    "is_playoff": ("played.playoff_game::integer", "i2"),
    "home_won": ("played.home_won::integer", "i2"),
    "game": ("played.game", "i4"),
    "period": ("states.period", "i2"),
    "is_clutch": ("states.is_clutch::integer", "i2"),
    "order_number": ("states.order_number", "i4"),
}


def read_played_states(connection: Connection[Any], seasons: Sequence[str]) -> PlayedStates:
    """Every state of the finished games of some seasons.

    Args:
        connection: A connection that may read ``analytics``.
        seasons: For example ``["2022-23", "2023-24"]``.

    Raises:
        ModelError: If a season has no finished game there.
    """
    with reading("analytics.pregame_strengths"):
        games = connection.execute(_GAMES, {"seasons": list(seasons)}).fetchall()
    if missing := sorted(set(seasons) - {season for _, season, _ in games}):
        raise ModelError(
            f"season {', '.join(missing)}: analytics.games has no finished game of it with a "
            "tip-off time. Fix: clutch ingest nba --season, then dbt build."
        )
    with reading("analytics.game_states"):
        columns = read_columns(
            connection,
            _STATES,
            _COLUMNS,
            {"seasons": list(seasons)},
            "analytics.game_states",
        )
    return PlayedStates(
        States(*(columns[name].astype(np.float64) for name in States._fields)),
        columns["home_won"].astype(np.float64),
        columns["game"].astype(np.int64),
        columns["period"].astype(np.int64),
        columns["is_clutch"].astype(bool),
        columns["order_number"].astype(np.int64),
        [game_id for game_id, _, _ in games],
        [season for _, season, _ in games],
        [game_date for _, _, game_date in games],
    )


def read_published(connection: Connection[Any], seasons: Sequence[str]) -> Floats:
    """What ``analytics.win_probability`` says of the states of :func:`read_played_states`.

    Args:
        connection: A connection that may read ``analytics``.
        seasons: The same seasons.

    Raises:
        ModelError: If a value is missing.
    """
    column = {"published": ("probabilities.home_win_probability", "f8")}
    with reading("analytics.win_probability"):
        published = read_columns(
            connection,
            _PUBLISHED,
            column,
            {"seasons": list(seasons)},
            "analytics.game_states",
        )
    return published["published"].astype(np.float64)


def finished_seasons(connection: Connection[Any]) -> list[str]:
    """Seasons of which all games are played and have a tip-off time, in ascending order.

    The newest counts as finished when its last game is a month old: the longest pause within a
    season is the week of the all-star game.
    """
    with reading("analytics.pregame_strengths"):
        rows = connection.execute(_FINISHED, {"pause_days": PAUSE_DAYS}).fetchall()
    return [season for (season,) in rows]
