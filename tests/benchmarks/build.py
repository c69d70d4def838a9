"""A full build of one real season, and its heaviest models beside Polars and DuckDB.

``dbt build --full-refresh`` runs as a process of its own. Then the compiled SQL of the heavy models
runs alone, model by model, beside the same derivation in Polars (``polars_models``) and, unchanged,
in DuckDB; they take turns within a repetition. Polars starts from the payload bytes and stays in
memory; "Polars stored" starts from typed Parquet and writes Parquet; DuckDB starts from the same
Parquet. Flags, lines and totals must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
from polars.testing import assert_frame_equal

from ingestion.settings import Settings
from tests.benchmarks import polars_models
from tests.benchmarks.measuring import Cost, Spread, ratio
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

Costs = dict[str, list[Cost]]


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
            _in_postgres(workplace, settings, connection, engines["Postgres"])
            frames = _in_polars(workplace, engines["Polars"], payloads)
            paths = _in_polars_stored(workplace, engines["Polars stored"], frames)
            _in_duckdb(workplace, settings, engines["DuckDB"], paths)
            if repetition == 0:
                progress("comparing the answers")
                _assert_equal(connection, frames)
    events = frames["stg_nba__actions_cdn"].height
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
        **_compared(engines, "wall_seconds", "models alone, wall"),
        **_compared(engines, "cpu_seconds", "models alone, CPU"),
    }


def _compared(
    engines: dict[str, Costs], part: str, title: str
) -> dict[str, dict[str, dict[str, Spread]]]:
    """Seconds (``wall_seconds`` or ``cpu_seconds``) of models by engine, then the ratios.

    The last two rows are sums: of all heavy models, and of those that start from typed actions.
    """
    groups = {model: [model] for model in HEAVY_MODELS}
    groups["all of these"] = list(HEAVY_MODELS)
    groups["after the payloads"] = [name for name in HEAVY_MODELS if name not in PAYLOAD_MODELS]
    figures: dict[str, dict[str, Spread]] = {}
    ratios: dict[str, dict[str, Spread]] = {}
    for name, models in groups.items():
        seconds = {
            engine: [
                sum(getattr(cost, part) for cost in repetition)
                for repetition in zip(*(costs[model] for model in models), strict=True)
            ]
            for engine, costs in engines.items()
            if all(model in costs for model in models)
        }
        figures[name] = {engine: Spread.of(values) for engine, values in seconds.items()}
        ratios[name] = {
            f"Postgres / {engine}": ratio(seconds["Postgres"], values)
            for engine, values in seconds.items()
            if engine != "Postgres"
        }
    return {title: figures, f"{title}, ratios": ratios}


@contextmanager
def _noted(workplace: Workplace, costs: Costs, model: str) -> Iterator[None]:
    with workplace.measured() as cost:
        yield
    costs.setdefault(model, []).append(cost)


def _in_polars(
    workplace: Workplace, costs: Costs, payloads: dict[str, list[bytes]]
) -> dict[str, pl.DataFrame]:
    """Derive everything in memory; the frames by model."""
    frames: dict[str, pl.DataFrame] = {}
    for model, (function, inputs) in STEPS.items():
        arguments = [frames[name] if name in frames else payloads[name] for name in inputs]
        with _noted(workplace, costs, model):
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
        with _noted(workplace, costs, model):
            function(*(pl.read_parquet(paths[name]) for name in inputs)).write_parquet(paths[model])
    return paths


def _compiled(workplace: Workplace, settings: Settings, model: str) -> str:
    """The SQL of a model as dbt compiled it in the last build."""
    compiled = workplace.target(settings) / "compiled" / "clutch" / "dbt_project" / "models"
    # what unit tests are fed stands below folders that end in .yml
    (path,) = (
        path
        for path in compiled.rglob(f"{model}.sql")
        if not any(parent.suffix == ".yml" for parent in path.parents)
    )
    return path.read_text()


def _in_postgres(
    workplace: Workplace, settings: Settings, connection: psycopg.Connection[Any], costs: Costs
) -> None:
    """Run each heavy model's SQL alone, into a table with the indexes that the model has."""
    for model, schema in HEAVY_MODELS.items():
        query = _compiled(workplace, settings, model)
        indexes = connection.execute(
            "select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass",
            [f"{schema}.{model}"],
        ).fetchall()
        connection.execute("drop schema if exists benchmark cascade")
        connection.execute("create schema benchmark")
        with _noted(workplace, costs, model):
            connection.execute(f"create table benchmark.{model} as {query}".encode())
            for (definition,) in indexes:
                moved = definition.replace(f" ON {schema}.", " ON benchmark.")
                connection.execute(moved.encode())
    connection.execute("drop schema benchmark cascade")


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
        ):
            connection.execute(f"create view {database}.{relation} as from '{paths[model]}'")
        connection.execute(
            f"create table {database}.staging.stg_nba__game_versions as "
            "select game_id, game_id as game_version, 'playbyplay' as playbyplay_resource, "
            f"'boxscore' as boxscore_resource from {database}.intermediate.int_games_described"
        )
        for model in DUCKDB_MODELS:
            query = _compiled(workplace, settings, model)
            with _noted(workplace, costs, model):
                connection.execute(f"create table {database}.intermediate.{model} as {query}")
        lines = connection.sql(f"from {database}.intermediate.int_clutch_player_games")
        _assert_frames_equal(
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
        _assert_frames_equal(
            f"Postgres and Polars: {relation}",
            _read_table(connection, relation),
            frames[relation.partition(".")[2]],
            key,
        )


def _read_table(connection: psycopg.Connection[Any], relation: str) -> pl.DataFrame:
    query = f"copy {relation} to stdout (format csv, header)".encode()
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        text = b"".join(rows)
    # "t" and "f" of Postgres are no truth values to Polars
    frame = pl.read_csv(text, infer_schema_length=0)
    return frame.with_columns(
        pl.col(name) == "t" for name in frame.columns if name.startswith(("is_", "has_"))
    )


def _assert_frames_equal(
    what: str, left: pl.DataFrame, right: pl.DataFrame, key: list[str]
) -> None:
    """Compare the columns that both have, apart from points in time, which only pass through."""
    names = [
        name
        for name in left.columns
        if name in right.columns and not right.schema[name].is_temporal()
    ]
    # a new right-hand dtype decides: text of a CSV file and decimals become what Polars derived
    converted = left.select(pl.col(name).cast(right.schema[name]) for name in names)
    try:
        assert_frame_equal(converted.sort(key), right.select(names).sort(key), abs_tol=1e-6)
    except AssertionError as difference:
        raise AssertionError(f"{what} disagree: {difference}") from difference
