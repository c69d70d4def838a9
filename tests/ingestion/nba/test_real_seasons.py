"""Real games over HTTP and from files: the same content, whichever way it comes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ingestion.errors import UsageError
from ingestion.nba import ingest
from ingestion.settings import Settings
from tests.ingestion.nba.conftest import Query
from tests.replay import ReplaySeason, ReplayServer, write_files

pytestmark = pytest.mark.realdata

# regular season and playoffs, in the sparse and in the full form
GAMES = ["0022100001", "0022100002", "0022100300", "0042100101", "0042100406"]


def test_http_and_files_bring_the_same_content(
    shared_nba: Path, settings: Settings, folder: Path, query: Query
) -> None:
    with ReplayServer(["2021-22"], games=GAMES, use_gzip=True) as server:
        served = dataclasses.replace(settings, nba_cdn_base_url=server.base_url)
        first = ingest(served, seasons=["2021-22"], show_progress=False)
        assert (first.games, first.versions_added, first.exit_code) == (5, 11, 0)
        again = ingest(served, seasons=["2021-22"], reread=True, show_progress=False)
        assert (again.versions_added, again.unchanged) == (0, 11)
        with pytest.raises(UsageError, match="2021-22"):
            ingest(served, seasons=["2020-21"], show_progress=False)
    write_files(["2021-22"], folder, GAMES)
    from_files = ingest(settings, directory=folder, show_progress=False)
    assert (from_files.games, from_files.versions_added, from_files.unchanged) == (5, 0, 10)
    season = ReplaySeason("2021-22", games=GAMES)
    sent = (season.play_by_play(GAMES[0]) or b"").decode()
    assert query(
        "select payload = %s::jsonb from raw_nba.playbyplay where game_id = %s", sent, GAMES[0]
    ) == [(True,)]
    counts = query(
        """
        select game_id, jsonb_array_length(payload #> '{game,actions}') as actions
        from raw_nba.playbyplay order by game_id
        """
    )
    assert [game_id for game_id, _ in counts] == GAMES
    assert all(actions > 400 for _, actions in counts)
