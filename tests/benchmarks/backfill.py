"""A season's backfill over HTTP beside a bare download, and one finished game until it is shown.

The season comes from the replay server in a process of its own that has every payload ready in
memory. Beside the backfill stands a loop of ``requests`` with as many connections that downloads
the same files and drops them. The client's polite rate of requests is switched off for it, because
it alone would decide: at 8 requests a second a season takes five minutes.

Then games arrive one by one at a database that holds the season without them: the time from the
payload on the server to the game's rows in ``clutch_player_actions`` and the leaderboard, warm,
beside a full ``dbt build``. In the end the tables must equal those of a full refresh.
"""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from clutch import WarmDbt
from ingestion import nba
from ingestion.nba.league import CONCURRENT_CDN_REQUESTS
from ingestion.settings import Settings
from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.workplace import Workplace
from tests.replay import ReplaySeason
from tests.replay.server import UNHURRIED_PER_SECOND
from tests.support.dbt_runs import PROJECT_ROOT, build
from tests.support.tables import table_hashes

SEASON = "2022-23"
REPETITIONS = 3
NEW_GAMES = 24
FULL_BUILDS = 3
RESOURCES = ("playbyplay", "boxscore")


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``season`` with games per second of both ways and their ratio, ``one game`` with its
        seconds.

    Raises:
        AssertionError: If something was not loaded, or the warm path's tables are not those of a
            full refresh.
    """
    games = ReplaySeason(SEASON).game_ids
    progress(f"building the payloads of {SEASON}")
    with _server(SEASON) as environment:
        season = _season(workplace, environment, games, progress)
        one_game = _one_game(workplace, environment, games, progress)
    return {"season": season, "one game": one_game}


@contextmanager
def _server(season: str) -> Iterator[dict[str, str]]:
    """The replay server as a process; the environment that points at it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.replay", "--season", season, "--gzip", "--keep"],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        environment = dict(line.split("=", 1) for line in lines)
        for service in ("CDN", "STATS"):
            environment[f"NBA_{service}_REQUESTS_PER_SECOND"] = str(UNHURRIED_PER_SECOND)
        yield environment
    finally:
        process.terminate()
        process.communicate()


def _season(
    workplace: Workplace,
    environment: dict[str, str],
    games: Sequence[str],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    ways: dict[str, Callable[[Settings], None]] = {
        "ingest": lambda settings: _ingest_season(environment, settings),
        "bare loop": lambda _: _download(environment["NBA_CDN_BASE_URL"], games),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for repetition in range(REPETITIONS):
        for way in ways if repetition % 2 == 0 else reversed(ways):
            progress(f"repetition {repetition + 1} of {REPETITIONS}: {way}")
            settings = workplace.make_database("backfill")
            workplace.settle(settings)
            started = time.perf_counter()
            ways[way](settings)
            rates[way].append(len(games) / (time.perf_counter() - started))
            if way == "ingest":
                _assert_loaded(workplace, settings, games)
    return {
        "games": len(games),
        **{f"games per second, {way}": Spread.of(values) for way, values in rates.items()},
        "speed, ingest / bare loop": ratio(rates["ingest"], rates["bare loop"]),
    }


def _ingest_season(environment: dict[str, str], settings: Settings) -> None:
    """``clutch ingest nba --season`` into an empty database, start-up included."""
    done = subprocess.run(
        [sys.executable, str(PROJECT_ROOT / "clutch.py"), "ingest", "nba", "--season", SEASON],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            **environment,
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DATABASE_URL": settings.database_url or "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _assert_loaded(workplace: Workplace, settings: Settings, games: Sequence[str]) -> None:
    with workplace.administrator(settings) as connection:
        for resource in RESOURCES:
            found = connection.execute(f"select count(*) from raw_nba.{resource}".encode())
            assert found.fetchone() == (len(games),)


def _download(base_url: str, games: Sequence[str]) -> None:
    """Get the same files over as many connections, and do nothing with them."""
    sessions = threading.local()

    def get(path: str) -> int:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        answer = sessions.session.get(base_url + path, timeout=60)
        answer.raise_for_status()
        return len(answer.content)

    paths = [
        f"/static/json/liveData/{resource}/{resource}_{game}.json"
        for game in games
        for resource in RESOURCES
    ]
    with ThreadPoolExecutor(CONCURRENT_CDN_REQUESTS) as executor:
        assert all(executor.map(get, paths))


def _one_game(
    workplace: Workplace,
    environment: dict[str, str],
    games: Sequence[str],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    regular = [game for game in games if game[2] == "2"]
    new = regular[-NEW_GAMES - 1 :]
    settings = _pointed_at(environment, workplace.make_database("one_game"))
    progress(f"loading {SEASON} without {len(new)} games, and building it")
    before = set(regular) - set(new)
    workplace.ingest(settings, workplace.select_files("before", SEASON, sorted(before)))
    target = workplace.target(settings)
    build(settings, target)
    with workplace.administrator(settings) as connection:
        connection.execute("vacuum analyze")

    path = PathUnderTest(workplace, settings)
    progress("one game to get warm")
    path.show(new[0])
    path.catch_up()
    seconds, seconds_of_all = [], []
    for number, game in enumerate(new[1:]):
        progress(f"game {number + 1} of {NEW_GAMES}")
        workplace.settle(settings)
        started = time.perf_counter()
        path.show(game)
        seconds.append(time.perf_counter() - started)
        _assert_shown(workplace, settings, game)
        started = time.perf_counter()
        path.catch_up()
        seconds_of_all.append(seconds[-1] + time.perf_counter() - started)
    warm = _clutch_marts(settings)
    full = []
    for number in range(FULL_BUILDS):
        progress(f"full build {number + 1} of {FULL_BUILDS}")
        workplace.settle(settings)
        cost, _ = workplace.dbt_build(settings, "--full-refresh")
        full.append(cost.wall_seconds)
    assert _clutch_marts(settings) == warm
    return {
        "games": len(seconds),
        "p50": _percentile(seconds, 50),
        "p95": _percentile(seconds, 95),
        "all": Spread.of(seconds),
        "p50 until all clutch marts": _percentile(seconds_of_all, 50),
        "full build": Spread.of(full),
        "full build / p50": round(Spread.of(full).median / _percentile(seconds, 50), 1),
    }


def _clutch_marts(settings: Settings) -> dict[str, tuple[int, str]]:
    """Content of the marts that ``clutch live`` keeps up to date."""
    return {
        name: content
        for name, content in table_hashes(settings).items()
        if name.startswith("analytics.clutch_") or name in ("analytics.games", "analytics.players")
    }


class PathUnderTest:
    """What a finished game takes until the leaderboard has it, as ``clutch live`` does it.

    Args:
        workplace: The benchmark's server and folders.
        settings: The database, and the service that has the game.
    """

    def __init__(self, workplace: Workplace, settings: Settings) -> None:
        self._settings = settings
        self._dbt = WarmDbt(settings, workplace.target(settings))

    def show(self, game_id: str) -> None:
        """Take a game from the service to the marts."""
        report = nba.ingest(self._settings, game_ids=[game_id], show_progress=False)
        assert report.versions_added == len(RESOURCES), report.closing_line()
        self._dbt.run_leaderboard()

    def catch_up(self) -> None:
        """The other clutch marts, which ``clutch live`` brings up to date next."""
        self._dbt.run_other_marts()


def _assert_shown(workplace: Workplace, settings: Settings, game_id: str) -> None:
    """The game is there; and its players' leaderboard rows, if it had clutch time."""
    with workplace.administrator(settings) as connection:
        assert connection.execute(
            "select is_final from analytics.games where game_id = %s", [game_id]
        ).fetchone() == (True,)
        assert connection.execute(
            """
            select count(*)
            from analytics.clutch_performance_scores as scores
            inner join analytics.games using (game_id)
            left join analytics.clutch_leaderboard as leaders
                on leaders.player_id = scores.player_id and leaders.season = games.season
            where scores.game_id = %s and leaders.player_id is null
            """,
            [game_id],
        ).fetchone() == (0,)


def _pointed_at(environment: dict[str, str], settings: Settings) -> Settings:
    rates: dict[str, Any] = {
        field.name: UNHURRIED_PER_SECOND
        for field in dataclasses.fields(settings)
        if field.name.endswith("_requests_per_second")
    }
    return dataclasses.replace(
        settings,
        nba_cdn_base_url=environment["NBA_CDN_BASE_URL"],
        nba_stats_base_url=environment["NBA_STATS_BASE_URL"],
        **rates,
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed (nearest rank)."""
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return round(sorted(values)[rank - 1], 3)
