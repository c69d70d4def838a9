"""Simulated games are consistent: clock, score, players on the floor, and box score."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion.sandbox.nba import ClutchEffects, League, LeagueSettings, SandboxError

SETTINGS = LeagueSettings(seed=11, team_count=10, game_count=100)
POINTS = {"2pt": 2, "3pt": 3, "freethrow": 1}
COUNTED = (
    "points", "fieldGoalsAttempted", "fieldGoalsMade", "threePointersAttempted",
    "threePointersMade", "freeThrowsAttempted", "freeThrowsMade", "reboundsOffensive",
    "reboundsDefensive", "assists", "steals", "blocks", "turnovers", "foulsPersonal",
    "foulsTechnical", "foulsDrawn",
)  # fmt: skip


@pytest.fixture(scope="module")
def league() -> League:
    return League(SETTINGS)


@pytest.fixture(scope="module")
def games(league: League) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    return [
        (league.play_by_play(g)["game"]["actions"], league.box_score(g)["game"])
        for g in league.game_ids
    ]


def tenths(clock: str) -> int:
    return int(clock[2:4]) * 600 + int(clock[5:7]) * 10 + int(clock[8])


def starters(team: dict[str, Any]) -> set[int]:
    return {p["personId"] for p in team["players"] if p["starter"] == "1"}


def test_clock_falls_within_periods_and_uses_tenths_only_in_the_last_minute(games: Any) -> None:
    for rows, _ in games:
        before = (0, 0)
        for row in rows:
            clock = tenths(row["clock"])
            now = (row["period"], -clock)
            assert now >= before
            assert clock < 600 or clock % 10 == 0
            before = now
        marks = [(r["period"], r["subType"]) for r in rows if r["actionType"] == "period"]
        last = rows[-1]["period"]
        assert marks == [(p, w) for p in range(1, last + 1) for w in ("start", "end")]
        assert rows[-1]["actionType"] == "game"


def test_order_is_increasing_and_some_rows_were_inserted_late(games: Any) -> None:
    steps_back = total = 0
    for rows, _ in games:
        orders = [row["orderNumber"] for row in rows]
        numbers = [row["actionNumber"] for row in rows]
        assert orders == sorted(set(orders))
        assert len(set(numbers)) == len(numbers)
        total += len(rows)
        steps_back += sum(b < a for a, b in pairwise(numbers))
        by_number = {row["actionNumber"]: row for row in rows}
        for row in rows:
            if row["actionType"] == "rebound":
                assert by_number[row["shotActionNumber"]]["shotResult"] == "Missed"
    assert 0.004 < steps_back / total < 0.016  # 0.009 in the real feed


def test_scores_follow_from_shots(games: Any) -> None:
    for rows, box in games:
        home_id = box["homeTeam"]["teamId"]
        home = away = 0
        for row in rows:
            if row.get("shotResult") == "Made":
                points = POINTS[row["actionType"]]
                home, away = (
                    (home + points, away) if row["teamId"] == home_id else (home, away + points)
                )
            assert (row["scoreHome"], row["scoreAway"]) == (str(home), str(away))
        assert (box["homeTeam"]["score"], box["awayTeam"]["score"]) == (home, away)
        assert home != away
        for key, score in (("homeTeam", home), ("awayTeam", away)):
            assert sum(period["score"] for period in box[key]["periods"]) == score
        for period in box["homeTeam"]["periods"][4:]:  # overtime only after a tie
            number = period["period"]
            sums = [
                sum(p["score"] for p in box[key]["periods"][: number - 1])
                for key in ("homeTeam", "awayTeam")
            ]
            assert sums[0] == sums[1]


def test_five_are_on_the_floor_and_only_they_act(games: Any) -> None:
    for rows, box in games:
        floor = {box[k]["teamId"]: starters(box[k]) for k in ("homeTeam", "awayTeam")}
        fouls: Counter[int] = Counter()
        for row in rows:
            kind, person = row["actionType"], row["personId"]
            if kind == "substitution":
                on = floor[row["teamId"]]
                if row["subType"] == "out":
                    assert person in on
                    on.remove(person)
                else:
                    assert person not in on
                    assert fouls[person] < 6
                    on.add(person)
                continue
            assert all(len(on) == 5 for on in floor.values())
            everybody = set().union(*floor.values())
            assert kind == "ejection" or set(row["personIdsFilter"]) <= everybody, row
            if kind == "foul" and row["subType"] != "technical":
                fouls[person] += 1
                assert row["foulPersonalTotal"] == fouls[person]


def test_box_score_reconciles_with_play_by_play(games: Any) -> None:
    """Count everything again, in another way than the sandbox does."""
    for rows, box in games:
        count: dict[int, Counter[str]] = defaultdict(Counter)
        plus: Counter[int] = Counter()
        played: Counter[int] = Counter()
        ids = {box[k]["teamId"]: k for k in ("homeTeam", "awayTeam")}
        floor = {team_id: starters(box[key]) for team_id, key in ids.items()}
        at_foul = {team_id: set(on) for team_id, on in floor.items()}
        previous = (1, 7200)
        for row in rows:
            now = (row["period"], tenths(row["clock"]))
            if now[0] == previous[0]:
                for on in floor.values():
                    for person in on:
                        played[person] += previous[1] - now[1]
            previous = now
            kind, person = row["actionType"], row["personId"]
            made = row.get("shotResult") == "Made"
            if kind in ("2pt", "3pt"):
                count[person]["fieldGoalsAttempted"] += 1
                count[person]["fieldGoalsMade"] += made
                count[person]["threePointersAttempted"] += kind == "3pt"
                count[person]["threePointersMade"] += made and kind == "3pt"
                count[row.get("assistPersonId", 0)]["assists"] += made
            elif kind == "freethrow":
                count[person]["freeThrowsAttempted"] += 1
                count[person]["freeThrowsMade"] += made
            elif kind == "rebound":
                count[person][f"rebounds{row['subType'].capitalize()}"] += 1
            elif kind == "foul":
                at_foul = {team_id: set(on) for team_id, on in floor.items()}
                if row["subType"] == "technical":
                    count[person]["foulsTechnical"] += 1
                else:
                    count[person]["foulsPersonal"] += 1
                    count[row["foulDrawnPersonId"]]["foulsDrawn"] += 1
            elif kind in ("turnover", "steal", "block"):
                count[person][f"{kind}s"] += 1
            elif kind == "substitution":
                (
                    floor[row["teamId"]].remove
                    if row["subType"] == "out"
                    else floor[row["teamId"]].add
                )(person)
            if made:
                count[person]["points"] += POINTS[kind]
                assert row["pointsTotal"] == count[person]["points"]
                for team_id, on in (at_foul if kind == "freethrow" else floor).items():
                    sign = 1 if team_id == row["teamId"] else -1
                    for each in on:
                        plus[each] += sign * POINTS[kind]
        for key in ids.values():
            team = box[key]
            for player in team["players"]:
                person, statistics = player["personId"], player["statistics"]
                wanted = count[person]
                for name in COUNTED:
                    assert statistics[name] == wanted[name], name
                assert statistics["plusMinusPoints"] == plus[person]
                assert tenths_of(statistics["minutes"]) == played[person]
                assert player["played"] == "1" or played[person] == 0
            length = 28800 + 3000 * (box["period"] - 4)
            assert tenths_of(team["statistics"]["minutes"]) == 5 * length
            for name in ("points", "assists", "steals", "blocks", "turnovers", "foulsPersonal"):
                assert team["statistics"][name] == sum(
                    p["statistics"][name] for p in team["players"]
                )
        home, away = box["homeTeam"]["statistics"], box["awayTeam"]["statistics"]
        assert home["pointsAgainst"] == away["points"]
        assert home["blocks"] == away["blocksReceived"]


def tenths_of(minutes: str) -> int:
    whole, rest = minutes.removeprefix("PT").removesuffix("S").split("M")
    return int(whole) * 600 + round(float(rest) * 10)


def test_free_throws_follow_the_penalty_rule(games: Any) -> None:
    """The fifth team foul of a period, or the second of its last two minutes, gives free throws."""
    checked = 0
    for rows, _ in games:
        period, fouls, late = 0, Counter[int](), Counter[int]()
        for row in rows:
            if row["period"] != period:
                period, fouls, late = row["period"], Counter(), Counter()
            if row["actionType"] != "foul" or row["subType"] != "personal":
                continue
            team = row["teamId"]
            fouls[team] += 1
            late[team] += tenths(row["clock"]) <= 1200
            limit = 5 if period <= 4 else 4
            in_penalty = fouls[team] >= limit or (tenths(row["clock"]) <= 1200 and late[team] >= 2)
            assert ("inpenalty" in row["qualifiers"]) is in_penalty
            if row.get("descriptor") != "shooting":
                checked += 1
                assert ("2freethrow" in row["qualifiers"]) is in_penalty
    assert checked > 500


def test_shots_lie_where_their_zone_says(games: Any) -> None:
    for rows, _ in games:
        for row in rows:
            if not row["isFieldGoal"]:
                continue
            assert 0 <= row["x"] <= 100
            assert 0 <= row["y"] <= 100
            feet = (row["xLegacy"] ** 2 + row["yLegacy"] ** 2) ** 0.5 / 10
            assert row["shotDistance"] == pytest.approx(feet, abs=0.08)
            along = (100 - row["x"] if row["side"] == "right" else row["x"]) * 0.94 - 5.25
            assert row["yLegacy"] == pytest.approx(10 * along, abs=0.51)
            beyond = feet > 23.7 or (abs(row["xLegacy"]) > 219 and row["yLegacy"] < 90)
            assert beyond is (row["actionType"] == "3pt"), row["description"]
            if "Corner" in row["area"]:
                assert abs(row["xLegacy"]) > 200
                assert (row["xLegacy"] < 0) is row["area"].startswith("Left")


def test_wall_clock_runs_with_the_game_and_dead_time(games: Any) -> None:
    lengths = []
    for rows, box in games:
        times = [datetime.fromisoformat(row["timeActual"]) for row in rows]
        assert times == sorted(times)
        lengths.append((times[-1] - times[0]).total_seconds() / 60)
        start = datetime.fromisoformat(box["gameTimeUTC"])
        assert timedelta(minutes=9) < times[0] - start < timedelta(minutes=13)
    assert 128 < sum(lengths) / len(lengths) < 142


def test_local_times_follow_the_zones(league: League) -> None:
    offsets = set()
    for game_id in league.game_ids:
        game = league.box_score(game_id)["game"]
        utc = datetime.fromisoformat(game["gameTimeUTC"])
        zone = ZoneInfo(game["arena"]["arenaTimezone"])
        local = datetime.fromisoformat(game["gameTimeLocal"])
        assert local == utc
        assert local.utcoffset() == utc.astimezone(zone).utcoffset()
        assert datetime.fromisoformat(game["gameEt"]) == utc
        assert 12 <= local.hour <= 21
        offsets.add((game["arena"]["arenaTimezone"], local.utcoffset()))
    eastern = {offset for name, offset in offsets if name == "America/New_York"}
    assert len(eastern) == 2, "the schedule crosses the end of daylight saving time"


def test_nobody_plays_twice_a_day() -> None:
    league = League(LeagueSettings(seed=3))
    days = Counter(
        (team.team_id, fixture.tip_off.date())
        for fixture in league.fixtures
        for team in (fixture.home, fixture.away)
    )
    assert max(days.values()) == 1
    assert len(league.fixtures) == 1230
    home = Counter(fixture.home.team_id for fixture in league.fixtures)
    assert max(home.values()) - min(home.values()) <= 3
    tips = [fixture.tip_off_utc for fixture in league.fixtures]
    assert tips == sorted(tips)


def test_same_settings_give_the_same_bytes_in_any_order() -> None:
    first, second = League(SETTINGS), League(SETTINGS)
    ids = first.game_ids
    for game_id in reversed(ids[:5]):
        second.play_by_play_json(game_id)
    for game_id in ids[:5]:
        assert first.play_by_play_json(game_id) == second.play_by_play_json(game_id)
        assert first.box_score_json(game_id) == second.box_score_json(game_id)
    other = League(LeagueSettings(seed=12, team_count=10, game_count=100))
    assert other.play_by_play_json(ids[0]) != first.play_by_play_json(ids[0])


def test_payloads_are_copies(league: League) -> None:
    game_id = league.game_ids[0]
    before = league.play_by_play_json(game_id)
    league.play_by_play(game_id)["game"]["actions"].clear()
    assert league.play_by_play_json(game_id) == before


def test_ids_are_outside_the_leagues_ranges(league: League) -> None:
    players = league.players
    assert min(player.player_id for player in players) >= 9000001
    assert len({player.family_name for player in players}) == len(players) == 150
    assert all(team.team_id > 1610699000 for team in league.teams)
    assert all(game_id.startswith("00225") and len(game_id) == 10 for game_id in league.game_ids)


def test_a_game_can_be_read_while_it_is_played(league: League) -> None:
    game_id = league.game_ids[0]
    rows = league.play_by_play(game_id)["game"]["actions"]
    at = datetime.fromisoformat(rows[300]["timeActual"]).astimezone(UTC)
    seen = league.play_by_play(game_id, at)["game"]["actions"]
    assert rows[: len(seen)] == seen
    assert 300 < len(seen) < len(rows)
    box = league.box_score(game_id, at)["game"]
    assert box["gameStatus"] == 2
    assert str(box["homeTeam"]["score"]) == seen[-1]["scoreHome"]
    assert [
        sum(p["oncourt"] == "1" for p in box[k]["players"]) for k in ("homeTeam", "awayTeam")
    ] == [
        5,
        5,
    ]
    early = league.box_score(game_id, at - timedelta(days=1))["game"]
    assert (early["gameStatus"], early["homeTeam"]["score"]) == (1, 0)
    statuses = Counter(
        game["gameStatus"]
        for day in league.schedule(at)["leagueSchedule"]["gameDates"]
        for game in day["games"]
    )
    assert statuses[1] > 80
    assert statuses[2] >= 1


def test_playoffs_are_best_of_seven() -> None:
    league = League(LeagueSettings(seed=2, team_count=4, game_count=12, playoffs=True))
    playoff = [fixture for fixture in league.fixtures if fixture.round]
    series = Counter(fixture.game_id[:9] for fixture in playoff)
    assert sorted(series) == ["004250010", "004250011", "004250020"]
    assert all(4 <= count <= 7 for count in series.values())
    assert playoff[-1].round == 2
    assert league.play_by_play(playoff[0].game_id)["game"]["gameId"].startswith("004")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"season": "2025-27"}, "season"),
        ({"team_count": 7}, "team_count"),
        ({"game_count": 0}, "game_count"),
        ({"games_per_team": 83}, "games_per_team"),
        ({"team_count": 2, "playoffs": True}, "playoffs"),
    ],
)
def test_wrong_settings_name_the_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(SandboxError, match=rf"^{field}: .* Fix: "):
        LeagueSettings(**arguments)


def test_wrong_effects_and_games_name_the_field(league: League) -> None:
    with pytest.raises(SandboxError, match=r"^effects\.player_sd: "):
        ClutchEffects(player_sd=-0.1)
    with pytest.raises(SandboxError, match=r"^game_id: '0022599999'"):
        league.play_by_play("0022599999")
