"""Commands as a person types them: results, exit codes, one clear line where something is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import nba
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.sandbox.nba import League, NbaSandbox
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, build
from tests.support.states import temporary_state


def run(
    *arguments: str | Path, settings: Settings | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    if settings is not None:
        environment.setdefault("DATABASE_URL", settings.database_url or "")
        environment.setdefault("CLUTCH_STATE_DIR", str(settings.state_directory))
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def clutch(
    *arguments: str | Path, settings: Settings | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "clutch", *arguments, settings=settings, **environment)


def assert_one_line(done: subprocess.CompletedProcess[str], exit_code: int, *words: str) -> None:
    assert done.returncode == exit_code, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in (*words, "Fix:"):
        assert word in lines[0]


@pytest.fixture(scope="module")
def own_state() -> Iterator[Settings]:
    with temporary_state() as settings:
        yield settings


def test_demo_ends_with_a_leaderboard_and_may_be_repeated(own_state: Settings) -> None:
    for versions_added in ("325 versions added", "0 versions added"):
        # two more were played on the day of the 160th; the schedule is a payload too
        done = clutch("demo", "--games", "160", settings=own_state)
        assert done.returncode == 0, done.stderr
        assert versions_added in done.stderr
        assert "Clutch leaderboard" in done.stderr
        before, leaderboard, said, readiness = re.split(
            "Clutch leaderboard, players|Most shots in clutch time|Athletes before their last game",
            done.stderr,
        )
        assert "15 athletes" in before
        assert sum(line.startswith("│") for line in leaderboard.splitlines()) == 10
        # fitted the first time, found to be in force the second
        assert ("published: clutch_skill-" in before) == (versions_added != "0 versions added")
        assert len(re.findall(r"[+-]0\.\d{3} \([+-]0\.\d{3} to [+-]0\.\d{3}\)", said)) == 5
        assert "last night's HRV: shots in clutch time: " in said
        # each of the first team, the last column says why the quality is not 1
        rows = [line for line in readiness.splitlines() if line.startswith("│")]
        assert len(rows) == 15
        assert sum(bool(re.search(r"[+-]\d\.\d", row)) for row in rows) > 10
        # what comes up, on whatever day this runs: of the first team's game nights are known
        upcoming = re.findall(
            r"UTC \w{3} at \w{3}: (\d+) players, (\d+) with last night", readiness
        )
        assert len(upcoming) > 3
        assert sum(int(nights) > 7 for _, nights in upcoming) == 1


def test_as_a_script_it_continues_in_its_environment(own_state: Settings) -> None:
    """Any Python may start it; where the environment is up to date that costs nothing."""
    base = getattr(sys, "_base_executable", sys.executable)
    done = run(base, PROJECT_ROOT / "clutch.py", "--help", settings=own_state)
    assert done.returncode == 0, done.stderr
    assert "Setting up" not in done.stderr
    assert "demo" in done.stdout


def test_bare_dbt_build_finds_the_embedded_server(own_state: Settings, tmp_path: Path) -> None:
    assert clutch("db", "start", settings=own_state).returncode == 0
    dbt = Path(sys.executable).with_name("dbt")
    # twice, the second time with the project as parsed before; a bare build of all of it is
    # run at another server
    only = ("--select", "+path:dbt_project/models/staging", "--exclude-resource-type", "unit_test")
    for _ in range(2):
        done = run(
            *(dbt, "build", *only, "--target-path", tmp_path, "--log-path", tmp_path),
            settings=own_state,
        )
        assert done.returncode == 0, done.stdout
        assert "ERROR=0" in done.stdout


def test_db_start_url_stop(own_state: Settings) -> None:
    assert clutch("db", "start", settings=own_state).stdout == "running\n"
    address = clutch("db", "url", "--role", "clutch_bi", settings=own_state).stdout.strip()
    assert address.startswith("postgresql://clutch_bi:")
    assert clutch("db", "stop", settings=own_state).stdout == "stopped\n"
    assert clutch("db", "stop", settings=own_state).stdout == "was not running\n"


def test_ingest_from_a_host_then_status(database: Settings, league: League) -> None:
    with NbaSandbox(league) as sandbox:
        host = {"NBA_CDN_BASE_URL": sandbox.base_url}
        games = league.game_ids[:3]
        done = clutch("ingest", "nba", "--games", *games, "--json", settings=database, **host)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["versions_added"] == 6
    status = clutch("status", "--json", settings=database)
    found = json.loads(status.stdout)
    assert [row[0] for row in found["runs"]] == [f"ingest nba --games {' '.join(games)}"]
    assert clutch("status", settings=database).returncode == 0


def test_status_tells_of_missing_games_and_of_quarantine(
    database: Settings, league: League, tmp_path: Path
) -> None:
    before = json.loads(clutch("status", "--json", settings=database).stdout)
    assert before["games"] is None
    late = league.game_ids[-1]
    with NbaSandbox(league) as sandbox:
        host = {"NBA_CDN_BASE_URL": sandbox.base_url, "NBA_STATS_BASE_URL": sandbox.base_url}
        nba.ingest(
            replace(database, nba_cdn_base_url=sandbox.base_url),
            seasons=[league.settings.season],
            show_progress=False,
        )
        absent = clutch("ingest", "nba", "--games", "0022999999", settings=database, **host)
    assert absent.returncode == 3
    with connect(database, INGEST) as connection:
        connection.execute("delete from raw_nba.playbyplay where game_id = %s", [late])
        connection.execute("delete from raw_nba.boxscore where game_id = %s", [late])
    build(database, tmp_path, "--exclude-resource-types", "test", "unit_test")
    found = json.loads(clutch("status", "--json", settings=database).stdout)
    count = len(league.game_ids)
    assert found["games"] == [[league.settings.season, count, count - 1, 1, 0, 0, 0, 0]]
    assert [entry[:5] for entry in found["quarantine"]] == [
        ["nba", "boxscore", "not_found", 1, 1],
        ["nba", "playbyplay", "not_found", 1, 1],
    ]
    shown = clutch("status", settings=database).stdout
    assert "Games, as of the last dbt build" in shown


def test_a_bad_file_is_quarantined_and_the_rest_goes_on(
    database: Settings, season_directory: Path, league: League, tmp_path: Path
) -> None:
    good, bad = league.game_ids[:2]
    for game_id in (good, bad):
        for name in (f"playbyplay_{game_id}.json", f"boxscore_{game_id}.json"):
            body = (season_directory / name).read_bytes()
            (tmp_path / name).write_bytes(body[: len(body) // 2] if bad in name else body)
    done = clutch("ingest", "nba", "--from", tmp_path, settings=database)
    assert done.returncode == 3, done.stderr
    assert "2 quarantined" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "quarantined: playbyplay" in done.stderr


def test_a_database_address_of_another_kind() -> None:
    done = clutch("db", "migrate", DATABASE_URL="mysql://root@localhost/clutch")
    assert_one_line(done, 1, "DATABASE_URL", "postgresql://")


def test_an_unreachable_database() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        address = f"postgresql://someone:secret@127.0.0.1:{taken.getsockname()[1]}/clutch"
        done = clutch("ingest", "nba", "--games", "0022300061", DATABASE_URL=address)
    assert_one_line(done, 1, "DATABASE_URL")
    assert "secret" not in done.stderr


def test_an_unreachable_league(database: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = clutch(
            *("ingest", "nba", "--games", "0022300061", "--json"),
            settings=database,
            NBA_CDN_BASE_URL=host,
        )
    assert_one_line(done, 1, "NBA_CDN_BASE_URL")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--season", "2023"], ["--season", "2023-24"]),
        (["--games", "22300061"], ["22300061"]),
        (["--from", "no/such/folder"], ["--from"]),
        ([], ["--season"]),
        (["--season", "2023-24", "--games", "0022300061"], ["--games"]),
    ],
)
def test_wrong_usage(database: Settings, arguments: list[str], words: list[str]) -> None:
    assert_one_line(clutch("ingest", "nba", *arguments, settings=database), 2, *words)


def test_a_season_that_the_host_does_not_have(database: Settings, league: League) -> None:
    with NbaSandbox(league) as sandbox:
        done = clutch(
            *("ingest", "nba", "--season", "1999-00", "--json"),
            settings=database,
            NBA_CDN_BASE_URL=sandbox.base_url,
        )
    assert done.returncode != 0
    assert "--season" in done.stderr
    assert league.settings.season in done.stderr
    assert "Traceback" not in done.stderr
