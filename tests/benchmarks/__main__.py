"""Run benchmarks and print their figures: ``python -m tests.benchmarks [NAME ...] [--json]``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ingestion.errors import ClutchError
from tests.benchmarks import (
    backfill,
    build,
    clutch_skill,
    daily,
    leaderboard_api,
    pages,
    raw_load,
    readers,
    receiver,
    wearables,
    win_probability,
)
from tests.benchmarks.workplace import open_workplace
from tests.replay import shared_nba_directory

BENCHMARKS = {
    "raw_load": raw_load,
    "build": build,
    "wearables": wearables,
    "win_probability": win_probability,
    "clutch_skill": clutch_skill,
    "daily": daily,
    "backfill": backfill,
    "receiver": receiver,
    "readers": readers,
    "leaderboard_api": leaderboard_api,
    "pages": pages,
}


def main() -> int:
    """Run what the command line names, in the order of ``BENCHMARKS``."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(BENCHMARKS), help="default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--files",
        type=Path,
        metavar="DIR",
        help="keep the payload files (0.5 GB a season) here for the next run",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="a built database of real seasons, for clutch_skill, leaderboard_api and pages",
    )
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(BENCHMARKS)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if shared_nba_directory() is None:
        parser.error("the folder shared/data/nba is not beside this checkout")

    started = time.monotonic()

    def progress(message: str) -> None:
        print(f"{time.monotonic() - started:7.0f} s  {message}", file=sys.stderr, flush=True)

    figures: dict[str, Any] = {}
    try:
        with open_workplace(arguments.files, arguments.database) as workplace:
            for name, benchmark in BENCHMARKS.items():
                if not arguments.names or name in arguments.names:
                    progress(name)
                    figures[name] = benchmark.run(workplace, progress)
    except ClutchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if arguments.json:
        print(json.dumps(figures, default=dataclasses.asdict))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        for name, of_benchmark in figures.items():
            for table in _tables(name, of_benchmark):
                console.print(table)
    return 0


def _tables(name: str, figures: dict[str, Any]) -> list[Table]:
    """A table for each group of figures; plain ones stand together in the first."""
    plain = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    groups = {key: value for key, value in figures.items() if isinstance(value, dict)}
    tables = []
    if plain:
        tables.append(_table(name, {key: {"": value} for key, value in plain.items()}))
    for key, group in groups.items():
        rows = {
            row: value if isinstance(value, dict) else {"": value} for row, value in group.items()
        }
        tables.append(_table(f"{name}: {key}", rows))
    return tables


def _table(title: str, rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        values = (row.get(column, "") for column in columns)
        table.add_row(name, *(f"{v:,}" if isinstance(v, int) else str(v) for v in values))
    return table


if __name__ == "__main__":
    sys.exit(main())
