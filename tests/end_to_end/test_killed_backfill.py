"""kill -9 at random moments of a season's backfill, each followed by a plain rerun.

A season of 24 games in chunks of 6, so that kills fall before, within, between and after loads;
every round has a fresh database. Raw tables are compared with those of an undisturbed run in every
round; the marts in every round that was killed after something was loaded, and in every fifth of
the others, whose rerun begins with nothing as the undisturbed one did. CLUTCH_TEST_KILLS says how
often it is killed (a release is tried with 25); with CLUTCH_TEST_EVERY_ROUND set the marts are
built and compared in all rounds.
"""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingestion import nba
from ingestion.database import embedded
from ingestion.database.migrate import migrate
from ingestion.nba import run
from ingestion.settings import Settings
from tests.replay import ReplaySeason, ReplayServer
from tests.support.dbt_runs import (
    OF_THE_BOARD,
    OF_THE_BODY,
    OF_THE_MODEL,
    PROJECT_ROOT,
    WITHOUT_TESTS,
    build,
)
from tests.support.tables import table_hashes

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

SEASON = "2022-23"
GAMES = 24
GAMES_PER_CHUNK = 6
KILLS = int(os.environ.get("CLUTCH_TEST_KILLS", "4"))
SEED = 20221018
EVERY_ROUND = bool(os.environ.get("CLUTCH_TEST_EVERY_ROUND"))

# the command line, with smaller chunks; the import of clutch is part of what is killed
PROGRAM = f"""
import sys
from ingestion.nba import run
run.GAMES_PER_CHUNK = {GAMES_PER_CHUNK}
from clutch import main
sys.argv = ["clutch", "ingest", "nba", "--season", "{SEASON}", "--json"]
main()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    games = ReplaySeason(SEASON).game_ids[:GAMES]
    with ReplayServer([SEASON], games=games, use_gzip=True, keep=True) as running:
        running.build_all()
        yield running


class Rounds:
    """A database that is made anew, migrated and empty, for every round.

    It keeps its name, because dbt's parsed project holds it.
    """

    def __init__(self, settings: Settings, server: ReplayServer, folder: Path) -> None:
        self._settings = settings
        self._server = server
        self._folder = folder
        self._target = folder / "target"
        self._number = 0
        self._administrate("create database killed_empty")
        migrate(self._named("killed_empty"))

    def close(self) -> None:
        for name in ("killed", "killed_empty"):
            self._administrate(f"drop database if exists {name} with (force)")

    def begin(self) -> Settings:
        """Settings of an empty database."""
        self._number += 1
        self._administrate("drop database if exists killed with (force)")
        self._administrate("create database killed template killed_empty")
        return dataclasses.replace(
            self._server.settings(self._named("killed")),
            state_directory=self._folder / f"state_{self._number}",
        )

    def start_backfill(self, settings: Settings) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                **self._server.environment(),
                "DATABASE_URL": settings.database_url or "",
                "CLUTCH_STATE_DIR": str(settings.state_directory),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def finish(self, settings: Settings, *, with_marts: bool) -> dict[str, tuple[int, str]]:
        """A plain run to the end, then the marts; the content of all tables that there are."""
        report = nba.ingest(settings, seasons=[SEASON], show_progress=False)
        assert report.exit_code == 0, report.closing_line()
        if with_marts:
            build(settings, self._target, *WITHOUT_TESTS)
        return table_hashes(settings)

    def loaded_games(self, settings: Settings) -> int:
        with psycopg.connect(settings.database_url or "") as connection:
            found = connection.execute("select count(*) from raw_nba.playbyplay").fetchone()
        return int(found[0]) if found else 0

    def _named(self, database: str) -> Settings:
        url = embedded.url(self._settings, embedded.ADMIN, database)
        return dataclasses.replace(self._settings, database_url=url)

    def _administrate(self, statement: str) -> None:
        url = embedded.url(self._settings, embedded.ADMIN, "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def rounds(embedded_settings: Settings, server: ReplayServer, tmp_path: Path) -> Iterator[Rounds]:
    made = Rounds(embedded_settings, server, tmp_path)
    yield made
    made.close()


def test_kill_a_backfill(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GAMES_PER_CHUNK", GAMES_PER_CHUNK)
    settings = rounds.begin()
    started = time.monotonic()
    assert rounds.start_backfill(settings).wait() == 0
    duration = time.monotonic() - started
    undisturbed = rounds.finish(settings, with_marts=True)
    raw = {name: rows for name, rows in undisturbed.items() if name.startswith("raw_nba.")}
    assert undisturbed["raw_nba.playbyplay"][0] == GAMES
    empty = [name for name, (rows, _) in undisturbed.items() if rows == 0]
    empty_marts = {name.removeprefix("analytics.") for name in empty if "analytics." in name}
    assert empty_marts - OF_THE_BODY - OF_THE_MODEL - OF_THE_BOARD == {"restatements"}

    chance = random.Random(SEED)
    # one moment in each such part of the run, in any order: start-up and load get their share
    moments = [(number + chance.random()) / KILLS * duration for number in range(KILLS)]
    chance.shuffle(moments)
    loaded: list[int] = []
    killed: list[tuple[float, int]] = []
    while moments or (len(loaded) < 2 * KILLS and _missing(killed)):
        # a busy machine is not as fast twice: then moments are sought where some games are there
        moments = moments or [_between(killed)]
        settings = rounds.begin()
        process = rounds.start_backfill(settings)
        try:
            process.wait(moments[-1])
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:  # this time it was faster: nothing was killed
            assert process.returncode == 0
            moments[-1] *= 0.9
            continue
        loaded.append(rounds.loaded_games(settings))
        killed.append((moments[-1], loaded[-1]))
        with_marts = loaded[-1] > 0 or len(loaded) % 5 == 0 or EVERY_ROUND
        found = rounds.finish(settings, with_marts=with_marts)
        assert found == (undisturbed if with_marts else raw), f"killed after {moments[-1]:.2f} s"
        moments.pop()
    print(
        f"\nundisturbed: {duration:.1f} s; games loaded when it was killed: {sorted(loaded)} "
        f"of {GAMES}"
    )
    assert len(loaded) >= KILLS
    assert 0 in loaded
    assert any(0 < games < GAMES for games in loaded)


def _missing(killed: list[tuple[float, int]]) -> bool:
    """Whether no kill so far fell before the first load, or none between two loads."""
    games = {games for _, games in killed}
    return 0 not in games or not games - {0, GAMES}


def _between(killed: list[tuple[float, int]]) -> float:
    """Between the last kill that found nothing and the first that found something, or all."""
    early = max((moment for moment, games in killed if games == 0), default=0.0)
    late = min((moment for moment, games in killed if games > 0), default=2 * early)
    return (early + late) / 2
