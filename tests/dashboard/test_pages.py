"""The pages in a real browser: what they show equals SQL, for whom, and in which state."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Response, Route, expect

from clutch import reader_addresses
from dashboard import pages
from dashboard.app import PREFIX, create_app
from dashboard.keys import AUDIENCES, new_key, read_keys
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.serving import PortServer
from ingestion.settings import Settings
from tests.support.browsers import Visitor, chromium, visiting
from tests.support.fitted_league import LEAGUE, Fitted

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
MINIMUM = 5
BOARD = f"/leaderboard?min_games={MINIMUM}"

Row = dict[str, Any]


@dataclass
class Site:
    """A served dashboard, a key of every audience, and its database.

    Attributes:
        settings: Of the database.
        base_url: Of the pages.
        keys: By audience.
        athlete: A player with nights and clutch time.
        game: A game that he played, with clutch time.
    """

    settings: Settings
    base_url: str
    keys: dict[str, str]
    athlete: str = ""
    game: str = ""

    def rows(self, query: str, *parameters: object) -> list[Row]:
        """What the medical staff finds."""
        with connect(self.settings, roles.MEDICAL, purpose="readiness") as connection:
            cursor = connection.execute(query.encode(), parameters)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @property
    def paths(self) -> dict[str, str]:
        """A page of each kind that shows figures."""
        return {
            "morning": "/morning",
            "leaderboard": BOARD,
            "games": "/games",
            "game": f"/games/{self.game}",
            "player": f"/players/{self.athlete}",
            "sphere": f"/sphere?min_games={MINIMUM}&player={self.athlete}",
            "health": "/health",
        }


def served(settings: Settings) -> tuple[PortServer, dict[str, str]]:
    made = {audience: new_key(audience, audience) for audience in AUDIENCES}
    keys = read_keys([entry for _, entry in made.values()])
    app = create_app(reader_addresses(settings), keys)
    return PortServer(app, port=0), {audience: key for audience, (key, _) in made.items()}


@pytest.fixture(scope="module")
def site(fitted: Fitted, copy_database: Callable[[Settings], Settings]) -> Iterator[Site]:
    settings = copy_database(fitted.settings)
    server, keys = served(settings)
    with server:
        site = Site(settings, server.base_url, keys)
        found = site.rows(
            """
            select player_id, game_id from clutch_performance_scores
            where has_wearables_data and hrv_baseline_deviation is not null
            order by count(*) over (partition by player_id) desc, player_id, game_id desc limit 1
            """
        )
        site.athlete, site.game = found[0]["player_id"], found[0]["game_id"]
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def doctor(site: Site, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, site.base_url, site.keys["medical_staff"]) as visitor:
        yield visitor


@pytest.fixture
def anybody(site: Site, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, site.base_url, site.keys["public"]) as visitor:
        yield visitor


PAGES = ("morning", "leaderboard", "games", "game", "player", "sphere", "health")


# --- every page ---


def test_all_pages_are_here() -> None:
    assert {page.name for page in pages.PAGES} == {*PAGES, "sign_in"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_accessible_in_both_schemes(
    site: Site, browser: Browser, name: str
) -> None:
    """By axe at WCAG 2.2 AA; no error in its console; nothing is asked of anybody else."""
    key = site.keys["medical_staff"]
    for scheme in ("light", "dark"):
        with visiting(browser, site.base_url, key, color_scheme=scheme) as visitor:
            page = visitor.open(site.paths[name])
            for button in page.get_by_role("button", name="Table", exact=True).all():
                button.click()
            assert visitor.violations() == []
            expect(page.locator("h1")).to_have_count(1)
            assert page.title().endswith(" - Clutch")


def test_what_is_wrong_would_be_found(site: Site, browser: Browser) -> None:
    with visiting(browser, site.base_url, site.keys["public"]) as visitor:
        page = visitor.open("/games")
        page.evaluate("document.documentElement.removeAttribute('lang')")
        page.evaluate("document.querySelector('h1').style.color = '#999'")
        found = "".join(visitor.violations())
        assert "html-has-lang" in found
        assert "color-contrast" in found
        page.evaluate("console.error('something')")
        page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")
        page.wait_for_timeout(300)
        assert "something" in visitor.faults
        # the browser itself keeps a page from asking anybody else
        assert any("Content Security Policy" in each for each in visitor.faults)
        visitor.faults.clear()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_does_not_move(site: Site, browser: Browser, name: str) -> None:
    options = {**PHONE, "reduced_motion": "reduce"}
    with visiting(browser, site.base_url, site.keys["public"], **options) as visitor:
        page = visitor.open(site.paths[name])
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
        assert page.evaluate("document.getAnimations().length") == 0
        # what is touched is large enough (WCAG 2.5.8: 24 px)
        small = page.locator("main button:visible, header button:visible, nav a:visible")
        assert all(
            box["height"] >= 24 for box in (each.bounding_box() for each in small.all()) if box
        )
        assert visitor.violations() == []


def test_the_second_page_brings_little(site: Site, browser: Browser) -> None:
    """After the first visit at most 1 MB of new assets: here none but the page's own script."""
    with visiting(browser, site.base_url, site.keys["medical_staff"]) as visitor:
        visitor.open("/games")
        page = visitor.open(BOARD)
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').map(each => [each.name, each.transferSize])"
        )
        assets = {name.rpartition("/")[2]: size for name, size in sizes if "/assets/" in name}
        assert assets["plotly.min.js"] < 1_500_000
        page = visitor.open("/sphere")
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').map(each => [each.name, each.transferSize])"
        )
        assets = {name.rpartition("/")[2]: size for name, size in sizes if "/assets/" in name}
        assert assets["plotly.min.js"] == 0
        assert 0 < assets["sphere.js"] < 20_000
        assert sum(assets.values()) < 30_000


# --- figures ---


def numbers(texts: list[str]) -> list[float | None]:
    return [float(text) if text else None for text in texts]


def test_leaderboard_equals_sql(site: Site, doctor: Visitor) -> None:
    page = doctor.open(BOARD)
    caption = (
        f"Players by average clutch score, {LEAGUE.season}, with at least {MINIMUM} clutch games"
    )
    board = site.rows(
        """
        select board.*, luck.lower_90, luck.upper_90, luck.reliability,
            rank() over (order by board.avg_clutch_score desc) as rank
        from clutch_leaderboard as board
        inner join clutch_score_reliability as luck using (player_id, season)
        where board.total_clutch_games >= %s
        """,
        MINIMUM,
    )
    by_name = {row["full_name"]: row for row in board}
    assert len(by_name) == len(board) > 20
    shown = doctor.cells(caption, "full_name")
    assert len(shown) == min(50, len(board))
    for key in ("avg_clutch_score", "lower_90", "reliability", "rank", "total_clutch_games"):
        expected = [by_name[name][key] for name in shown]
        assert numbers(doctor.cells(caption, key)) == pytest.approx([float(e) for e in expected])
    # the charts, their twins and the tables say the same
    twin = doctor.twin("clutch_scores")
    score, expect_next = doctor.traces("clutch_scores")
    assert [row["full_name"] for row in twin] == shown
    assert [float(row["avg_clutch_score"]) for row in twin] == score["x"][::-1]
    assert [float(row["expected_clutch_score"]) for row in twin] == expect_next["x"][::-1]
    seen = {row["player_id"]: row for row in board if row["avg_recovery_score"] is not None}
    assert len(seen) > 3
    twin = doctor.twin("clutch_score_against_recovery")
    (trace,) = doctor.traces("clutch_score_against_recovery")
    assert {row["full_name"] for row in twin} == {row["full_name"] for row in seen.values()}
    for row, x, y in zip(twin, trace["x"], trace["y"], strict=True):
        stored = by_name[row["full_name"]]
        assert float(row["avg_recovery_score"]) == x == pytest.approx(stored["avg_recovery_score"])
        assert float(row["avg_clutch_score"]) == y == float(stored["avg_clutch_score"])
    # ties are shown as ties
    ranks = [row["rank"] for row in board]
    tied = {rank for rank in ranks if ranks.count(rank) > 1}
    texts = page.locator(f"table:has(caption:text-is({caption!r})) td[data-key=rank]")
    for text in texts.all_inner_texts()[:49]:
        assert text.startswith("=") == (int(text.lstrip("=")) in tied)


def test_a_view_can_be_shared_by_its_address(site: Site, doctor: Visitor) -> None:
    page = doctor.open(BOARD)
    first = page.locator("main tbody tr").count()
    page.get_by_label("Clutch games, at least").fill("8")
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile("min_games=8"))
    expect(page.locator("caption", has_text="at least 8 clutch games")).to_be_visible()
    doctor.drawn()
    team = site.rows(
        "select team_id from players inner join clutch_leaderboard using (player_id)"
        " where total_clutch_games >= 8 limit 1"
    )[0]["team_id"]
    page.get_by_label("Team").select_option(team)
    expect(page).to_have_url(re.compile(f"team_id={team}"))
    doctor.drawn()
    expect(page.locator("caption", has_text="Players by average")).to_be_visible()
    shared = page.url
    text = page.locator("table").first.inner_text()
    page.go_back()
    page.go_back()
    doctor.drawn()
    expect(page.locator("caption", has_text=f"at least {MINIMUM} clutch games")).to_be_visible()
    assert page.locator("main tbody tr").count() == first
    page.goto(shared)
    doctor.drawn()
    assert page.locator("table").first.inner_text() == text


def test_a_player_equals_sql_and_missing_nights_are_seen(site: Site, doctor: Visitor) -> None:
    doctor.open(f"/players/{site.athlete}")
    nights = site.rows(
        "select *, exp(ln_hrv_baseline_mean + ln_hrv_baseline_sd) as upper"
        " from wearables_daily_summary where player_id = %s order by summary_date",
        site.athlete,
    )
    twin = [row for row in doctor.twin("clutch_scores_and_hrv") if not row["clutch_score"]]
    assert [row["on"] for row in twin] == [str(row["summary_date"]) for row in nights]
    assert numbers([row["hrv_rmssd_avg"] for row in twin]) == [
        row["hrv_rmssd_avg"] for row in nights
    ]
    traces = {trace["name"]: trace for trace in doctor.traces("clutch_scores_and_hrv")}
    assert traces["HRV"]["y"] == [row["hrv_rmssd_avg"] for row in nights]
    missing = [row for row in nights if row["hrv_rmssd_avg"] is None]
    assert missing, "a world without a missing night shows nothing"
    assert traces["no HRV"]["x"] == [str(row["summary_date"]) for row in missing]
    for text, row in zip(traces["no HRV"]["text"], missing, strict=True):
        assert row["missing_reason"].replace("_", " ") in text
    band = [
        upper
        for trace in doctor.traces("clutch_scores_and_hrv")
        if trace["name"].startswith("own 28 nights")
        for upper in trace["y"][: len(trace["y"]) // 2]
    ]
    assert band == pytest.approx([row["upper"] for row in nights if row["upper"] is not None])
    games = site.rows(
        "select games.game_date, avg(scores.clutch_score)::float8 as score"
        " from clutch_performance_scores as scores inner join games using (game_id)"
        " where scores.player_id = %s group by games.game_id, 1 order by 1",
        site.athlete,
    )
    assert traces["clutch score"]["x"] == [str(row["game_date"]) for row in games]
    assert traces["clutch score"]["y"] == pytest.approx([row["score"] for row in games])


def test_a_game_equals_sql_on_both_axes(site: Site, doctor: Visitor) -> None:
    page = doctor.open(f"/games/{site.game}")
    stored = site.rows(
        "select * from win_probability where game_id = %s order by order_number", site.game
    )
    name = f"win_probability_{site.game}"
    wave, marks = doctor.traces(name)
    twin = doctor.twin(name)
    assert numbers([row["home_win_probability"] for row in twin]) == wave_of(stored)
    assert wave["y"] == pytest.approx([100 * row["home_win_probability"] for row in stored])
    assert all(0 <= x <= 48 + 5 * 10 for x in wave["x"])
    assert wave["x"] == sorted(wave["x"])
    credited = site.rows("select * from clutch_player_actions where game_id = %s", site.game)
    assert len(marks["x"]) == len(credited) > 0
    spells = site.rows("select * from clutch_situations where game_id = %s", site.game)
    shapes = page.locator(f"#chart-{name}").evaluate(
        "plot => plot.layout.shapes.filter(each => each.type === 'rect').length"
    )
    assert shapes == len(spells) > 0
    page.get_by_role("button", name="Real time").click()
    expect(page).to_have_url(re.compile("axis=real"))
    expect(page.locator("figure h2")).to_have_text(re.compile("real time"))
    doctor.drawn()
    wave = doctor.traces(name)[0]
    assert wave["y"] == pytest.approx([100 * row["home_win_probability"] for row in stored])
    # both sides' nights beside it
    nights = site.rows(
        "select * from pregame_baselines where game_id = %s and player_id = %s",
        site.game,
        site.athlete,
    )
    shown = page.locator("td[data-key=hrv_baseline_deviation]").evaluate_all(
        "cells => cells.map(cell => cell.dataset.value)"
    )
    assert str(nights[0]["hrv_baseline_deviation"]) in shown


def wave_of(rows: list[Row]) -> list[float]:
    return [row["home_win_probability"] for row in rows]


def test_the_board_of_the_day_equals_sql(site: Site, doctor: Visitor) -> None:
    page = doctor.open("/morning")
    board = site.rows("select * from morning_board")
    alerts = site.rows("select * from readiness_alerts")
    assert len(board) > 10
    assert any(row["hrv_baseline_deviation"] is not None for row in board)
    for key in ("hrv_baseline_deviation", "recovery_score_pregame", "predicted_clutch_score"):
        shown = numbers(
            page.locator(f"section[id^=game] td[data-key={key}]").evaluate_all(
                "cells => cells.map(cell => cell.dataset.value)"
            )
        )
        known = sorted(value for value in shown if value is not None)
        assert known == pytest.approx(sorted(row[key] for row in board if row[key] is not None))
    assert len(shown) == len(board)
    told = page.locator("#alerts td[data-key=words]").all_inner_texts()
    assert sorted(told) == sorted(row["words"] for row in alerts)
    twin = doctor.twin("hrv_of_last_night")
    (trace,) = doctor.traces("hrv_of_last_night")
    assert [float(row["hrv_baseline_deviation"]) for row in twin] == trace["x"]


def test_data_health_equals_sql(site: Site, doctor: Visitor) -> None:
    page = doctor.open("/health")
    stored = {
        (row["subject"], row["metric"]): row for row in site.rows("select * from data_health")
    }
    caption = "What is looked at"
    shown = list(
        zip(
            *(doctor.cells(caption, key) for key in ("subject", "metric", "state", "value")),
            strict=True,
        )
    )
    assert {(subject, metric) for subject, metric, _, _ in shown} == stored.keys()
    for subject, metric, state, _ in shown:
        assert state == stored[subject, metric]["state"]
    worst = "bad" if any(row["state"] == "bad" for row in stored.values()) else "late"
    assert worst in page.locator("#state").inner_text()


# --- the sphere ---


def place(latitude: float, longitude: float) -> tuple[float, float, float]:
    north, east = np.radians([latitude, longitude])
    return (
        1.03 * np.cos(north) * np.sin(east),
        -1.03 * np.cos(north) * np.cos(east),
        1.03 * np.sin(north),
    )


def test_the_sphere_is_drawn_and_says_what_its_twin_says(site: Site, doctor: Visitor) -> None:
    page = doctor.open(f"/sphere?min_games={MINIMUM}&player={site.athlete}")
    figure = page.locator("figure:has(#chart-performance_sphere)")
    board = {
        row["full_name"]: row
        for row in site.rows(
            "select * from clutch_leaderboard where total_clutch_games >= %s", MINIMUM
        )
    }
    twin = doctor.twin("performance_sphere")
    points = next(t for t in doctor.traces("performance_sphere") if t["name"] == "points")
    assert len(twin) == len(points["x"]) == len(board)
    for row, *point in zip(twin, points["x"], points["y"], points["z"], strict=True):
        stored = board[row["label"]]
        score = float(stored["avg_clutch_score"])
        over = float(stored["points_over_expected"]) / stored["total_clutch_games"]
        assert float(row["score"]) == pytest.approx(score)
        assert float(row["over"]) == pytest.approx(over)
        north, east = 5 * (score - 50), 60 * over
        assert row["at_edge"] == str(max(abs(north), abs(east)) > 85).lower()
        assert point == pytest.approx(place(np.clip(north, -85, 85), np.clip(east, -85, 85)))
    # really drawn: points and arcs in their colours, over the body of the sphere
    shot = np.array(Image.open(io.BytesIO(figure.locator(".plot").screenshot())).convert("RGB"))
    for colour, least in (
        ((0x17, 0x4F, 0x8C), 500),
        ((0x9A, 0x4A, 0x00), 300),
        ((0xF4, 0xF6, 0xF8), 5000),
    ):
        close = (np.abs(shot.astype(int) - colour).max(axis=2) <= 24).sum()
        assert close > least, (colour, close)
    assert figure.locator("canvas").first.evaluate(
        "canvas => Boolean(canvas.getContext('webgl2') || canvas.getContext('webgl'))"
    )
    # the ring: on one scale, of the same figures
    (summary,) = site.rows(
        "select * from player_wearables_summary where player_id = %s", site.athlete
    )
    percents = page.locator("section td[data-key=percent]").evaluate_all(
        "cells => cells.map(cell => cell.dataset.value)"
    )
    strain = summary["day_strain_latest"]
    expected = [
        summary["recovery_score_28d"],
        summary["sleep_performance_28d"],
        100 * summary["data_completeness_28d"],
        None if strain is None else 100 * strain / 21,
    ]
    assert numbers(percents) == pytest.approx(expected)
    arcs = {t["name"]: t for t in doctor.traces("performance_sphere")}
    for label, percent in zip(("Recovery", "Sleep performance"), expected, strict=False):
        x, z = arcs[label]["x"][-1], arcs[label]["z"][-1]
        turned = np.degrees(np.arctan2(x, z)) % 360
        assert turned == pytest.approx(3.6 * percent, abs=0.01)
    # one key away, the same flat
    figure.focus()
    page.keyboard.press("f")
    expect(page).to_have_url(re.compile("view=flat"))
    doctor.drawn()
    assert doctor.twin("performance_flat") == twin
    flat, bars = doctor.traces("performance_flat")
    assert flat["x"] == pytest.approx([float(row["over"]) for row in twin])
    assert flat["y"] == pytest.approx([float(row["score"]) for row in twin])
    assert bars["x"][::-1] == pytest.approx(expected)
    page.locator("figure:has(#chart-performance_flat)").focus()
    page.keyboard.press("f")
    expect(page.locator("#chart-performance_sphere")).to_be_visible()
    doctor.drawn()


def test_the_first_view_comes_back(site: Site, doctor: Visitor) -> None:
    page = doctor.open(f"/sphere?min_games={MINIMUM}")
    plot = page.locator("#chart-performance_sphere")
    camera = "plot => plot._fullLayout.scene.camera.eye"
    first = plot.evaluate(camera)
    assert plot.evaluate("plot => plot._fullLayout.scene.camera.projection.type") == "orthographic"
    plot.evaluate("plot => window.Plotly.relayout(plot, {'scene.camera.eye': {x: 2, y: 0, z: 1}})")
    assert plot.evaluate(camera) != first
    page.locator("figure:has(#chart-performance_sphere)").focus()
    page.keyboard.press("r")
    page.wait_for_timeout(500)
    assert plot.evaluate(camera) == first


def test_games_of_a_player_on_the_sphere(site: Site, doctor: Visitor) -> None:
    doctor.open(f"/sphere?of=games&player={site.athlete}")
    twin = doctor.twin("performance_sphere")
    stored = site.rows(
        "select situation_id, clutch_score::float8 as score from clutch_performance_scores"
        " where player_id = %s",
        site.athlete,
    )
    scores = {row["situation_id"]: row["score"] for row in stored}
    assert len(twin) == len(scores)
    for row in twin:
        assert float(row["score"]) == scores[row["label"].partition(", ")[2]]


# --- what is taken away, and what is not there ---


def test_charts_are_saved_as_picture_and_rows(site: Site, doctor: Visitor) -> None:
    page = doctor.open(BOARD)
    figure = page.locator("figure:has(#chart-clutch_scores)")
    with page.expect_download() as picture:
        figure.get_by_role("button", name="PNG").click()
    image = np.array(Image.open(Path(picture.value.path())).convert("RGB"))
    assert image.shape[1] >= 1800
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20
    with page.expect_download() as rows:
        figure.get_by_role("button", name="CSV").click()
    saved = list(csv.DictReader(io.StringIO(Path(rows.value.path()).read_bytes().decode())))
    assert saved == doctor.twin("clutch_scores")
    sphere = doctor.open(f"/sphere?min_games={MINIMUM}")
    with sphere.expect_download() as picture:
        sphere.get_by_role("button", name="PNG").click()
    image = np.array(Image.open(Path(picture.value.path())).convert("RGB")).astype(int)
    assert (np.abs(image - (0x17, 0x4F, 0x8C)).max(axis=2) <= 24).sum() > 1000


def test_by_keyboard_alone(site: Site, doctor: Visitor) -> None:
    page = doctor.open(BOARD)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    header = page.get_by_role("columnheader", name="Games").get_by_role("button")
    header.focus()
    page.keyboard.press("Enter")
    shown = page.locator("main table").first.locator("td[data-key=total_clutch_games]")
    values = [int(each) for each in shown.all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.keyboard.press("Enter")
    values = [int(each) for each in shown.all_inner_texts()]
    assert values == sorted(values)


def test_a_chosen_scheme_stays_and_charts_follow_it(site: Site, doctor: Visitor) -> None:
    page = doctor.open(BOARD)
    ground = "plot => plot._fullLayout.paper_bgcolor"
    plot = page.locator("#chart-clutch_scores")
    assert plot.evaluate(ground) == "#ffffff"
    page.get_by_role("button", name="Dark colours").click()
    page.wait_for_timeout(1_000)
    assert plot.evaluate(ground) == "#14171b"
    doctor.open("/games")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("audience", ["public", "front_office"])
def test_who_may_see_nothing_of_a_body_is_told_so(
    site: Site, browser: Browser, audience: str
) -> None:
    """The state without consent: words, and not a figure."""
    (night,) = site.rows(
        "select * from player_wearables_summary where player_id = %s", site.athlete
    )
    with visiting(browser, site.base_url, site.keys[audience]) as visitor:
        for name in ("player", "game", "leaderboard", "sphere", "morning"):
            page = visitor.open(site.paths[name])
            expect(
                page.get_by_text("Nothing of a body that this key may see").first
            ).to_be_visible()
            content = page.content()
            assert f"{night['hrv_rmssd_latest']}"[:8] not in content
            assert "HRV (rMSSD), newest night" not in content
        expect(page.locator("footer")).to_contain_text("sees nothing of athletes' bodies")


def test_what_is_empty_says_what_to_do(site: Site, doctor: Visitor) -> None:
    page = doctor.open("/leaderboard?min_games=200")
    expect(page.get_by_text("Nobody has so many clutch games")).to_be_visible()
    page = doctor.open("/games?season=1999-00")
    expect(page.get_by_text("No game here")).to_be_visible()


def test_what_fails_says_so_and_can_be_tried_again(
    site: Site, browser: Browser, copy_database: Callable[[Settings], Settings]
) -> None:
    gone = dict.fromkeys(reader_addresses(site.settings), "postgresql://a:b@127.0.0.1:9/none")
    key, entry = new_key("a", "public")
    with (
        PortServer(create_app(gone, read_keys([entry])), port=0) as server,
        visiting(browser, server.base_url, key) as visitor,
    ):
        page = visitor.page
        page.goto(f"{server.base_url}/leaderboard")
        failed = page.get_by_role("alert").filter(has_text="Not available now")
        expect(failed).to_be_visible()
        expect(failed.get_by_role("button", name="Try again")).to_be_visible()
        assert visitor.violations() == []
        assert all("503" in each or "Problem" in each for each in visitor.faults)
        visitor.faults.clear()
    with visiting(browser, site.base_url, site.keys["public"]) as visitor:
        page = visitor.page
        page.goto(f"{site.base_url}/players/x")
        expect(page.get_by_role("alert").filter(has_text="player_id")).to_be_visible()
        page.goto(f"{site.base_url}/games/0000000000")
        expect(page.get_by_text("There is no game of this id here.")).to_be_visible()
        visitor.faults.clear()


def test_a_failure_that_passes_is_over_with_another_try(site: Site, browser: Browser) -> None:
    with visiting(browser, site.base_url, site.keys["public"]) as visitor:
        page = visitor.page
        page.context.set_offline(False)
        page.goto(f"{site.base_url}/games")
        visitor.drawn()
        page.context.set_offline(True)
        page.get_by_label("Season").select_option(LEAGUE.season)
        failed = page.get_by_role("alert").filter(has_text="The server cannot be reached")
        expect(failed).to_be_visible()
        page.context.set_offline(False)
        failed.get_by_role("button", name="Try again").click()
        expect(page.locator("caption", has_text="Games, the newest first")).to_be_visible()
        visitor.faults.clear()


def test_while_figures_are_on_their_way_it_says_so(site: Site, browser: Browser) -> None:
    with visiting(browser, site.base_url, site.keys["public"]) as visitor:
        page = visitor.page
        held: list[Route] = []
        page.route(f"**{PREFIX}/leaderboard*", lambda route: held.append(route))
        page.goto(site.base_url + BOARD)
        expect(page.get_by_role("status")).to_have_text(re.compile("Reading the figures"))
        assert page.locator("#content").get_attribute("aria-busy") == "true"
        assert visitor.violations() == []
        (route,) = held
        route.continue_()
        visitor.drawn()


# --- signing in ---


def test_nobody_sees_a_page_s_figures_without_a_key(site: Site, browser: Browser) -> None:
    with visiting(browser, site.base_url, None) as visitor:
        page = visitor.page
        page.goto(f"{site.base_url}{BOARD}")
        expect(page).to_have_url(re.compile("/sign-in.next="))
        expect(page.get_by_label("API key")).to_be_focused()
        assert visitor.violations() == []
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This key is not known here")).to_be_visible()
        visitor.faults.clear()
        page.goto(f"{site.base_url}{BOARD}")
        page.get_by_label("API key").fill(site.keys["coaches"])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{site.base_url}{BOARD}")
        visitor.drawn()
        expect(page.locator("#me")).to_contain_text("coaches")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in"))
        page.goto(f"{site.base_url}/games")
        expect(page).to_have_url(re.compile("/sign-in"))
        # a link with the key, which is not sent: the server sees no key in an address
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site.base_url}/sign-in#{site.keys['public']}")
        expect(page).to_have_url(re.compile("/morning"))
        visitor.drawn()
        assert not any(site.keys["public"] in url for url in asked if "#" not in url)
        visitor.faults.clear()


# --- words, and withdrawal ---


def test_a_null_world_is_called_one(site: Site, doctor: Visitor) -> None:
    """The simulated league has no effect of a night and no clutch player."""
    page = doctor.open(f"/players/{site.athlete}")
    expect(page.locator("#nights .verdict")).to_have_text(
        "None of the effects of last night can be told apart from zero."
    )
    told = page.locator("#nights li").all_text_contents()
    assert len(told) >= 12
    others = [each for each in told if "not distinguishable from zero" not in each]
    # of so many 90 % intervals one or two miss by luck, and the words say with what probability
    assert len(others) <= 2, others
    expect(page.locator("#model .statement")).to_contain_text("not distinguishable from zero")


def test_a_real_effect_is_called_one(
    fitted: Fitted, copy_database: Callable[[Settings], Settings], browser: Browser
) -> None:
    """The same league, in which athletes score 0.2 points a shot more after a better night."""
    from modeling.clutch_skill import run
    from tests.support.fitted_league import Kept

    settings = copy_database(fitted.settings)
    cells = fitted.observations.cells
    nights = fitted.observations.player_games.nights
    added = 0.2 * np.nan_to_num(nights[:, 0])[cells.row]
    moved = cells._replace(
        residual=cells.residual + added * cells.attempts,
        residual_squares=cells.residual_squares
        + 2 * added * cells.residual
        + added**2 * cells.attempts,
        leverage_residual=cells.leverage_residual + added * cells.leverage,
        margin_residual=cells.margin_residual + added * cells.margin,
    )
    changed = fitted.observations._replace(cells=moved)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Sampler", Kept)
        patch.setattr(run, "read_newest", lambda *_, **__: changed)
        with connect(settings, roles.MODEL) as connection:
            outcome = run.fit(connection)
    assert outcome.exit_code == 0, outcome.lines()
    server, keys = served(settings)
    with server, visiting(browser, server.base_url, keys["medical_staff"]) as visitor:
        page = visitor.open(BOARD)
        told = page.locator("#nights li[data-effect=night_in_clutch_hrv]").inner_text()
        assert "above zero with" in told
        expect(page.locator("#nights .verdict")).to_have_text(
            re.compile("^[1-4] of 4 effects can be told apart from zero")
        )


def test_a_withdrawal_is_gone_from_every_page_and_address(
    site: Site, browser: Browser, copy_database: Callable[[Settings], Settings]
) -> None:
    settings = copy_database(site.settings)
    (summary,) = site.rows(
        "select * from player_wearables_summary where player_id = %s", site.athlete
    )
    nights = site.rows(
        "select hrv_rmssd_avg from wearables_daily_summary"
        " where player_id = %s and hrv_rmssd_avg is not null",
        site.athlete,
    )
    # to as many digits as no other athlete shares
    values = {repr(row["hrv_rmssd_avg"])[:7] for row in nights}
    others = site.rows(
        "select hrv_rmssd_avg from wearables_daily_summary"
        " where player_id <> %s and hrv_rmssd_avg is not null",
        site.athlete,
    )
    values -= {repr(row["hrv_rmssd_avg"])[:7] for row in others}
    assert len(values) > 20
    server, keys = served(settings)
    paths = {**site.paths, "games on the sphere": f"/sphere?of=games&player={site.athlete}"}
    asked: set[str] = set()
    with server:
        before = _shown_to(browser, server.base_url, keys["medical_staff"], paths, asked)
        pages_with = {name for name, text in before.items() if any(v in text for v in values)}
        assert pages_with >= {"player", "game", "morning"}
        assert repr(summary["recovery_score_28d"])[:6] in before["sphere"]
        assert len(asked) >= 15
        with connect(settings, roles.INGEST) as connection:
            connection.execute(
                "insert into operations.consents (player_id, decision, text_version, purposes,"
                " audience, scopes) values (%s, 'withdrawn', 'test', '{}', '{}', '{}')",
                [site.athlete],
            )
        shown = _shown_to(browser, server.base_url, keys["medical_staff"], paths, set())
        for name, text in shown.items():
            assert not any(value in text for value in values), name
        assert "Nothing of a body that this key may see" in shown["player"]
        assert "No fit in force knows him" in shown["player"]
        assert repr(summary["recovery_score_28d"])[:6] not in shown["sphere"]
        # what the pages ask for, as everybody
        for audience, key in keys.items():
            for address in asked:
                answer = requests.get(address, headers={"authorization": f"Bearer {key}"})
                assert answer.status_code == 200
                assert not any(value in answer.text for value in values), (audience, address)


def _shown_to(
    browser: Browser, base_url: str, key: str, paths: dict[str, str], asked: set[str]
) -> dict[str, str]:
    """All that the pages hold and all that they were answered, by name; notes what they ask for."""
    shown = {}
    with visiting(browser, base_url, key) as visitor:
        answers: list[str] = []

        def keep(answer: Response) -> None:
            if PREFIX in answer.url:
                asked.add(answer.url)
                answers.append(answer.text())

        visitor.page.on("response", keep)
        for name, path in paths.items():
            page = visitor.open(path)
            shown[name] = page.content() + json.dumps(answers)
            answers.clear()
    return shown
