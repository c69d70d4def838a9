"""Simulated leagues look like the league, and their true effects can be found again."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from ingestion.sandbox.nba import ClutchEffects, League, LeagueSettings, make_probability

POINTS = {"2pt": 2, "3pt": 3, "freethrow": 1}


def tenths(clock: str) -> int:
    return int(clock[2:4]) * 600 + int(clock[5:7]) * 10 + int(clock[8])


def summarise(league: League) -> dict[str, float]:
    """Compute league-level figures, per team and game where they are counts."""
    quarters: list[list[int]] = []
    counts: Counter[str] = Counter()
    margins = []
    for game_id in league.game_ids:
        rows = league.play_by_play(game_id)["game"]["actions"]
        margin = 0
        reached = False
        ends = [0]
        for row in rows:
            kind = row["actionType"]
            counts[kind] += 1
            counts[f"{kind} {row.get('shotResult', row['subType'])}"] += 1
            counts["assists"] += "assistPersonId" in row
            counts["personal fouls"] += kind == "foul" and row["subType"] != "technical"
            if kind == "rebound" and row["personId"]:
                counts[f"own rebound {row['subType']}"] += 1
            if row["period"] >= 4 and tenths(row["clock"]) <= 3000 and abs(margin) <= 5:
                reached = True
            margin = int(row["scoreHome"]) - int(row["scoreAway"])
            if kind == "period" and row["subType"] == "end" and row["period"] <= 4:
                ends.append(margin)
        counts["clutch"] += reached
        counts["overtime"] += rows[-1]["period"] > 4
        counts["points"] += int(rows[-1]["scoreHome"]) + int(rows[-1]["scoreAway"])
        counts["rows"] += len(rows)
        quarters.append(list(np.diff(ends)))
        margins.append(margin)
    n = len(margins)
    quarter = np.array(quarters)
    leads = quarter.cumsum(axis=1)
    made = counts["2pt Made"] + counts["3pt Made"]
    attempts = counts["2pt"] + counts["3pt"]
    own = counts["own rebound offensive"] + counts["own rebound defensive"]
    figures = {f"quarter {i + 1} s.d.": float(quarter[:, i].std()) for i in range(4)}
    figures |= {
        f"slope {i + 2}": float(np.polyfit(leads[:, i], quarter[:, i + 1], 1)[0]) for i in range(3)
    }
    return figures | {
        "regulation s.d.": float(leads[:, 3].std()),
        "home edge": float(np.mean(margins)),
        "clutch": counts["clutch"] / n,
        "overtime": counts["overtime"] / n,
        "points": counts["points"] / n / 2,
        "rows": counts["rows"] / n,
        "field goal share": made / attempts,
        "two share": counts["2pt Made"] / counts["2pt"],
        "three share": counts["3pt Made"] / counts["3pt"],
        "threes of attempts": counts["3pt"] / attempts,
        "attempts": attempts / n / 2,
        "free throws": counts["freethrow"] / n / 2,
        "free throw share": counts["freethrow Made"] / counts["freethrow"],
        "assist share": counts["assists"] / made,
        "offensive rebound share": counts["own rebound offensive"] / own,
        "turnovers": counts["turnover"] / n / 2,
        "steals": counts["steal"] / n / 2,
        "blocks": counts["block"] / n / 2,
        "fouls": counts["personal fouls"] / n / 2,
    }


def outside(figures: dict[str, float], wanted: dict[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        name: (round(figures[name], 3), wanted[name])
        for name in wanted
        if abs(figures[name] - wanted[name][0]) > wanted[name][1]
    }


# Regular season 2022-23, with a tolerance of sampling error plus a few percent.
LEVELS = {
    "points": (113.0, 3.5),
    "rows": (552, 25),
    "field goal share": (0.475, 0.012),
    "two share": (0.548, 0.015),
    "three share": (0.361, 0.015),
    "threes of attempts": (0.388, 0.025),
    "attempts": (88.3, 3),
    "free throws": (23.5, 2),
    "free throw share": (0.782, 0.02),
    "assist share": (0.603, 0.02),
    "offensive rebound share": (0.24, 0.02),
    "turnovers": (14.1, 0.8),
    "steals": (7.3, 0.7),
    "blocks": (4.65, 0.5),
    "fouls": (20.0, 1.2),
}


def test_a_few_hundred_games_have_the_leagues_levels() -> None:
    figures = summarise(League(LeagueSettings(seed=21, game_count=300)))
    assert outside(figures, LEVELS) == {}
    assert 0.42 <= figures["clutch"] <= 0.62
    assert 0.02 <= figures["overtime"] <= 0.11


@pytest.mark.slow
def test_leads_regress_as_real_ones_do() -> None:
    """The eight numbers of 32,913 real games, on the 1,230 of a simulated season."""
    figures = summarise(League(LeagueSettings(seed=31)))
    wanted = {
        "quarter 1 s.d.": (7.86, 0.786),
        "quarter 2 s.d.": (7.73, 0.773),
        "quarter 3 s.d.": (8.00, 0.800),
        "quarter 4 s.d.": (7.46, 0.746),
        "regulation s.d.": (13.6, 1.36),
        # 0.03 of bias allowed, and two standard errors of 0.028 for the sample.
        "slope 2": (-0.07, 0.086),
        "slope 3": (-0.05, 0.086),
        "slope 4": (-0.11, 0.086),
        "home edge": (2.2, 1.0),
        "clutch": (0.515, 0.065),
        "overtime": (0.06, 0.02),
    }
    assert outside(figures, wanted | LEVELS) == {}


def clutch_residuals(league: League) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Points over expected of each shot, by player: in clutch time, and otherwise."""
    clutch: dict[int, list[float]] = defaultdict(list)
    other: dict[int, list[float]] = defaultdict(list)
    for game_id in league.game_ids:
        margin = 0
        for row in league.play_by_play(game_id)["game"]["actions"]:
            if row["isFieldGoal"] and row["shotDistance"] < 36:
                value = POINTS[row["actionType"]]
                made = row["shotResult"] == "Made"
                over = value * (made - make_probability(value, row["shotDistance"]))
                is_clutch = row["period"] >= 4 and tenths(row["clock"]) <= 3000 and abs(margin) <= 5
                (clutch if is_clutch else other)[row["personId"]].append(over)
            margin = int(row["scoreHome"]) - int(row["scoreAway"])
    return clutch, other


def test_large_clutch_effects_can_be_found_again_and_only_in_clutch_time() -> None:
    effects = ClutchEffects(player_sd=0.5, overall_sd=0.0, late_shift=0.0)
    league = League(LeagueSettings(seed=4, team_count=4, game_count=160, effects=effects))
    truth = {row["player_id"]: row["clutch_effect"] for row in league.truth()}
    clutch, other = clutch_residuals(league)
    players = [player for player, shots in clutch.items() if len(shots) >= 25]
    assert len(players) >= 15
    wanted = [truth[player] for player in players]
    found = np.corrcoef(wanted, [np.mean(clutch[player]) for player in players])[0, 1]
    elsewhere = np.corrcoef(wanted, [np.mean(other[player]) for player in players])[0, 1]
    assert found > 0.7
    assert abs(elsewhere) < 0.5


def test_without_effects_clutch_shots_are_as_good_as_others() -> None:
    effects = ClutchEffects(player_sd=0.0, overall_sd=0.0, late_shift=0.0)
    league = League(LeagueSettings(seed=6, team_count=4, game_count=120, effects=effects))
    assert {row["clutch_effect"] for row in league.truth()} == {0.0}
    clutch, other = clutch_residuals(league)
    late = np.concatenate([np.array(shots) for shots in clutch.values()])
    rest = np.concatenate([np.array(shots) for shots in other.values()])
    error = 1.18 * (1 / len(late) + 1 / len(rest)) ** 0.5
    assert abs(late.mean() - rest.mean()) < 4 * error


def test_readiness_moves_the_shots_of_its_player_and_game_only() -> None:
    base = League(LeagueSettings(seed=8, team_count=2, game_count=40))
    player = max(base.teams[0].players[:5], key=lambda each: each.usage).player_id
    ready = set(base.game_ids[::2])
    effects = ClutchEffects(
        readiness={(player, game_id): 1.0 for game_id in ready}, readiness_slope=0.8
    )
    league = League(LeagueSettings(seed=8, team_count=2, game_count=40, effects=effects))
    over: dict[bool, list[float]] = {True: [], False: []}
    for game_id in league.game_ids:
        for row in league.play_by_play(game_id)["game"]["actions"]:
            if row["isFieldGoal"] and row["personId"] == player:
                value = POINTS[row["actionType"]]
                made = row["shotResult"] == "Made"
                over[game_id in ready].append(
                    value * (made - make_probability(value, row["shotDistance"]))
                )
    assert min(len(over[True]), len(over[False])) > 100
    assert np.mean(over[True]) - np.mean(over[False]) > 0.4
    unmoved = next(game_id for game_id in base.game_ids if game_id not in ready)
    assert league.play_by_play_json(unmoved) == base.play_by_play_json(unmoved)
