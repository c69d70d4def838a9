"""``clutch live``: one warm process that loads games and brings the marts after."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from clutch import WarmDbt
from ingestion import nba
from ingestion.sandbox.nba import League, NbaSandbox
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS, build
from tests.support.tables import table_hashes

GAMES = 40
NEW = 3


def clutch_marts(settings: Settings) -> dict[str, tuple[int, str]]:
    kept = ("analytics.clutch_", "analytics.games", "analytics.players", "analytics.teams")
    return {name: rows for name, rows in table_hashes(settings).items() if name.startswith(kept)}


def test_warm_runs_equal_a_full_refresh(league: League, database: Settings, tmp_path: Path) -> None:
    games = league.game_ids[:GAMES]
    with NbaSandbox(league) as sandbox:
        settings = replace(database, nba_cdn_base_url=sandbox.base_url)
        nba.ingest(settings, game_ids=games[:-NEW], show_progress=False)
        warm = WarmDbt(settings, tmp_path / "warm")
        seen = []
        for number in range(NEW + 1):
            warm.run_leaderboard()
            leaderboard = table_hashes(settings)["analytics.clutch_performance_scores"]
            warm.run_other_marts()
            seen.append(clutch_marts(settings))
            # the first step has the leaderboard ready
            assert seen[-1]["analytics.clutch_performance_scores"] == leaderboard
            if number < NEW:
                nba.ingest(settings, game_ids=[games[number - NEW]], show_progress=False)
    for before, after in itertools.pairwise(seen):
        assert after["analytics.games"][0] == before["analytics.games"][0] + 1
    assert seen[0]["analytics.clutch_player_totals"] != seen[-1]["analytics.clutch_player_totals"]
    build(settings, tmp_path / "full", "--full-refresh", *WITHOUT_TESTS)
    assert clutch_marts(settings) == seen[-1]


def test_the_command_loads_builds_and_says_so(league: League, database: Settings) -> None:
    began = min(fixture.tip_off for fixture in league.fixtures)
    with NbaSandbox(league) as sandbox:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "clutch", "live", "--rounds", "2", "--every", "0.1"),
                *("--days", str((datetime.now(UTC) - began).days + 2)),
            ],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database.database_url or "",
                "CLUTCH_STATE_DIR": str(database.state_directory),
                "NBA_CDN_BASE_URL": sandbox.base_url,
                "NBA_CDN_REQUESTS_PER_SECOND": "1000",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.strip().splitlines()[-2:]
    assert re.search(r"leaderboard in [0-9.]+ s, all clutch marts in [0-9.]+ s$", first)
    assert "leaderboard" not in second  # nothing new: nothing built
    assert clutch_marts(database)["analytics.games"][0] == len(league.game_ids)
