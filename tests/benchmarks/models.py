"""Models of dbt one by one: their SQL alone, what it cost beside other engines, their tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl
import psycopg
from polars.testing import assert_frame_equal

from ingestion.settings import Settings
from tests.benchmarks.measuring import Cost, Spread, ratio
from tests.benchmarks.workplace import Workplace

Costs = dict[str, list[Cost]]
"""What each model cost, repetition by repetition."""


@contextmanager
def noted(workplace: Workplace, costs: Costs, model: str) -> Iterator[None]:
    """Measure what happens inside, and keep it with what the model cost before."""
    with workplace.measured() as cost:
        yield
    costs.setdefault(model, []).append(cost)


def compared(
    engines: dict[str, Costs], part: str, title: str, sums: dict[str, list[str]]
) -> dict[str, dict[str, dict[str, Spread]]]:
    """Seconds (``wall_seconds`` or ``cpu_seconds``) of models by engine, then the ratios.

    The last rows are sums of models, by their name.
    """
    groups = {model: [model] for model in engines["Postgres"]} | sums
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


def compiled(workplace: Workplace, settings: Settings, model: str) -> str:
    """The SQL of a model as dbt compiled it in the last build."""
    compiled = workplace.target(settings) / "compiled" / "clutch" / "dbt_project" / "models"
    # what unit tests are fed stands below folders that end in .yml
    (path,) = (
        path
        for path in compiled.rglob(f"{model}.sql")
        if not any(parent.suffix == ".yml" for parent in path.parents)
    )
    return path.read_text()


def run_alone(
    workplace: Workplace,
    settings: Settings,
    connection: psycopg.Connection[Any],
    models: Mapping[str, str],
    costs: Costs,
    *,
    without_nested_loops: Collection[str] = (),
) -> None:
    """Run each model's SQL alone, into a table with the indexes that the model has.

    Args:
        models: Schemas by model.
        without_nested_loops: Those whose pre-hook switches them off.
    """
    for model, schema in models.items():
        query = compiled(workplace, settings, model)
        indexes = connection.execute(
            "select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass",
            [f"{schema}.{model}"],
        ).fetchall()
        connection.execute("drop schema if exists benchmark cascade")
        connection.execute("create schema benchmark")
        loops = "off" if model in without_nested_loops else "on"
        connection.execute(f"set enable_nestloop = {loops}".encode())
        with noted(workplace, costs, model):
            connection.execute(f"create table benchmark.{model} as {query}".encode())
            for (definition,) in indexes:
                moved = definition.replace(f" ON {schema}.", " ON benchmark.")
                connection.execute(moved.encode())
    connection.execute("drop schema benchmark cascade")
    connection.execute("reset enable_nestloop")


def read_table(connection: psycopg.Connection[Any], relation: str) -> pl.DataFrame:
    """All rows of a table or view; numbers and moments as text."""
    query = f"copy {relation} to stdout (format csv, header)".encode()
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        text = b"".join(rows)
    # "t" and "f" of Postgres are no truth values to Polars
    frame = pl.read_csv(text, infer_schema_length=0)
    return frame.with_columns(
        pl.col(name) == "t" for name in frame.columns if name.startswith(("is_", "has_"))
    )


def assert_frames_equal(what: str, left: pl.DataFrame, right: pl.DataFrame, key: list[str]) -> None:
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
