"""The schedule as tables: what its fields mean, how it changed, and what became of a game."""

from __future__ import annotations

import copy
import csv
import gzip
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, build
from tests.support.schedules import tip_off_at
from tests.support.tables import table_hashes

Payload = dict[str, Any]

EASTERN = ZoneInfo("America/New_York")
SEED = PROJECT_ROOT / "dbt_project/seeds/arena_zones.csv"
SELECTED = (
    *("--select", "+game_schedule", "+stg_nba__scheduled_games"),
    *("--exclude", "resource_type:unit_test"),
    *("--indirect-selection", "cautious"),  # no test that needs a relation beside these
)
# once the rest is built: what a schedule version or another time of reading changes
STEP = (
    *("--select", "stg_nba__fixture_versions", "stg_nba__arena_zones", "stg_nba__scheduled_games"),
    *("stg_nba__game_versions", "int_observation_time", "game_schedule", *SELECTED[3:]),
)

_numbers = itertools.count(1)


def store(settings: Settings, payload: Payload, fetched_at: datetime) -> None:
    """Put one schedule version into its raw table, as ingestion does."""
    number = next(_numbers)
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            "insert into raw_nba.schedule values (%s, %s, %s, 'cdn', 'test', null, %s, 'load', %s)",
            [
                payload["leagueSchedule"]["seasonYear"],
                f"hash {number}",
                orjson.dumps(payload).decode(),
                fetched_at,
                f"row {number}",
            ],
        )


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    with connect(settings, roles.TRANSFORM) as connection:
        cursor = connection.execute(query)
        names = [column.name for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def by_game(settings: Settings, relation: str) -> dict[str, dict[str, Any]]:
    return {row["game_id"]: row for row in rows(settings, f"select * from {relation}")}


def games_of(payload: Payload) -> Iterator[Payload]:
    for game_date in payload["leagueSchedule"]["gameDates"]:
        yield from game_date["games"]


def game_of(payload: Payload, game_id: str) -> Payload:
    return next(game for game in games_of(payload) if game["gameId"] == game_id)


def drop(payload: Payload, game_id: str) -> None:
    for game_date in payload["leagueSchedule"]["gameDates"]:
        game_date["games"] = [game for game in game_date["games"] if game["gameId"] != game_id]


# --- the league's own payload ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_schedule(shared_nba: Path) -> Payload:
    path = shared_nba / "wire/stats/scheduleleaguev2_2023-24_preseason.json.gz"
    payload: Payload = orjson.loads(gzip.decompress(path.read_bytes()))
    return payload


@pytest.mark.realdata
def test_the_two_full_times_of_the_real_schedule_agree(real_schedule: Payload) -> None:
    """Why tip-off is read from gameDateTimeUTC: gameTimeUTC is an hour off in summer time."""
    disagree, time_of_day_disagrees = [], 0
    for game in games_of(real_schedule):
        eastern = datetime.fromisoformat(game["gameDateTimeEst"][:-1]).replace(tzinfo=EASTERN)
        utc = datetime.fromisoformat(game["gameDateTimeUTC"])
        if eastern != utc:
            disagree.append(game["gameId"])
        time_of_day_disagrees += game["gameTimeUTC"][11:] != game["gameDateTimeUTC"][11:]
    assert disagree == []
    assert time_of_day_disagrees == 443


@pytest.mark.realdata
def test_the_real_schedule_of_september_2023(
    database: Settings, real_schedule: Payload, tmp_path: Path
) -> None:
    store(database, real_schedule, datetime(2023, 9, 16, 12, tzinfo=UTC))
    build(database, tmp_path, *SELECTED)
    listed = by_game(database, "staging.stg_nba__scheduled_games")
    assert len(listed) == 1280

    open_pairing = {game_id for game_id, row in listed.items() if row["home_team_id"] is None}
    assert open_pairing == {
        *("0022301201", "0022301202", "0022301203", "0022301204"),
        *("0022301229", "0022301230", "0062300001"),
    }
    # an open pairing has no time either: the league writes midnight and "TBD"
    assert {game_id for game_id, row in listed.items() if row["tipoff_at"] is None} == open_pairing
    assert listed["0062300001"]["game_date_eastern"].isoformat() == "2023-12-09"
    assert listed["0062300001"]["arena_timezone"] == "America/Los_Angeles"
    assert all(
        listed[game_id][f"{side}_{column}"] is None
        for game_id in open_pairing
        for side in ("home", "away")
        for column in ("tricode", "city", "name")
    )

    without_zone = {row["arena_city"] for row in listed.values() if row["arena_timezone"] is None}
    assert without_zone == {None}
    abroad = listed["0012300001"]
    assert (abroad["arena_city"], abroad["arena_timezone"]) == ("Abu Dhabi", "Asia/Dubai")
    assert abroad["tipoff_at"] == datetime(2023, 10, 5, 16, tzinfo=UTC)
    assert not any(row["is_postponed"] or row["is_if_necessary"] for row in listed.values())

    mart = by_game(database, "analytics.game_schedule")
    assert len(mart) == 1280 - 73  # without the preseason
    assert {row["state"] for row in mart.values()} == {"scheduled"}


@pytest.mark.realdata
def test_the_seed_has_the_zone_of_every_real_game(shared_nba: Path) -> None:
    with SEED.open() as file:
        seed = {(row["arena_city"], row["arena_state"]): row for row in csv.DictReader(file)}
    with (shared_nba / "games.csv").open() as file:
        games = [row for row in csv.DictReader(file) if row["arena_city"]]
    other_name = set()
    for game in games:
        zone = seed[game["arena_city"], game["arena_state"]]["timezone"]
        moment = datetime.fromisoformat(game["game_time_utc"])
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        given = moment.astimezone(ZoneInfo(game["arena_timezone"])).replace(tzinfo=None)
        assert local == given, game["game_id"]
        if zone != game["arena_timezone"]:
            other_name.add((game["arena_name"], game["arena_timezone"]))
    # renamed in 2021, and with the new name the league gave the city its own zone: same clocks
    assert other_name == {("Bankers Life Fieldhouse", "America/New_York")}
    assert len(games) > 5000


# --- fields ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def league() -> League:
    return League(LeagueSettings(seed=3, team_count=4, game_count=8))


@pytest.fixture(scope="module")
def before_the_season(league: League) -> Payload:
    """The schedule of eight games a month before the first of them."""
    return league.schedule(league.fixtures[0].tip_off_utc - timedelta(days=30))


def test_fields_that_are_missing_odd_or_unreadable(
    database: Settings, league: League, before_the_season: Payload, tmp_path: Path
) -> None:
    payload = copy.deepcopy(before_the_season)
    bare, slashes, garbage, flagged, text, twice, summer, needed = league.game_ids
    game = game_of(payload, bare)
    for key in set(game) - {"gameId", "gameStatus", "homeTeam", "awayTeam"}:
        del game[key]
    game_of(payload, slashes)["gameDateEst"] = "10/24/2025 00:00:00"
    game_of(payload, garbage).update(gameDateEst="2025-02-30T00:00:00Z", gameDateTimeUTC="soon")
    game_of(payload, flagged)["postponedStatus"] = "P"
    game_of(payload, text)["gameStatusText"] = "PPD"
    # listed under its old date and, rescheduled, under the new one
    again = copy.deepcopy(game_of(payload, twice))
    game_of(payload, twice)["gameStatusText"] = "PPD"
    tip_off_at(again, datetime(2026, 3, 3, 1, tzinfo=UTC))
    payload["leagueSchedule"]["gameDates"].append(
        {"gameDate": "03/02/2026 00:00:00", "games": [again]}
    )
    tip_off_at(game_of(payload, summer), datetime(2026, 3, 30, 23, 30, tzinfo=UTC))
    game_of(payload, needed)["ifNecessary"] = True
    store(database, payload, datetime(2025, 9, 1, tzinfo=UTC))
    build(database, tmp_path, *SELECTED)

    listed = by_game(database, "staging.stg_nba__scheduled_games")
    assert set(listed) == set(league.game_ids)
    fixture = league.fixtures[0]
    assert listed[bare]["tipoff_at"] is None
    # the date above the game stands in
    eastern = fixture.tip_off.astimezone(EASTERN).date()
    assert listed[bare]["game_date_eastern"] == eastern
    assert listed[bare]["home_team_id"] == str(fixture.home.team_id)
    assert listed[bare]["arena_city"] is None
    assert listed[slashes]["game_date_eastern"].isoformat() == "2025-10-24"
    assert listed[garbage]["tipoff_at"] is None
    assert listed[garbage]["game_date_eastern"] == (
        league.fixtures[2].tip_off.astimezone(EASTERN).date()
    )
    postponed = {game_id for game_id, row in listed.items() if row["is_postponed"]}
    assert postponed == {flagged, text}
    assert listed[twice]["tipoff_at"] == datetime(2026, 3, 3, 1, tzinfo=UTC)
    assert listed[summer]["game_date_eastern"].isoformat() == "2026-03-30"
    assert [row["game_id"] for row in listed.values() if row["is_if_necessary"]] == [needed]


def test_a_flag_on_every_game_postpones_none(
    database: Settings, before_the_season: Payload, tmp_path: Path
) -> None:
    payload = copy.deepcopy(before_the_season)
    for game in games_of(payload):
        game["postponedStatus"] = "Y"
    store(database, payload, datetime(2025, 9, 1, tzinfo=UTC))
    build(database, tmp_path, *SELECTED)
    assert not any(
        row["is_postponed"]
        for row in by_game(database, "staging.stg_nba__scheduled_games").values()
    )


def test_a_city_that_the_seed_lacks_has_the_zone_of_a_box_score_from_there(
    database: Settings, league: League, before_the_season: Payload, tmp_path: Path
) -> None:
    payload = copy.deepcopy(before_the_season)
    played = league.fixtures[0]
    moved = next(f for f in league.fixtures[1:] if f.home.city.name != played.home.city.name)
    # the second game was played elsewhere than the schedule said: it tells nothing about that city
    game_of(payload, moved.game_id).update(arenaCity="Nowhere", arenaName="No Arena")
    store(database, payload, datetime(2025, 9, 1, tzinfo=UTC))
    build(database, tmp_path / "target", *SELECTED)
    listed = by_game(database, "staging.stg_nba__scheduled_games")
    assert {row["arena_timezone"] for row in listed.values()} == {None}

    folder = tmp_path / "games"
    folder.mkdir()
    for fixture in (played, moved):
        for name, content in (
            ("playbyplay", league.play_by_play_json(fixture.game_id)),
            ("boxscore", league.box_score_json(fixture.game_id)),
        ):
            (folder / f"{name}_{fixture.game_id}.json").write_bytes(content)
    assert nba.ingest(database, directory=folder, show_progress=False).exit_code == 0
    build(database, tmp_path / "target", *SELECTED)
    zones = {
        row["arena_city"]: row["arena_timezone"]
        for row in by_game(database, "staging.stg_nba__scheduled_games").values()
    }
    assert zones.pop(played.home.city.name) == played.home.city.timezone
    assert zones
    assert set(zones.values()) == {None}


# --- history --------------------------------------------------------------------------------------


def test_moved_postponed_and_withdrawn_games_are_followed(
    database: Settings, league: League, before_the_season: Payload, tmp_path: Path
) -> None:
    """Six versions, one build after each; in the end a full refresh makes the same tables."""
    moved, postponed, withdrawn, opened, late, steady, *_ = league.game_ids
    first_day = datetime(2025, 9, 1, tzinfo=UTC)
    first_tipoff = league.fixtures[0].tip_off_utc
    target = tmp_path / "target"
    payload = copy.deepcopy(before_the_season)
    announced = copy.deepcopy(game_of(payload, late))
    drop(payload, late)
    game_of(payload, opened).update(gameStatusText="TBD", gameTimeEst="0001-01-01T00:00:00Z")

    def version(day: int) -> dict[str, dict[str, Any]]:
        store(database, payload, first_day + timedelta(days=day))
        build(database, target, *(STEP if day else SELECTED))
        return by_game(database, "analytics.game_schedule")

    games = version(0)
    assert late not in games
    assert games[opened]["tipoff_at"] is None
    assert games[moved]["first_tipoff_at"] == first_tipoff

    payload["leagueSchedule"]["gameDates"][0]["games"].append(announced)
    tip_off_at(game_of(payload, moved), first_tipoff + timedelta(minutes=30))
    tip_off_at(game_of(payload, opened), first_tipoff + timedelta(days=3))
    game_of(payload, postponed)["gameStatusText"] = "PPD"
    games = version(1)
    assert late in games
    assert (games[moved]["times_moved"], games[opened]["times_moved"]) == (1, 0)
    assert games[opened]["first_tipoff_at"] == first_tipoff + timedelta(days=3)
    assert games[postponed]["state"] == "postponed"

    drop(payload, withdrawn)
    tip_off_at(game_of(payload, postponed), first_tipoff + timedelta(days=60))
    games = version(2)
    assert (games[withdrawn]["listed"], games[withdrawn]["state"]) == (False, "withdrawn")
    assert games[withdrawn]["home_tricode"] == league.fixtures[2].home.city.tricode
    assert (games[postponed]["state"], games[postponed]["was_postponed"]) == ("scheduled", True)
    assert games[postponed]["times_moved"] == 1

    # nothing of a fixture changes: a version without a row
    game_of(payload, steady)["weekName"] = "Week Zero"
    changes = len(rows(database, "select 1 from staging.stg_nba__fixture_versions"))
    version(3)
    assert len(rows(database, "select 1 from staging.stg_nba__fixture_versions")) == changes

    # there and back: two moves more, and the game that was gone is listed again
    back = copy.deepcopy(payload)
    tip_off_at(game_of(payload, moved), first_tipoff + timedelta(days=1))
    version(4)
    payload = back
    payload["leagueSchedule"]["gameDates"][0]["games"].append(
        copy.deepcopy(game_of(before_the_season, withdrawn))
    )
    games = version(5)
    assert games[moved]["times_moved"] == 3
    assert games[moved]["first_tipoff_at"] == first_tipoff
    assert (games[withdrawn]["listed"], games[withdrawn]["times_moved"]) == (True, 0)
    assert games[steady]["times_moved"] == 0

    step_by_step = table_hashes(database, with_times=True)
    build(database, target, *STEP, "--full-refresh")
    assert table_hashes(database, with_times=True) == step_by_step

    # another definition reads all versions again and, here, comes to the same
    made_by = "select distinct made_by from staging.stg_nba__fixture_versions"
    before = rows(database, made_by)
    build(database, target, *STEP, "--vars", "{clutch_min_games: 3}")
    after = rows(database, made_by)
    assert (len(before), len(after)) == (1, 1)
    assert before != after
    hashes = table_hashes(database, with_times=True)
    for table in ("staging.stg_nba__scheduled_games", "analytics.game_schedule"):
        assert hashes[table] == step_by_step[table]


def test_what_became_of_a_game(
    database: Settings, league: League, before_the_season: Payload, tmp_path: Path
) -> None:
    """Final, live, missing and the reasons why an old game is not missing."""
    final, live, missing, postponed, needed, no_time, *rest = league.game_ids
    payload = copy.deepcopy(before_the_season)
    game_of(payload, postponed)["gameStatusText"] = "PPD"
    game_of(payload, needed)["ifNecessary"] = True
    game_of(payload, no_time).update(gameStatusText="TBD", gameTimeEst="0001-01-01T00:00:00Z")
    fixtures = {fixture.game_id: fixture for fixture in league.fixtures}
    live_at = fixtures[live].tip_off_utc + timedelta(hours=1, minutes=15)
    folder = tmp_path / "games"
    folder.mkdir()
    for game_id, at in ((final, None), (live, live_at)):
        for name, content in (
            ("playbyplay", league.play_by_play_json(game_id, at)),
            ("boxscore", league.box_score_json(game_id, at)),
        ):
            (folder / f"{name}_{game_id}.json").write_bytes(content)
    assert nba.ingest(database, directory=folder, show_progress=False).exit_code == 0

    def states(observed_at: datetime) -> dict[str, str]:
        _set_times(database, observed_at)
        build(database, tmp_path / "target", *STEP)
        games = by_game(database, "analytics.game_schedule")
        assert {game_id for game_id, row in games.items() if row["is_loaded"]} == {final, live}
        return {game_id: row["state"] for game_id, row in games.items()}

    tip_off = fixtures[missing].tip_off_utc
    store(database, payload, tip_off - timedelta(days=20))
    build(database, tmp_path / "target", *SELECTED)
    early = states(tip_off + timedelta(hours=6))
    assert (early[final], early[live]) == ("final", "live")
    assert early[missing] == "scheduled"
    assert states(tip_off + timedelta(hours=6, minutes=1))[missing] == "missing"

    end = states(max(f.tip_off_utc for f in league.fixtures) + timedelta(days=2))
    assert (end[postponed], end[needed]) == ("postponed", "scheduled")
    assert {end[game_id] for game_id in (no_time, *rest)} == {"missing"}


def _set_times(settings: Settings, moment: datetime) -> None:
    """Pretend that the games were loaded, and everything read, at this time."""
    with connect(settings, roles.INGEST) as connection:
        for table in ("playbyplay", "boxscore"):
            connection.execute(
                f"update raw_nba.{table} set fetched_at = %s", [moment - timedelta(days=1)]
            )
        connection.execute(
            """
            insert into operations.nba_reads (resource, record_key, read_at, source, http_status)
            values ('schedule', '2025-26', %s, 'cdn', 304)
            on conflict (resource, record_key) do update set read_at = excluded.read_at
            """,
            [moment],
        )
        connection.execute("update operations.nba_reads set read_at = %s", [moment])
