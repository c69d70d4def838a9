"""Which fields of WHOOP records are stored: the seed ``whoop_metric_allow_list``.

One file is read by ingestion, which drops every other field before a record is hashed and written,
and by dbt, which knows units and strap generations from it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ingestion.errors import ClutchError
from ingestion.settings import PROJECT_ROOT
from ingestion.whoop.settings import SCOPES

SEED = PROJECT_ROOT / "dbt_project" / "seeds" / "whoop_metric_allow_list.csv"
COLUMNS = ("resource", "field_path", "device_generation", "allowed", "unit", "source")


@dataclass(frozen=True)
class AllowList:
    """The fields that may be stored.

    Attributes:
        fields: Dotted paths by resource.
    """

    fields: Mapping[str, frozenset[str]]

    @classmethod
    @cache
    def load(cls, path: Path = SEED) -> AllowList:
        """Read the seed.

        Raises:
            ClutchError: If it cannot be read or a line says neither true nor false; names the line.
        """
        fields: dict[str, set[str]] = {resource: set() for resource in SCOPES}
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                if tuple(rows.fieldnames or ()) != COLUMNS:
                    raise _damaged(path, 1, f"the columns are not {', '.join(COLUMNS)}")
                for row in rows:
                    if row["resource"] not in fields:
                        raise _damaged(path, rows.line_num, f"no resource {row['resource']!r}")
                    if row["allowed"] not in ("true", "false"):
                        raise _damaged(path, rows.line_num, "allowed is neither true nor false")
                    if row["allowed"] == "true":
                        fields[row["resource"]].add(row["field_path"])
        except (OSError, UnicodeDecodeError) as error:
            raise ClutchError(
                f"the allow-list {path} cannot be read ({error}). Fix: restore the file."
            ) from None
        return cls({resource: frozenset(paths) for resource, paths in fields.items()})

    def reduce(self, resource: str, record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Keep the fields that are allowed; null is as good as absent.

        Args:
            resource: Kind of record.
            record: As sent.

        Returns:
            The rest of the record, and the dotted paths of what was left out (a nested object that
            is not known as a whole is one path).
        """
        left_out: list[str] = []
        paths = self.fields[resource]
        return _reduce(record, "", paths, _parents(paths), left_out), left_out


@cache
def _parents(paths: frozenset[str]) -> frozenset[str]:
    return frozenset(
        path[:place] for path in paths for place, sign in enumerate(path) if sign == "."
    )


def _reduce(
    value: Mapping[str, Any],
    prefix: str,
    paths: frozenset[str],
    parents: frozenset[str],
    left_out: list[str],
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, content in value.items():
        path = f"{prefix}{name}"
        if content is None:
            continue
        if path in parents and isinstance(content, dict):
            kept[name] = _reduce(content, f"{path}.", paths, parents, left_out)
        elif path in paths and not isinstance(content, dict | list):
            kept[name] = content
        else:
            left_out.append(path)
    return kept


def _damaged(path: Path, line: int, problem: str) -> ClutchError:
    return ClutchError(f"{path.name}, line {line}: {problem}. Fix: correct the seed.")
