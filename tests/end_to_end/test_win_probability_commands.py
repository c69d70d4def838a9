"""``clutch win-probability`` and ``clutch calibration`` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.settings import Settings
from modeling.win_probability.versions import SEED
from tests.support.dbt_runs import PROJECT_ROOT


def clutch(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clutch", *(str(argument) for argument in arguments)],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url or "",
            "CLUTCH_STATE_DIR": str(settings.state_directory),
        },
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


COMMANDS = (["win-probability", "judge"], ["win-probability", "refit"], ["calibration"])


@pytest.mark.parametrize("command", COMMANDS)
def test_without_marts_they_say_one_line(
    database: Settings, tmp_path: Path, command: list[str]
) -> None:
    options = ["--output", tmp_path / "pictures"] if command == ["calibration"] else []
    before = SEED.read_bytes()
    done = clutch(database, *command, *options)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "cannot be read" in line
    assert line.endswith("Fix: dbt build.")
    assert done.stdout == ""
    assert not (tmp_path / "pictures").exists()
    assert SEED.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["win-probability", "judge", "--held-back", "3"],
        ["win-probability", "refit", "--held-back", "0"],
        ["win-probability", "refit", "--held-back", "many"],
        ["calibration", "--output"],
    ],
)
def test_wrong_usage(database: Settings, arguments: list[str]) -> None:
    done = clutch(database, *arguments)
    assert done.returncode == 2, done.stderr
    assert "Error" in done.stderr


def test_a_small_league_says_what_is_missing(undisturbed: Settings, tmp_path: Path) -> None:
    """48 simulated games of one season: too few to judge, to refit and for a band."""
    judged = clutch(undisturbed, "win-probability", "judge", "--json")
    assert (judged.returncode, judged.stdout) == (1, "")
    assert "no finished season before 2025-26" in judged.stderr.splitlines()[-1]
    before = SEED.read_bytes()
    refitted = clutch(undisturbed, "win-probability", "refit")
    assert (refitted.returncode, refitted.stdout) == (1, "")
    assert "a verdict needs 100 held back" in refitted.stderr.splitlines()[-1]
    assert SEED.read_bytes() == before
    # what can be drawn is drawn
    drawn = clutch(undisturbed, "calibration", "--output", tmp_path, "--json")
    assert drawn.returncode == 3, drawn.stderr
    found = json.loads(drawn.stdout)
    assert any("48 games are too few" in line for line in found["missing"])
    assert all(Path(path).exists() for path in found["pictures"])
