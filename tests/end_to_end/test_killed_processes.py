"""kill -9 anywhere: the next run ends in the same tables as an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestion import nba
from ingestion.database import embedded
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS, build
from tests.support.states import temporary_state
from tests.support.tables import table_hashes


def start_dbt(settings: Settings, target: Path) -> subprocess.Popen[str]:
    """A bare ``dbt build`` at the root of the project, as cron would run it."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "build"],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url or "",
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return
    pytest.fail(f"{words!r} never came:\n{''.join(seen)}")


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    "model",
    # after everything that is incremental by game has begun
    ["analytics.clutch_player_a"],
)
def test_kill_dbt_while_it_builds(
    model: str,
    undisturbed: Settings,
    database: Settings,
    season_directory: Path,
    tmp_path: Path,
) -> None:
    nba.ingest(database, directory=season_directory, show_progress=False)
    process = start_dbt(database, tmp_path)
    wait_for(process, f"START sql incremental model {model}")
    kill(process)
    build(database, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(database) == table_hashes(undisturbed)


def test_kill_ingest_while_it_loads(
    undisturbed: Settings, database: Settings, season_directory: Path, tmp_path: Path
) -> None:
    interrupted = 0
    for patience in (1.5, 2.5, 3.5):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "clutch", "ingest", "nba"),
                *("--from", str(season_directory), "--json"),
            ],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database.database_url or "",
                "CLUTCH_STATE_DIR": str(tmp_path / "state"),
            },
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill(process)
            interrupted += 1
    assert interrupted > 0
    nba.ingest(database, directory=season_directory, show_progress=False)
    build(database, tmp_path / "target", *WITHOUT_TESTS)
    assert table_hashes(database) == table_hashes(undisturbed)


@pytest.fixture
def own_server() -> Iterator[Settings]:
    """A server that a test may kill."""
    with temporary_state() as settings:
        yield settings


def test_kill_the_server_while_dbt_builds(
    own_server: Settings,
    undisturbed: Settings,
    season_directory: Path,
    tmp_path: Path,
    postmaster_of: Callable[[Settings], int],
) -> None:
    nba.ingest(own_server, directory=season_directory, show_progress=False)
    process = start_dbt(own_server, tmp_path)
    wait_for(process, "START sql incremental model intermediate.int_actions_sequenced")
    os.kill(postmaster_of(own_server), signal.SIGKILL)
    assert process.stdout is not None
    process.stdout.read()
    assert process.wait() != 0

    embedded.start(own_server)
    build(own_server, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(own_server) == table_hashes(undisturbed)


def test_kill_the_server_right_after_an_ingest(
    own_server: Settings,
    undisturbed: Settings,
    season_directory: Path,
    tmp_path: Path,
    postmaster_of: Callable[[Settings], int],
) -> None:
    report = nba.ingest(own_server, directory=season_directory, show_progress=False)
    os.kill(postmaster_of(own_server), signal.SIGKILL)
    embedded.start(own_server)
    again = nba.ingest(own_server, directory=season_directory, show_progress=False)
    assert (report.versions_added, again.versions_added) == (again.unchanged, 0)
    build(own_server, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(own_server) == table_hashes(undisturbed)


@pytest.fixture
def postmaster_of() -> Callable[[Settings], int]:
    def pid(settings: Settings) -> int:
        lines = (settings.state_directory / "postgres/data/postmaster.pid").read_text()
        return int(lines.splitlines()[0])

    return pid
