"""Box scores, counted from the rows of a play-by-play.

The box score is a fold over the rows and the starters, and nothing else, so that it agrees with the
play-by-play by construction and a game in progress needs no other code than a finished one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ingestion.sandbox.nba.roster import Official, Player, Team

Row = dict[str, Any]

# Statistics of a player, in the feed's order; ratios and times are filled in at the end.
_COUNTS = (
    "assists",
    "blocks",
    "blocksReceived",
    "fieldGoalsAttempted",
    "fieldGoalsMade",
    "foulsOffensive",
    "foulsDrawn",
    "foulsPersonal",
    "foulsTechnical",
    "freeThrowsAttempted",
    "freeThrowsMade",
    "points",
    "pointsFastBreak",
    "pointsInThePaint",
    "pointsSecondChance",
    "reboundsDefensive",
    "reboundsOffensive",
    "steals",
    "threePointersAttempted",
    "threePointersMade",
    "turnovers",
    "twoPointersAttempted",
    "twoPointersMade",
)
_TEAM_COUNTS = (
    *_COUNTS,
    "fastBreakPointsAttempted",
    "fastBreakPointsMade",
    "pointsFromTurnovers",
    "pointsInThePaintAttempted",
    "pointsInThePaintMade",
    "reboundsTeamDefensive",
    "reboundsTeamOffensive",
    "secondChancePointsAttempted",
    "secondChancePointsMade",
    "turnoversTeam",
)
_POINTS = {"2pt": 2, "3pt": 3, "freethrow": 1}


def parse_clock(clock: str) -> int:
    """Read ``PT04M59.30S`` as tenths of a second."""
    return int(clock[2:4]) * 600 + int(clock[5:7]) * 10 + int(clock[8])


def period_length(period: int) -> int:
    """Length of a period in tenths of a second."""
    return 7200 if period <= 4 else 3000


def _elapsed(period: int, clock: int) -> int:
    before = min(period - 1, 4) * 7200 + max(0, period - 5) * 3000
    return before + period_length(period) - clock


def format_minutes(tenths: int) -> str:
    """Write a playing time as the feed does: ``PT30M07.90S``."""
    return f"PT{tenths // 600:02d}M{tenths % 600 // 10:02d}.{tenths % 10}0S"


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 15) if whole else 0.0


class _TeamTally:
    def __init__(self, starters: Sequence[int]) -> None:
        self.score = 0
        self.team = dict.fromkeys(_TEAM_COUNTS, 0)
        self.players: dict[int, dict[str, int]] = {}
        self.on = set(starters)
        self.at_foul = set(starters)
        self.seconds: dict[int, int] = {}
        self.plus: dict[int, int] = {}
        self.minus: dict[int, int] = {}
        self.played = set(starters)
        self.periods: list[int] = []
        self.leading = 0
        self.biggest_lead = 0
        self.biggest_lead_score = ""
        self.run = 0
        self.biggest_run = 0
        self.biggest_run_score = "0-0"
        self.timeouts = 7
        self.period_fouls = 0

    def add(self, player_id: int, key: str, value: int = 1) -> None:
        """Count for a player and his team."""
        self.team[key] += value
        if player_id not in self.players:
            self.players[player_id] = dict.fromkeys(_COUNTS, 0)
        self.players[player_id][key] += value


class Tally:
    """Everything that a box score counts, up to some row of a game.

    Args:
        team_ids: Home and away.
        starters: ``personId`` of the five starters, home and away.
        rows: Rows of the play-by-play in their order.
    """

    def __init__(
        self,
        team_ids: tuple[int, int],
        starters: tuple[Sequence[int], Sequence[int]],
        rows: Iterable[Row],
    ) -> None:
        self.sides = (_TeamTally(starters[0]), _TeamTally(starters[1]))
        self._index = {team_ids[0]: 0, team_ids[1]: 1}
        self.lead_changes = 0
        self.times_tied = 0
        self._leader = 0
        self._now = 0
        self.period = 0
        self.clock = 0
        for row in rows:
            self._count(row)

    def _pass_time(self, period: int, clock: int) -> None:
        now = _elapsed(period, clock)
        used = now - self._now
        if used > 0:
            for side in self.sides:
                for player_id in side.on:
                    side.seconds[player_id] = side.seconds.get(player_id, 0) + used
            if self.sides[0].score != self.sides[1].score:
                self.sides[0 if self.sides[0].score > self.sides[1].score else 1].leading += used
            self._now = now
        self.period = period
        self.clock = clock

    def _count(self, row: Row) -> None:
        period = row["period"]
        if period != self.period:
            for side in self.sides:
                side.periods.append(0)
                side.period_fouls = 0
                if period > 4:
                    side.timeouts = 2
        elif period == 4 and self.clock > 1800 and parse_clock(row["clock"]) <= 1800:
            for side in self.sides:
                side.timeouts = min(side.timeouts, 2)
        self._pass_time(period, parse_clock(row["clock"]))
        team_id = row.get("teamId")
        if team_id is None:
            return
        index = self._index[team_id]
        side, other = self.sides[index], self.sides[1 - index]
        person = row["personId"]
        kind = row["actionType"]
        if kind in ("2pt", "3pt"):
            self._count_shot(row, side, other)
        elif kind == "freethrow":
            side.add(person, "freeThrowsAttempted")
            if row["shotResult"] == "Made":
                side.add(person, "freeThrowsMade")
                self._count_points(row, index)
        elif kind == "rebound":
            word = row["subType"].capitalize()
            if person:
                side.add(person, f"rebounds{word}")
            else:
                side.team[f"reboundsTeam{word}"] += 1
        elif kind == "turnover":
            if person:
                side.add(person, "turnovers")
            else:
                side.team["turnoversTeam"] += 1
        elif kind == "steal":
            side.add(person, "steals")
        elif kind == "block":
            side.add(person, "blocks")
        elif kind == "foul":
            self._count_foul(row, side, other)
        elif kind == "substitution":
            if row["subType"] == "out":
                side.on.discard(person)
            else:
                side.on.add(person)
                side.played.add(person)
        elif kind == "timeout":
            side.timeouts -= 1

    def _count_shot(self, row: Row, side: _TeamTally, other: _TeamTally) -> None:
        person = row["personId"]
        words = "twoPointers" if row["actionType"] == "2pt" else "threePointers"
        made = row["shotResult"] == "Made"
        for key in ("fieldGoals", words):
            side.add(person, f"{key}Attempted")
            if made:
                side.add(person, f"{key}Made")
        for mark, prefix in (
            ("pointsinthepaint", "pointsInThePaint"),
            ("fastbreak", "fastBreakPoints"),
            ("2ndchance", "secondChancePoints"),
        ):
            if mark in row["qualifiers"]:
                side.team[f"{prefix}Attempted"] += 1
                side.team[f"{prefix}Made"] += made
        if made:
            if "assistPersonId" in row:
                side.add(row["assistPersonId"], "assists")
            self._count_points(row, 0 if side is self.sides[0] else 1)
        elif "blockPersonId" in row:
            side.add(person, "blocksReceived")
            side.at_foul, other.at_foul = set(side.on), set(other.on)

    def _count_points(self, row: Row, index: int) -> None:
        side, other = self.sides[index], self.sides[1 - index]
        points = _POINTS[row["actionType"]]
        side.score += points
        side.periods[-1] += points
        side.add(row["personId"], "points", points)
        qualifiers = row["qualifiers"]
        for mark, key in (
            ("fastbreak", "pointsFastBreak"),
            ("pointsinthepaint", "pointsInThePaint"),
            ("2ndchance", "pointsSecondChance"),
        ):
            if mark in qualifiers:
                side.add(row["personId"], key, points)
        if "fromturnover" in qualifiers:
            side.team["pointsFromTurnovers"] += points
        # Free throws belong to the five of each side who were on the floor at the foul.
        is_free_throw = row["actionType"] == "freethrow"
        for player_id in side.at_foul if is_free_throw else side.on:
            side.plus[player_id] = side.plus.get(player_id, 0) + points
        for player_id in other.at_foul if is_free_throw else other.on:
            other.minus[player_id] = other.minus.get(player_id, 0) + points
        score = f"{self.sides[1].score}-{self.sides[0].score}"  # the feed writes the visitors first
        side.run += points
        other.run = 0
        if side.run > side.biggest_run:
            side.biggest_run, side.biggest_run_score = side.run, score
        lead = side.score - other.score
        if lead > side.biggest_lead:
            side.biggest_lead, side.biggest_lead_score = lead, score
        if lead == 0:
            self.times_tied += 1
        elif lead > 0:
            leader = index + 1
            if self._leader and self._leader != leader:
                self.lead_changes += 1
            self._leader = leader

    def _count_foul(self, row: Row, side: _TeamTally, other: _TeamTally) -> None:
        person = row["personId"]
        side.at_foul, other.at_foul = set(side.on), set(other.on)
        if row["subType"] == "technical":
            side.add(person, "foulsTechnical")
            return
        side.add(person, "foulsPersonal")
        if row["subType"] == "offensive":
            side.add(person, "foulsOffensive")
        else:
            side.period_fouls += 1
        if "foulDrawnPersonId" in row:
            other.add(row["foulDrawnPersonId"], "foulsDrawn")


def _minutes_calculated(tenths: int) -> str:
    return f"PT{(tenths + 300) // 600:02d}M"


def _player_statistics(tally: _TeamTally, player_id: int) -> Row:
    counts = tally.players.get(player_id) or dict.fromkeys(_COUNTS, 0)
    tenths = tally.seconds.get(player_id, 0)
    plus, minus = tally.plus.get(player_id, 0), tally.minus.get(player_id, 0)
    row: Row = {}
    for key in _COUNTS:
        row[key] = counts[key]
        if key.endswith("Made"):
            stem = key.removesuffix("Made")
            row[f"{stem}Percentage"] = _ratio(counts[key], counts[f"{stem}Attempted"])
        if key == "freeThrowsMade":
            row["minus"] = float(minus)
            row["minutes"] = format_minutes(tenths)
            row["minutesCalculated"] = _minutes_calculated(tenths)
            row["plus"] = float(plus)
            row["plusMinusPoints"] = float(plus - minus)
        if key == "reboundsOffensive":
            row["reboundsTotal"] = counts[key] + counts["reboundsDefensive"]
    return row


def _team_statistics(tally: Tally, index: int, bench: Iterable[int]) -> Row:
    side, other = tally.sides[index], tally.sides[1 - index]
    t = side.team
    turnovers = t["turnovers"] + t["turnoversTeam"]
    rebounds = t["reboundsDefensive"] + t["reboundsOffensive"]
    team_rebounds = t["reboundsTeamDefensive"] + t["reboundsTeamOffensive"]
    attempts = t["fieldGoalsAttempted"] + 0.44 * t["freeThrowsAttempted"]
    minutes = sum(side.seconds.values())
    points_elsewhere = [side.players[p]["points"] for p in bench if p in side.players]
    row: Row = {
        "assists": t["assists"],
        "assistsTurnoverRatio": _ratio(t["assists"], turnovers),
        "benchPoints": sum(points_elsewhere),
        "biggestLead": side.biggest_lead,
    }
    if side.biggest_lead:
        row["biggestLeadScore"] = side.biggest_lead_score
    row |= {
        "biggestScoringRun": side.biggest_run,
        "biggestScoringRunScore": side.biggest_run_score,
        "blocks": t["blocks"],
        "blocksReceived": t["blocksReceived"],
        "fastBreakPointsAttempted": t["fastBreakPointsAttempted"],
        "fastBreakPointsMade": t["fastBreakPointsMade"],
        "fastBreakPointsPercentage": _ratio(
            t["fastBreakPointsMade"], t["fastBreakPointsAttempted"]
        ),
        "fieldGoalsAttempted": t["fieldGoalsAttempted"],
        "fieldGoalsEffectiveAdjusted": _ratio(
            t["fieldGoalsMade"] + 0.5 * t["threePointersMade"], t["fieldGoalsAttempted"]
        ),
        "fieldGoalsMade": t["fieldGoalsMade"],
        "fieldGoalsPercentage": _ratio(t["fieldGoalsMade"], t["fieldGoalsAttempted"]),
        "foulsOffensive": t["foulsOffensive"],
        "foulsDrawn": t["foulsDrawn"],
        "foulsPersonal": t["foulsPersonal"],
        "foulsTeam": t["foulsPersonal"] - t["foulsOffensive"],
        "foulsTechnical": t["foulsTechnical"],
        "foulsTeamTechnical": 0,
        "freeThrowsAttempted": t["freeThrowsAttempted"],
        "freeThrowsMade": t["freeThrowsMade"],
        "freeThrowsPercentage": _ratio(t["freeThrowsMade"], t["freeThrowsAttempted"]),
        "leadChanges": tally.lead_changes,
        "minutes": format_minutes(minutes),
        "minutesCalculated": _minutes_calculated(minutes),
        "points": side.score,
        "pointsAgainst": other.score,
        "pointsFastBreak": t["pointsFastBreak"],
        "pointsFromTurnovers": t["pointsFromTurnovers"],
        "pointsInThePaint": t["pointsInThePaint"],
        "pointsInThePaintAttempted": t["pointsInThePaintAttempted"],
        "pointsInThePaintMade": t["pointsInThePaintMade"],
        "pointsInThePaintPercentage": _ratio(
            t["pointsInThePaintMade"], t["pointsInThePaintAttempted"]
        ),
        "pointsSecondChance": t["pointsSecondChance"],
        "reboundsDefensive": t["reboundsDefensive"],
        "reboundsOffensive": t["reboundsOffensive"],
        "reboundsPersonal": rebounds,
        "reboundsTeam": team_rebounds,
        "reboundsTeamDefensive": t["reboundsTeamDefensive"],
        "reboundsTeamOffensive": t["reboundsTeamOffensive"],
        "reboundsTotal": rebounds + team_rebounds,
        "secondChancePointsAttempted": t["secondChancePointsAttempted"],
        "secondChancePointsMade": t["secondChancePointsMade"],
        "secondChancePointsPercentage": _ratio(
            t["secondChancePointsMade"], t["secondChancePointsAttempted"]
        ),
        "steals": t["steals"],
        "threePointersAttempted": t["threePointersAttempted"],
        "threePointersMade": t["threePointersMade"],
        "threePointersPercentage": _ratio(t["threePointersMade"], t["threePointersAttempted"]),
        "timeLeading": format_minutes(side.leading),
        "timesTied": tally.times_tied,
        "trueShootingAttempts": round(attempts, 2),
        "trueShootingPercentage": _ratio(side.score, 2 * attempts),
        "turnovers": t["turnovers"],
        "turnoversTeam": t["turnoversTeam"],
        "turnoversTotal": turnovers,
        "twoPointersAttempted": t["twoPointersAttempted"],
        "twoPointersMade": t["twoPointersMade"],
        "twoPointersPercentage": _ratio(t["twoPointersMade"], t["twoPointersAttempted"]),
    }
    return row


def team_box(
    tally: Tally,
    index: int,
    team: Team,
    *,
    dressed: Sequence[Player],
    inactive: Sequence[tuple[Player, str, str | None]],
    is_live: bool,
) -> Row:
    """Make ``homeTeam`` or ``awayTeam`` of a box score.

    Args:
        tally: The counts.
        index: 0 home, 1 away.
        team: The team.
        dressed: Active players, starters first.
        inactive: Players who are not in uniform, with ``notPlayingReason`` and an optional
            description.
        is_live: Whether the game is being played; only then somebody is on the floor.
    """
    side, other = tally.sides[index], tally.sides[1 - index]
    players: list[Row] = []
    starters = {player.player_id for player in dressed[:5]}
    listed: list[tuple[Player, str | None, str | None]] = [
        *((player, None, None) for player in dressed),
        *inactive,
    ]
    for order, (player, reason, detail) in enumerate(listed, start=1):
        entry: Row = {"status": "ACTIVE" if reason is None else "INACTIVE"}
        if reason is not None:
            entry["notPlayingReason"] = reason
        if detail is not None:
            entry["notPlayingDescription"] = detail
        entry["order"] = order
        entry["personId"] = player.player_id
        entry["jerseyNum"] = player.jersey
        if player.player_id in starters:
            entry["position"] = ("SF", "PF", "C", "SG", "PG")[order - 1]
        entry["starter"] = "1" if player.player_id in starters else "0"
        entry["oncourt"] = "1" if is_live and player.player_id in side.on else "0"
        entry["played"] = "1" if tally.period and player.player_id in side.played else "0"
        entry["statistics"] = _player_statistics(side, player.player_id)
        entry["name"] = f"{player.first_name} {player.family_name}"
        entry["nameI"] = player.initial_name
        entry["firstName"] = player.first_name
        entry["familyName"] = player.family_name
        players.append(entry)
    bench = [player.player_id for player in dressed[5:]]
    return {
        "teamId": team.team_id,
        "teamName": team.city.nickname,
        "teamCity": team.city.name,
        "teamTricode": team.city.tricode,
        "score": side.score,
        "inBonus": "1" if other.period_fouls >= (5 if tally.period <= 4 else 4) else "0",
        "timeoutsRemaining": max(0, side.timeouts),
        "periods": [
            {
                "period": number,
                "periodType": "REGULAR" if number <= 4 else "OVERTIME",
                "score": score,
            }
            for number, score in enumerate(side.periods, start=1)
        ],
        "players": players,
        "statistics": _team_statistics(tally, index, bench),
    }


def officials_box(officials: Sequence[Official]) -> list[Row]:
    """Make ``officials`` of a box score."""
    return [
        {
            "personId": official.person_id,
            "name": f"{official.first_name} {official.family_name}",
            "nameI": f"{official.first_name[0]}. {official.family_name}",
            "firstName": official.first_name,
            "familyName": official.family_name,
            "jerseyNum": official.jersey,
            "assignment": f"OFFICIAL{number}",
        }
        for number, official in enumerate(officials, start=1)
    ]
