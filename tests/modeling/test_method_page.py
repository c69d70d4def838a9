"""The model card says what the seed holds."""

from __future__ import annotations

import re

from ingestion.settings import PROJECT_ROOT
from modeling.win_probability.model import NORMAL_CUBIC, NORMAL_LINEAR, Coefficients
from modeling.win_probability.versions import read_versions

PAGE = PROJECT_ROOT / "docs" / "methods" / "win_probability.md"


def test_the_table_of_coefficients_is_the_newest_version() -> None:
    newest = read_versions()[-1]
    page = PAGE.read_text()
    assert f"## Coefficients, version {newest.number}\n" in page
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in rows] == Coefficients.names()
    for name, value, unit, meaning in rows:
        assert float(value) == getattr(newest.coefficients, name), name
        assert unit.strip(), name
        assert meaning.strip(), name


def test_the_formula_names_every_coefficient_and_constant() -> None:
    section = PAGE.read_text().split("## Formula")[1].split("## Coefficients")[0]
    for number in (NORMAL_LINEAR, NORMAL_CUBIC):
        assert str(number) in section
    spoken_of = dict.fromkeys(("step_1", "step_2", "step_3"), "step(margin)")
    spoken_of |= dict.fromkeys(("home_back_to_back", "away_back_to_back"), "back-to-backs")
    for name in Coefficients.names():
        assert spoken_of.get(name, name) in section, name


def test_its_pictures_are_there() -> None:
    for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / name).read_text().lstrip().startswith("<?xml")
