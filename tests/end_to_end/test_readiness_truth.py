"""What SQL recovers of simulated athletes' nights, beside the truth that only the simulation knows.

The truth of a night is ``readiness``: the z score of its ln rMSSD among the athlete's own nights.
A deviation from a baseline does not depend on the athlete's mean and spread, so the same deviation
taken over the true readiness of the same nights must equal what SQL makes of rMSSD in ms.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.sandbox.whoop import WhoopSandboxSettings
from ingestion.sandbox.whoop.clock import to_milli
from ingestion.sandbox.whoop.readiness import nights_before_games
from ingestion.sandbox.whoop.timeline import Record, Timeline, Truth
from ingestion.settings import Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.whoop_records import connection_of, load_records

LEAGUE = LeagueSettings(seed=5, team_count=6, game_count=75)
WINDOW = timedelta(days=28, hours=12)
LEAST_NIGHTS = 7
QUALITIES = (("0.95 to 1", 0.95), ("0.85 to 0.95", 0.85), ("0.5 to 0.85", 0.5), ("below 0.5", 0.0))

Row = dict[str, Any]


@dataclasses.dataclass
class World:
    settings: Settings
    sandbox: WhoopSandboxSettings
    timeline: Timeline
    until: datetime

    def rows(self, query: str) -> list[Row]:
        with connect(self.settings, roles.TRANSFORM) as connection:
            cursor = connection.execute(query)
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def world(make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> World:
    settings = make_migrated()
    folder = tmp_path_factory.mktemp("games")
    league = League(LEAGUE)
    for game_id in league.game_ids:
        (folder / f"playbyplay_{game_id}.json").write_bytes(league.play_by_play_json(game_id))
        (folder / f"boxscore_{game_id}.json").write_bytes(league.box_score_json(game_id))
    assert nba.ingest(settings, directory=folder, show_progress=False).exit_code == 0
    until = league.fixtures[-1].tip_off_utc + timedelta(days=2)
    # the first games of the season have short baselines, and who joins late calibrates in it
    days = (until - league.fixtures[0].tip_off_utc).days + 12
    sandbox = WhoopSandboxSettings(roster_size=90, history_days=days, now=until, league=LEAGUE)
    timeline = load_records(settings, sandbox, until=until)
    build(settings, folder / "target", *WITHOUT_TESTS)
    return World(settings, sandbox, timeline, until)


class TrueNights:
    """One member's nights as WHOOP held them at a moment, by their true readiness."""

    def __init__(self, world: World, user_id: int) -> None:
        self._member = world.timeline.member(user_id, to_milli(world.until))
        self._nights = sorted(self._member.truth, key=lambda night: night.sleep_end)
        self._ends = [night.sleep_end for night in self._nights]

    def held(self, night: Truth, at: int) -> float | None:
        """The readiness that the score of a night showed at a moment; None where there was none."""
        if not night.is_scorable or night.is_calibrating:
            return None
        record: Record = self._member.recoveries[night.cycle_id]
        sleep: Record = self._member.sleeps[night.sleep_id]
        shown, slept = record.at(at), sleep.at(at)
        if shown is None or slept is None or slept.row is None:
            return None
        if shown.row is None or "score" not in shown.row or "score" not in slept.row:
            return None
        if shown is record.versions[1]:
            return night.readiness
        # an edited night is scored anew: rMSSD two per cent lower
        return night.readiness + math.log(1 - 4.0 / 200) / self._member.athlete.log_hrv_sd

    def deviation(self, night: Truth, at: int) -> tuple[float | None, int]:
        """The deviation over the true readiness of the nights before, and their count."""
        first = bisect_left(self._ends, night.sleep_end - WINDOW // timedelta(milliseconds=1) + 1)
        last = bisect_left(self._ends, night.sleep_end)
        values = [
            value
            for before in self._nights[first:last]
            if (value := self.held(before, at)) is not None
        ]
        own = self.held(night, at)
        if own is None or len(values) < LEAST_NIGHTS:
            return None, len(values)
        return (own - statistics.fmean(values)) / statistics.stdev(values), len(values)


def test_every_night_with_enough_history_is_recovered(world: World) -> None:
    """As WHOOP holds the nights now, each athlete and night."""
    found = {
        (row["device_id"], row["sleep_id"]): row
        for row in world.rows(
            "select * from intermediate.int_night_baselines where game_id is null"
        )
    }
    now = to_milli(world.until)
    compared = missing = 0
    worst = 0.0
    for user_id in world.timeline.athletes:
        nights = TrueNights(world, user_id)
        for night in world.timeline.member(user_id, now).truth:
            if night.sleep_end > now:
                continue
            expected, count = nights.deviation(night, now)
            row = found.get((str(connection_of(user_id)), night.sleep_id))
            if expected is None:
                assert row is None or row["hrv_baseline_deviation"] is None
                missing += 1
                continue
            assert row is not None
            assert row["baseline_nights"] == count
            worst = max(worst, abs(row["hrv_baseline_deviation"] - expected))
            compared += 1
    print(
        f"{compared} nights compared, {missing} without a baseline, largest difference {worst:.1e}"
    )
    assert compared > 2500
    assert missing > 500
    assert worst < 1e-6


def test_every_game_is_judged_as_of_its_tip_off(world: World) -> None:
    """The night used is the simulation's own, and its deviation that of the nights as held then."""
    pregame = {
        (row["player_id"], row["game_id"]): row
        for row in world.rows("select * from analytics.pregame_baselines where not is_upcoming")
    }
    user_of = {str(a.player_id): a.user_id for a in world.timeline.athletes.values()}
    truth = nights_before_games(world.sandbox)
    true_nights = {user_id: TrueNights(world, user_id) for user_id in world.timeline.athletes}
    compared = unknown = other = 0
    worst = 0.0
    for (player_id, game_id), row in pregame.items():
        night = truth.get((int(player_id), game_id))
        user_id = user_of[player_id]
        tip_off = to_milli(row["tipoff_at"])
        member = world.timeline.member(user_id, to_milli(world.until))
        if night is not None and member.sleeps[night.sleep_id].at(tip_off) is None:
            night, unknown = None, unknown + 1  # slept, and not uploaded by then
        if night is None:
            other += row["sleep_id"] is not None
            continue
        assert row["sleep_id"] == night.sleep_id
        assert row["known_at"] <= row["tipoff_at"]
        expected, count = true_nights[user_id].deviation(night, tip_off)
        assert row["baseline_nights"] == count
        if expected is None:
            assert row["hrv_baseline_deviation"] is None
            continue
        worst = max(worst, abs(row["hrv_baseline_deviation"] - expected))
        compared += 1
    print(
        f"{compared} player-games compared, {unknown} nights not uploaded by tip-off; {worst:.1e}"
    )
    assert compared > 1500
    assert unknown > 0
    # where the simulation knows no night, none is used
    assert other == 0
    assert worst < 1e-6


def test_quality_tells_how_far_a_value_is_from_the_truth(world: World) -> None:
    """The lower the quality, the farther the deviation lies from the true readiness.

    Where there is no deviation a reader has nothing better than 0.
    """
    truth = nights_before_games(world.sandbox)
    errors: dict[str, list[float]] = {}
    for row in world.rows("select * from analytics.pregame_baselines where not is_upcoming"):
        night = truth.get((int(row["player_id"]), row["game_id"]))
        if night is None:
            continue
        guess = row["hrv_baseline_deviation"] or 0.0
        quality = float(row["quality_score"])
        name = next(name for name, least in QUALITIES if quality >= least)
        errors.setdefault(name, []).append(abs(guess - night.readiness))
    figures = {name: (len(each), statistics.fmean(each)) for name, each in errors.items()}
    for name, (count, error) in sorted(figures.items()):
        print(f"quality {name}: {count} player-games, mean error {error:.3f} s.d.")
    means = [figures[name][1] for name, _ in QUALITIES]
    assert means == sorted(means)
    assert means[-1] > 2 * means[0]


def test_quality_falls_with_what_was_really_wrong(world: World) -> None:
    """What was wrong with a night is the simulation's secret; the quality has to show it."""
    truth = nights_before_games(world.sandbox)
    user_of = {str(a.player_id): a.user_id for a in world.timeline.athletes.values()}
    found: dict[str, list[tuple[float, float]]] = {}
    for row in world.rows("select * from analytics.pregame_baselines where not is_upcoming"):
        night = truth.get((int(row["player_id"]), row["game_id"]))
        member = world.timeline.member(user_of[row["player_id"]], to_milli(world.until))
        if night is None:
            continue
        shown = member.recoveries[night.cycle_id].at(to_milli(row["tipoff_at"]))
        if shown is None:
            damage = "not uploaded by tip-off"
        elif not night.is_scorable:
            damage = "could not be scored"
        elif night.is_calibrating:
            damage = "while calibrating"
        elif row["baseline_nights"] < LEAST_NIGHTS:
            damage = "fewer than 7 nights before"
        elif row["baseline_nights"] < 2 * LEAST_NIGHTS:
            damage = "7 to 13 nights before"
        else:
            damage = "nothing"
        distance = abs((row["hrv_baseline_deviation"] or 0.0) - night.readiness)
        found.setdefault(damage, []).append((float(row["quality_score"]), distance))
    figures = {}
    for damage, each in found.items():
        figures[damage] = statistics.fmean(quality for quality, _ in each)
        distance = statistics.fmean(distance for _, distance in each)
        print(
            f"{damage}: {len(each)} games, quality {figures[damage]:.2f}, distance {distance:.2f}"
        )
    order = ["nothing", "7 to 13 nights before", "fewer than 7 nights before"]
    order += ["while calibrating", "could not be scored", "not uploaded by tip-off"]
    assert [figures[damage] for damage in order] == sorted(figures.values(), reverse=True)
    assert figures["not uploaded by tip-off"] == 0


def test_the_athletes_of_the_league_are_in_the_leaderboard_with_their_recovery(
    world: World,
) -> None:
    rows = world.rows(
        """
        select leaderboard.*, own.average, own.games
        from analytics.clutch_leaderboard as leaderboard
        inner join (
            select player_id, avg(recovery) as average, count(recovery) as games
            from (
                select player_id, game_id, max(recovery_score_pregame) as recovery
                from analytics.clutch_performance_scores group by player_id, game_id
            ) as games
            group by player_id
        ) as own using (player_id)
        """
    )
    assert len(rows) > 45
    for row in rows:
        assert row["recovery_games"] == row["games"]
        assert (row["avg_recovery_score"] or 0) == pytest.approx(row["average"] or 0)
    assert sum(row["avg_recovery_score"] is not None for row in rows) > 45
