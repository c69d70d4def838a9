"""The night after a game, in place of the one before it."""

from __future__ import annotations

import numpy as np

from modeling.clutch_skill.observations import Observations
from modeling.clutch_skill.validation.placebo import shifted
from modeling.clutch_skill.worlds import World, realistic_truth, simulate


def league() -> Observations:
    world = World(9, players=30, teams=2, seasons=2, athletes=15)
    return simulate(world, realistic_truth(world)).observations


def test_each_game_gets_the_night_before_the_next_one() -> None:
    observations = league()
    # in any order of rows
    order = np.random.default_rng(1).permutation(len(observations.game_ids))
    back = np.argsort(order)
    mixed = observations._replace(
        game_ids=[observations.game_ids[row] for row in order],
        game_dates=[observations.game_dates[row] for row in order],
        player_games=observations.player_games.take(order),
        cells=observations.cells._replace(row=back[observations.cells.row]),
    )
    before, after = mixed.player_games, shifted(mixed).player_games
    for player in (0, 7, 14, 20):
        for season in (0, 1):
            rows = np.flatnonzero((before.player == player) & (before.season == season))
            rows = rows[np.argsort([mixed.game_dates[row] for row in rows])]
            if not len(rows):
                continue
            np.testing.assert_array_equal(after.nights[rows[:-1]], before.nights[rows[1:]])
            np.testing.assert_array_equal(after.device[rows[:-1]], before.device[rows[1:]])
            assert np.isnan(after.nights[rows[-1]]).all()
            assert not after.is_worn[rows[-1]]


def test_nothing_else_moves() -> None:
    observations = league()
    found = shifted(observations)
    assert found.cells is observations.cells
    for name in ("player", "season", "opponent", "is_home", "rest_days", "opponent_rating"):
        np.testing.assert_array_equal(
            getattr(found.player_games, name), getattr(observations.player_games, name)
        )
