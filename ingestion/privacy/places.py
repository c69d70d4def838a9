"""The register of every place that can hold something of a person: ``places.csv``, and folders.

A test builds a database, lists its tables and columns, and fails where the register knows one of
them not, or knows one that is not there: whoever adds a column says here what it holds.

Columns of the register:

=============== ================================================================================
``place``       schema and table
``holds``       ``public`` (the league's own data and what is derived of them alone), ``technical``
                (no person), ``wearable`` (health), ``account`` (ids at WHOOP, tokens), ``consent``,
                ``model`` (fitted with several athletes' nights), ``staff`` (who read, and no
                athlete)
``found_by``    how a person's rows are found: ``connection``, ``unlink`` (the same, where the row
                stays and the connection goes), ``account``, ``player``, ``origin``
                (a text that begins with a connection), ``run`` (of a model that knew his nights),
                ``cascade`` (go with rows of another table), ``last`` (needed until WHOOP has
                confirmed the end); empty where no row is a person's
``key_column``  in which column; of several ways, in their order, each alone is enough
``columns``     all columns, in alphabetical order
=============== ================================================================================
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ingestion.database import roles

FOUND_BY = frozenset(
    {"connection", "unlink", "account", "player", "origin", "run", "cascade", "last"}
)
HOLDS = frozenset({"public", "technical", "wearable", "account", "consent", "model", "staff"})

_OWNERS = {
    "raw_nba": roles.INGEST,
    "raw_nba_staging": roles.INGEST,
    "raw_whoop": roles.INGEST,
    "raw_whoop_staging": roles.INGEST,
    "operations": roles.OWNER,
    "staging": roles.TRANSFORM,
    "intermediate": roles.TRANSFORM,
    "analytics": roles.TRANSFORM,
    "model_output": roles.OWNER,
}
SCHEMAS = tuple(_OWNERS)
"""In the order in which data flow: erased so, nothing is derived anew of what is still there."""

FILES: dict[str, str] = {
    "postgres": "the embedded server's files: tables, write-ahead log, its log without values",
    "dlt": "work files of loads; those of WHOOP's are deleted when a person is erased",
    "whoop/refreshed": "pairs of tokens that the database does not have yet, encrypted",
    "docs": "the catalogue of models: definitions, and no row of any table",
    "demo": "the same folders of the demo's own state",
    "postgres.lock": "no content",
}
"""Folders and files below the state directory."""


@dataclass(frozen=True)
class Place:
    """A table.

    Attributes:
        schema: Its schema.
        table: Its name.
        holds: Kind of content.
        keys: How a person's rows are found and in which column; each alone is enough.
        columns: All of them, in alphabetical order.
    """

    schema: str
    table: str
    holds: str
    keys: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Schema and table."""
        return f"{self.schema}.{self.table}"

    @property
    def owner(self) -> str:
        """The role that may compact it."""
        return _OWNERS[self.schema]

    @property
    def is_erased(self) -> bool:
        """Whether a person's rows go at once, and not with others or at the end."""
        return bool(self.keys) and self.keys[0][0] not in ("cascade", "last")

    @property
    def is_personal(self) -> bool:
        """Whether it can hold something that is nobody's business."""
        return self.holds not in ("public", "technical")


@cache
def places() -> tuple[Place, ...]:
    """All tables, in the order in which data flow.

    Raises:
        ValueError: If a line of the register is wrong.
    """
    found = []
    with (Path(__file__).parent / "places.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            schema, _, table = row["place"].partition(".")
            ways, columns = row["found_by"].split(), row["key_column"].split()
            place = Place(
                schema,
                table,
                row["holds"],
                tuple(zip(ways, columns, strict=False)),
                tuple(row["columns"].split()),
            )
            if (
                schema not in SCHEMAS
                or place.holds not in HOLDS
                or not FOUND_BY.issuperset(ways)
                or len(ways) != len(columns)
                or not set(place.columns).issuperset(columns)
                or list(place.columns) != sorted(set(place.columns))
            ):
                raise ValueError(f"places.csv: {row['place']} is not written as the others are")
            found.append(place)
    return tuple(sorted(found, key=lambda place: (SCHEMAS.index(place.schema), place.table)))
