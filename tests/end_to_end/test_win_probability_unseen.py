"""Win probability on a real season that it was not fitted on: the figures it is published with.

The fixture ``four_seasons`` gives settings of a database with the live-data seasons 2020-21 to
2023-24 loaded and built.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from modeling.errors import ModelError
from modeling.win_probability.data import finished_seasons, read_played_states, read_published
from modeling.win_probability.judge import Judgement, judge
from modeling.win_probability.model import probability
from modeling.win_probability.refit import refit
from modeling.win_probability.versions import SEED, read_versions
from tests.end_to_end.conftest import LIVE_DATA_SEASONS

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

SEASONS = list(LIVE_DATA_SEASONS)


@pytest.fixture(scope="module")
def judgement(four_seasons: Settings) -> Judgement:
    with connect(four_seasons, roles.MODEL) as connection:
        assert finished_seasons(connection) == SEASONS
        found = judge(connection, draws=200)
    for title, headings, rows in found.tables():
        print(f"\n{title}\n{' | '.join(headings)}")
        for row in rows:
            print(" | ".join(row))
    return found


def test_losses_on_the_unseen_season(judgement: Judgement) -> None:
    """Best published on an unseen season: Brier 0.1470; a season's own error is 0.004."""
    assert (judgement.unseen, judgement.fitted_games) == ("2023-24", 3796)
    everything = judgement.scores["formula"]["all"]
    assert everything.games == 1312
    assert everything.brier.value < 0.1475
    assert everything.log_loss.value < 0.4435
    assert judgement.scores["formula"]["clutch"].brier.value < 0.155


def test_it_loses_to_neither_baseline(judgement: Judgement) -> None:
    for of_model in judgement.comparisons.values():
        for found in of_model.values():
            assert found.by_game.value < 0
            assert found.by_state.value < 0
    assert judgement.comparisons["gradient boosting"]["log loss"].t < -2


def test_every_part_of_the_game_is_calibrated_as_luck_allows(judgement: Judgement) -> None:
    assert [each.group for each in judgement.calibration if not each.is_inside] == []
    for each in judgement.calibration:
        assert each.error <= each.right_percentiles[-1], each.group


def test_no_bucket_of_margin_and_clock_is_off(judgement: Judgement) -> None:
    assert len(judgement.buckets) > 100
    assert judgement.buckets_off == 0


def test_the_ball_in_a_late_tie_is_worth_what_is_published(judgement: Judgement) -> None:
    """15 points of a hundred, +- 4: all states, the ball as it is after the action."""
    for seasons in judgement.ball.values():
        as_is = next(
            each for each in seasons if each.convention == "ball after the action; all states"
        )
        assert as_is.predicted.value == pytest.approx(0.15, abs=0.04)
        assert abs(as_is.won.value - as_is.predicted.value) < 2 * as_is.won.standard_error


def test_leads_of_the_last_minute(judgement: Judgement) -> None:
    for leads in judgement.leads.values():
        for lead in leads:
            gap = lead.won.value - lead.predicted.value
            assert abs(gap) < 3 * lead.won.standard_error, lead


def test_what_is_published_is_the_seed_s_newest_formula(four_seasons: Settings) -> None:
    with connect(four_seasons, roles.MODEL) as connection:
        played = read_played_states(connection, ["2023-24"])
        published = read_published(connection, ["2023-24"])
    in_force = max(
        (version for version in read_versions() if version.valid_from <= min(played.dates)),
        key=lambda version: version.number,
    )
    expected = probability(in_force.coefficients, played.states)
    assert np.abs(published - expected).max() < 1e-12


def test_a_refit_takes_the_new_season_in(four_seasons: Settings, tmp_path: Path) -> None:
    """Version 1, which has not seen 2023-24, is followed; a second time there is nothing new."""
    path = tmp_path / SEED.name
    with SEED.open(newline="") as lines:
        header, first = list(csv.reader(lines))[:2]
    path.write_text(f"{','.join(header)}\n{','.join(first)}\n")
    before = shutil.copy(path, tmp_path / "before.csv")
    with connect(four_seasons, roles.MODEL) as connection:
        done = refit(connection, seed_path=path)
        print("\n".join(done.lines()))
        assert done.refused == []
        assert done.candidate.valid_from.isoformat() == "2024-06-18"
        assert path.read_bytes().startswith(Path(before).read_bytes())
        with pytest.raises(ModelError, match="nothing new to learn from"):
            refit(connection, seed_path=path)
