"""The simulated league's server answers like the league's CDN."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
import requests

from ingestion.sandbox.nba import League, LeagueSettings, NbaSandbox, SandboxError

LIVE = "/static/json/liveData"
SCHEDULE = "/static/json/staticData/scheduleLeagueV2.json"


@pytest.fixture(scope="module")
def league() -> League:
    return League(LeagueSettings(seed=5, team_count=4, game_count=6))


def test_serves_schedule_play_by_play_and_box_score(league: League) -> None:
    with NbaSandbox(league) as sandbox:
        schedule = requests.get(sandbox.base_url + SCHEDULE, timeout=20)
        assert schedule.json() == league.schedule()
        for game_id in league.game_ids:
            rows = requests.get(
                f"{sandbox.base_url}{LIVE}/playbyplay/playbyplay_{game_id}.json", timeout=20
            )
            assert rows.headers["Content-Type"] == "application/json"
            assert rows.content == league.play_by_play_json(game_id)
            box = requests.get(
                f"{sandbox.base_url}{LIVE}/boxscore/boxscore_{game_id}.json", timeout=20
            )
            assert box.json() == league.box_score(game_id)


def test_unknown_files_are_denied(league: League) -> None:
    game_id = league.game_ids[0]
    with NbaSandbox(league) as sandbox:
        for path in (
            f"{LIVE}/playbyplay/playbyplay_0022599999.json",
            f"{LIVE}/playbyplay/boxscore_{game_id}.json",
            f"{LIVE}/boxscore/boxscore_.json",
            "/static/json/liveData",
            "/",
        ):
            answer = requests.get(sandbox.base_url + path, timeout=20)
            assert answer.status_code == 403, path
            assert b"<Code>AccessDenied</Code>" in answer.content


def test_unchanged_files_are_not_sent_again(league: League) -> None:
    with NbaSandbox(league) as sandbox:
        url = f"{sandbox.base_url}{LIVE}/boxscore/boxscore_{league.game_ids[0]}.json"
        tag = requests.get(url, timeout=20).headers["ETag"]
        again = requests.get(url, headers={"If-None-Match": tag}, timeout=20)
        assert (again.status_code, again.content) == (304, b"")
        assert requests.head(url, timeout=20).headers["ETag"] == tag


def test_the_clock_of_the_service_decides_what_is_out(league: League) -> None:
    first = league.fixtures[0]
    path = f"{LIVE}/playbyplay/playbyplay_{first.game_id}.json"
    with NbaSandbox(league, now=first.tip_off - timedelta(hours=1)) as sandbox:
        assert requests.get(sandbox.base_url + path, timeout=20).status_code == 403
        games = requests.get(sandbox.base_url + SCHEDULE, timeout=20).json()["leagueSchedule"]
        assert {g["gameStatus"] for d in games["gameDates"] for g in d["games"]} == {1}
        sandbox.now = first.tip_off + timedelta(hours=1)
        early = requests.get(sandbox.base_url + path, timeout=20).json()["game"]["actions"]
        sandbox.now = first.tip_off + timedelta(hours=2)
        late = requests.get(sandbox.base_url + path, timeout=20).json()["game"]["actions"]
        assert 0 < len(early) < len(late)
        assert late[: len(early)] == early


def test_a_taken_port_is_one_clear_error(league: League) -> None:
    with NbaSandbox(league) as sandbox:
        port = int(sandbox.base_url.rpartition(":")[2])
        with pytest.raises(SandboxError, match=rf"^port: {port} cannot be used"):
            NbaSandbox(league, port)


def test_command_prints_its_address_and_serves() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestion.sandbox.nba", "--teams", "2", "--games", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        name, _, url = process.stdout.readline().strip().partition("=")
        assert name == "NBA_CDN_BASE_URL"
        answer = requests.get(f"{url}{LIVE}/boxscore/boxscore_0022500001.json", timeout=20)
        assert answer.json()["game"]["gameStatus"] == 3
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_command_reports_wrong_usage_without_a_traceback() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ingestion.sandbox.nba", "--teams", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: team_count: 3 teams cannot be paired")
