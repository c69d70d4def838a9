"""The pages in a real browser on four real seasons, without a night of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from clutch import reader_addresses
from dashboard.app import create_app
from dashboard.keys import new_key, read_keys
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.serving import PortServer
from ingestion.settings import Settings
from tests.support.browsers import Visitor, chromium, visiting

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

SEASON = "2023-24"
# Denver at Golden State on 4 January 2024: 18 points behind, won by a shot at the buzzer
COMEBACK = "0022300478"
CURRY = "201939"


@pytest.fixture(scope="module")
def visitor(four_seasons: Settings) -> Iterator[Visitor]:
    key, entry = new_key("a", "public")
    app = create_app(reader_addresses(four_seasons), read_keys([entry]))
    with (
        PortServer(app, port=0) as server,
        chromium() as browser,
        visiting(browser, server.base_url, key) as visitor,
    ):
        yield visitor


def rows(settings: Settings, query: str, *parameters: object) -> list[dict[str, Any]]:
    with connect(settings, roles.BI) as connection:
        cursor = connection.execute(query.encode(), parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def test_leaderboard_of_a_real_season(four_seasons: Settings, visitor: Visitor) -> None:
    page = visitor.open(f"/leaderboard?season={SEASON}")
    stored = rows(
        four_seasons,
        "select * from clutch_leaderboard where season = %s and total_clutch_games >= 10"
        " order by avg_clutch_score desc, full_name",
        SEASON,
    )
    assert len(stored) > 200
    expect(page.locator(".lead")).to_contain_text(f"{len(stored)} players")
    caption = f"Players by average clutch score, {SEASON}, with at least 10 clutch games"
    assert visitor.cells(caption, "full_name") == [row["full_name"] for row in stored[:50]]
    scores = [float(each) for each in visitor.cells(caption, "avg_clutch_score")]
    assert scores == [float(row["avg_clutch_score"]) for row in stored[:50]]
    (trace, _) = visitor.traces("clutch_scores")
    assert trace["x"][::-1] == scores
    expect(page.get_by_text("Nothing of a body that this key may see")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".pages", has_text="51 to 100 of")).to_be_visible()
    visitor.drawn()
    assert visitor.cells(caption, "full_name") == [row["full_name"] for row in stored[50:100]]


def test_a_real_game(four_seasons: Settings, visitor: Visitor) -> None:
    page = visitor.open(f"/games/{COMEBACK}")
    expect(page.locator("h1")).to_have_text("DEN 130 \u2013 127 GSW")
    stored = rows(
        four_seasons,
        "select home_win_probability from win_probability where game_id = %s order by order_number",
        COMEBACK,
    )
    wave, _ = visitor.traces(f"win_probability_{COMEBACK}")
    assert wave["y"] == pytest.approx([100 * row["home_win_probability"] for row in stored])
    assert max(wave["y"]) > 95
    assert wave["y"][-1] < 50
    last = page.locator("table:has(caption:has-text('who is credited')) tbody tr").filter(
        has_text="Nikola Jokic"
    )
    expect(last.last).to_contain_text("3pt")
    page.get_by_role("button", name="Real time").click()
    visitor.drawn()
    wave, _ = visitor.traces(f"win_probability_{COMEBACK}")
    assert wave["x"] == sorted(wave["x"])


def test_a_real_player_over_four_seasons(four_seasons: Settings, visitor: Visitor) -> None:
    page = visitor.open(f"/players/{CURRY}")
    expect(page.locator("h1")).to_have_text("Stephen Curry")
    stored = rows(
        four_seasons,
        "select games.game_id, avg(scores.clutch_score)::float8 as score"
        " from clutch_performance_scores as scores inner join games using (game_id)"
        " where scores.player_id = %s group by games.game_id, games.game_date"
        " order by games.game_date, games.game_id",
        CURRY,
    )
    (trace,) = visitor.traces("clutch_scores_and_hrv")
    assert len(stored) > 80
    assert trace["y"] == pytest.approx([row["score"] for row in stored])
    page.get_by_label("Season").select_option(SEASON)
    expect(page.locator("dt", has_text=SEASON)).to_be_visible()


def test_a_real_season_on_the_sphere(four_seasons: Settings, visitor: Visitor) -> None:
    visitor.open(f"/sphere?season={SEASON}")
    stored = rows(
        four_seasons,
        "select * from clutch_leaderboard where season = %s and total_clutch_games >= 10",
        SEASON,
    )
    twin = visitor.twin("performance_sphere")
    assert len(twin) == len(stored)
    scores = {row["full_name"]: float(row["avg_clutch_score"]) for row in stored}
    for row in twin:
        assert float(row["score"]) == scores[row["label"]]
    # the scale of the sphere suits real seasons: nearly nobody is drawn at its edge
    edges = [row["at_edge"] for row in twin].count("true")
    assert edges <= len(twin) * 0.02


def test_the_other_pages_and_no_violation(four_seasons: Settings, visitor: Visitor) -> None:
    for path in (f"/games?season={SEASON}", "/health", "/morning", f"/leaderboard?season={SEASON}"):
        visitor.open(path)
        assert visitor.violations() == []
