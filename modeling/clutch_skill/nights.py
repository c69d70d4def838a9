"""Nights before games as the model takes them: within the athlete, by what was measured of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modeling.clutch_skill.observations import NIGHT_VALUES, Flags, Floats, Integers, PlayerGames

LEAST_NIGHTS = 8
"""An athlete's own mean of a value needs so many nights; below, the value counts as missing."""

LEAST_ATHLETES = 5
"""Effects of nights are figures of a group: with fewer athletes they are not fitted at all."""


class Nights(NamedTuple):
    """The nights of g player-games; what is missing stays missing.

    Attributes:
        patterns: Which of the four values were measured together, numbers of :data:`NIGHT_VALUES`,
            most complete first.
        pattern: Number of the pattern of each row; -1 where nothing was measured, shape (g,).
        within: Value less the athlete's own mean, in s.d. of the nights within athletes; 0 where
            missing, shape (g, 4).
        between: The athlete's own mean against the other athletes', in s.d. between them; for HRV
            the level of his baseline; 0 for who wears nothing, shape (g, 4).
        no_night: 1 where a wearable was connected and nothing was measured, shape (g,).
        counts: Nights of each pattern, shape (patterns,).
        squares: For each pattern the sum of outer products of its measured values.
        spreads: S.d. within athletes that ``within`` is given in, in the units of the values.
        athletes: Athletes with enough nights.
    """

    patterns: tuple[tuple[int, ...], ...]
    pattern: Integers
    within: Floats
    between: Floats
    no_night: Floats
    counts: Floats
    squares: tuple[Floats, ...]
    spreads: Floats
    athletes: int


def no_nights(rows: int) -> Nights:
    """Of a league in which nobody wears anything."""
    return Nights(
        patterns=(),
        pattern=np.full(rows, -1),
        within=np.zeros((rows, len(NIGHT_VALUES))),
        between=np.zeros((rows, len(NIGHT_VALUES))),
        no_night=np.zeros(rows),
        counts=np.zeros(0),
        squares=(),
        spreads=np.ones(len(NIGHT_VALUES)),
        athletes=0,
    )


def gather_nights(player_games: PlayerGames) -> Nights:
    """Centre each value on the athlete's own mean and sort nights by what was measured.

    Means and spreads are of all rows; games to come are few beside the others and known as well.

    Args:
        player_games: At least one row with a wearable.

    Returns:
        The nights; without any athlete who has enough of them as :func:`no_nights`.
    """
    rows = len(player_games.player)
    worn = player_games.is_worn
    athletes, athlete = np.unique(player_games.player[worn], return_inverse=True)
    values = player_games.nights[worn]
    measured = np.isfinite(values)
    count = np.zeros((len(athletes), values.shape[1]))
    total = np.zeros_like(count)
    np.add.at(count, athlete, measured)
    np.add.at(total, athlete, np.where(measured, values, 0))
    enough = count >= LEAST_NIGHTS
    measured &= enough[athlete]
    if not enough.any():
        return no_nights(rows)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    centred = np.where(measured, values - mean[athlete], 0)
    # one degree of freedom goes with each athlete's own mean
    freedom = np.maximum((count * enough).sum(axis=0) - enough.sum(axis=0), 1)
    spreads = np.sqrt((centred**2).sum(axis=0) / freedom)
    within = np.zeros((rows, values.shape[1]))
    within[worn] = centred / np.where(spreads > 0, spreads, 1)

    codes = measured @ (1 << np.arange(values.shape[1]))
    found = sorted(set(codes.tolist()) - {0}, key=lambda code: (-code.bit_count(), code))
    patterns = tuple(tuple(k for k in range(values.shape[1]) if code >> k & 1) for code in found)
    pattern = np.full(rows, -1)
    pattern[worn] = _numbered(codes, found)
    squares = []
    for number, columns in enumerate(patterns):
        chosen = within[pattern == number][:, columns]
        squares.append(chosen.T @ chosen)
    no_night = np.zeros(rows)
    no_night[worn] = codes == 0

    return Nights(
        patterns=patterns,
        pattern=pattern,
        within=within,
        between=_between(player_games, worn, athlete, mean, enough),
        no_night=no_night,
        counts=np.array([(pattern == number).sum() for number in range(len(patterns))], float),
        squares=tuple(squares),
        spreads=spreads,
        athletes=int(enough.any(axis=1).sum()),
    )


def _between(
    player_games: PlayerGames,
    worn: Flags,
    athlete: Integers,
    mean: Floats,
    enough: Flags,
) -> Floats:
    level = player_games.hrv_level[worn]
    has_level = np.isfinite(level)
    count, total = np.zeros(len(mean)), np.zeros(len(mean))
    np.add.at(count, athlete, has_level)
    np.add.at(total, athlete, np.where(has_level, level, 0))
    own, known = mean.copy(), enough.copy()
    # a deviation from his own baseline says nothing about him; its level does
    own[:, 0] = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    known[:, 0] &= count >= LEAST_NIGHTS
    standard = np.zeros_like(own)
    for k in range(own.shape[1]):
        chosen = own[known[:, k], k]
        if len(chosen) >= LEAST_ATHLETES and chosen.std() > 0:
            standard[known[:, k], k] = (chosen - chosen.mean()) / chosen.std()
    between = np.zeros((len(worn), own.shape[1]))
    between[worn] = standard[athlete]
    return between


def _numbered(codes: Integers, found: list[int]) -> Integers:
    numbers = {code: number for number, code in enumerate(found)}
    return np.array([numbers.get(code, -1) for code in codes.tolist()])
