"""A game in progress: its own rows follow it, and nothing else moves until it is over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, NbaSandbox
from ingestion.settings import Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.tables import table_hashes

# few games of a season are loaded here; percentiles must not be empty
QUICK = ("--vars", "{clutch_min_games: 2}", "--exclude", "resource_type:unit_test")
# data tests run while the game is half played and with it counted; when it is over the tables must
# be those of a season loaded at once
UNTESTED = (*QUICK[:2], *WITHOUT_TESTS)
WITH_LIVE = ("--vars", "{clutch_min_games: 2, include_live_games: true}", *QUICK[2:])

AGGREGATES = (
    "select * from analytics.clutch_player_totals",
    "select * from analytics.clutch_leaderboard",
    "select * from intermediate.int_shot_make_rates where attempts_before > 0",
    "select * from intermediate.int_free_throw_rates where game_id <> '{game}'",
    "select player_id, situation_id, clutch_score, clutch_percentile, expected_points "
    "from analytics.clutch_performance_scores where game_id <> '{game}'",
    "select action_id, expected_points from analytics.clutch_player_actions "
    "where game_id <> '{game}'",
)
OF_THE_GAME = (
    "analytics.games",
    "staging.stg_nba__actions",
    "analytics.clutch_situations",
    "analytics.clutch_player_actions",
    "analytics.clutch_performance_scores",
)


def query(settings: Settings, text: str) -> list[tuple[Any, ...]]:
    with connect(settings, roles.TRANSFORM) as connection:
        return connection.execute(text).fetchall()


def aggregates(settings: Settings, game_id: str) -> list[list[tuple[Any, ...]]]:
    return [sorted(query(settings, text.format(game=game_id)), key=repr) for text in AGGREGATES]


def rows_of(settings: Settings, game_id: str) -> dict[str, int]:
    return {
        table: query(settings, f"select count(*) from {table} where game_id = '{game_id}'")[0][0]
        for table in OF_THE_GAME
    }


def without_history(hashes: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Without what lists versions, or the games that have several; restatements stay."""
    history = ("_history", "_revised_games", "_revisions", "built_game_versions")
    return {name: found for name, found in hashes.items() if not name.endswith(history)}


def built(settings: Settings) -> dict[str, tuple[int, str]]:
    hashes = table_hashes(settings)
    return {name: content for name, content in hashes.items() if not name.startswith("raw_nba.")}


def moments(league: League, game_id: str) -> list[datetime]:
    """Three wall clocks during a game: before clutch time, and twice in it."""
    actions = league.play_by_play(game_id)["game"]["actions"]
    clutch = [
        action
        for action in actions
        if action["period"] >= 4
        and action["clock"] <= "PT05M"
        and abs(int(action["scoreHome"]) - int(action["scoreAway"])) <= 3
        and action["actionType"] in ("2pt", "3pt", "freethrow")
    ]
    chosen = [actions[len(actions) // 2], clutch[len(clutch) // 3], clutch[-1]]
    return [datetime.fromisoformat(a["timeActual"]) + timedelta(seconds=1) for a in chosen]


def close_game(league: League, game_ids: Iterable[str]) -> str:
    """The game with the most shots in clutch time."""

    def shots(game_id: str) -> int:
        actions = league.play_by_play(game_id)["game"]["actions"]
        return sum(
            action["period"] >= 4
            and action["clock"] <= "PT05M"
            and abs(int(action["scoreHome"]) - int(action["scoreAway"])) <= 3
            and action["actionType"] in ("2pt", "3pt", "freethrow")
            for action in actions
        )

    return max(game_ids, key=shots)


@pytest.mark.slow
def test_a_game_loaded_while_it_is_played(
    make_database: Callable[[], Settings],
    database: Settings,
    league: League,
    write_games: Callable[[Path, Iterable[str]], Path],
    tmp_path: Path,
) -> None:
    # from the middle of the season: later games are here already and would know its shots
    game_id = close_game(league, league.game_ids[16:24])
    others = [other for other in league.game_ids[:36] if other != game_id]
    folder = write_games(tmp_path / "others", others)
    assert nba.ingest(database, directory=folder, show_progress=False).exit_code == 0
    build(database, tmp_path / "target", *UNTESTED)
    before = aggregates(database, game_id)
    assert all(before)
    percentiles = query(
        database, "select clutch_percentile from analytics.clutch_performance_scores"
    )
    assert {row[0] is None for row in percentiles} == {True, False}

    seen: list[dict[str, int]] = []
    with NbaSandbox(league) as sandbox:
        live = dataclasses.replace(database, nba_cdn_base_url=sandbox.base_url)
        for tested, moment in zip(
            (UNTESTED, QUICK, UNTESTED), moments(league, game_id), strict=True
        ):
            sandbox.now = moment
            report = nba.ingest(live, game_ids=[game_id], show_progress=False)
            assert (report.versions_added, report.exit_code) == (2, 0)
            build(database, tmp_path / "target", *tested)
            seen.append(rows_of(database, game_id))
            is_final = query(
                database, f"select is_final from analytics.games where game_id = '{game_id}'"
            )
            assert is_final == [(False,)]
            assert aggregates(database, game_id) == before

        build(database, tmp_path / "target", *WITH_LIVE)
        asked_for = aggregates(database, game_id)
        assert [was == now for was, now in zip(before, asked_for, strict=True)] == [False] * 6

        sandbox.now = None
        assert nba.ingest(live, game_ids=[game_id], show_progress=False).versions_added == 2
        build(database, tmp_path / "target", *UNTESTED)

        once = make_database()
        nba.ingest(once, directory=folder, show_progress=False)
        final = dataclasses.replace(once, nba_cdn_base_url=sandbox.base_url)
        nba.ingest(final, game_ids=[game_id], show_progress=False)
    build(once, tmp_path / "target of once", *UNTESTED)

    # the marts followed: the game grew, and its clutch time with it
    first, second, third = seen
    assert first["analytics.games"] == second["analytics.games"] == third["analytics.games"] == 1
    assert first["analytics.clutch_situations"] == 0
    for table in ("staging.stg_nba__actions", "analytics.clutch_player_actions"):
        assert first[table] < second[table] < third[table] <= rows_of(database, game_id)[table]
    assert second["analytics.clutch_performance_scores"] > 0
    assert aggregates(database, game_id) != before

    # and in the end nothing but the history of versions tells that it was loaded before it was over
    assert without_history(built(database)) == without_history(built(once))
