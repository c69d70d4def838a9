"""Games of the stats service beside those of the live data, through the whole pipeline."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.database.migrate import migrate
from ingestion.settings import Settings
from tests.replay import write_files
from tests.support.dbt_runs import build, invoke_dbt
from tests.support.legacy_seasons import LEGACY_SEASONS, legacy_game_ids, write_legacy_games

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

GAME_OF_BOTH = "0022200552"  # 58 minutes, decided in overtime by 11
COUNTS = [
    "has_played",
    "pts",
    "fgm",
    "fga",
    "fg3m",
    "fg3a",
    "ftm",
    "fta",
    "oreb",
    "dreb",
    "ast",
    "tov",
    "stl",
    "blk",
    "pf",
    "plus_minus",
    "team_id",
]


def load(settings: Settings, directory: Path, target: Path) -> None:
    nba.ingest(settings, directory=directory, show_progress=False)
    build(settings, target, "--exclude", "resource_type:unit_test")


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    with connect(settings, roles.TRANSFORM) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(query).fetchall()


@pytest.fixture(scope="module")
def stats_files(shared_nba: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game's play-by-play and box score as the stats service sent them."""
    directory = tmp_path_factory.mktemp("stats")
    for path in (shared_nba / "wire" / "stats").glob(f"*v3_{GAME_OF_BOTH}.json.gz"):
        shutil.copy(path, directory)
    assert len(list(directory.iterdir())) == 2
    return directory


def test_clutch_lines_are_the_same_from_either_source(
    make_database: Callable[[], Settings],
    module_database: Settings,
    stats_files: Path,
    tmp_path: Path,
) -> None:
    write_files(["2022-23"], tmp_path / "cdn", [GAME_OF_BOTH])
    query = "select * from intermediate.int_clutch_player_games order by player_id"

    load(module_database, stats_files, tmp_path / "target")
    from_stats = rows(module_database, query)
    games_from_stats = rows(module_database, "select * from analytics.games")
    feeds = rows(module_database, "select distinct data_source from analytics.clutch_situations")
    assert feeds == [{"data_source": "nba_stats_v3"}]

    # the live data take the game over as soon as they are there
    load(module_database, tmp_path / "cdn", tmp_path / "target")
    from_cdn = rows(module_database, query)
    games_from_cdn = rows(module_database, "select * from analytics.games")
    feeds = rows(module_database, "select distinct data_source from analytics.clutch_situations")
    assert feeds == [{"data_source": "nba_cdn"}]
    left = rows(module_database, "select count(*) as rows from staging.stg_nba__actions_v3")
    assert left == [{"rows": 0}]

    assert len(from_cdn) > 15
    assert [row["player_id"] for row in from_stats] == [row["player_id"] for row in from_cdn]
    differing = [
        (row["player_id"], name, theirs[name], row[name])
        for row, theirs in zip(from_stats, from_cdn, strict=True)
        for name in COUNTS
        if row[name] != theirs[name]
    ]
    assert differing == []
    assert all(
        abs(row["clutch_seconds"] - theirs["clutch_seconds"]) <= Decimal("0.1")
        for row, theirs in zip(from_stats, from_cdn, strict=True)
    )
    # time and place are not in the stats service's box score, and no schedule is here
    unknown = dict.fromkeys(
        ("tipoff_at", "game_date", "arena_timezone", "arena_name", "arena_city")
    )
    assert games_from_stats == [{**games_from_cdn[0], **unknown}]


def test_shots_are_from_the_same_place_in_either_source(
    make_database: Callable[[], Settings], stats_files: Path, tmp_path: Path
) -> None:
    query = """
        select period, seconds_remaining, player_id, action_type, action_subtype, descriptor,
            shot_result, shot_distance_feet, assist_player_id, score_home, score_away
        from staging.stg_nba__actions where action_type in ('2pt', '3pt', 'freethrow')
        order by period, seconds_remaining desc, player_id, action_subtype, score_home + score_away
    """
    found = []
    for directory in (stats_files, tmp_path / "cdn"):
        if directory != stats_files:
            write_files(["2022-23"], directory, [GAME_OF_BOTH])
        settings = make_database()

        migrate(settings)
        nba.ingest(settings, directory=directory, show_progress=False)
        build(
            settings,
            tmp_path / directory.name,
            "--select",
            "+stg_nba__actions",
        )
        found.append(rows(settings, query))
    stats, cdn = found
    assert len(stats) == len(cdn) > 250
    exact = [name for name in stats[0] if name not in ("shot_distance_feet", "descriptor")]
    differing = [
        (mine[name], theirs[name], theirs)
        for mine, theirs in zip(stats, cdn, strict=True)
        for name in exact
        if mine[name] != theirs[name]
    ]
    assert differing == []
    distances = [
        abs(mine["shot_distance_feet"] - theirs["shot_distance_feet"])
        for mine, theirs in zip(stats, cdn, strict=True)
        if theirs["shot_distance_feet"] is not None
    ]
    assert max(distances) < 0.6


@pytest.fixture(scope="module")
def legacy(
    make_database: Callable[[], Settings],
    shared_nba: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Settings, Path]:
    """Every thirtieth game of the two seasons, built; with dbt's target folder."""

    settings = make_database()
    migrate(settings)
    directory = tmp_path_factory.mktemp("legacy")
    for season in LEGACY_SEASONS:
        ids = legacy_game_ids(shared_nba, season)
        write_legacy_games(shared_nba, season, ids[::30], directory)
    target = tmp_path_factory.mktemp("target")
    load(settings, directory, target)
    return settings, target


def test_points_of_legacy_games_add_up_to_the_score(
    legacy: tuple[Settings, Path], shared_nba: Path
) -> None:
    games = rows(
        legacy[0],
        """
        select games.game_id, games.is_final, games.season, home_score, away_score, home_team_id,
            sum(points) filter (where team_id = home_team_id) as home_points,
            sum(points) filter (where team_id = away_team_id) as away_points
        from analytics.games
        inner join (
            select game_id, team_id,
                case action_type when 'freethrow' then 1 when '2pt' then 2 else 3 end as points
            from staging.stg_nba__actions
            where action_type in ('2pt', '3pt', 'freethrow') and shot_result = 'Made'
        ) as made using (game_id)
        group by games.game_id
        """,
    )
    assert len(games) == sum(
        len(legacy_game_ids(shared_nba, season)[::30]) for season in LEGACY_SEASONS
    )
    assert {game["season"] for game in games} == set(LEGACY_SEASONS)
    assert [game["game_id"] for game in games if not game["is_final"]] == []
    wrong = [
        game
        for game in games
        if (game["home_points"], game["away_points"]) != (game["home_score"], game["away_score"])
    ]
    assert wrong == []


def test_players_of_legacy_games_are_plausible(legacy: tuple[Settings, Path]) -> None:
    settings = legacy[0]
    assert (
        rows(
            settings,
            """
            select game_id, player_id from intermediate.int_player_stints
            group by 1, 2 having count(distinct team_id) > 1
            """,
        )
        == []
    )
    assert (
        rows(
            settings,
            """
            select game_id, period, team_id from intermediate.int_period_starters
            group by 1, 2, 3 having count(*) <> 5
            """,
        )
        == []
    )
    totals = rows(
        settings,
        "select sum(gp) as gp, sum(w) as w, sum(l) as l, max(gp) as most, sum(plus_minus) as net, "
        "bool_and(gp = w + l) as sane from analytics.clutch_player_totals",
    )[0]
    assert totals["sane"]
    # as many players won as lost, give or take who came in on one side only
    assert abs(totals["w"] - totals["l"]) < 0.05 * totals["gp"]
    assert totals["net"] == 0
    names = rows(settings, "select * from analytics.players where full_name not like '% %'")
    assert {row["full_name"] for row in names} <= {"Nene"}
    assert len(rows(settings, "select * from analytics.teams where city is not null")) == 30


def test_no_alarm_on_legacy_games(legacy: tuple[Settings, Path]) -> None:
    settings, target = legacy
    done = invoke_dbt(settings, ["test", "--exclude", "resource_type:unit_test"], target)
    assert done.success
    alarms = {
        item.node.name: str(item.status)
        for item in done.result
        if item.node.resource_type != "operation" and item.status != "pass"
    }
    assert alarms == {}


def test_play_in_games_without_box_score(
    make_database: Callable[[], Settings], shared_nba: Path, tmp_path: Path
) -> None:

    settings = make_database()
    migrate(settings)
    ids = [f"005220{series}" for series in ("0101", "0111", "0121", "0131", "0201", "0211")]
    write_files(["2022-23"], tmp_path / "files", ids)
    load(settings, tmp_path / "files", tmp_path / "target")
    games = rows(settings, "select * from analytics.games order by game_id")
    assert [game["game_id"] for game in games] == ids
    assert all(game["is_final"] and game["season_type"] == "PlayIn" for game in games)
    # who is at home is told by the score alone
    with (shared_nba / "games.csv").open(encoding="utf-8", newline="") as lines:
        listed = {row["game_id"]: row for row in csv.DictReader(lines)}
    for game in games:
        row = listed[game["game_id"]]
        assert (game["home_team_id"], game["away_team_id"]) == (
            row["home_team_id"],
            row["away_team_id"],
        )
        assert (game["home_score"], game["away_score"]) == (
            int(row["home_score"]),
            int(row["away_score"]),
        )
    evidence = rows(
        settings,
        "select game_id, team_id, count(*) as players, max(period) as period "
        "from intermediate.int_period_starters group by 1, 2",
    )
    assert [(row["players"], row["period"]) for row in evidence] == [(5, 1)] * 12
