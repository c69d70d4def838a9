"""What it costs to ask the consent ledger at the moment of reading.

A real season, 450 simulated athletes, everything built. Each query runs as the medical staff (row
security, permissions of every athlete, a line in the log) and as the role that owns the tables
(none of these), by turns, so that a slow minute slows both. Both must give the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from ingestion.database import roles
from ingestion.database.connection import connect
from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.wearables import SEASON, load
from tests.benchmarks.workplace import Workplace

REPETITIONS = 40
QUERIES = {
    "leaderboard": "select * from analytics.clutch_leaderboard where total_clutch_games >= 10"
    " order by avg_clutch_score desc limit 50",
    "leaderboard, all": "select * from analytics.clutch_leaderboard order by player_id, season",
    "scores of a player": "select * from analytics.clutch_performance_scores where player_id = ("
    "select min(player_id) from analytics.games inner join analytics.clutch_descriptive_scores"
    " using (game_id)) order by game_id, situation_id",
    "readiness of a player": "select * from analytics.pregame_baselines where player_id = ("
    "select max(player_id) from analytics.clutch_descriptive_scores) order by game_id",
    "summaries": "select * from analytics.player_wearables_summary order by player_id",
}


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        Per query milliseconds as the medical staff and as the owner, and their ratio.

    Raises:
        AssertionError: If the two see different rows.
    """
    settings = workplace.make_database("readers")
    load(workplace, settings, progress)
    progress(f"building {SEASON} with the athletes")
    workplace.dbt_build(settings, "--exclude-resource-type", "test", "unit_test")
    workplace.settle(settings)
    figures: dict[str, Any] = {}
    with (
        connect(settings, roles.MEDICAL, purpose="readiness", autocommit=True) as enforced,
        connect(settings, roles.TRANSFORM, autocommit=True) as bare,
    ):
        for name, query in QUERIES.items():
            progress(f"{name}: {REPETITIONS} times each")
            assert _rows(enforced, query)[1] == _rows(bare, query)[1], name
            seconds: dict[str, list[float]] = {"enforced": [], "bare": []}
            for _ in range(REPETITIONS):
                seconds["enforced"].append(_rows(enforced, query)[0])
                seconds["bare"].append(_rows(bare, query)[0])
            figures[name] = {
                "medical staff, ms": Spread.of([1000 * each for each in seconds["enforced"]]),
                "owner, ms": Spread.of([1000 * each for each in seconds["bare"]]),
                "ratio": ratio(seconds["enforced"], seconds["bare"]),
            }
    return figures


def _rows(connection: psycopg.Connection[Any], query: str) -> tuple[float, list[Any]]:
    began = time.perf_counter()
    rows = connection.execute(query.encode()).fetchall()
    return time.perf_counter() - began, rows
