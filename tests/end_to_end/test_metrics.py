"""Metrics of the semantic layer against SQL written by hand, and as the command asks them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import PROJECT_ROOT, Settings
from tests.end_to_end.test_win_probability_commands import clutch
from tests.support.metrics import Metrics


@pytest.fixture(scope="module")
def metrics(undisturbed: Settings, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    return Metrics(undisturbed, tmp_path_factory.mktemp("metrics"))


def by_hand(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings, roles.BI) as connection:
        return connection.execute(query.encode()).fetchall()


def same(asked: Sequence[Any], written: Sequence[Any]) -> bool:
    return len(asked) == len(written) and all(
        one == other
        or (
            isinstance(one, int | float)
            and other is not None
            and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        )
        for one, other in zip(asked, written, strict=True)
    )


# A metric by dimensions, and the same from the tables that hold it: not from the view that the
# semantic layer reads.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "leaderboard": (
        ["clutch_score_average", "clutch_games", "clutch_points", "clutch_points_over_expected"],
        ["player", "clutch_stretch__season"],
        """
        select player_id, season, avg_score, total_clutch_games, points_scored, points_over_expected
        from clutch_leaderboard
        inner join (
            -- which the leaderboard rounds
            select player_id, avg(clutch_score) as avg_score
            from clutch_descriptive_scores inner join games using (game_id)
            where is_final group by player_id
        ) as unrounded using (player_id)
        """,
    ),
    "win probability by player": (
        ["clutch_win_probability_added"],
        ["player__full_name"],
        """
        select full_name, sum(win_probability_added) from clutch_leaderboard group by full_name
        """,
    ),
    "success by team": (
        ["clutch_success_rate", "clutch_actions"],
        ["player__team__tricode"],
        """
        select teams.tricode,
            sum(scores.actions_successful)::float8 / sum(scores.actions_total),
            sum(scores.actions_total)
        from clutch_descriptive_scores as scores
        inner join games on scores.game_id = games.game_id and games.is_final
        inner join players on scores.player_id = players.player_id
        inner join teams on players.team_id = teams.team_id
        group by teams.tricode
        """,
    ),
    "points by game": (
        ["clutch_points", "clutch_games"],
        ["game"],
        """
        select game_id, sum(points_scored), count(distinct game_id)
        from clutch_player_actions inner join games using (game_id)
        where is_final group by game_id
        """,
    ),
    "score by season of the game": (
        ["clutch_score_average"],
        ["game__season", "game__season_type"],
        """
        select season, season_type, avg(clutch_score)
        from clutch_descriptive_scores inner join games using (game_id)
        where is_final group by season, season_type
        """,
    ),
    "points by month": (
        ["clutch_points"],
        ["metric_time__month"],
        """
        select date_trunc('month', game_date), sum(points_scored)
        from clutch_player_actions inner join games using (game_id)
        where is_final group by 1
        """,
    ),
    "points of four weeks by day": (
        ["clutch_points_28_days"],
        ["metric_time__day"],
        """
        select days.day::date, sum(actions.points_scored)
        from generate_series(
            (select min(game_date) from games), (select max(game_date) + 27 from games), '1 day'
        ) as days (day)
        inner join games
            on games.is_final and games.game_date between days.day::date - 27 and days.day::date
        inner join clutch_player_actions as actions on games.game_id = actions.game_id
        group by days.day
        """,
    ),
    "games": (
        ["games_loaded"],
        ["game__is_final"],
        "select is_final, count(*) from games group by is_final",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_metric_equals_sql_by_hand(undisturbed: Settings, metrics: Metrics, case: str) -> None:
    names, by, query = CASES[case]
    asked = sorted(tuple(row.values()) for row in metrics.ask(roles.BI, names, by))
    written = sorted(by_hand(undisturbed, query))
    assert len(written) > (20 if "leaderboard" in case or "day" in case else 0)
    assert len(asked) == len(written)
    wrong = [pair for pair in zip(asked, written, strict=True) if not same(*pair)]
    assert wrong == []


def test_a_condition_narrows_a_metric(undisturbed: Settings, metrics: Metrics) -> None:
    (busiest,) = by_hand(
        undisturbed,
        "select full_name, points_scored from clutch_leaderboard order by 2 desc, 1 limit 1",
    )
    where = "{{ Dimension('player__full_name') }} = '" + busiest[0].replace("'", "''") + "'"
    assert metrics.ask(roles.BI, ["clutch_points"], where=where) == [{"clutch_points": busiest[1]}]


def test_every_metric_can_be_asked_and_says_its_unit(metrics: Metrics) -> None:
    written = yaml.safe_load(
        (PROJECT_ROOT / "dbt_project/models/marts/semantic/metrics.yml").read_text()
    )["metrics"]
    assert {metric["name"] for metric in written} == metrics.names
    assert [metric["name"] for metric in written if len(metric["description"]) < 20] == []
    for name in sorted(metrics.names):
        # a window of days has no sum over all days
        by = ["metric_time__day"] if name.endswith("_days") else []
        assert metrics.ask(roles.BI, [name], by) is not None, name


def test_the_command_asks_as_the_role_of_public_figures(
    undisturbed: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "points.csv"
    done = clutch(
        undisturbed,
        *("metrics", "query", "--quiet", "--metrics", "clutch_points", "--csv", str(file)),
        *("--group-by", "player__full_name", "--order", "-clutch_points", "--limit", "3"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(csv.reader(io.StringIO(file.read_text())))
    assert rows[0] == ["player__full_name", "clutch_points"]
    best = by_hand(
        undisturbed,
        "select points_scored from clutch_leaderboard order by points_scored desc limit 3",
    )
    assert [int(points) for _, points in rows[1:]] == [points for (points,) in best]
    refused = clutch(undisturbed, "metrics", "--role", "clutch_transform", "query")
    assert refused.returncode == 2
    assert "is none of clutch_bi, clutch_medical" in refused.stderr
