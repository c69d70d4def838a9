"""The model's versions: rows of a seed, each in force for games from a date on.

A game is scored with the newest version whose ``valid_from`` is not after its date, so a version
that is added for later games changes nothing that was published.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from modeling.errors import ModelError
from modeling.win_probability.model import Coefficients

SEED = Path(__file__).parents[2] / "dbt_project" / "seeds" / "win_probability_coefficients.csv"
SIGNIFICANT_DIGITS = 6

_FIRST_COLUMNS = ("model_version", "valid_from", "fitted_seasons", "fitted_games")
COLUMNS = (*_FIRST_COLUMNS, *Coefficients.names())


class Version(NamedTuple):
    """One row of the seed.

    Attributes:
        number: 1 and up.
        valid_from: Local date of the first games that it scores.
        fitted_seasons: Seasons with games that it was fitted on.
        fitted_games: How many games those are.
        coefficients: As written: six significant digits.
    """

    number: int
    valid_from: date
    fitted_seasons: list[str]
    fitted_games: int
    coefficients: Coefficients

    def has_seen(self, season: str, game_date: date, versions: Sequence[Version]) -> bool:
        """Whether a game may have been among those that it was fitted on.

        A version but the first is valid from the day after its last game. The first scores games
        of its own seasons: there is nothing else for them.
        """
        if season not in self.fitted_seasons:
            return False
        return self.number == versions[0].number or game_date < self.valid_from

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model_version": self.number,
            "valid_from": self.valid_from.isoformat(),
            "fitted_seasons": self.fitted_seasons,
            "fitted_games": self.fitted_games,
            "coefficients": dict(zip(Coefficients.names(), self.coefficients, strict=True)),
        }


def rounded(coefficients: Coefficients) -> Coefficients:
    """As the seed holds them."""
    return Coefficients(*(float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in coefficients))


def read_versions(path: Path = SEED) -> list[Version]:
    """All versions, in the order of their numbers.

    Raises:
        ModelError: If the file cannot be read as versions.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        versions = [
            Version(
                int(row["model_version"]),
                date.fromisoformat(row["valid_from"]),
                row["fitted_seasons"].split(),
                int(row["fitted_games"]),
                Coefficients.from_mapping(row),
            )
            for row in rows
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path.name}: it does not hold versions of the model ({error}). Fix: restore it, "
            f"git checkout {path.name}."
        ) from error
    versions.sort(key=lambda version: version.number)
    valid = [version.valid_from for version in versions]
    if not versions or valid != sorted(set(valid)):
        raise ModelError(
            f"{path.name}: each version must be valid from a later date than the one before. Fix: "
            f"restore it, git checkout {path.name}."
        )
    return versions


def append_version(version: Version, path: Path = SEED) -> None:
    """Add a row to the seed, all at once: whoever reads or is killed meanwhile has a whole file.

    Raises:
        ModelError: If it does not follow the versions that are there.
    """
    versions = read_versions(path)
    last = versions[-1]
    if version.number != last.number + 1 or version.valid_from <= last.valid_from:
        raise ModelError(
            f"version {version.number} from {version.valid_from} on does not follow version "
            f"{last.number} from {last.valid_from} on. Fix: run it again."
        )
    if not all(math.isfinite(value) for value in version.coefficients):
        raise ModelError("a coefficient is no finite number. Fix: look at the games it is from.")
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        [
            version.number,
            version.valid_from.isoformat(),
            " ".join(version.fitted_seasons),
            version.fitted_games,
            *(f"{value:.{SIGNIFICANT_DIGITS}g}" for value in version.coefficients),
        ]
    )
    content = path.read_text(encoding="utf-8")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(content if content.endswith("\n") else content + "\n")
            file.write(line.getvalue())
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(path.stat().st_mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
