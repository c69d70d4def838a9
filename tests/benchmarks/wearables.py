"""A year of 450 athletes beside one real season, and its baselines beside Polars.

The athletes are simulated and carry the ids of the 450 real players with the most games, so that
nights meet real tip-offs. ``dbt build`` of everything that stands on WHOOP's records runs as a
process of its own, without tests, on a database where all the rest is built. Then the SQL of the
models behind a baseline runs alone beside the same derivation in Polars (``polars_wearables``);
they take turns within a repetition. Polars starts from the typed tables in memory and stays there;
"Polars stored" starts from Parquet and writes Parquet. Nights, counts, means and deviations must be
equal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import psycopg

from ingestion.sandbox.nba import LeagueSettings
from ingestion.sandbox.whoop import WhoopSandboxSettings
from ingestion.sandbox.whoop.timeline import Timeline
from ingestion.settings import Settings
from tests.benchmarks import polars_wearables
from tests.benchmarks.measuring import Cost, Spread
from tests.benchmarks.models import (
    Costs,
    assert_frames_equal,
    compared,
    noted,
    run_alone,
)
from tests.benchmarks.workplace import Workplace
from tests.support.dbt_runs import WITHOUT_TESTS
from tests.support.whoop_records import load_records

SEASON = "2023-24"
ATHLETES = 450
DAYS = 365
REPETITIONS = 3

WEARABLE_MODELS = (
    "path:dbt_project/models/staging/whoop",
    "path:dbt_project/models/intermediate/wearables",
    "path:dbt_project/models/marts/wearables",
    "clutch_performance_scores",
    "clutch_leaderboard",
)
RESOURCES = ("cycle", "recovery", "sleep", "workout")

# what Polars starts from: columns that no function of it reads are left out
INPUTS = {
    "sleeps": """
        select
            device_id, sleep_id, cycle_id, sleep_end_at, is_nap, score_state, known_from,
            known_until, is_newest, light_sleep_minutes, slow_wave_sleep_minutes, rem_sleep_minutes
        from staging.stg_whoop__sleeps
    """,
    "recoveries": """
        select
            device_id, cycle_id, sleep_id, score_state, known_from, known_until, is_newest,
            is_calibrating, resting_heart_rate_bpm, hrv_rmssd_ms, spo2_pct, skin_temperature_celsius
        from staging.stg_whoop__recoveries
    """,
    "cycles": """
        select device_id, cycle_id, cycle_end_at, known_from, known_until
        from staging.stg_whoop__cycles
    """,
    "games": "select player_id, game_id, tipoff_at from intermediate.int_athlete_games",
    "devices": """
        select device_id, player_id, connected_at
        from staging.stg_operations__wearable_devices
    """,
}

# what each Polars function is given
STEPS: dict[str, tuple[Callable[..., pl.DataFrame], tuple[str, ...]]] = {
    "int_sleeps_current": (polars_wearables.int_sleeps_current, ("sleeps",)),
    "int_recoveries_current": (
        polars_wearables.int_recoveries_current,
        ("recoveries", "int_sleeps_current"),
    ),
    "int_valid_nights": (polars_wearables.int_valid_nights, ("sleeps", "recoveries")),
    "int_pregame_nights": (
        polars_wearables.int_pregame_nights,
        ("games", "devices", "sleeps", "recoveries", "cycles"),
    ),
    "int_night_baselines": (
        polars_wearables.int_night_baselines,
        (
            "int_sleeps_current",
            "int_recoveries_current",
            "int_pregame_nights",
            "int_valid_nights",
        ),
    ),
}
# the others only list the nights of which there are baselines
BASELINE_MODELS = ["int_valid_nights", "int_pregame_nights", "int_night_baselines"]
# what is compared, and the columns that tell its rows apart
ANSWERS = {
    "int_valid_nights": (
        """
        select
            device_id, sleep_id, strap_generation, is_newest,
            ln_hrv_billionths / 1e9 as ln_hrv,
            resting_heart_rate_ten_thousandths / 1e4 as resting_heart_rate_bpm,
            asleep_millionths / 1e6 as asleep_minutes
        from intermediate.int_valid_nights
        """,
        ["device_id", "sleep_id", "is_newest", "ln_hrv", "asleep_minutes"],
    ),
    "int_pregame_nights": (
        "select * from intermediate.int_pregame_nights",
        ["player_id", "game_id"],
    ),
    "int_night_baselines": (
        "select * from intermediate.int_night_baselines",
        ["device_id", "sleep_id", "player_id", "game_id"],
    ),
}

ENGINES = ("Postgres", "Polars", "Polars stored")


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        Numbers of records; ``build`` with a Spread per part of ``dbt build``; ``models in the
        build`` with the seconds of each; ``models alone, ...`` with those of each model of a
        baseline by engine, and the ratios of Postgres to the others.

    Raises:
        AssertionError: If SQL and Polars disagree.
    """
    settings = workplace.make_database("wearables")
    load(workplace, settings, progress)
    builds: list[Cost] = []
    nodes: dict[str, list[float]] = {}
    engines: dict[str, Costs] = {name: {} for name in ENGINES}
    with workplace.administrator(settings) as connection:
        for repetition in range(REPETITIONS):
            progress(f"repetition {repetition + 1} of {REPETITIONS}: dbt build")
            workplace.settle(settings)
            cost, ran = workplace.dbt_build(
                settings, "--full-refresh", "--select", *WEARABLE_MODELS, *WITHOUT_TESTS
            )
            builds.append(cost)
            for node in ran:
                if node.kind == "model":
                    nodes.setdefault(node.name, []).append(node.seconds)
            progress(f"repetition {repetition + 1} of {REPETITIONS}: model by model")
            frames = {
                name: pl.read_database(query, connection, infer_schema_length=None)
                for name, query in INPUTS.items()
            }
            workplace.settle(settings)
            schemas = dict.fromkeys(STEPS, "intermediate")
            run_alone(
                workplace,
                settings,
                connection,
                schemas,
                engines["Postgres"],
                without_nested_loops=["int_valid_nights"],
            )
            derived = _in_polars(workplace, engines["Polars"], frames)
            _in_polars_stored(workplace, engines["Polars stored"], frames | derived)
            if repetition == 0:
                progress("comparing the answers")
                _assert_equal(connection, derived)
        figures = _counts(connection)
    slowest = sorted(nodes, key=lambda name: -Spread.of(nodes[name]).median)
    sums = {"all of these": list(STEPS), "the last three": BASELINE_MODELS}
    return {
        **figures,
        "build": {
            "wall": Spread.of([cost.wall_seconds for cost in builds]),
            "CPU": Spread.of([cost.cpu_seconds for cost in builds]),
            "server's CPU": Spread.of([cost.server_cpu_seconds for cost in builds]),
            "sum of models": Spread.of([sum(each) for each in zip(*nodes.values(), strict=True)]),
        },
        "models in the build": {name: Spread.of(nodes[name]) for name in slowest},
        **compared(engines, "wall_seconds", "models alone, wall", sums),
        **compared(engines, "cpu_seconds", "models alone, CPU", sums),
    }


def load(workplace: Workplace, settings: Settings, progress: Callable[[str], None]) -> None:
    """Load and build the season, then load the athletes' records."""
    progress(f"loading {SEASON}, and building it")
    workplace.ingest(settings, workplace.season_files(SEASON))
    workplace.dbt_build(settings, *WITHOUT_TESTS)
    with workplace.administrator(settings) as connection:
        players = connection.execute(
            """
            select player_id
            from staging.stg_nba__box_score_players
            where has_played
            group by player_id
            order by count(*) desc, player_id
            limit %s
            """,
            [ATHLETES],
        ).fetchall()
        last = connection.execute(
            "select max(tipoff_at) from intermediate.int_games_described"
        ).fetchone()
        assert last is not None
        progress(f"simulating {ATHLETES} athletes")
        until = last[0] + timedelta(days=1)
        sandbox = WhoopSandboxSettings(
            roster_size=ATHLETES,
            history_days=DAYS,
            now=until,
            league=LeagueSettings(team_count=30),
        )
        members = sorted(Timeline(sandbox).athletes)
        player_ids = {
            member: player_id for member, (player_id,) in zip(members, players, strict=True)
        }
        load_records(settings, sandbox, until=until, player_ids=player_ids)
        # as the server's own autovacuum does within a minute of such a load
        connection.execute("vacuum analyze")


def _in_polars(
    workplace: Workplace, costs: Costs, inputs: dict[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Derive everything in memory; the frames by model."""
    frames: dict[str, pl.DataFrame] = {}
    for model, (function, names) in STEPS.items():
        arguments = [frames[name] if name in frames else inputs[name] for name in names]
        with noted(workplace, costs, model):
            frames[model] = function(*arguments)
    return frames


def _in_polars_stored(workplace: Workplace, costs: Costs, frames: dict[str, pl.DataFrame]) -> None:
    """As before, but reading Parquet and writing the result, as a model does with tables."""
    directory = workplace.directory / "parquet"
    directory.mkdir(exist_ok=True)
    paths = {name: directory / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        frame.write_parquet(paths[name])
    for model, (function, names) in STEPS.items():
        with noted(workplace, costs, model):
            function(*(pl.read_parquet(paths[name]) for name in names)).write_parquet(paths[model])


def _assert_equal(connection: psycopg.Connection[Any], frames: dict[str, pl.DataFrame]) -> None:
    """Hold what dbt built against Polars: each valid night, night of a game and baseline."""
    for model, (query, key) in ANSWERS.items():
        answer = pl.read_database(query, connection, infer_schema_length=None)
        assert_frames_equal(f"Postgres and Polars: {model}", answer, frames[model], key)


def _counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    counted = {
        **{f"versions of a {name}": f"raw_whoop.{name}" for name in RESOURCES},
        "athletes' games": "intermediate.int_athlete_games",
        "nights before games": "intermediate.int_pregame_nights",
        "baselines": "intermediate.int_night_baselines",
    }
    counts = {}
    for name, table in counted.items():
        found = connection.execute(f"select count(*) from {table}".encode()).fetchone()
        assert found is not None
        counts[name] = found[0]
    return counts
