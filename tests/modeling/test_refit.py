"""Refitting: what is published, what is refused, and that a refusal or a kill changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import modeling.win_probability.refit as refitting
from ingestion.settings import PROJECT_ROOT
from modeling.errors import ModelError
from modeling.win_probability.data import PlayedStates
from modeling.win_probability.fit import START
from modeling.win_probability.model import Coefficients
from modeling.win_probability.refit import choose_held_back, refit_on
from modeling.win_probability.versions import (
    COLUMNS,
    SEED,
    Version,
    append_version,
    read_versions,
    rounded,
)
from tests.support.simulated_games import RIGHT, joined, simulated_season

# what a fit on these games comes to in the ways that matter, without the seconds that it takes
GOOD = rounded(replace(RIGHT, step_1=0.0, step_2=0.0, step_3=0.0, held_late=0.0))
POOR = rounded(replace(GOOD, pace=30.0))


@pytest.fixture(scope="module")
def played() -> PlayedStates:
    """Two seasons of 1,000 games; the second is new to the version in force."""
    return joined(
        [
            simulated_season("2020-21", 1000, seed=1),
            simulated_season("2021-22", 1000, seed=2, first_number=1000),
        ]
    )


@pytest.fixture
def seed_path(tmp_path: Path) -> Path:
    return tmp_path / "win_probability_coefficients.csv"


def in_force(path: Path, coefficients: Coefficients) -> Version:
    version = Version(1, date(1946, 1, 1), ["2020-21"], 1000, coefficients)
    path.write_text(
        ",".join(COLUMNS)
        + f"\n1,1946-01-01,2020-21,1000,{','.join(f'{v:.6g}' for v in coefficients)}\n"
    )
    assert read_versions(path) == [version]
    return version


def gives(coefficients: Coefficients, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the fit find these."""
    monkeypatch.setattr(refitting, "fit", lambda _: coefficients)


def test_a_better_candidate_is_published_for_later_games(
    played: PlayedStates, seed_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_force(seed_path, POOR)
    gives(GOOD, monkeypatch)
    done = refit_on(played, before, seed_path=seed_path)
    assert (done.refused, done.exit_code, done.held_back) == ([], 0, 200)
    assert done.measured
    assert done.measured.comparison.t < -2
    first, second = read_versions(seed_path)
    assert first == before
    assert second == done.candidate
    assert second.coefficients == GOOD
    assert (second.number, second.fitted_games) == (2, 1800)
    assert second.fitted_seasons == ["2020-21", "2021-22"]
    # the day after the last game of all, held back or not: nothing that was published moves
    last = max(played.dates)
    assert (second.valid_from - last).days == 1
    assert seed_path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert "version 2, for games from" in done.lines()[-1]
    assert done.as_dict()["published"] is True


@pytest.mark.slow
def test_a_real_fit_beats_a_poor_version(played: PlayedStates, seed_path: Path) -> None:
    done = refit_on(played, in_force(seed_path, POOR), seed_path=seed_path)
    assert done.refused == []
    assert done.measured
    assert done.measured.comparison.by_game.value < 0
    # six digits are what scores, and what was judged
    assert read_versions(seed_path)[-1].coefficients == done.candidate.coefficients


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (GOOD, "its coefficients are those of version 1"),
        (POOR, "it is worse than version 1 on games that neither saw"),
        (replace(GOOD, step_1=3.0), "a point more makes a side less likely to win"),
        (replace(GOOD, rating=float("nan")), "a probability is no number"),
        # too sure of itself: worse, and its calibration shows it
        (rounded(replace(GOOD, pace=6.0)), "its calibration is off by more than luck"),
    ],
    ids=["equal", "worse", "not monotone", "not a number", "too sure"],
)
def test_another_candidate_is_refused_and_nothing_changes(
    played: PlayedStates,
    seed_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    candidate: Coefficients,
    why: str,
) -> None:
    before = in_force(seed_path, GOOD)
    content, written = seed_path.read_bytes(), seed_path.stat().st_mtime_ns
    gives(candidate, monkeypatch)
    done = refit_on(played, before, seed_path=seed_path)
    assert done.exit_code == 3
    assert any(why in reason for reason in done.refused), done.refused
    assert seed_path.read_bytes() == content
    assert seed_path.stat().st_mtime_ns == written
    assert list(seed_path.parent.iterdir()) == [seed_path]
    assert "not published" in done.lines()[-1]


def test_held_back_games_are_new_and_spread_over_the_season(
    played: PlayedStates, seed_path: Path
) -> None:
    before = in_force(seed_path, GOOD)
    chosen = choose_held_back(played, before, 0.2, [before])
    assert chosen.sum() == 200
    assert {played.seasons[game] for game in np.flatnonzero(chosen)} == {"2021-22"}
    places = np.flatnonzero(chosen) - 1000
    assert list(np.diff(places)) == [5] * 199
    assert choose_held_back(played, before, 250, [before]).sum() == 250


def test_a_second_version_has_seen_nothing_after_it_began() -> None:
    first = Version(1, date(1946, 1, 1), ["2020-21"], 1000, START)
    second = Version(2, date(2022, 1, 1), ["2020-21", "2021-22"], 1500, START)
    versions = [first, second]
    assert first.has_seen("2020-21", date(2021, 1, 1), versions)
    assert not first.has_seen("2021-22", date(2021, 12, 1), versions)
    assert second.has_seen("2021-22", date(2021, 12, 31), versions)
    assert not second.has_seen("2021-22", date(2022, 1, 1), versions)


@pytest.mark.parametrize(
    ("season", "held_back", "message"),
    [
        ("2020-21", 0.2, "version 1 was fitted on these very seasons"),
        ("2021-22", 0.05, "50 held back: a verdict needs 100"),
        ("2021-22", 600.0, "a fit 1,000 others"),
    ],
)
def test_too_little_is_said_in_one_line(
    played: PlayedStates, seed_path: Path, season: str, held_back: float, message: str
) -> None:
    before = in_force(seed_path, GOOD)
    content = seed_path.read_bytes()
    with pytest.raises(ModelError, match=message) as caught:
        refit_on(played.of_seasons([season]), before, held_back=held_back, seed_path=seed_path)
    assert "Fix: " in str(caught.value)
    assert seed_path.read_bytes() == content


def test_a_kill_while_writing_leaves_a_whole_file(seed_path: Path) -> None:
    """The process dies when the new row stands beside the file and has not taken its place."""
    in_force(seed_path, GOOD)
    content = seed_path.read_bytes()
    script = f"""
import os, signal
from dataclasses import replace
from datetime import date
from pathlib import Path
from modeling.win_probability.versions import append_version, read_versions
path = Path({str(seed_path)!r})
last = read_versions(path)[-1]
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
append_version(last._replace(number=2, valid_from=date(2022, 7, 1)), path)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == -9
    assert seed_path.read_bytes() == content
    # what it left behind is no seed: dbt takes *.csv only
    (left,) = set(seed_path.parent.iterdir()) - {seed_path}
    assert left.suffix != ".csv"
    version = read_versions(seed_path)[-1]._replace(number=2, valid_from=date(2022, 7, 1))
    append_version(version, seed_path)
    assert read_versions(seed_path)[-1] == version


def test_a_row_out_of_turn_is_refused(seed_path: Path) -> None:
    before = in_force(seed_path, GOOD)
    for change in ({"number": 3}, {"number": 2}):
        with pytest.raises(ModelError, match="does not follow version 1"):
            append_version(before._replace(**change), seed_path)


@pytest.mark.parametrize(
    "content",
    ["", "model_version\n1\n", ",".join(COLUMNS) + "\n1,yesterday" + ",1" * 26 + "\n"],
    ids=["empty", "columns missing", "no date"],
)
def test_a_damaged_seed_is_said_in_one_line(seed_path: Path, content: str) -> None:
    seed_path.write_text(content)
    with pytest.raises(ModelError, match=r"win_probability_coefficients\.csv: .* Fix: restore it"):
        read_versions(seed_path)


def test_the_seed_of_the_project_can_be_read(tmp_path: Path) -> None:
    versions = read_versions()
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    # every version before a refit can be followed by one
    copy = tmp_path / SEED.name
    shutil.copy(SEED, copy)
    following = versions[-1]._replace(number=len(versions) + 1, valid_from=date(2100, 1, 1))
    append_version(following, copy)
    assert read_versions(copy) == [*versions, following]
