"""What twelve new games cost: on a database with one season, and on one with four.

Both databases hold the newest season up to a date and get the same new games, batch after batch in
the order in which they were played; the larger one also holds the three seasons before. Every step
is a real command in a process of its own, so start-up is in the figures; "SQL of models" is what
dbt reports for the models alone.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ingestion.settings import Settings
from tests.benchmarks.measuring import Cost, Spread, ratio
from tests.benchmarks.workplace import Node, Workplace
from tests.replay import ReplaySeason, shared_nba_directory

OLDER_SEASONS = ("2020-21", "2021-22", "2022-23")
NEWEST_SEASON = "2023-24"
GAMES_A_DAY = 12
DAYS = 5


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``{"steps": {step: {"one": Spread, "four": Spread, "ratio": Spread}}, "models": {...}}``
    """
    before, days = _new_games()
    base = workplace.select_files("base", NEWEST_SEASON, before)
    new = [
        workplace.select_files(f"day_{number}", NEWEST_SEASON, games)
        for number, games in enumerate(days)
    ]
    databases = {"one": workplace.make_database("one"), "four": workplace.make_database("four")}
    for season in OLDER_SEASONS:
        progress(f"loading {season}")
        workplace.ingest(databases["four"], workplace.season_files(season))
    for name, settings in databases.items():
        progress(f"loading {NEWEST_SEASON} and building the database with {name}")
        workplace.ingest(settings, base)
        workplace.dbt_build(settings)
        # as the server's own autovacuum does within a minute of such a load
        with workplace.administrator(settings) as connection:
            connection.execute("vacuum analyze")

    measurements: dict[str, list[_Day]] = {name: [] for name in databases}
    for number, directory in enumerate(new):
        progress(f"day {number + 1} of {len(new)}")
        # the second of two may find warmer caches: take turns
        order = list(databases) if number % 2 == 0 else list(databases)[::-1]
        for name in order:
            measurements[name].append(_add(workplace, databases[name], directory))
    return _summary(measurements)


class _Day:
    def __init__(self, ingest: Cost, build: Cost, nodes: Sequence[Node]) -> None:
        seconds: dict[str, float] = {}
        for node in nodes:
            seconds[node.kind] = seconds.get(node.kind, 0.0) + node.seconds
        self.models = {node.name: node.seconds for node in nodes if node.kind == "model"}
        both = ingest + build
        self.steps = {
            "ingest + build, wall": both.wall_seconds,
            "ingest + build, CPU": both.cpu_seconds,
            "ingest, wall": ingest.wall_seconds,
            "ingest, CPU": ingest.cpu_seconds,
            "build, wall": build.wall_seconds,
            "build, CPU": build.cpu_seconds,
            "build, server's CPU": build.server_cpu_seconds,
            "SQL of models": seconds.get("model", 0.0),
            "SQL of data tests": seconds.get("test", 0.0),
            "SQL of unit tests": seconds.get("unit_test", 0.0),
        }


def _add(workplace: Workplace, settings: Settings, directory: Path) -> _Day:
    workplace.settle(settings)
    ingest = workplace.ingest(settings, directory)
    return _Day(ingest, *workplace.dbt_build(settings))


def _summary(measurements: dict[str, list[_Day]]) -> dict[str, Any]:
    def compared(one: list[float], four: list[float]) -> dict[str, Spread]:
        return {"one": Spread.of(one), "four": Spread.of(four), "ratio": ratio(four, one)}

    one, four = measurements["one"], measurements["four"]
    steps = {
        step: compared([day.steps[step] for day in one], [day.steps[step] for day in four])
        for step in one[0].steps
    }
    models = {
        model: compared([day.models[model] for day in one], [day.models[model] for day in four])
        for model in one[0].models
    }
    return {"steps": steps, "models": models}


def _new_games() -> tuple[list[str], list[list[str]]]:
    """The newest season's games before the days to be added, and the games of each day."""
    directory = shared_nba_directory()
    if directory is None:
        raise FileNotFoundError("shared/data/nba is not beside this checkout")
    with (directory / "games.csv").open(encoding="utf-8", newline="") as lines:
        tipoff = {row["game_id"]: row["game_time_utc"] for row in csv.DictReader(lines)}
    # the last days of the regular season, when a day has that many games; no play-off is loaded
    regular = [game for game in ReplaySeason(NEWEST_SEASON).game_ids if game[2] == "2"]
    regular.sort(key=lambda game: (tipoff[game], game))
    held_out = regular[-GAMES_A_DAY * DAYS :]
    days = [held_out[i : i + GAMES_A_DAY] for i in range(0, len(held_out), GAMES_A_DAY)]
    return regular[: -len(held_out)], days
