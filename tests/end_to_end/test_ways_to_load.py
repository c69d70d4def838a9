"""However the same games get in - twice, in halves, corrected - the tables are the same.

Where they must equal tables on which dbt's tests have passed, those need not run again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League
from ingestion.settings import Settings
from tests.support.dbt_runs import (
    OF_THE_BOARD,
    OF_THE_BODY,
    OF_THE_MODEL,
    WITHOUT_TESTS,
    build,
    failures,
    invoke_dbt,
)
from tests.support.tables import table_hashes

WriteGames = Callable[[Path, Iterable[str]], Path]


def load(settings: Settings, directory: Path) -> nba.IngestReport:
    return nba.ingest(settings, directory=directory, show_progress=False)


def without_raw(hashes: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    return {name: content for name, content in hashes.items() if not name.startswith("raw_nba.")}


def test_unit_tests_pass(undisturbed: Settings, tmp_path: Path) -> None:
    done = invoke_dbt(undisturbed, ["test", "--select", "test_type:unit"], tmp_path)
    assert done.exception is None, done.exception
    assert done.success, "\n".join(failures(done.result))
    ran = [each for each in done.result.results if each.node.resource_type == "unit_test"]
    assert len(ran) > 80


def test_the_season_gives_every_table_rows(undisturbed: Settings) -> None:
    empty = {name for name, (rows, _) in table_hashes(undisturbed).items() if rows == 0}
    # nobody here wears anything: only what comes from rules has rows
    of_the_body = {name for name in empty if name.partition(".")[2] in OF_THE_BODY}
    assert {name.partition(".")[2] for name in of_the_body} == OF_THE_BODY - {
        "int_plausible_ranges",
        "wearables_quality",
        # who asks is always somebody
        "stg_operations__reader_groups",
    }
    # and nobody has fitted anything
    of_the_model = {name for name in empty if name.partition(".")[2] in OF_THE_MODEL}
    assert {name.partition(".")[2] for name in of_the_model} == OF_THE_MODEL
    # files came without a schedule, and from the live data alone
    assert empty - of_the_body - of_the_model == {
        "raw_nba.schedule",
        "staging.stg_nba__actions_v2",
        "staging.stg_nba__actions_v3",
        "staging.stg_nba__boxscoretraditionalv3_versions",
        "staging.stg_nba__playbyplay_players",
        "staging.stg_nba__playbyplayv2_versions",
        "staging.stg_nba__playbyplayv3_versions",
        "staging.stg_nba__fixture_versions",
        "staging.stg_nba__scheduled_games",
        "intermediate.int_upcoming_games",
        "analytics.game_schedule",
        *(f"analytics.{name}" for name in OF_THE_BOARD),
        # the simulated scorer makes no mistake, and nothing was changed after the end
        "intermediate.int_game_time_limits",
        "intermediate.int_action_time_inversions",
        "intermediate.int_action_times_repaired",
        "intermediate.int_players_on_both_teams",
        "intermediate.int_clutch_floor_violations",
        "staging.stg_nba__revised_games",
        "staging.stg_nba__playbyplay_revisions",
        "staging.stg_nba__playbyplay_restated_fields",
        "staging.stg_nba__boxscore_restated_fields",
        "analytics.restatements",
    }


def test_loading_everything_twice_changes_no_row(
    undisturbed: Settings, season_directory: Path, tmp_path: Path
) -> None:
    def hashes() -> dict[str, tuple[int, str]]:
        found = table_hashes(undisturbed, with_times=True)
        # that the files were read again is what these are about
        del found["staging.stg_nba__last_reads"]
        del found["intermediate.int_observation_time"]
        return found

    before = hashes()
    report = load(undisturbed, season_directory)
    assert (report.versions_added, report.unchanged) == (0, report.games * 2)
    build(undisturbed, tmp_path, *WITHOUT_TESTS)
    assert hashes() == before


@pytest.mark.parametrize("first", ["later games first"])
def test_two_halves_equal_at_once(
    first: str,
    undisturbed: Settings,
    database: Settings,
    league: League,
    write_games: WriteGames,
    tmp_path: Path,
) -> None:
    ids = list(league.game_ids)
    middle = len(ids) // 2
    halves = [ids[1::2], ids[::2]] if first == "odd games first" else [ids[middle:], ids[:middle]]
    for number, half in enumerate(halves):
        load(database, write_games(tmp_path / f"half{number}", half))
        build(database, tmp_path / "target", *WITHOUT_TESTS)
    assert table_hashes(database) == table_hashes(undisturbed)


def test_incremental_equals_full_refresh_after_a_correction(
    undisturbed: Settings,
    season_to_change: Settings,
    season_directory: Path,
    league: League,
    tmp_path: Path,
) -> None:
    database = season_to_change
    assert table_hashes(database) == table_hashes(undisturbed)

    corrected = shutil.copytree(season_directory, tmp_path / "corrected")
    game_id = league.game_ids[10]
    move_shots_away(corrected / f"playbyplay_{game_id}.json", feet=9)
    report = load(database, corrected)
    assert report.versions_added == 1
    build(database, tmp_path / "target")
    incremental = table_hashes(database)
    assert (
        incremental["intermediate.int_shots_by_game_and_distance"]
        != (table_hashes(undisturbed)["intermediate.int_shots_by_game_and_distance"])
    )

    build(database, tmp_path / "target", "--full-refresh", *WITHOUT_TESTS)
    assert table_hashes(database) == incremental


def test_a_correction_rebuilds_its_game_and_what_knows_its_shots(
    season_to_change: Settings, season_directory: Path, league: League, tmp_path: Path
) -> None:
    database = season_to_change
    game_id = league.game_ids[-20]
    before = row_versions(database)

    corrected = shutil.copytree(season_directory, tmp_path / "corrected")
    move_shots_away(corrected / f"playbyplay_{game_id}.json", feet=9)
    load(database, corrected)
    build(database, tmp_path / "target", *WITHOUT_TESTS)
    after = row_versions(database)

    def rebuilt(table: str) -> set[str]:
        return {game for game, xmin in after[table].items() if before[table].get(game) != xmin}

    for table in ("staging.stg_nba__actions_cdn", "intermediate.int_actions_sequenced"):
        assert rebuilt(table) == {game_id}
    with connect(database, roles.TRANSFORM) as connection:
        knowing = {
            row[0]
            for row in connection.execute(
                """
                select later.game_id
                from intermediate.int_games_described as later
                inner join intermediate.int_games_described as corrected on corrected.game_id = %s
                where later.utc_date - corrected.utc_date >= 2
                """,
                [game_id],
            )
        }
    assert len(knowing) > 3
    assert rebuilt("analytics.expected_points") == knowing | {game_id}
    assert rebuilt("analytics.player_game_shots") == knowing | {game_id}
    assert rebuilt("analytics.clutch_player_actions") <= knowing | {game_id}
    assert len(rebuilt("analytics.clutch_player_actions")) > 3

    # a correction that leaves every shot as it was is none to the games that know them
    before = after
    path = corrected / f"playbyplay_{game_id}.json"
    payload = orjson.loads(path.read_bytes())
    rebound = next(row for row in payload["game"]["actions"] if row["actionType"] == "rebound")
    rebound["description"] = "rebound, told in other words"
    path.write_bytes(orjson.dumps(payload))
    load(database, corrected)
    build(database, tmp_path / "target", *WITHOUT_TESTS)
    after = row_versions(database)
    for table in after:
        assert rebuilt(table) <= {game_id}
    assert rebuilt("analytics.expected_points") == {game_id}


def move_shots_away(path: Path, feet: float) -> None:
    """Rewrite a play-by-play file with every field goal that much farther away."""
    payload = orjson.loads(path.read_bytes())
    moved = 0
    for action in payload["game"]["actions"]:
        if action.get("isFieldGoal") == 1:
            action["shotDistance"] += feet
            moved += 1
    assert moved > 100
    path.write_bytes(orjson.dumps(payload))


def row_versions(settings: Settings) -> dict[str, dict[str, str]]:
    """Per table and game the transactions that wrote its rows."""
    tables = (
        "staging.stg_nba__actions_cdn",
        "intermediate.int_actions_sequenced",
        "analytics.expected_points",
        "analytics.player_game_shots",
        "analytics.clutch_player_actions",
    )
    with connect(settings, roles.TRANSFORM) as connection:
        return {
            table: dict(
                connection.execute(
                    f"select game_id, string_agg(distinct xmin::text, ',') from {table} group by 1"
                ).fetchall()
            )
            for table in tables
        }
