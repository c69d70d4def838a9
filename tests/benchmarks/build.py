"""A full build of one real season, and its heaviest models beside Polars and DuckDB.

``dbt build --full-refresh`` runs as a process of its own. Then the compiled SQL of the heavy models
runs alone, model by model, beside the same derivation in Polars (``polars_models``) and, unchanged,
in DuckDB; they take turns within a repetition. Polars starts from the payload bytes and stays in
memory; "Polars stored" starts from typed Parquet and writes Parquet; DuckDB starts from the same
Parquet. Flags, lines and totals must be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg

from ingestion.settings import Settings
from tests.benchmarks import polars_models
from tests.benchmarks.measuring import Cost, Spread
from tests.benchmarks.models import (
    Costs,
    assert_frames_equal,
    compared,
    compiled,
    noted,
    read_table,
    run_alone,
)
from tests.benchmarks.workplace import Workplace

SEASON = "2022-23"
REPETITIONS = 3

HEAVY_MODELS = {
    "stg_nba__actions_cdn": "staging",
    "stg_nba__box_score_players": "staging",
    "int_actions_sequenced": "intermediate",
    "int_player_stints": "intermediate",
    "int_clutch_player_games": "intermediate",
    "clutch_player_totals": "analytics",
}
PAYLOAD_MODELS = ("stg_nba__actions_cdn", "stg_nba__box_score_players")
# the last of the heavy models needs more marts than are worth loading there
DUCKDB_MODELS = (
    "int_actions_sequenced",
    "int_period_starters",
    "int_player_stints",
    "int_clutch_player_games",
)
# read by the first of them; few rows, so that its own SQL is not compared
REPAIRS = "int_action_times_repaired"

# what each Polars function is given; games go along, but are too light to compare
STEPS: dict[str, tuple[Callable[..., pl.DataFrame], tuple[str, ...]]] = {
    "stg_nba__actions_cdn": (polars_models.stg_nba__actions, ("playbyplay",)),
    "stg_nba__games": (polars_models.stg_nba__games, ("boxscore",)),
    "stg_nba__box_score_players": (polars_models.stg_nba__box_score_players, ("boxscore",)),
    "int_games_described": (
        polars_models.int_games_described,
        ("stg_nba__games", "stg_nba__actions_cdn"),
    ),
    "int_actions_sequenced": (polars_models.int_actions_sequenced, ("stg_nba__actions_cdn",)),
    "int_player_stints": (
        polars_models.int_player_stints,
        ("stg_nba__actions_cdn", "stg_nba__box_score_players"),
    ),
    "int_clutch_player_games": (
        polars_models.int_clutch_player_games,
        ("int_actions_sequenced", "int_player_stints", "int_games_described"),
    ),
    "clutch_player_totals": (
        polars_models.clutch_player_totals,
        ("int_clutch_player_games", "int_games_described"),
    ),
}

ENGINES = ("Postgres", "Polars", "Polars stored", "DuckDB")


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``events``; ``build`` with a Spread per part of ``dbt build``; ``models in the build`` with
        the seconds of each; ``models alone, ...`` with those of each heavy model by engine, and
        the ratios of Postgres to the others.

    Raises:
        AssertionError: If the engines disagree.
    """
    progress(f"loading {SEASON}")
    files = workplace.season_files(SEASON)
    settings = workplace.make_database("build")
    workplace.ingest(settings, files)
    with workplace.administrator(settings) as connection:
        connection.execute("vacuum analyze")
        payloads = {
            resource: [path.read_bytes() for path in sorted(files.glob(f"{resource}_*.json"))]
            for resource in ("playbyplay", "boxscore")
        }
        builds: list[Cost] = []
        nodes: dict[str, list[float]] = {}
        kinds: dict[str, list[float]] = {}
        engines: dict[str, Costs] = {name: {} for name in ENGINES}
        for repetition in range(REPETITIONS):
            progress(f"repetition {repetition + 1} of {REPETITIONS}: dbt build --full-refresh")
            workplace.settle(settings)
            cost, ran = workplace.dbt_build(settings, "--full-refresh")
            builds.append(cost)
            for kind in {node.kind for node in ran}:
                total = sum(node.seconds for node in ran if node.kind == kind)
                kinds.setdefault(kind, []).append(total)
            for node in ran:
                if node.kind == "model":
                    nodes.setdefault(node.name, []).append(node.seconds)
            progress(f"repetition {repetition + 1} of {REPETITIONS}: model by model")
            workplace.settle(settings)
            run_alone(workplace, settings, connection, HEAVY_MODELS, engines["Postgres"])
            frames = _in_polars(workplace, engines["Polars"], payloads)
            paths = _in_polars_stored(workplace, engines["Polars stored"], frames)
            paths[REPAIRS] = workplace.directory / "parquet" / f"{REPAIRS}.parquet"
            pl.read_database(
                f"select * from intermediate.{REPAIRS}", connection, infer_schema_length=None
            ).write_parquet(paths[REPAIRS])
            _in_duckdb(workplace, settings, engines["DuckDB"], paths)
            if repetition == 0:
                progress("comparing the answers")
                _assert_equal(connection, frames)
    events = frames["stg_nba__actions_cdn"].height
    groups = {
        "all of these": list(HEAVY_MODELS),
        "after the payloads": [name for name in HEAVY_MODELS if name not in PAYLOAD_MODELS],
    }
    return {
        "events": events,
        "build": {
            "wall": Spread.of([cost.wall_seconds for cost in builds]),
            "CPU": Spread.of([cost.cpu_seconds for cost in builds]),
            "server's CPU": Spread.of([cost.server_cpu_seconds for cost in builds]),
            **{f"sum of {kind}s": Spread.of(seconds) for kind, seconds in sorted(kinds.items())},
            "events per second, wall": Spread.of([events / cost.wall_seconds for cost in builds]),
            "events per second, models": Spread.of([events / total for total in kinds["model"]]),
        },
        "models in the build": {name: Spread.of(seconds) for name, seconds in nodes.items()},
        **compared(engines, "wall_seconds", "models alone, wall", groups),
        **compared(engines, "cpu_seconds", "models alone, CPU", groups),
    }


def _in_polars(
    workplace: Workplace, costs: Costs, payloads: dict[str, list[bytes]]
) -> dict[str, pl.DataFrame]:
    """Derive everything in memory; the frames by model."""
    frames: dict[str, pl.DataFrame] = {}
    for model, (function, inputs) in STEPS.items():
        arguments = [frames[name] if name in frames else payloads[name] for name in inputs]
        with noted(workplace, costs, model):
            frames[model] = function(*arguments)
    return frames


def _in_polars_stored(
    workplace: Workplace, costs: Costs, frames: dict[str, pl.DataFrame]
) -> dict[str, Path]:
    """As before, but reading typed Parquet and writing the result, as a model does with tables."""
    directory = workplace.directory / "parquet"
    directory.mkdir(exist_ok=True)
    paths = {model: directory / f"{model}.parquet" for model in STEPS}
    for model, (function, inputs) in STEPS.items():
        if not frames.keys() >= set(inputs):
            frames[model].write_parquet(paths[model])  # made of payloads
            continue
        with noted(workplace, costs, model):
            function(*(pl.read_parquet(paths[name]) for name in inputs)).write_parquet(paths[model])
    return paths


def _in_duckdb(
    workplace: Workplace, settings: Settings, costs: Costs, paths: dict[str, Path]
) -> None:
    """Run the compiled SQL as it is on Parquet files; its clutch lines must equal Polars'."""
    database = (settings.database_url or "").rpartition("/")[2]
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"attach ':memory:' as {database}")
        for schema in ("staging", "intermediate"):
            connection.execute(f"create schema {database}.{schema}")
        for relation, model in (
            ("staging.stg_nba__actions", "stg_nba__actions_cdn"),
            ("staging.stg_nba__box_score_players", "stg_nba__box_score_players"),
            ("intermediate.int_games_described", "int_games_described"),
            (f"intermediate.{REPAIRS}", REPAIRS),
        ):
            connection.execute(f"create view {database}.{relation} as from '{paths[model]}'")
        connection.execute(
            f"create table {database}.staging.stg_nba__game_versions as "
            "select game_id, game_id as game_version, 'playbyplay' as playbyplay_resource, "
            f"'boxscore' as boxscore_resource from {database}.intermediate.int_games_described"
        )
        for model in DUCKDB_MODELS:
            query = compiled(workplace, settings, model)
            with noted(workplace, costs, model):
                connection.execute(f"create table {database}.intermediate.{model} as {query}")
        lines = connection.sql(f"from {database}.intermediate.int_clutch_player_games")
        assert_frames_equal(
            "DuckDB and Polars",
            pl.DataFrame(lines.to_arrow_table()),
            pl.read_parquet(paths["int_clutch_player_games"]),
            ["game_id", "player_id"],
        )


def _assert_equal(connection: psycopg.Connection[Any], frames: dict[str, pl.DataFrame]) -> None:
    """Hold what dbt built against Polars: every action's flags, every line and every total."""
    for relation, key in (
        ("intermediate.int_actions_sequenced", ["game_id", "order_number"]),
        ("intermediate.int_player_stints", ["game_id", "player_id", "order_number_in"]),
        ("intermediate.int_clutch_player_games", ["game_id", "player_id"]),
        ("analytics.clutch_player_totals", ["player_id", "season", "season_type"]),
    ):
        assert_frames_equal(
            f"Postgres and Polars: {relation}",
            read_table(connection, relation),
            frames[relation.partition(".")[2]],
            key,
        )
