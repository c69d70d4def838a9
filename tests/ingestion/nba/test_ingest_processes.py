"""Several ingests at once, and ingests that are killed, as processes of their own."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.database.migrate import migrate
from ingestion.nba import ingest, raw_tables
from ingestion.settings import PROJECT_ROOT, Settings
from tests.ingestion.nba.conftest import Query
from tests.ingestion.nba.wire import box_score, play_by_play, write

CONTENT = """
    select 'playbyplay', game_id, content_hash, payload::text, source, origin
    from raw_nba.playbyplay
    union all
    select 'boxscore', game_id, content_hash, payload::text, source, origin from raw_nba.boxscore
    order by 1, 2, 3
"""
PROGRAM = """
import sys
from pathlib import Path
from ingestion.nba import ingest, run
from ingestion.settings import Settings
run.GAMES_PER_CHUNK = 10
print(ingest(Settings.load(), directory=Path(sys.argv[1]), show_progress=False).versions_added)
"""


def _start(settings: Settings, folder: Path) -> subprocess.Popen[str]:
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "CLUTCH_STATE_DIR": str(settings.state_directory),
        "PYTHONPATH": str(PROJECT_ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def many_games(folder: Path) -> Path:
    """60 games with a few hundred kB of payload each, so that a kill falls into real work."""
    for number in range(60):
        game_id = f"002239{number:04}"
        payload = play_by_play(game_id)
        payload["game"]["actions"] = [
            {**action, "actionNumber": place, "orderNumber": place}
            for place, action in enumerate(payload["game"]["actions"] * 300)
        ]
        write(folder, f"playbyplay_{game_id}.json", payload)
        write(folder, f"boxscore_{game_id}.json", box_score(game_id))
    return folder


def _content(settings: Settings) -> list[tuple[object, ...]]:
    with connect(settings, roles.INGEST) as connection:
        return connection.execute(CONTENT).fetchall()


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_ends_in_the_same_content(
    settings: Settings, many_games: Path, make_database: Callable[[], Settings], tmp_path: Path
) -> None:
    undisturbed = make_database()
    migrate(undisturbed)
    started = time.monotonic()
    whole = _start(undisturbed, many_games)
    output, errors = whole.communicate()
    run_seconds = time.monotonic() - started
    assert output == "120\n", errors
    expected = _content(undisturbed)
    assert len(expected) == 120

    moments = random.Random(7)
    kills = 0
    for _ in range(8):
        process = _start(settings, many_games)
        # start-up takes the first third or so; the rest is loading
        time.sleep(run_seconds * moments.uniform(0.35, 0.95))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 3  # otherwise this test has tested nothing
    output, errors = _start(settings, many_games).communicate()
    assert errors == ""
    assert _content(settings) == expected
    with connect(settings, roles.INGEST) as connection:
        left = "select count(*) from operations.ingest_runs where status = 'running'"
        assert connection.execute(left).fetchall() == [(0,)]
    assert ingest(settings, directory=many_games, show_progress=False).unchanged == 120


@pytest.mark.slow
@pytest.mark.parametrize("is_same_state_directory", [True, False])
def test_two_ingests_at_once_add_everything_once(
    settings: Settings, many_games: Path, tmp_path: Path, is_same_state_directory: bool
) -> None:
    elsewhere = tmp_path / ("state" if is_same_state_directory else "other state")
    other = dataclasses.replace(settings, state_directory=elsewhere)
    both = [_start(settings, many_games), _start(other, many_games)]
    results = [process.communicate() for process in both]
    assert sorted(output for output, _ in results) == ["0\n", "120\n"], results
    assert len(_content(settings)) == 120


def test_the_second_ingest_says_that_it_waits(
    settings: Settings, folder: Path, query: Query
) -> None:
    write(folder, "boxscore_0022390001.json", box_score("0022390001", status=2))
    ingest(settings, directory=folder, show_progress=False)
    with connect(settings, roles.INGEST, autocommit=True) as first:
        first.execute("select pg_advisory_lock(%s, %s)", (0x636C7574, 1))
        second = _start(settings, folder)
        assert second.stderr is not None
        said = second.stderr.readline()
        assert "Another NBA ingest is running; waiting" in said
        assert second.poll() is None
    output, _ = second.communicate(timeout=60)
    assert output == "0\n"


def test_a_commit_under_way_is_waited_for(settings: Settings, folder: Path) -> None:
    write(folder, "boxscore_0022390001.json", box_score("0022390001", status=2))
    ingest(settings, directory=folder, show_progress=False)
    with connect(settings, roles.INGEST) as writer:
        writer.execute("update raw_nba.boxscore set source = source")
        with connect(settings, roles.INGEST, autocommit=True) as reader:
            reader.execute("set lock_timeout = '200ms'")
            with pytest.raises(Exception, match="lock timeout"):
                raw_tables.wait_for_writers(reader)
            writer.commit()
            raw_tables.wait_for_writers(reader)
