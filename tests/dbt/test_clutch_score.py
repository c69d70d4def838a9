"""The clutch score stays in its range whatever the actions, and is what its page says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS, build

PAGE = PROJECT_ROOT / "docs/methods/clutch_score.md"
STRETCHES = 4000

Action = tuple[bool, int, Decimal | None]
"""Successful, points, expected points."""


@pytest.fixture(scope="module")
def built(
    make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    settings = make_migrated()
    folder = tmp_path_factory.mktemp("games")
    league = League(LeagueSettings(seed=2, team_count=2, game_count=2))
    for game_id in league.game_ids:
        (folder / f"playbyplay_{game_id}.json").write_bytes(league.play_by_play_json(game_id))
        (folder / f"boxscore_{game_id}.json").write_bytes(league.box_score_json(game_id))
    assert nba.ingest(settings, directory=folder, show_progress=False).exit_code == 0
    build(settings, folder / "target", *WITHOUT_TESTS)
    return settings


def scores_of(
    settings: Settings, stretches: dict[str, Iterable[Action]], target: Path
) -> dict[str, Decimal]:
    """What the model makes of stretches, each of a player of its own."""
    with connect(settings, roles.TRANSFORM) as connection:
        [game_id] = connection.execute("select min(game_id) from analytics.games").fetchone() or []
        connection.execute("truncate analytics.clutch_player_actions")
        with (
            connection.cursor() as cursor,
            cursor.copy(
                """
                copy analytics.clutch_player_actions (
                    action_id, situation_id, game_id, player_id, team_id, action_number,
                    order_number, is_action_timestamp_repaired, game_clock, seconds_remaining,
                    period, action_type, is_successful, points_scored, expected_points,
                    score_margin, data_source
                ) from stdin
                """
            ) as copy,
        ):
            number = 0
            for name, actions in stretches.items():
                for is_successful, points, expected in actions:
                    number += 1
                    row = (f"a{number}", name, game_id, name, "1", number, number, False)
                    row += ("05:00.0", 300, 4, "2pt", is_successful, points, expected, 0, "test")
                    copy.write_row(row)
    build(settings, target, "--select", "clutch_descriptive_scores", *WITHOUT_TESTS)
    with connect(settings, roles.TRANSFORM) as connection:
        return dict(
            connection.execute(
                "select situation_id, clutch_score from analytics.clutch_descriptive_scores"
            ).fetchall()
        )


def score(actions: list[Action]) -> Decimal:
    """The formula of the page, in exact decimals."""
    rate = Decimal(sum(successful for successful, _, _ in actions)) / len(actions)
    over = sum(
        (points - expected for _, points, expected in actions if expected is not None), Decimal(0)
    )
    return 40 * rate + 4 * min(max(over + 5, Decimal(0)), Decimal(10)) + min(20, 2 * len(actions))


def test_every_stretch_is_within_the_range_and_equals_the_formula(
    built: Settings, tmp_path: Path
) -> None:
    chance = random.Random(7)
    stretches: dict[str, list[Action]] = {}
    for number in range(STRETCHES):
        count = chance.choice([1, 2, 5, chance.randrange(1, 60)])
        success = chance.choice([0.0, 0.5, 1.0])
        # usual expectations, and ones that no shot has
        widest = chance.choice([1.5, 1.5, 99.0])
        stretches[f"s{number}"] = [
            (
                chance.random() < success,
                chance.choice([0, 0, 1, 2, 3]),
                None
                if chance.random() < 0.3
                else round(Decimal(chance.uniform(-widest if widest > 2 else 0, widest)), 4),
            )
            for _ in range(count)
        ]
    found = scores_of(built, stretches, tmp_path / "target")
    assert found.keys() == stretches.keys()
    assert 0 <= min(found.values()) < 3
    assert 97 < max(found.values()) <= 100
    for name, actions in stretches.items():
        # rounded once, to two places
        assert abs(found[name] - score(actions)) <= Decimal("0.0051"), (name, actions)


def test_the_worked_example_of_the_page(built: Settings, tmp_path: Path) -> None:
    text = PAGE.read_text()
    example = text.split("## A worked example")[1].split("## ")[0]
    rows = re.findall(
        r"^\| [^|]+ \| (yes|no) \| (\d) \| ([\d.]+|-) \|$", example, flags=re.MULTILINE
    )
    assert len(rows) == 7
    actions: list[Action] = [
        (successful == "yes", int(points), None if expected == "-" else Decimal(expected))
        for successful, points, expected in rows
    ]
    [written] = re.findall(r"= \*\*([\d.]+)\*\*", example)
    found = scores_of(built, {"example": actions}, tmp_path / "target")
    assert found == {"example": Decimal(written)}
