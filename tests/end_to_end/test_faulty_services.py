"""A league whose services do everything wrong: in the end the tables are those of a clean run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ingestion import nba
from ingestion.errors import ClutchError
from ingestion.nba import http as client_policy
from ingestion.nba.league import CONCURRENT_CDN_REQUESTS
from ingestion.settings import Settings
from tests.replay import Fault, FaultPlan, Kind, ReplaySeason, ReplayServer, edits
from tests.replay.faults import DAMAGING, PASSING, From, Listed, names
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.tables import table_hashes

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

SEASON = "2021-22"
GAMES = 30
EDITED_GAMES = 6
# of one path: below the client's attempts, so that what may pass does pass within a run
FAULTY_REQUESTS = 4
# a run asks at least for the schedule and, if that is in good order, for every game that is not
MOST_RUNS = 2 * FAULTY_REQUESTS + 1

Tables = dict[str, tuple[int, str]]
Ingest = Callable[[Settings], nba.IngestReport]


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    games = ReplaySeason(SEASON).game_ids[:GAMES]
    # one server, hence one address, for all runs: the raw tables hold it
    with ReplayServer([SEASON], games=games, use_gzip=True) as running:
        yield running


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_policy, "FIRST_WAIT_SECONDS", 0.02)


@pytest.fixture(scope="module")
def clean(
    server: ReplayServer,
    make_migrated: Callable[[], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Tables:
    """The tables of a run without faults."""
    settings = server.settings(make_migrated())
    server.set_plan(FaultPlan())
    report = ingest_season(settings)
    assert (report.games, report.exit_code) == (GAMES, 0)
    print(f"\nclean run: {server.log.summary()}")
    assert server.log.most_repeated[1] == 1
    build(settings, tmp_path_factory.mktemp("target"), *WITHOUT_TESTS)
    return table_hashes(settings)


def ingest_season(settings: Settings) -> nba.IngestReport:
    return nba.ingest(settings, seasons=[SEASON], show_progress=False)


def ingest_until_done(ingest: Ingest, settings: Settings, server: ReplayServer) -> int:
    """Run again, as cron would, until nothing is amiss.

    Returns:
        How many requests that took.
    """
    requests = 0
    for _ in range(MOST_RUNS):
        is_done = is_done_after(ingest, settings, server)
        requests += server.log.total
        if is_done:
            return requests
    pytest.fail(f"not done after {MOST_RUNS} runs")


def is_done_after(ingest: Ingest, settings: Settings, server: ReplayServer) -> bool:
    """Run once, and hold the client to its policy."""
    server.log.clear()
    try:
        exit_code = ingest(settings).exit_code
        outcome = f"exit code {exit_code}"
    except ClutchError as error:
        exit_code = error.exit_code
        outcome = f"gave up: {error}"
    print(f"\n{outcome}: {server.log.summary()}")
    assert server.log.most_repeated[1] <= client_policy.ATTEMPTS
    assert server.log.most_at_once <= CONCURRENT_CDN_REQUESTS
    return exit_code == 0


@pytest.mark.parametrize("seed", [1])
def test_random_faults(
    seed: int, server: ReplayServer, clean: Tables, database: Settings, tmp_path: Path
) -> None:
    settings = server.settings(database)
    plan = FaultPlan.random(seed, rate=0.35, first=FAULTY_REQUESTS)
    server.set_plan(plan)
    requests = ingest_until_done(ingest_season, settings, server)
    print(f"{requests} requests under faults for {2 * GAMES + 1} files")
    build(settings, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(settings) == clean


def test_every_fault_of_the_list(
    server: ReplayServer, clean: Tables, database: Settings, tmp_path: Path
) -> None:
    """Each on a game's play-by-play, and on the next game's box score."""
    faults = (*PASSING, *DAMAGING)
    games = server.game_ids
    rules = []
    for number, fault in enumerate(faults):
        rules.append(Listed(f"playbyplay_{games[number]}", [fault]))
        rules.append(
            Listed(f"boxscore_{games[number + 1]}", [None, fault] if number % 2 else [fault])
        )
    seen: set[str] = set()
    settings = server.settings(database)
    server.set_plan(FaultPlan(*rules))

    def ingest(settings: Settings) -> nba.IngestReport:
        report = ingest_season(settings)
        seen.update(server.log.faults)
        return report

    ingest_until_done(ingest, settings, server)
    assert seen == names(faults)
    build(settings, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(settings) == clean


@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.BLOCKED), Fault(Kind.STATUS, 503), Fault(Kind.HTML)],
    ids=lambda fault: fault.name,
)
def test_a_host_that_turns_away_and_comes_back(
    fault: Fault, server: ReplayServer, clean: Tables, database: Settings, tmp_path: Path
) -> None:
    settings = server.settings(database)
    server.set_plan(FaultPlan(From(31, fault)))
    assert not is_done_after(ingest_season, settings, server)
    # turned away a second time: it may not even get the schedule
    is_done_after(ingest_season, settings, server)
    server.set_plan(FaultPlan())
    assert is_done_after(ingest_season, settings, server)
    build(settings, tmp_path, *WITHOUT_TESTS)
    assert table_hashes(settings) == clean


def test_games_edited_three_times_behind_a_stale_cache(
    server: ReplayServer,
    make_migrated: Callable[[], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An older version that a cache still has must not replace the newer one."""
    edited = server.game_ids[:EDITED_GAMES]
    stale = FaultPlan(
        # every version is seen at once, then again as the cache has it, then once more
        Listed("playbyplay|boxscore", [None, Fault(Kind.STALE), None, Fault(Kind.STALE)]),
    )
    faults = FaultPlan.random(3, rate=0.3, faults=PASSING, first=FAULTY_REQUESTS)

    def ingest(settings: Settings) -> nba.IngestReport:
        return nba.ingest(settings, game_ids=edited, show_progress=False)

    def through(plans: Sequence[FaultPlan], *, build_versions: bool) -> Tables:
        settings = server.settings(make_migrated())
        target = tmp_path_factory.mktemp("target")
        for version in range(edits.EDITS + 1):
            for game_id in edited:
                server.set_version(game_id, version)
            for plan in plans:
                server.set_plan(plan)
                for _ in range(4 if plan is stale else 1):
                    ingest_until_done(ingest, settings, server)
            if build_versions or version == edits.EDITS:
                build(settings, target, *WITHOUT_TESTS)
        return table_hashes(settings)

    try:
        clean = through([FaultPlan()], build_versions=False)
        assert clean["raw_nba.playbyplay"][0] == EDITED_GAMES * (edits.EDITS + 1)
        # built after every version, incrementally
        assert through([faults, stale], build_versions=True) == clean
    finally:
        for game_id in edited:
            server.set_version(game_id, 0)
