"""Simulated WHOOP members are plausible, repeatable, and do what a script says."""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.sandbox.whoop import (
    FaultScript,
    Kind,
    SandboxError,
    Scripted,
    Switches,
    WhoopSandbox,
    WhoopSandboxSettings,
    linked_league,
    nights_before_games,
)
from ingestion.sandbox.whoop.clock import to_milli
from ingestion.sandbox.whoop.timeline import CYCLE, RECOVERY, SLEEP, WORKOUT, Timeline, collection
from ingestion.settings import PROJECT_ROOT
from tests.support.whoop import connect, moment

RESOURCES = (CYCLE, RECOVERY, SLEEP, WORKOUT)
HOUR = timedelta(hours=1)


def rows(timeline: Timeline, user_id: int, resource: str, now: int) -> list[dict[str, Any]]:
    member = timeline.member(user_id, now)
    return [version.row for _, version in collection(member, resource, now) if version.row]


def everything(settings: WhoopSandboxSettings, order: list[int] | None = None) -> bytes:
    timeline = Timeline(settings)
    now = to_milli(settings.clock_start)
    for user_id in order or []:
        timeline.member(user_id, now)
    return orjson.dumps(
        [
            rows(timeline, user_id, resource, now)
            for user_id in timeline.athletes
            for resource in RESOURCES
        ]
    )


# --- repeatable --------------------------------------------------------------------------------


def test_the_same_settings_give_the_same_records_in_any_order() -> None:
    settings = WhoopSandboxSettings(roster_size=6)
    first = everything(settings)
    assert first == everything(settings, [990_005, 990_001, 990_003])
    assert first != everything(WhoopSandboxSettings(roster_size=6, seed=2))
    code = (
        "import hashlib\n"
        "from tests.ingestion.sandbox.test_whoop_sandbox_members import everything\n"
        "from ingestion.sandbox.whoop import WhoopSandboxSettings\n"
        "print(hashlib.sha256(everything(WhoopSandboxSettings(roster_size=6))).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=PROJECT_ROOT,
    )
    assert other.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_looking_early_changes_nothing() -> None:
    settings = WhoopSandboxSettings(roster_size=2)
    stepwise, at_once = Timeline(settings), Timeline(settings)
    start = to_milli(settings.clock_start)
    end = start + 5 * 86_400_000
    for now in range(start, end + 1, 3 * 3_600_000):
        for user_id in stepwise.athletes:
            stepwise.member(user_id, now)
    for user_id in stepwise.athletes:
        for resource in RESOURCES:
            assert rows(stepwise, user_id, resource, end) == rows(at_once, user_id, resource, end)


def test_a_league_of_members_takes_seconds() -> None:
    began = time.process_time()
    settings = WhoopSandboxSettings(roster_size=450)
    timeline = Timeline(settings)
    truth = timeline.truth(to_milli(settings.clock_start))
    assert len(truth) > 450 * 25
    assert time.process_time() - began < 30


# --- plausible ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population() -> tuple[Timeline, int]:
    settings = WhoopSandboxSettings(seed=7, roster_size=150, history_days=60)
    return Timeline(settings), to_milli(settings.clock_start)


def every(population: tuple[Timeline, int], resource: str) -> list[dict[str, Any]]:
    timeline, now = population
    return [row for user_id in timeline.athletes for row in rows(timeline, user_id, resource, now)]


def scores(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row["score"] for row in found if row["score_state"] == "SCORED"]


def share(values: list[float], low: float, high: float) -> float:
    return sum(low <= value <= high for value in values) / len(values)


def test_heart_rate_variability_is_as_measured(population: tuple[Timeline, int]) -> None:
    by_member = defaultdict(list)
    for row in every(population, RECOVERY):
        if row["score_state"] == "SCORED":
            by_member[row["user_id"]].append(math.log(row["score"]["hrv_rmssd_milli"]))
    means = [statistics.mean(values) for values in by_member.values()]
    # N(4.2, 0.35) over 150 athletes: standard errors 0.03 and 0.02
    assert statistics.mean(means) == pytest.approx(4.2, abs=0.1)
    assert statistics.stdev(means) == pytest.approx(0.35, abs=0.07)
    weekly = [
        100 * statistics.stdev(values[i : i + 7]) / statistics.mean(values[i : i + 7])
        for values in by_member.values()
        for i in range(0, len(values) - 6, 7)
    ]
    assert statistics.mean(weekly) == pytest.approx(5.4, abs=0.7)


def test_recoveries_lie_in_their_ranges(population: tuple[Timeline, int]) -> None:
    found = scores(every(population, RECOVERY))
    assert share([s["resting_heart_rate"] for s in found], 40, 65) == 1
    assert share([s["recovery_score"] for s in found], 1, 99) == 1
    assert 50 < statistics.mean(s["recovery_score"] for s in found) < 70
    assert share([s["hrv_rmssd_milli"] for s in found], 5, 300) == 1
    spo2 = [s["spo2_percentage"] for s in found if "spo2_percentage" in s]
    assert share(spo2, 92, 99) == 1
    assert 0.7 < len(spo2) / len(found) < 0.97
    assert share([s["skin_temp_celsius"] for s in found if "skin_temp_celsius" in s], 32, 36) == 1
    high = [s["resting_heart_rate"] for s in found if s["recovery_score"] >= 67]
    low = [s["resting_heart_rate"] for s in found if s["recovery_score"] <= 33]
    assert statistics.mean(low) - statistics.mean(high) > 1


def test_sleeps_lie_in_their_ranges_and_add_up(population: tuple[Timeline, int]) -> None:
    found = every(population, SLEEP)
    nights = [row for row in found if not row["nap"]]
    asleep, days = [], len(nights)
    for row in found:
        if row["score_state"] != "SCORED":
            continue
        parts = row["score"]["stage_summary"]
        in_bed = (moment(row["end"]) - moment(row["start"])) / timedelta(milliseconds=1)
        stages = sum(
            parts[f"total_{name}_time_milli"]
            for name in ("awake", "no_data", "light_sleep", "slow_wave_sleep", "rem_sleep")
        )
        assert parts["total_in_bed_time_milli"] == in_bed == stages
        assert min(v for v in parts.values()) >= 0
        assert row["score"]["sleep_needed"]["need_from_recent_nap_milli"] <= 0
        if not row["nap"]:
            asleep.append(
                (stages - parts["total_awake_time_milli"] - parts["total_no_data_time_milli"])
                / 3_600_000
            )
    assert share(asleep, 5, 9) > 0.98
    assert 7 < statistics.mean(asleep) < 8.2
    assert share([s["respiratory_rate"] for s in scores(found)], 12, 19) == 1
    assert 0.1 < (len(found) - days) / days < 0.3
    unscorable = sum(row["score_state"] == "UNSCORABLE" for row in nights)
    assert 0.01 < unscorable / days < 0.03
    assert share([s["sleep_efficiency_percentage"] for s in scores(nights)], 70, 100) == 1
    edited = [row for row in nights if moment(row["updated_at"]) - moment(row["created_at"]) > HOUR]
    assert 0.02 < len(edited) / days < 0.07


def test_cycles_and_workouts_lie_in_their_ranges(population: tuple[Timeline, int]) -> None:
    cycles = [row for row in every(population, CYCLE) if "end" in row]
    assert share([row["score"]["strain"] for row in cycles], 4, 20.5) == 1
    length = [(moment(row["end"]) - moment(row["start"])) / HOUR for row in cycles]
    assert share(length, 16, 36) > 0.96
    assert statistics.median(length) == pytest.approx(24, abs=0.5)
    workouts = every(population, WORKOUT)
    for row in workouts:
        if row["score_state"] == "SCORED":
            zones = sum(row["score"]["zone_durations"].values())
            whole = (moment(row["end"]) - moment(row["start"])) / timedelta(milliseconds=1)
            recorded = row["score"]["percent_recorded"] / 100
            assert zones == pytest.approx(whole * recorded, rel=0.001)
            assert row["score"]["average_heart_rate"] < row["score"]["max_heart_rate"]
    assert share([s["strain"] for s in scores(workouts)], 4, 20) == 1
    assert {row["sport_name"] for row in workouts} >= {"basketball", "running", "sauna"}


def test_nothing_overlaps_and_nothing_is_known_before_it_happened(
    population: tuple[Timeline, int],
) -> None:
    timeline, now = population
    for user_id in timeline.athletes:
        spans = []
        for resource in (SLEEP, WORKOUT):
            for row in rows(timeline, user_id, resource, now):
                spans.append((row["start"], row["end"]))
                assert row["end"] < row["created_at"] <= row["updated_at"]
        spans.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        cycles = rows(timeline, user_id, CYCLE, now)
        for later, earlier in itertools.pairwise(cycles):
            assert earlier["end"] == later["start"]
        starts = {row["id"]: row["start"] for row in cycles}
        ends = {row["id"]: row.get("end", "9") for row in cycles}
        for row in rows(timeline, user_id, SLEEP, now):
            if row["nap"]:
                assert starts[row["cycle_id"]] < row["start"] < ends[row["cycle_id"]]


def test_games_and_travel_show_in_the_nights(population: tuple[Timeline, int]) -> None:
    nights = [row for row in every(population, SLEEP) if not row["nap"]]
    assert {row["timezone_offset"] for row in nights} >= {"-04:00", "-05:00", "-07:00", "-08:00"}
    by_member = defaultdict(set)
    for row in nights:
        by_member[row["user_id"]].add(row["timezone_offset"])
    # a trip and, in most zones, the end of summer time
    assert sum(len(offsets) >= 2 for offsets in by_member.values()) / len(by_member) > 0.95


# --- scripted ----------------------------------------------------------------------------------

ON = date(2025, 11, 12)
ON_CHANGE = date(2025, 11, 2)
NEW_YORK = ZoneInfo("America/New_York")


def scripted(kind: Kind, on: date = ON, **changes: Any) -> WhoopSandbox:
    script = FaultScript(scripted=(Scripted(kind, 0, on, **changes),))
    return WhoopSandbox(WhoopSandboxSettings(seed=4, roster_size=2, faults=script))


def nights_on(found: list[dict[str, Any]], on: date) -> list[dict[str, Any]]:
    """Main sleeps that end on a local date."""
    return [
        row
        for row in found
        if not row["nap"]
        and (
            moment(row["end"])
            .astimezone(moment(f"2025-01-01T00:00:00{row['timezone_offset']}").tzinfo)
            .date()
            == on
        )
    ]


def test_the_clocks_change_in_the_night() -> None:
    """2 November 2025: an hour of the wall clock comes twice; time in bed counts both."""
    changed = datetime(2025, 11, 2, 6, tzinfo=UTC)  # 02:00 in New York
    crossing = 0
    with WhoopSandbox(WhoopSandboxSettings(roster_size=15)) as sandbox:
        for user_id in sandbox.members:
            for row in nights_on(connect(sandbox, user_id).rows("/v2/activity/sleep"), ON_CHANGE):
                start, end = moment(row["start"]), moment(row["end"])
                if row["score_state"] != "SCORED" or not start < changed < end:
                    continue
                # the offset is that of waking; the night began at -04:00
                assert row["timezone_offset"] == "-05:00"
                in_bed = row["score"]["stage_summary"]["total_in_bed_time_milli"]
                by_wall_clock = (
                    end.astimezone(NEW_YORK).replace(tzinfo=None)
                    - start.astimezone(NEW_YORK).replace(tzinfo=None)
                ) / timedelta(milliseconds=1)
                assert in_bed - by_wall_clock == 3_600_000
                crossing += 1
    assert crossing >= 8


def test_a_change_of_time_zone_in_a_trip() -> None:
    with scripted(Kind.TIME_ZONE_CHANGE, zone="Europe/Paris", days=3) as sandbox:
        found = connect(sandbox).rows("/v2/activity/sleep")
    nights = [row for row in found if not row["nap"]]
    abroad = {row["start"][:10] for row in nights if row["timezone_offset"] == "+01:00"}
    assert abroad
    assert all("2025-11-11" <= day <= "2025-11-14" for day in abroad)
    assert len({row["timezone_offset"] for row in nights}) >= 2


def test_36_hours_without_sleep_are_one_long_cycle() -> None:
    with scripted(Kind.NO_SLEEP) as sandbox:
        client = connect(sandbox)
        assert nights_on(client.rows("/v2/activity/sleep"), ON) == []
        lengths = [
            (moment(row["end"]) - moment(row["start"])) / HOUR
            for row in client.rows("/v2/cycle")
            if "end" in row and row["start"][:10] in ("2025-11-10", "2025-11-11")
        ]
        assert max(lengths) > 36


def test_two_main_sleeps_on_one_date() -> None:
    with scripted(Kind.TWO_MAIN_SLEEPS) as sandbox:
        client = connect(sandbox)
        both = nights_on(client.rows("/v2/activity/sleep"), ON)
        assert len(both) == 2
        assert len({row["cycle_id"] for row in both}) == 2
        for row in both:
            recovery = client.get(f"/v2/cycle/{row['cycle_id']}/recovery").json()
            assert recovery["sleep_id"] == row["id"]


def test_a_night_with_a_nap_only() -> None:
    with scripted(Kind.NAP_ONLY) as sandbox:
        client = connect(sandbox)
        found = client.rows("/v2/activity/sleep")
        assert nights_on(found, ON) == []
        window = {"start": "2025-11-12T08:00:00Z", "end": "2025-11-12T14:00:00Z"}
        naps = client.rows("/v2/activity/sleep", **window)
        assert [row["nap"] for row in naps] == [True]
        sleeps = {row["sleep_id"] for row in client.rows("/v2/recovery")}
        assert naps[0]["id"] not in sleeps


def test_a_new_member_calibrates_for_four_recoveries() -> None:
    with scripted(Kind.CALIBRATING) as sandbox:
        client = connect(sandbox)
        found = [r for r in reversed(client.rows("/v2/recovery")) if r["score_state"] == "SCORED"]
        assert [r["score"]["user_calibrating"] for r in found][:6] == [True] * 4 + [False] * 2
        sleeps = list(reversed(client.rows("/v2/activity/sleep")))
        assert sleeps[0]["start"] >= "2025-11-11"
        first = next(row for row in sleeps if row["score_state"] == "SCORED" and not row["nap"])
        assert "sleep_performance_percentage" not in first["score"]
        assert "sleep_consistency_percentage" not in first["score"]
        assert client.rows("/v2/cycle")[-1]["start"] >= "2025-11-11"


def test_an_old_strap_measures_no_spo2() -> None:
    with scripted(Kind.NO_SPO2) as sandbox:
        for row in connect(sandbox).rows("/v2/recovery", start="2025-11-12T16:00:00Z"):
            assert "spo2_percentage" not in row.get("score", {})
            assert "skin_temp_celsius" not in row.get("score", {})


def test_a_late_upload_and_an_edit() -> None:
    with scripted(Kind.LATE_SYNC) as sandbox:
        row = nights_on(connect(sandbox).rows("/v2/activity/sleep"), ON)[0]
        assert moment(row["created_at"]) - moment(row["end"]) > 12 * HOUR
    with scripted(Kind.EDIT) as sandbox:
        member = sandbox.member(sandbox.members[0])
        truth = next(r for r in sandbox.truth() if r.night == ON and r.user_id == 990_001)
        states = [version.row or {} for version in member.sleeps[truth.sleep_id].versions]
        assert [row["score_state"] for row in states] == ["PENDING_SCORE", "SCORED", "SCORED"]
        assert states[2]["start"] < states[1]["start"]
        recovery = member.recoveries[truth.cycle_id].versions
        assert len(recovery) == 3
        assert (recovery[2].row or {})["score"] != (recovery[1].row or {})["score"]


# --- truth and the linked league ---------------------------------------------------------------

SMALL = LeagueSettings(seed=5, team_count=4, game_count=60)


def test_truth_is_what_the_readings_follow() -> None:
    with WhoopSandbox(WhoopSandboxSettings(roster_size=5)) as sandbox:
        by_member = defaultdict(list)
        for row in sandbox.truth():
            recovery = sandbox.member(row.user_id).recoveries[row.cycle_id].versions[1].row or {}
            if row.is_scorable:
                by_member[row.user_id].append((row.readiness, recovery["score"]))
        for athlete in sandbox.athletes:
            for z, score in by_member[athlete.user_id]:
                expected = athlete.log_hrv_mean + athlete.log_hrv_sd * z
                assert math.log(score["hrv_rmssd_milli"]) == pytest.approx(expected, abs=1e-4)
            z, recovery_score = zip(
                *((z, s["recovery_score"]) for z, s in by_member[athlete.user_id]), strict=True
            )
            assert statistics.correlation(z, recovery_score) > 0.8


def test_members_are_players_of_the_linked_league() -> None:
    league = League(SMALL)
    with WhoopSandbox(WhoopSandboxSettings(roster_size=20, league=SMALL)) as sandbox:
        assert list(sandbox.player_ids.values()) == [p.player_id for p in league.players[:20]]


def test_the_night_before_a_game_ended_at_most_20_hours_before_it() -> None:
    settings = WhoopSandboxSettings(roster_size=30, league=SMALL)
    found = nights_before_games(settings)
    tip_offs = {fixture.game_id: fixture.tip_off_utc for fixture in League(SMALL).fixtures}
    games = sum(2 for _ in tip_offs) / 4
    assert len(found) > 30 * games * 0.85
    for (_, game_id), night in found.items():
        gap = to_milli(tip_offs[game_id]) - night.sleep_end
        assert 0 < gap <= 20 * 3_600_000
        assert night.sleep_start < night.sleep_end


def test_readiness_moves_the_linked_league_only_when_asked() -> None:
    settings = WhoopSandboxSettings(roster_size=60, league=SMALL)
    plain = League(SMALL)
    off = League(linked_league(settings))
    on = League(linked_league(settings, slope=0.3))
    game_id = plain.game_ids[7]
    assert off.play_by_play_json(game_id) == plain.play_by_play_json(game_id)
    assert on.play_by_play_json(game_id) != plain.play_by_play_json(game_id)
    assert on.game_ids == plain.game_ids


def test_the_league_without_readiness_is_what_it_was() -> None:
    """The hash was taken before the link to WHOOP was made."""
    league = League(LeagueSettings(seed=5, team_count=4, game_count=6))
    digest = hashlib.sha256(league.schedule_json())
    for game_id in league.game_ids:
        digest.update(league.play_by_play_json(game_id))
        digest.update(league.box_score_json(game_id))
    expected = "7077c9938ad3c7837ebb16501dde08711588530f134277da3884fc903a3cd381"
    assert digest.hexdigest() == expected


def test_the_true_effect_can_be_found_again() -> None:
    """Points per shot against readiness: the slope that was put in comes out."""
    league_settings = LeagueSettings(seed=9, team_count=4, game_count=90)
    settings = WhoopSandboxSettings(roster_size=60, league=league_settings)
    slope = 0.2
    nights = nights_before_games(settings)
    league = League(linked_league(settings, slope=slope))
    pairs: list[tuple[float, float]] = []
    for game_id in league.game_ids:
        for row in league.play_by_play(game_id)["game"]["actions"]:
            night = nights.get((row.get("personId", 0), game_id))
            if night is not None and row["actionType"] in ("2pt", "3pt"):
                points = int(row["actionType"][0]) if row["shotResult"] == "Made" else 0
                pairs.append((night.readiness, points))
    z, points = zip(*pairs, strict=True)
    found = statistics.linear_regression(z, points).slope
    # the standard error with about 13,000 shots of s.d. 1.15 is 0.011
    assert len(pairs) > 10_000
    assert found == pytest.approx(slope, abs=0.05)


# --- settings and command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: WhoopSandboxSettings(roster_size=0),
        lambda: WhoopSandboxSettings(roster_size=451),
        lambda: WhoopSandboxSettings(roster_size=61, league=SMALL),
        lambda: WhoopSandboxSettings(history_days=0),
        lambda: WhoopSandboxSettings(now=datetime(2025, 11, 1)),  # noqa: DTZ001
        lambda: WhoopSandboxSettings(client_secret=""),
        lambda: WhoopSandboxSettings(requests_per_minute=0),
        lambda: WhoopSandboxSettings(webhook_urls=("localhost",)),
        lambda: FaultScript(lost_rate=1.5),
        lambda: Switches(last_page="never"),
        lambda: WhoopSandboxSettings(
            roster_size=2, faults=FaultScript(scripted=(Scripted(Kind.EDIT, 2, ON),))
        ),
        lambda: WhoopSandbox(port=70_000),
        lambda: WhoopSandbox(speed=-1),
    ],
)
def test_wrong_settings_name_themselves_and_the_fix(make: Any) -> None:
    with pytest.raises(SandboxError, match=r"^\w.*: .*Fix: "):
        make()


def test_the_secret_is_not_shown() -> None:
    assert "hidden-text" not in repr(WhoopSandboxSettings(client_secret="hidden-text"))


def test_the_module_runs_alone() -> None:
    command = [sys.executable, "-m", "ingestion.sandbox.whoop", "--members", "2", "--days", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = dict(process.stdout.readline().strip().split("=", 1) for _ in range(5))
    finally:
        process.terminate()
        process.wait(20)
    assert lines["WHOOP_API_BASE_URL"].endswith("/developer")
    assert lines["WHOOP_OAUTH_BASE_URL"].endswith("/oauth/oauth2")
    wrong = subprocess.run([*command, "--now", "soon"], capture_output=True, text=True, timeout=60)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "--now" in wrong.stderr
