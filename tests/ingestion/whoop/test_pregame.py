from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.whoop import FaultScript, Kind, Scripted
from ingestion.settings import Settings
from ingestion.whoop import pregame, sync
from ingestion.whoop.budget import Priority
from ingestion.whoop.connections import Connection, active_connections
from ingestion.whoop.pregame import NextGame
from ingestion.whoop.report import WhoopReport
from tests.ingestion.whoop.sandboxed import connect_member, held, inbox, load_league, stored
from tests.ingestion.whoop.test_sync import World, world_of

TIP_OFF = datetime(2025, 12, 3, 2, tzinfo=UTC)
"""Of the only game of that night, at 19:00 in the mountains."""
WINDOW_BEGINS = TIP_OFF - timedelta(hours=6)
EARLIER_NIGHT = datetime(2025, 12, 1, 6, tzinfo=UTC)
GAME = "0022500043"

PLAYERS = (15, 16, 17)
"""Places in the roster of those whose team plays; before them comes a team that does not."""
OTHERS = (13, 14)
KINDS = ("/developer/v2/activity/sleep", "/developer/v2/recovery", "/developer/v2/cycle")


@pytest.fixture
def world_with(database: Settings, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """A function that makes a world with the league loaded and no webhook sent."""
    running = []

    def make(**more: Any) -> World:
        sandbox, world = world_of(database, tmp_path, roster=18, **{"now": EARLIER_NIGHT} | more)
        running.append(sandbox.start())
        return world

    yield make
    for sandbox in running:
        sandbox.stop()


def join(world: World, *places: int) -> None:
    for place in places:
        connect_member(world.sandbox, world.settings, world.whoop, world.sandbox.members[place])


def load(world: World) -> None:
    """The league as it was a day before the game."""
    load_league(world.settings, world.sandbox)


def player(world: World, place: int) -> str:
    return str(world.sandbox.athletes[place].player_id)


def asked(world: World, since: int, place: int) -> Counter[str]:
    """Requests for a member's records after so many of all, by endpoint."""
    user_id = world.sandbox.members[place]
    return Counter(
        line.endpoint for line in world.sandbox.requests()[since:] if line.user_id == user_id
    )


def is_complete(world: World, place: int) -> bool:
    found = stored(world.settings)
    return all(
        found.get(key) == content
        for key, content in held(world.sandbox, [world.sandbox.members[place]]).items()
        if key[0] != "workout"  # of no use before a game
    )


def active(world: World) -> list[Connection]:
    with connect(world.settings, roles.INGEST) as connection:
        return active_connections(connection)


def spend(world: World, requests: int) -> None:
    """Use up the day's budget, with requests that the service counts as well."""
    report = WhoopReport()
    with sync.opened(world.settings, world.whoop, world.clock, report) as parts:
        account = active(world)[0]
        [(key,)] = world.query(
            "select record_key from raw_whoop.workout where connection_id = %s limit 1",
            str(account.connection_id),
        )
        for _ in range(requests):
            parts.reads.one(account, "workout", key, priority=Priority.WEBHOOK, source="webhook")


# --- who plays when


@pytest.fixture
def league_world(world_with: Callable[..., World]) -> World:
    world = world_with(now=TIP_OFF - timedelta(hours=8))
    load(world)
    return world


def games(world: World, now: datetime, *places: int) -> dict[str, NextGame]:
    players = [player(world, place) for place in places] + ["7"]  # nobody ever listed
    with connect(world.settings, roles.INGEST) as connection:
        return pregame.next_games(connection, players, now)


def restate(world: World, table: str, change: Callable[[Any], None], **key: str) -> None:
    """Store a newer version of a payload of the league's."""
    [(name, value)] = key.items()
    [(payload,)] = world.query(
        f"select payload from raw_nba.{table} where {name} = %s order by fetched_at desc limit 1",
        value,
    )
    change(payload)
    world.query(
        f"""
        insert into raw_nba.{table} (
            {name}, content_hash, payload, source, origin, fetched_at, _dlt_load_id, _dlt_id
        )
        values (%s, %s, %s, 'cdn', 'test', now(), 'test', %s)
        """,
        value,
        str(time.monotonic_ns()),
        orjson.dumps(payload).decode(),
        str(time.monotonic_ns()),
    )


def listed(schedule: Any) -> list[Any]:
    return [game for day in schedule["leagueSchedule"]["gameDates"] for game in day["games"]]


def test_the_window_is_the_six_hours_before_tip_off(league_world: World) -> None:
    game = NextGame(GAME, TIP_OFF)
    playing = {player(league_world, place): game for place in PLAYERS}
    second = timedelta(seconds=1)
    for now, expected in (
        (WINDOW_BEGINS - second, {}),
        (WINDOW_BEGINS, playing),
        (TIP_OFF - second, playing),
        (TIP_OFF, {}),
        (datetime(2026, 8, 1, tzinfo=UTC), {}),  # off-season
        # a team that has not been listed for four weeks
        (datetime(2026, 1, 20, 20, tzinfo=UTC), {}),
    ):
        assert games(league_world, now, *OTHERS, *PLAYERS) == expected, now
    with connect(league_world.settings, roles.INGEST) as connection:
        assert pregame.next_games(connection, [], WINDOW_BEGINS) == {}


def test_a_game_that_is_called_off_has_no_window(league_world: World) -> None:
    for status, text, is_played in (
        ("P", "7:00 pm ET", False),
        ("N", "PPD", False),
        ("N", "Cancelled", False),
        ("A", "7:00 pm ET", True),
    ):

        def change(schedule: Any, status: str = status, text: str = text) -> None:
            [game] = [game for game in listed(schedule) if game["gameId"] == GAME]
            game |= {"postponedStatus": status, "gameStatusText": text}

        restate(league_world, "schedule", change, season="2025-26")
        found = games(league_world, WINDOW_BEGINS, *PLAYERS)
        assert bool(found) is is_played, (status, text)


def test_a_letter_on_every_game_and_a_time_that_is_none_stop_nothing(league_world: World) -> None:
    def change(schedule: Any) -> None:
        for game in listed(schedule):
            game["postponedStatus"] = "Y"
            if game["gameId"] != GAME:
                game["gameDateTimeUTC"] = "2025-12-02T21 or later"

    restate(league_world, "schedule", change, season="2025-26")
    # the games in which he was listed have no time any more either
    assert games(league_world, WINDOW_BEGINS, *PLAYERS) == {}
    restate(
        league_world,
        "schedule",
        lambda schedule: [
            game.update(gameDateTimeUTC="2025-12-01T00:00:00Z")
            for game in listed(schedule)
            if game["gameId"] == "0022500041"
        ],
        season="2025-26",
    )
    assert len(games(league_world, WINDOW_BEGINS, *PLAYERS)) == len(PLAYERS)


def test_a_traded_player_plays_with_the_team_that_listed_him_last(league_world: World) -> None:
    traded = player(league_world, OTHERS[0])
    assert traded not in games(league_world, WINDOW_BEGINS, *OTHERS)

    def change(box_score: Any) -> None:
        players = box_score["game"]["awayTeam"]["players"]
        players.append(players[0] | {"personId": int(traded), "status": "INACTIVE"})

    restate(league_world, "boxscore", change, game_id="0022500042")
    assert games(league_world, WINDOW_BEGINS, *OTHERS) == {traded: NextGame(GAME, TIP_OFF)}


def test_box_scores_of_the_stats_service_tell_as_much(league_world: World) -> None:
    league_world.query(
        """
        insert into raw_nba.boxscoretraditionalv3
        select
            game_id, content_hash, jsonb_build_object('boxScoreTraditional', payload -> 'game'),
            'stats', origin, source_time, fetched_at, _dlt_load_id, _dlt_id
        from raw_nba.boxscore
        """
    )
    league_world.query("delete from raw_nba.boxscore")
    assert len(games(league_world, WINDOW_BEGINS, *OTHERS, *PLAYERS)) == len(PLAYERS)


def test_without_schedule_or_box_scores_nothing_is_read(world_with: Callable[..., World]) -> None:
    world = world_with(now=WINDOW_BEGINS)
    join(world, *PLAYERS)
    assert games(world, WINDOW_BEGINS, *PLAYERS) == {}
    assert world.sync().pregame_reads == 0
    load(world)
    world.query("delete from raw_nba.boxscore")
    assert games(world, WINDOW_BEGINS, *PLAYERS) == {}


# --- what is read


def test_lost_nights_of_players_are_read_before_all_else_and_within_the_budget(
    world_with: Callable[..., World],
) -> None:
    world = world_with(requests_per_day=100)
    join(world, *OTHERS, *PLAYERS)
    assert world.sync().exit_code == 0
    world.sandbox.advance_to(WINDOW_BEGINS + timedelta(minutes=20))
    load(world)
    # of 100 requests a day, reconcile leaves 10 to others and the pre-game window 2
    spend(world, 84)  # and tokens
    before = len(world.sandbox.requests())
    report = world.sync()
    assert report.pregame_reads == 9
    for place in PLAYERS:
        assert asked(world, before, place) == dict.fromkeys(KINDS, 1)
        assert is_complete(world, place)
    assert {failure.reason for failure in report.failures} == {"budget"}
    assert {player(world, place) for place in OTHERS} <= set(report.not_reached)
    assert not any(is_complete(world, place) for place in OTHERS)
    assert not any(line.status == 429 for line in world.sandbox.requests())
    [(counted,)] = world.query(
        """
        select count(*) from operations.whoop_requests where priority = %s and requested_at > %s
        """,
        Priority.PREGAME,
        WINDOW_BEGINS,
    )
    assert counted == 9


def test_a_game_costs_an_athlete_a_bounded_number_of_requests(
    world_with: Callable[..., World],
) -> None:
    game_day = date(2025, 12, 2)
    script = (
        Scripted(Kind.NO_SLEEP, 16, game_day),
        Scripted(Kind.LATE_SYNC, 17, game_day),  # uploaded in the evening
    )
    world = world_with(faults=FaultScript(scripted=script))
    join(world, *OTHERS, *PLAYERS)
    world.sync()
    load(world)
    world.sandbox.advance_to(WINDOW_BEGINS - timedelta(hours=1))
    before = len(world.sandbox.requests())
    report = WhoopReport()
    with sync.opened(world.settings, world.whoop, world.clock, report) as parts:
        while world.clock.now() < TIP_OFF + timedelta(hours=1):
            sync.read_before_games(parts)
            world.sandbox.advance(timedelta(minutes=5))
    spent = {place: asked(world, before, place) for place in (*OTHERS, *PLAYERS)}
    sleeps, recoveries, cycles = KINDS
    assert spent == {
        **{place: {} for place in OTHERS},
        15: {sleeps: 1, recoveries: 1, cycles: 1},  # only his deliveries were lost
        16: {sleeps: 2},  # early and late: he did not sleep
        17: spent[17],
    }
    assert spent[17][sleeps] == 2
    assert max(counts.total() for counts in spent.values()) <= pregame.MOST_REQUESTS
    assert report.pregame_reads == sum(counts.total() for counts in spent.values())
    assert report.failures == []
    assert is_complete(world, 15)


def test_only_whose_delivery_was_lost_is_read(world_with: Callable[..., World]) -> None:
    world = world_with()
    join(world, *PLAYERS)
    world.sync()
    load(world)
    lost, *told = PLAYERS
    world.sandbox.faults.order("lost", 1000, user_id=world.sandbox.members[lost])
    report = WhoopReport()
    with (
        inbox(world.settings, world.sandbox),
        sync.opened(
            world.settings, world.whoop, world.clock, report, settling=timedelta(0)
        ) as parts,
    ):
        while world.clock.now() < WINDOW_BEGINS:
            world.sandbox.advance(timedelta(minutes=30))
            parts.worker.work_off()
        nights = {
            account.player_id: parts.pregame.night(account, TIP_OFF) for account in active(world)
        }
        assert nights == {
            player(world, lost): None,
            **{player(world, place): (True, True, True) for place in told},
        }
        before = len(world.sandbox.requests())
        sync.read_before_games(parts)
        assert asked(world, before, lost) == dict.fromkeys(KINDS, 1)
        assert len(world.sandbox.requests()) - before == 3 + 1  # and his token
    assert all(is_complete(world, place) for place in PLAYERS)


def test_what_fails_for_one_player_leaves_the_others_alone(
    world_with: Callable[..., World],
) -> None:
    world = world_with()
    join(world, *PLAYERS)
    world.sync()
    world.sandbox.advance_to(WINDOW_BEGINS)
    load(world)
    gone, ill = (world.sandbox.members[place] for place in PLAYERS[:2])
    world.sandbox.revoke_in_app(gone)
    world.sandbox.faults.order("error", 100, "/v2/activity/sleep", ill)
    report = WhoopReport()
    with sync.opened(world.settings, world.whoop, world.clock, report) as parts:
        sync.read_before_games(parts)
        reasons = {failure.player_id: failure.reason for failure in report.failures}
        assert reasons.pop(player(world, PLAYERS[0])) in ("access_withdrawn", "grant_refused")
        assert reasons == {player(world, PLAYERS[1]): "service_unavailable"}
        assert is_complete(world, PLAYERS[2])
        # not again in this round, or an outage would take the budget with it
        before = len(world.sandbox.requests())
        sync.read_before_games(parts)
        assert len(world.sandbox.requests()) == before


def test_one_process_reads_before_games_at_a_time(world_with: Callable[..., World]) -> None:
    world = world_with()
    join(world, *PLAYERS)
    world.sync()
    world.sandbox.advance_to(WINDOW_BEGINS)
    load(world)
    reports = [WhoopReport() for _ in range(4)]

    def read(report: WhoopReport) -> None:
        with sync.opened(world.settings, world.whoop, world.clock, report) as parts:
            sync.read_before_games(parts)

    threads = [threading.Thread(target=read, args=(report,)) for report in reports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.pregame_reads for report in reports) == 9


def test_the_first_history_is_that_of_a_player_with_a_game(
    world_with: Callable[..., World],
) -> None:
    world = world_with(now=WINDOW_BEGINS, requests_per_day=14)
    join(world, OTHERS[0], PLAYERS[0])
    load(world)
    report = world.sync()
    assert report.not_reached == [player(world, OTHERS[0])]
    assert is_complete(world, PLAYERS[0])


def test_follow_reads_players_before_it_reconciles(world_with: Callable[..., World]) -> None:
    world = world_with()
    join(world, *OTHERS, *PLAYERS)
    world.sync()
    world.sandbox.advance_to(WINDOW_BEGINS)
    load(world)
    before = len(world.sandbox.requests())
    stop = threading.Event()
    said: list[str] = []
    follower = threading.Thread(
        target=sync.follow,
        args=(world.settings, world.whoop, stop),
        kwargs={"clock": world.clock, "say": said.append},
    )
    follower.start()
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not any("reconcile" in line for line in said):
            time.sleep(0.1)
    finally:
        stop.set()
        follower.join(20)
    assert not follower.is_alive()
    assert any("before games: 9" in line for line in said), said
    lines = [line for line in world.sandbox.requests()[before:] if line.endpoint.startswith("/dev")]
    players = [world.sandbox.members[place] for place in PLAYERS]
    assert Counter(line.user_id for line in lines[:9]) == dict.fromkeys(players, 3)
    assert {line.user_id for line in lines[9:]} >= {
        world.sandbox.members[place] for place in OTHERS
    }
    assert not any(line.status == 429 for line in lines)
