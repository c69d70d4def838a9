"""Calibration plots: the same for the same games, and no more than what was counted."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from ingestion.settings import PROJECT_ROOT
from modeling import calibration
from modeling.expected_points import ShotGroup
from modeling.win_probability.measures import binned_states
from modeling.win_probability.model import probability
from modeling.win_probability.perfect import RightWorld
from tests.support.simulated_games import RIGHT, simulated_season

SVG = "{http://www.w3.org/2000/svg}"


def draw_both(folder: Path) -> list[Path]:
    """Win probability of simulated games, expected points of made-up shots."""
    folder.mkdir(exist_ok=True)
    played = simulated_season("2021-22", 200, seed=1)
    predicted = probability(RIGHT, played.states)
    band = RightWorld(played, predicted).band(20)
    values = np.linspace(0.5, 1.5, 20)
    group = ShotGroup("Two-pointers", np.full(20, 500.0), values, values + 0.02, np.ones(20))
    return [
        calibration.written(picture, folder / name)
        for picture, name in (
            (
                calibration.win_probability_picture(
                    "2021-22", binned_states(played, predicted), band
                ),
                calibration.WIN_PROBABILITY_PICTURE,
            ),
            (
                calibration.expected_points_picture("2021-22", [group]),
                calibration.EXPECTED_POINTS_PICTURE,
            ),
        )
    ]


def test_the_same_games_give_the_same_bytes(tmp_path: Path) -> None:
    """In this process and in another one, with another seed of hashes."""
    first = [path.read_bytes() for path in draw_both(tmp_path / "first")]
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/modeling');"
        "import test_calibration_pictures as t; t.draw_both(Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "second")],
        cwd=PROJECT_ROOT,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ".", "PATH": "/usr/bin:/bin"},
    )
    second = [path.read_bytes() for path in sorted((tmp_path / "second").iterdir())]
    assert sorted(first) == sorted(second)


def test_what_is_on_them(tmp_path: Path) -> None:
    chances, points = draw_both(tmp_path / "pictures")
    words = texts(chances)
    assert "win probability predicted (share of games)" in words
    assert "home wins (share of games)" in words
    for title in ("All", "First quarter", "Clutch time", "Fourth quarter"):
        assert title in words
    assert any(word.startswith("error 0.0") for word in words)
    words = texts(points)
    assert "expected points of a shot (points)" in words
    assert "10,000 shots, +2.0% points" in words


def test_nothing_on_them_tells_when_or_with_what_they_were_made(tmp_path: Path) -> None:
    for path in draw_both(tmp_path / "pictures"):
        content = path.read_text()
        assert "<dc:date>" not in content
        assert "Matplotlib v" not in content
        # readable on light and dark pages: no page of its own, no black ink
        assert "#000000" not in content
        assert "#ffffff" not in content


def texts(path: Path) -> list[str]:
    tree = ElementTree.parse(path)
    return [(element.text or "").strip() for element in tree.iter(f"{SVG}text")]


def test_a_picture_takes_its_place_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = draw_both(tmp_path / "pictures")[0]
    content = first.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_both(tmp_path / "pictures")
    assert first.read_bytes() == content
    assert len(list(first.parent.iterdir())) == 2
