"""``dbt source freshness``: fresh right after an ingest, stale when nobody has read since."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import invoke_dbt
from tests.support.wearables import Athlete, store_connections

GAME_RESOURCES = ("playbyplay", "boxscore")
SECOND_SOURCES = ("playbyplayv3", "boxscoretraditionalv3", "playbyplayv2")
ALL = ("schedule", *GAME_RESOURCES, *SECOND_SOURCES)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("target")


@pytest.fixture
def settings(module_database: Settings) -> Settings:
    """The module's database, without a read or a schedule."""
    with connect(module_database, roles.INGEST) as connection:
        connection.execute("delete from raw_nba.schedule")
    with connect(module_database, roles.OWNER) as connection:
        connection.execute("delete from operations.nba_reads")
    return module_database


def read(
    settings: Settings, resources: Iterable[str], hours_ago: float, status: int | None = 200
) -> None:
    """Note that records of these resources were read, as ingestion does."""
    with connect(settings, roles.INGEST) as connection:
        for resource in resources:
            connection.execute(
                """
                insert into operations.nba_reads
                    (resource, record_key, read_at, source, http_status)
                values (%s, '0022500001', %s, 'cdn', %s)
                on conflict (resource, record_key) do update
                set read_at = excluded.read_at, http_status = excluded.http_status
                """,
                [resource, datetime.now(UTC) - timedelta(hours=hours_ago), status],
            )


def schedule(settings: Settings, hours_ago: Iterable[float], digit: str = "2") -> None:
    """Store a schedule with games that tipped off that many hours ago (negative: to come)."""
    games = [
        {
            "gameId": f"00{digit}25{number:05d}",
            "gameDateTimeUTC": (datetime.now(UTC) - timedelta(hours=hours)).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
        }
        for number, hours in enumerate(hours_ago, 1)
    ]
    payload = {"leagueSchedule": {"gameDates": [{"gameDate": None, "games": games}]}}
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            "insert into raw_nba.schedule values ('2025-26', 'hash', %s, 'cdn', 'test', null, "
            "now(), 'load', 'row')",
            [orjson.dumps(payload).decode()],
        )


def freshness(settings: Settings, target: Path, source: str = "nba") -> tuple[bool, dict[str, str]]:
    """Whether the command succeeded, and the status of every raw table of a source."""
    done = invoke_dbt(settings, ["source", "freshness"], target)
    assert done.exception is None, done.exception
    results: Any = done.result
    sources = [
        item for item in results.results if getattr(item.node, "source_name", None) == source
    ]
    return done.success, {item.node.name: item.status.value for item in sources}


def test_fresh_right_after_reading(settings: Settings, target: Path) -> None:
    schedule(settings, [20, 2, -30])
    read(settings, ["schedule", *GAME_RESOURCES], hours_ago=0)
    assert freshness(settings, target) == (True, dict.fromkeys(ALL, "pass"))


def test_an_unchanged_answer_is_a_reading_and_a_refusal_is_none(
    settings: Settings, target: Path
) -> None:
    read(settings, ["schedule"], hours_ago=1, status=304)
    assert freshness(settings, target)[1]["schedule"] == "pass"
    read(settings, ["schedule", "playbyplay"], hours_ago=100)
    read(settings, ["boxscore"], hours_ago=0, status=403)
    assert freshness(settings, target)[1]["schedule"] == "error"


@pytest.mark.parametrize(("hours", "status"), [(30, "pass"), (40, "warn"), (80, "error")])
def test_everything_is_stale_when_the_time_of_reading_is_set_back(
    hours: float, status: str, settings: Settings, target: Path
) -> None:
    schedule(settings, [hours + 20, hours - 10])
    read(settings, ALL, hours_ago=hours)
    success, statuses = freshness(settings, target)
    assert statuses == dict.fromkeys(ALL, status)
    assert success == (status != "error")


def test_games_that_are_due_and_not_read_are_stale_though_the_schedule_is_read(
    settings: Settings, target: Path
) -> None:
    schedule(settings, [100, 70, -10])
    read(settings, ["schedule"], hours_ago=1)
    read(settings, GAME_RESOURCES, hours_ago=90)
    success, statuses = freshness(settings, target)
    assert not success
    assert {name for name, status in statuses.items() if status == "error"} == set(GAME_RESOURCES)


def test_off_season_the_schedule_alone_keeps_everything_fresh(
    settings: Settings, target: Path
) -> None:
    schedule(settings, [2000, 1990, -500])
    read(settings, ["schedule"], hours_ago=1)
    read(settings, [*GAME_RESOURCES, *SECOND_SOURCES], hours_ago=1980)
    assert freshness(settings, target) == (True, dict.fromkeys(ALL, "pass"))


def test_preseason_games_are_not_due(settings: Settings, target: Path) -> None:
    schedule(settings, [100, 50], digit="1")
    read(settings, ["schedule"], hours_ago=1)
    read(settings, GAME_RESOURCES, hours_ago=1980)
    assert freshness(settings, target) == (True, dict.fromkeys(ALL, "pass"))


def test_what_was_never_read_is_not_stale(settings: Settings, target: Path) -> None:
    assert freshness(settings, target) == (True, dict.fromkeys(ALL, "pass"))


WHOOP = ("cycle", "recovery", "sleep", "workout")


def test_no_athlete_no_reading_to_be_stale(settings: Settings, target: Path) -> None:
    assert freshness(settings, target, "whoop") == (True, dict.fromkeys(WHOOP, "pass"))


@pytest.mark.parametrize(("hours", "status"), [(30, "pass"), (40, "warn"), (80, "error")])
def test_athletes_who_may_be_read_and_are_not_are_stale(
    database: Settings, tmp_path: Path, hours: float, status: str
) -> None:
    read_at = datetime.now(UTC) - timedelta(hours=hours)
    athletes = [Athlete("read", last_sync_at=read_at), Athlete("left", decision="withdrawn")]
    with connect(database, roles.INGEST) as connection:
        store_connections(connection, athletes)
    success, statuses = freshness(database, tmp_path / "target", "whoop")
    assert statuses == dict.fromkeys(WHOOP, status)
    assert success == (status != "error")
