"""The page says what is stored, and whether the model has changed since."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from modeling.clutch_skill.validation import pictures, record


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return record.read()


def test_the_page_is_what_is_stored_and_names_what_changed_since(stored: dict[str, Any]) -> None:
    """A change of the model makes it fail until ``clutch skill page`` says so in the page."""
    page = (record.FOLDER / record.PAGE).read_text()
    assert page == record.page(stored)
    for name, section in stored.items():
        for changed in record.changed_since(section):
            assert f"`{changed}`" in page, name


def test_a_file_that_changed_is_named(stored: dict[str, Any]) -> None:
    section = dict(stored["oracle"])
    section["made_by"] = {
        **section["made_by"],
        "files": {**record.file_hashes(), "model.py": "of another day"},
    }
    assert record.changed_since(section) == ["model.py"]
    assert "Changed since: `model.py`" in record.page({"oracle": section})
    section["made_by"] = {**section["made_by"], "files": record.file_hashes()}
    assert "Changed since" not in record.page({"oracle": section})


def test_a_result_is_kept_with_what_it_was_made_by(tmp_path: Path, stored: dict[str, Any]) -> None:
    result = {name: value for name, value in stored["oracle"].items() if name != "made_by"}
    record.store("oracle", result, 60.0, tmp_path)
    kept = record.read(tmp_path)["oracle"]
    assert kept["made_by"]["files"] == record.file_hashes()
    assert kept["rows"] == stored["oracle"]["rows"]
    assert (tmp_path / record.PAGE).read_text() == record.page(record.read(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_pictures_are_those_of_what_is_stored(tmp_path: Path, stored: dict[str, Any]) -> None:
    drawn = pictures.draw_all(stored, tmp_path)
    assert {path.name for path in drawn} == set(
        re.findall(r"!\[[^]]+\]\(([^)]+)\)", (record.FOLDER / record.PAGE).read_text())
    )
    for path in drawn:
        ElementTree.parse(path)
        content = path.read_text()
        assert content == (record.FOLDER / path.name).read_text()
        assert "<dc:date>" not in content
        assert "#000000" not in content
        assert "#ffffff" not in content


def test_the_long_run_was_long_and_came_out(stored: dict[str, Any]) -> None:
    """What the README and the methods say of it stands on this; CI fits a few leagues only."""
    calibration, null, slopes = (stored[name] for name in ("calibration", "null", "slopes"))
    assert calibration["fits"] >= 200
    for row in calibration["quantities"]:
        assert sum(row["ranks"]) == calibration["fits"], row["quantity"]
    for row in calibration["groups"]:
        assert 0.86 <= row["covered_90"] <= 0.94, row["group"]
    assert calibration["smallest_p_holm"] > 0.05
    assert calibration["sampler"]["divergences"] == 0
    for row in null["told_apart"]:
        assert row["share"] <= 0.05, row["group"]
    league = max(cell["athletes"] for cell in slopes["cells"])
    for cell in slopes["cells"]:
        if cell["athletes"] == league:
            # what the prior takes off is wanted; the rest has to be sampling error
            assert abs(cell["bias"] - cell["prior_takes"]) < 0.002, cell
            assert cell["leagues"] >= 10
