"""Repaired wall clocks, reconciliation and restatements, through the whole pipeline."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.database.migrate import migrate
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from tests.replay import write_files
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.tables import table_hashes

GAME_COUNT = 24

# name, number of neighbouring rows, how far off: damage that the real seasons have
LATENESS = (
    ("one row 3 min late", 1, timedelta(minutes=3)),
    ("three rows 3 min late", 3, timedelta(minutes=3)),
    ("a row a day late", 1, timedelta(days=1)),
    ("a row a day early", 1, timedelta(days=-1)),
    ("thirty rows a day late", 30, timedelta(days=1)),
    ("a row 26 h 17 min late", 1, timedelta(hours=26, minutes=17)),
    ("a row without a time", 1, None),
)


@pytest.fixture(scope="module")
def league() -> League:
    return League(LeagueSettings(seed=11, team_count=8, game_count=GAME_COUNT))


def play_by_play(league: League, game_id: str) -> dict[str, Any]:
    payload: dict[str, Any] = orjson.loads(league.play_by_play_json(game_id))
    return payload


def box_score(league: League, game_id: str) -> dict[str, Any]:
    payload: dict[str, Any] = orjson.loads(league.box_score_json(game_id))
    return payload


def places(chance: random.Random, length: int) -> Iterator[int]:
    """Random places inside a game, as many as are wanted."""
    while True:
        yield chance.randrange(40, length - 80)


def load(settings: Settings, directory: Path, payloads: dict[str, dict[str, Any]]) -> None:
    """Ingest payloads by file name."""
    directory.mkdir(parents=True)
    for name, payload in payloads.items():
        (directory / f"{name}.json").write_bytes(orjson.dumps(payload))
    report = nba.ingest(settings, directory=directory, show_progress=False)
    assert report.exit_code == 0, report.closing_line()


def select(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings, roles.TRANSFORM) as connection:
        return connection.execute(query).fetchall()


def test_injected_lateness_is_found_and_nothing_else_moves(
    league: League, database: Settings, tmp_path: Path
) -> None:
    """Every game gets one piece of damage; the times before it are the truth."""
    chance = random.Random(5)
    truth: dict[tuple[str, int], datetime] = {}
    damaged: dict[tuple[str, int], str] = {}
    payloads: dict[str, dict[str, Any]] = {}
    for number, game_id in enumerate(league.game_ids):
        name, length, offset = LATENESS[number % len(LATENESS)]
        payload = play_by_play(league, game_id)
        actions = payload["game"]["actions"]
        times = [datetime.fromisoformat(action["timeActual"]) for action in actions]
        for action, time in zip(actions, times, strict=True):
            truth[game_id, action["orderNumber"]] = time
        start = next(
            place
            for place in places(chance, len(actions))
            # lateness shows only where the game goes on within it; a row a day late shows anywhere
            if length == 30 or times[place + length + 8] - times[place] < timedelta(seconds=150)
        )
        for place in range(start, start + length):
            action = actions[place]
            damaged[game_id, action["orderNumber"]] = name
            if offset is None:
                del action["timeActual"]
            else:
                action["timeActual"] = (times[place] + offset).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        payloads[f"playbyplay_{game_id}"] = payload
        payloads[f"boxscore_{game_id}"] = box_score(league, game_id)
    load(database, tmp_path / "games", payloads)
    build(database, tmp_path / "target", "--select", "+int_actions_sequenced", *WITHOUT_TESTS)

    rows = select(
        database,
        """
        select game_id, order_number, action_timestamp, recorded_at, is_action_timestamp_repaired
        from intermediate.int_actions_sequenced order by game_id, order_number
        """,
    )
    assert len(rows) == len(truth)
    errors: dict[str, list[float]] = {name: [] for name, _, _ in LATENESS}
    moved_sane_rows = []
    last: tuple[str, datetime] | None = None
    for game_id, order_number, repaired, recorded, is_repaired in rows:
        key = (game_id, order_number)
        assert is_repaired == (repaired != recorded)
        assert last is None or last[0] != game_id or last[1] <= repaired, f"runs back at {key}"
        last = (game_id, repaired)
        if key in damaged:
            errors[damaged[key]].append(abs((repaired - truth[key]).total_seconds()))
        elif is_repaired:
            moved_sane_rows.append(key)
    for name, seconds in errors.items():
        print(f"{name}: {len(seconds)} rows, worst {max(seconds):.1f} s")
        # whole hours come back to the second; anything else lies between its neighbours
        assert max(seconds) < (1 if "day" in name else 60), name
        assert statistics.median(seconds) < 25, name
    assert moved_sane_rows == []


@pytest.mark.slow
def test_restatements_of_incremental_runs_equal_a_full_refresh(
    league: League, make_database: Callable[[], Settings], tmp_path: Path
) -> None:
    """Corrections come one by one, two of them between two builds; one is taken back."""
    corrected, returned, untouched = league.game_ids[:3]
    first = {
        f"{resource}_{game_id}": payload(league, game_id)
        for game_id in (corrected, returned, untouched)
        for resource, payload in (("playbyplay", play_by_play), ("boxscore", box_score))
    }
    shooter_changed = play_by_play(league, corrected)
    basket = next(
        action
        for action in reversed(shooter_changed["game"]["actions"])
        if action["actionType"] == "2pt" and action.get("shotResult") == "Made"
    )
    shooter = str(basket["personId"])
    basket["personId"] = 999
    basket["edited"] = "2030-01-01T00:00:00Z"
    attendance_changed = box_score(league, returned)
    attendance_changed["game"]["attendance"] += 1
    action_removed = play_by_play(league, corrected)
    gone = action_removed["game"]["actions"].pop(100)

    loads = [
        first,
        {f"playbyplay_{corrected}": shooter_changed},
        {f"boxscore_{returned}": attendance_changed},
        {f"boxscore_{returned}": first[f"boxscore_{returned}"]},
        {f"playbyplay_{corrected}": action_removed},
    ]
    stepwise, at_once = make_database(), make_database()
    for settings in (stepwise, at_once):
        migrate(settings)
    load(stepwise, tmp_path / "step0", first)
    load(at_once, tmp_path / "once0", first)
    target = tmp_path / "target"
    # the last tables equal those of one build, on which dbt's tests run
    build(stepwise, target, *WITHOUT_TESTS)
    assert select(stepwise, "select count(*) from analytics.restatements") == [(0,)]
    for number, one in enumerate(loads[1:], 1):
        load(stepwise, tmp_path / f"step{number}", one)
        load(at_once, tmp_path / f"once{number}", one)
        if number != 2:
            build(stepwise, target, *WITHOUT_TESTS)
    build(at_once, tmp_path / "other")

    rows = select(
        stepwise,
        """
        select game_id, resource, version_number, record_type, field, old_value, new_value
        from analytics.restatements order by game_id, resource, version_number, field
        """,
    )
    attendance = str(first[f"boxscore_{returned}"]["game"]["attendance"])
    more = str(attendance_changed["game"]["attendance"])
    assert sorted(rows) == sorted(
        [
            (corrected, "playbyplay", 2, "action", "personId", shooter, "999"),
            (corrected, "playbyplay", 3, "action", "personId", "999", shooter),
            (corrected, "playbyplay", 3, "action", "row", gone["description"], None),
            (returned, "boxscore", 2, "game", "attendance", attendance, more),
            (returned, "boxscore", 3, "game", "attendance", more, attendance),
        ]
    )
    assert table_hashes(stepwise) == table_hashes(at_once)


NAMED_GAMES = ("0022000416", "0022100042", "0022200745")
NOT_FINAL = "0022301104"
DIFFERING = {"0022300469": 8, "0022100107": 2, "0022200225": 2, "0022200510": 6, "0022200596": 2}


@pytest.fixture(scope="module")
def real_games(
    shared_nba: Path,
    make_database: Callable[[], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Real games that are odd in one way or another, and four in order."""
    games = [*NAMED_GAMES, NOT_FINAL, *DIFFERING, "0022200061", "0022200133"]
    games += ["0022000001", "0022100001", "0042100401", "0022300061"]
    folder = tmp_path_factory.mktemp("real")
    write_files(["2020-21", "2021-22", "2022-23", "2023-24"], folder / "games", games)
    settings = make_database()
    migrate(settings)
    report = nba.ingest(settings, directory=folder / "games", show_progress=False)
    assert report.games == len(games)
    build(settings, folder / "target")
    return settings


@pytest.mark.realdata
@pytest.mark.slow
def test_times_of_the_games_that_are_known_for_odd_ones(real_games: Settings) -> None:
    rows = select(
        real_games,
        f"""
        select
            game_id,
            max(recorded_at) - min(recorded_at) > interval '10 hours',
            max(action_timestamp) - min(action_timestamp) < interval '3 hours',
            avg(is_action_timestamp_repaired::integer) < 0.03
        from intermediate.int_actions_sequenced
        where game_id in {NAMED_GAMES} group by game_id order by game_id
        """,
    )
    assert rows == [(game_id, True, True, True) for game_id in NAMED_GAMES]
    back = """
        select count(*) from (
            select {column} < lag({column}) over (partition by game_id order by order_number)
                as runs_back
            from intermediate.int_actions_sequenced
        ) as steps where runs_back
    """
    assert select(real_games, back.format(column="action_timestamp")) == [(0,)]
    assert select(real_games, back.format(column="recorded_at")) > [(20,)]


@pytest.mark.realdata
@pytest.mark.slow
def test_only_games_with_a_real_reason_are_suspect(real_games: Settings) -> None:
    rows = select(
        real_games, "select game_id, suspect_reasons from analytics.game_quality where is_suspect"
    )
    assert sorted(rows) == [
        # 74 seconds of playing time without an action, with a shot clock of 24
        ("0022200061", "missing_plays"),
        # its times jump by 3.5 h in the third quarter and run on: seven hours in all
        ("0022200133", "wall_clock_too_long"),
        # its box score was saved before the game began
        (NOT_FINAL, "score_mismatch"),
    ]
    differing = select(
        real_games,
        f"""
        select game_id, sum(differences_total)::integer from analytics.game_reconciliation
        where differences_total > 0 and game_id <> '{NOT_FINAL}' group by game_id
        """,
    )
    assert dict(differing) == DIFFERING
