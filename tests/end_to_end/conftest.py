"""A sandbox season as files, and databases built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import nba
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from tests.replay import ReplayServer
from tests.support.dbt_runs import WITHOUT_TESTS, build

GAME_COUNT = 48
LIVE_DATA_SEASONS = ("2020-21", "2021-22", "2022-23", "2023-24")


@pytest.fixture(scope="session")
def four_seasons(
    make_database: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The live data of four seasons from the replay server, built without dbt's tests.

    All but the mart ``possessions``, which test_possessions.py holds on games of every season.
    """
    settings = make_database()
    for season in LIVE_DATA_SEASONS:
        with ReplayServer([season]) as server:
            at_replay = replace(settings, nba_cdn_base_url=server.base_url)
            report = nba.ingest(at_replay, seasons=[season], show_progress=False)
        assert report.exit_code == 0, report.closing_line()
        assert report.games > 1150
    target = tmp_path_factory.mktemp("target")
    build(settings, target, "--exclude", "possessions", *WITHOUT_TESTS)
    return settings


@pytest.fixture(scope="session")
def league() -> League:
    """A small league: 8 teams, 48 games, about 26,000 actions."""
    return League(LeagueSettings(seed=7, team_count=8, game_count=GAME_COUNT))


@pytest.fixture(scope="session")
def write_games(league: League) -> Callable[[Path, Iterable[str]], Path]:
    """A function that writes the wire files of some games into a folder."""

    def write(directory: Path, game_ids: Iterable[str]) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for game_id in game_ids:
            for name, payload in (
                ("playbyplay", league.play_by_play_json(game_id)),
                ("boxscore", league.box_score_json(game_id)),
            ):
                (directory / f"{name}_{game_id}.json").write_bytes(payload)
        return directory

    return write


@pytest.fixture(scope="session")
def season_directory(
    league: League,
    write_games: Callable[[Path, Iterable[str]], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The wire files of the whole season."""
    return write_games(tmp_path_factory.mktemp("season"), league.game_ids)


@pytest.fixture(scope="session")
def undisturbed(
    make_database: Callable[[], Settings],
    season_directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """A database into which the season went at once and in peace. Tests must not change it."""
    settings = make_database()
    report = nba.ingest(settings, directory=season_directory, show_progress=False)
    assert (report.games, report.versions_added, report.exit_code) == (
        GAME_COUNT,
        2 * GAME_COUNT,
        0,
    )
    build(settings, tmp_path_factory.mktemp("target"))
    return settings


@pytest.fixture
def season_to_change(
    undisturbed: Settings, copy_database: Callable[[Settings], Settings]
) -> Settings:
    """The same, for one test that changes it."""
    return copy_database(undisturbed)
