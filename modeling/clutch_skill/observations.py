"""What the model sees, wherever it comes from: the marts or a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

KINDS = ("2pt", "3pt", "freethrow")
"""Kinds of shots; a kind's number is its place here."""

TWO, THREE, FREE_THROW = range(3)

NIGHT_VALUES = (
    "hrv_baseline_deviation",
    "recovery_score_pregame",
    "sleep_performance_pregame",
    "day_strain_pregame",
)
"""What is known of the night before a game, columns of ``pregame_baselines``."""


class PlayerGames(NamedTuple):
    """One row per player and game, played or coming up; all arrays have g rows.

    Attributes:
        player: Number of the player.
        season: Number of the season.
        opponent: Number of the opposing team.
        is_home: 1 at home, else 0.
        is_playoff: 1 in the playoffs, else 0.
        is_back_to_back: 1 when his team played the day before, else 0.
        rest_days: Days since his team's last game, 1 and up; NaN before its first.
        opponent_rating: Rating of the opponent before the game (points a game).
        is_upcoming: Whether the game is still to be played.
        has_clutch_action: Whether he was credited with an action in clutch time.
        device: Number of the wearable whose night stands before the game; -1 without a night.
        is_worn: Whether he had a connected wearable then, with a night or without.
        nights: Shape (g, 4), :data:`NIGHT_VALUES`; NaN where missing.
        hrv_level: Mean ln(rMSSD in ms) of his baseline; NaN where missing.
    """

    player: Integers
    season: Integers
    opponent: Integers
    is_home: Floats
    is_playoff: Floats
    is_back_to_back: Floats
    rest_days: Floats
    opponent_rating: Floats
    is_upcoming: Flags
    has_clutch_action: Flags
    device: Integers
    is_worn: Flags
    nights: Floats
    hrv_level: Floats

    def take(self, rows: Flags | Integers) -> PlayerGames:
        """Some of the rows."""
        return PlayerGames._make(values[rows] for values in self)


class Cells(NamedTuple):
    """Sums over a player's shots of one kind and part of a game; all arrays have shape (m,).

    A residual is the points of a shot less what it was worth for an average shooter.

    Attributes:
        row: Row of :class:`PlayerGames`.
        kind: Number in :data:`KINDS`.
        is_clutch: Whether the shots fell into clutch time.
        is_late: Whether they fell into the fourth quarter or later.
        is_overtime: Whether they fell into overtime.
        attempts: Number of shots.
        residual: Sum of residuals (points).
        residual_squares: Sum of their squares.
        leverage: Sum of leverages (0-1 each); like what follows, 0 outside clutch time.
        leverage_squares: Sum of their squares.
        leverage_residual: Sum of leverage x residual.
        margin: Sum of the margins of the shooter's team before the shot (points).
        margin_squares: Sum of their squares.
        margin_residual: Sum of margin x residual.
        leverage_margin: Sum of leverage x margin.
    """

    row: Integers
    kind: Integers
    is_clutch: Flags
    is_late: Flags
    is_overtime: Flags
    attempts: Floats
    residual: Floats
    residual_squares: Floats
    leverage: Floats
    leverage_squares: Floats
    leverage_residual: Floats
    margin: Floats
    margin_squares: Floats
    margin_residual: Floats
    leverage_margin: Floats

    def take(self, rows: Flags | Integers) -> Cells:
        """Some of the cells."""
        return Cells._make(values[rows] for values in self)


class Observations(NamedTuple):
    """Shots and circumstances of some seasons.

    Attributes:
        player_ids: League ids of the players, by number.
        season_names: Seasons, by number, in ascending order.
        team_ids: League ids of the opposing teams, by number.
        device_ids: Ids of the wearables, by number.
        game_ids: League id of the game of each row of ``player_games``.
        game_dates: Its local date, ISO.
        player_games: The circumstances.
        cells: The shots; a row without a shot has none.
    """

    player_ids: Sequence[str]
    season_names: Sequence[str]
    team_ids: Sequence[str]
    device_ids: Sequence[str]
    game_ids: Sequence[str]
    game_dates: Sequence[str]
    player_games: PlayerGames
    cells: Cells

    def of_rows(self, is_wanted: Flags) -> Observations:
        """The same players, seasons and teams with some of the player-games."""
        number = np.full(len(is_wanted), -1)
        number[is_wanted] = np.arange(int(is_wanted.sum()))
        cells = self.cells.take(is_wanted[self.cells.row])
        return self._replace(
            game_ids=[value for value, kept in zip(self.game_ids, is_wanted, strict=True) if kept],
            game_dates=[
                value for value, kept in zip(self.game_dates, is_wanted, strict=True) if kept
            ],
            player_games=self.player_games.take(is_wanted),
            cells=cells._replace(row=number[cells.row]),
        )

    @property
    def attempts(self) -> int:
        """Number of shots."""
        return int(self.cells.attempts.sum())

    @property
    def clutch_attempts(self) -> int:
        """Number of shots in clutch time."""
        return int(self.cells.attempts[self.cells.is_clutch].sum())
