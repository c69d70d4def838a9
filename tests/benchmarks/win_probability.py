"""Scoring four seasons: the SQL of ``win_probability`` beside the same formula in Polars.

Four seasons are loaded and built once. Then the model's SQL runs alone, as a full refresh runs it,
into a table with the indexes of the mart, and takes turns with Polars from the same tables: in
memory, and from Parquet to Parquet ("Polars stored"). Every column must be equal, probabilities to
1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import psycopg

from tests.benchmarks.measuring import Spread
from tests.benchmarks.models import Costs, compared, noted, run_alone
from tests.benchmarks.polars_win_probability import win_probability
from tests.benchmarks.workplace import Workplace
from tests.support.dbt_runs import WITHOUT_TESTS

SEASONS = ("2020-21", "2021-22", "2022-23", "2023-24")
REPETITIONS = 3
MODEL = "win_probability"
ENGINES = ("Postgres", "Polars", "Polars stored")

# what the SQL reads; decimals become floats, which it casts them to as well
INPUTS = {
    "states": """
        select
            game_id, order_number, action_number, action_timestamp, period,
            seconds_remaining::float8, seconds_left::float8, is_overtime, is_over, is_clutch,
            home_margin, ball_side, is_loose_after_shot, is_loose_after_free_throw,
            home_pending_free_throws
        from analytics.game_states
    """,
    "games": """
        select
            games.game_id,
            coalesce(games.game_date, date '1946-01-01') as game_date,
            coalesce(games.playoff_game, false) as is_playoff,
            coalesce(strengths.home_rating - strengths.away_rating, 0)::float8 as rating_difference,
            coalesce(strengths.home_edge_points, 2.3)::float8 as home_edge_points,
            coalesce(strengths.is_home_back_to_back, false) as is_home_back_to_back,
            coalesce(strengths.is_away_back_to_back, false) as is_away_back_to_back
        from intermediate.int_games_described as games
        left join intermediate.int_pregame_strengths as strengths
            on games.game_id = strengths.game_id
    """,
    "models": "select * from staging.win_probability_coefficients order by valid_from",
}


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``events``; ``model alone, ...`` with its seconds by engine, the ratios of Postgres to the
        others, and events per second.

    Raises:
        AssertionError: If SQL and Polars disagree.
    """
    settings = workplace.make_database(MODEL)
    for season in SEASONS:
        progress(f"loading {season}")
        workplace.ingest(settings, workplace.season_files(season))
    progress("building what the model stands on")
    workplace.dbt_build(settings, "--select", f"+{MODEL}", *WITHOUT_TESTS)
    engines: dict[str, Costs] = {name: {} for name in ENGINES}
    paths = {name: workplace.directory / f"{MODEL}_{name}.parquet" for name in (*INPUTS, "answer")}
    with workplace.administrator(settings) as connection:
        connection.execute("vacuum analyze")
        frames = {
            name: pl.read_database(query, connection, infer_schema_length=None)
            for name, query in INPUTS.items()
        }
        for name, frame in frames.items():
            frame.write_parquet(paths[name])
        for repetition in range(REPETITIONS):
            progress(f"repetition {repetition + 1} of {REPETITIONS}")
            workplace.settle(settings)
            run_alone(
                workplace,
                settings,
                connection,
                {MODEL: "analytics"},
                engines["Postgres"],
                without_nested_loops=[MODEL],
            )
            with noted(workplace, engines["Polars"], MODEL):
                answer = win_probability(**frames)
            with noted(workplace, engines["Polars stored"], MODEL):
                win_probability(
                    **{name: pl.read_parquet(paths[name]) for name in INPUTS}
                ).write_parquet(paths["answer"])
            if repetition == 0:
                progress("comparing the answers")
                _assert_equal(connection, answer)
    events = answer.height
    return {
        "events": events,
        "events per second, wall": {
            name: Spread.of([events / cost.wall_seconds for cost in costs[MODEL]])
            for name, costs in engines.items()
        },
        **compared(engines, "wall_seconds", "model alone, wall", {}),
        **compared(engines, "cpu_seconds", "model alone, CPU", {}),
    }


def _assert_equal(connection: psycopg.Connection[Any], answer: pl.DataFrame) -> None:
    in_sql = pl.read_database(
        "select * from analytics.win_probability", connection, infer_schema_length=None
    ).sort("game_id", "order_number")
    in_polars = answer.sort("game_id", "order_number")
    assert in_sql.columns == in_polars.columns
    for name in in_sql.columns:
        left, right = in_sql[name], in_polars[name]
        if right.dtype == pl.Float64:
            gap = np.abs(left.cast(pl.Float64).to_numpy() - right.to_numpy())
            assert np.nanmax(gap) < 1e-12, f"{name}: SQL and Polars differ by {np.nanmax(gap)}"
            assert left.is_null().sum() == right.is_null().sum(), name
        else:
            assert left.cast(right.dtype).equals(right, null_equal=True), name
