"""The rows of a game's play-by-play, in the full wire form of the league's CDN.

The scoresheet knows the feed's habits and nothing of the game: which keys a row of a type has, how
a description is worded, how events get their numbers. One row is one dict, ready to be sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from ingestion.sandbox.nba import geometry
from ingestion.sandbox.nba.floor import Man, Side

Row = dict[str, Any]

# About 0.9 % of real rows step back in actionNumber: they were inserted after the rows that follow
# them.
_INSERTED_SHARE = 0.011
# orderNumber of a row entered in its turn, per number; an inserted row takes the middle of its
# neighbours.
_ORDER_STEP = 10000


def format_clock(tenths: int) -> str:
    """Write a game clock as the feed does: ``PT04M59.00S``, tenths only in the last minute.

    Args:
        tenths: Tenths of a second left in the period.
    """
    if tenths >= 600:
        tenths -= tenths % 10
    minutes, rest = divmod(tenths, 600)
    return f"PT{minutes:02d}M{rest // 10:02d}.{rest % 10}0S"


class Scoresheet:
    """Collects the rows of one game.

    Args:
        random: Source of the scorer's delays; separate from the game's, so that how a game is
            written down cannot change what happens in it.
        tip_off: Wall clock of the first row, UTC.
        home: Home side; its score is read when a row is written.
        away: Away side.
        official_ids: Referees of the game.
    """

    def __init__(
        self, random: Random, tip_off: datetime, home: Side, away: Side, official_ids: list[int]
    ) -> None:
        self._random = random
        self._tip_off = tip_off
        self._sides = (home, away)
        self._official_ids = official_ids
        self.rows: list[Row] = []
        self.walls: list[int] = []  # tenths of a second since the first row, by row
        self.shot_rows: list[int | None] = []  # index of the missed shot, by row
        self.period = 1
        self.clock = 7200
        self.wall = 0
        self.possession = 0
        self._second = -1
        self._second_text = ""

    def _utc(self, wall: int) -> str:
        """Wall clock of a moment to the second, ``2025-10-22T23:41:07``."""
        second = wall // 10
        if second != self._second:
            self._second = second
            self._second_text = (self._tip_off + timedelta(seconds=second)).strftime(
                "%Y-%m-%dT%H:%M:%S"
            )
        return self._second_text

    def _edited(self) -> str:
        # Measured on 2022-23: half within 5-6 seconds, a quarter at once, 10 % after more than 86
        # s.
        draw = self._random.random()
        if draw < 0.25:
            delay = 0.0
        elif draw < 0.78:
            delay = 30 + 100 * self._random.random()
        elif draw < 0.97:
            delay = 130 + 900 * self._random.random() ** 2
        else:
            delay = 1000 + 9000 * self._random.random()
        moment = self._tip_off + timedelta(seconds=(self.wall + int(delay)) // 10)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _row(
        self,
        action_type: str,
        sub_type: str,
        side: Side | None,
        *,
        descriptor: str | None = None,
        qualifiers: list[str] | None = None,
        man: Man | None = None,
        official: bool = False,
        area: tuple[str, str] | None = None,
    ) -> Row:
        home, away = self._sides
        row: Row = {
            "actionNumber": 0,
            "clock": format_clock(self.clock),
            "timeActual": f"{self._utc(self.wall)}.{self.wall % 10}Z",
            "period": self.period,
            "periodType": "REGULAR" if self.period <= 4 else "OVERTIME",
        }
        if side is not None:
            row["teamId"] = side.team_id
            row["teamTricode"] = side.tricode
        row["actionType"] = action_type
        row["subType"] = sub_type
        if descriptor:
            row["descriptor"] = descriptor
        row["qualifiers"] = qualifiers or []
        row["personId"] = man.player_id if man is not None else 0
        row["x"] = None
        row["y"] = None
        if area is not None:
            row["area"], row["areaDetail"] = area
        row["side"] = None
        row["possession"] = self.possession
        row["scoreHome"] = str(home.score)
        row["scoreAway"] = str(away.score)
        row["edited"] = self._edited()
        if official:
            index = int(self._random.random() * len(self._official_ids))
            row["officialId"] = self._official_ids[index]
        row["orderNumber"] = 0
        row["isTargetScoreLastPeriod"] = False
        row["xLegacy"] = None
        row["yLegacy"] = None
        row["isFieldGoal"] = 0
        row["description"] = ""
        if man is not None:
            row["playerName"] = man.player.family_name
            row["playerNameI"] = man.player.initial_name
        row["personIdsFilter"] = [man.player_id] if man is not None else []
        self.rows.append(row)
        self.walls.append(self.wall)
        self.shot_rows.append(None)
        return row

    def mark(self, action_type: str, sub_type: str) -> None:
        """Write the start or end of a period or the end of the game."""
        self._row(action_type, sub_type, None)["description"] = (
            f"{action_type.capitalize()} {sub_type.capitalize()}"
        )

    def jump_ball(
        self, side: Side, won: Man, lost: Man, recovered: Man | None, descriptor: str
    ) -> None:
        """Write a jump ball.

        Args:
            side: The side that has the ball afterwards.
            won: Jumper who won the tap.
            lost: The other jumper.
            recovered: Who took the ball; None for the team.
            descriptor: ``startperiod`` or ``heldball``.
        """
        row = self._row("jumpball", "recovered", side, descriptor=descriptor, man=recovered)
        target = recovered.player.initial_name if recovered else f"Team ({side.tricode})"
        row["jumpBallRecoveredName"] = target
        if recovered is not None:
            row["jumpBallRecoverdPersonId"] = recovered.player_id
        row["jumpBallWonPlayerName"] = won.player.family_name
        row["jumpBallWonPersonId"] = won.player_id
        row["description"] = (
            f"Jump Ball {won.player.initial_name} vs. {lost.player.initial_name}: Tip to {target}"
        )
        row["jumpBallLostPlayerName"] = lost.player.family_name
        row["jumpBallLostPersonId"] = lost.player_id
        row["personIdsFilter"] = [
            *([recovered.player_id] if recovered is not None else []),
            won.player_id,
            lost.player_id,
        ]

    def shot(
        self,
        side: Side,
        man: Man,
        *,
        points_value: int,
        made: bool,
        place: tuple[float, float, str, int, int, float],
        area: tuple[str, str],
        kind: str,
        descriptor: str,
        qualifiers: list[str],
        assist: Man | None,
        blocker: Man | None,
    ) -> int:
        """Write a field goal attempt.

        Args:
            side: Shooting side.
            man: Shooter, his points already counted.
            points_value: 2 or 3.
            made: Whether it went in.
            place: ``x``, ``y``, ``side``, ``xLegacy``, ``yLegacy``, ``shotDistance``.
            area: ``area`` and ``areaDetail``.
            kind: ``Layup``, ``DUNK``, ``Hook`` or ``Jump Shot``.
            descriptor: For instance ``driving floating``, or empty.
            qualifiers: The feed's marks.
            assist: Passer of a made shot, his assist already counted.
            blocker: Who blocked a missed shot.

        Returns:
            Index of the row.
        """
        row = self._row(
            f"{points_value}pt",
            kind,
            side,
            descriptor=descriptor,
            qualifiers=qualifiers,
            man=man,
            area=area,
        )
        row["x"], row["y"], row["side"], row["xLegacy"], row["yLegacy"], distance = place
        row["shotDistance"] = distance
        row["isFieldGoal"] = 1
        row["shotResult"] = "Made" if made else "Missed"
        name = man.player.initial_name
        feet = f"{int(distance)}' " if distance >= (24 if points_value == 3 else 6) else ""
        words = f"{descriptor} " if descriptor else ""
        if made:
            row["pointsTotal"] = man.points
            what = f"3PT {descriptor}" if points_value == 3 else f"{words}{kind}"
            text = f"{name} {feet}{what} ({man.points} PTS)"
            if assist is not None:
                text += f" ({assist.player.initial_name} {assist.assists} AST)"
                row["assistPlayerNameInitial"] = assist.player.initial_name
                row["assistPersonId"] = assist.player_id
                row["assistTotal"] = assist.assists
                row["personIdsFilter"].append(assist.player_id)
        else:
            what = "3PT" if points_value == 3 else "Shot" if kind == "Jump Shot" else kind
            text = f"MISS {name} {feet}{words}{what}"
            if blocker is not None:
                text += " - blocked"
                row["blockPlayerName"] = blocker.player.family_name
                row["blockPersonId"] = blocker.player_id
                row["personIdsFilter"].append(blocker.player_id)
        row["description"] = text
        return len(self.rows) - 1

    def block(self, side: Side, man: Man, area: tuple[str, str]) -> None:
        """Write a block; the shooter's side keeps the possession in this row."""
        row = self._row("block", "", side, man=man, area=area)
        row["description"] = f"{man.player.initial_name} BLOCK ({man.blocks} BLK)"

    def rebound(
        self,
        side: Side,
        man: Man | None,
        *,
        offensive: bool,
        shot_index: int,
        dead_ball: bool = False,
        area: tuple[str, str] | None = None,
    ) -> None:
        """Write a rebound, of the team when ``man`` is None."""
        qualifiers = (["deadball"] if dead_ball else []) + (["team"] if man is None else [])
        sub_type = "offensive" if offensive else "defensive"
        row = self._row("rebound", sub_type, side, qualifiers=qualifiers, man=man, area=area)
        row["shotActionNumber"] = 0
        self.shot_rows[-1] = shot_index
        if man is None:
            row["description"] = f"TEAM {sub_type} REBOUND"
            return
        row["reboundTotal"] = man.offensive_rebounds + man.defensive_rebounds
        row["reboundDefensiveTotal"] = man.defensive_rebounds
        row["reboundOffensiveTotal"] = man.offensive_rebounds
        row["description"] = (
            f"{man.player.initial_name} REBOUND "
            f"(Off:{man.offensive_rebounds} Def:{man.defensive_rebounds})"
        )

    def turnover(
        self,
        side: Side,
        man: Man | None,
        kind: str,
        *,
        descriptor: str | None,
        area: tuple[str, str],
        stealer: Man | None = None,
        official: bool = False,
    ) -> None:
        """Write a turnover, of the team when ``man`` is None, and the steal that goes with it."""
        row = self._row(
            "turnover",
            kind,
            side,
            descriptor=descriptor,
            qualifiers=["team"] if man is None else [],
            man=man,
            official=official,
            area=area,
        )
        if man is None:
            row["description"] = f"{side.tricode} {kind} Team TURNOVER"
            return
        row["turnoverTotal"] = man.turnovers
        words = f"{descriptor} {kind}" if descriptor else kind
        row["description"] = f"{man.player.initial_name} {words} TURNOVER ({man.turnovers} TO)"
        if stealer is not None:
            row["stealPlayerName"] = stealer.player.family_name
            row["stealPersonId"] = stealer.player_id
            row["personIdsFilter"].append(stealer.player_id)

    def steal(self, side: Side, man: Man, area: tuple[str, str]) -> None:
        """Write a steal."""
        row = self._row("steal", "", side, man=man, area=area)
        row["description"] = f"{man.player.initial_name} STEAL ({man.steals} STL)"

    def foul(
        self,
        side: Side,
        man: Man,
        kind: str,
        *,
        descriptor: str | None,
        qualifiers: list[str],
        drawn_by: Man | None,
        area: tuple[str, str] | None,
    ) -> None:
        """Write a foul, already counted.

        Args:
            side: The side that fouled.
            man: Who fouled.
            kind: ``personal``, ``offensive`` or ``technical``.
            descriptor: For instance ``shooting``.
            qualifiers: The feed's marks, e.g. ``inpenalty`` and ``2freethrow``.
            drawn_by: Who was fouled; None for technicals.
            area: Where.
        """
        row = self._row(
            "foul",
            kind,
            side,
            descriptor=descriptor,
            qualifiers=qualifiers,
            man=man,
            official=True,
            area=area,
        )
        row["foulPersonalTotal"] = man.fouls
        row["foulTechnicalTotal"] = man.technicals
        words = f"{descriptor} {kind}" if descriptor else kind
        total = f"{man.technicals} Tech" if kind == "technical" else f"{man.fouls} PF"
        text = f"{man.player.initial_name} {words} FOUL ({total})"
        if drawn_by is not None:
            shots = [mark[0] for mark in qualifiers if mark.endswith("freethrow")]
            if shots:
                text += f" ({drawn_by.player.family_name} {shots[0]} FT)"
            row["foulDrawnPlayerName"] = drawn_by.player.family_name
            row["foulDrawnPersonId"] = drawn_by.player_id
            row["personIdsFilter"].append(drawn_by.player_id)
        row["description"] = text

    def free_throw(
        self,
        side: Side,
        man: Man,
        *,
        number: int,
        count: int,
        made: bool,
        descriptor: str | None,
        qualifiers: list[str],
    ) -> int:
        """Write a free throw, its point already counted; return the row's index."""
        row = self._row(
            "freethrow",
            f"{number} of {count}",
            side,
            descriptor=descriptor,
            qualifiers=qualifiers,
            man=man,
        )
        row["shotResult"] = "Made" if made else "Missed"
        words = f"{descriptor} " if descriptor else ""
        text = f"{man.player.initial_name} {words}Free Throw {number} of {count}"
        if made:
            row["pointsTotal"] = man.points
            row["description"] = f"{text} ({man.points} PTS)"
        else:
            row["description"] = f"MISS {text}"
        return len(self.rows) - 1

    def violation(self, side: Side, man: Man | None, kind: str) -> None:
        """Write a violation, of the team when ``man`` is None."""
        qualifiers = ["team"] if man is None else []
        row = self._row("violation", kind, side, qualifiers=qualifiers, man=man, official=True)
        row["description"] = f"{man.player.initial_name if man else 'TEAM'} {kind} VIOLATION"

    def timeout(self, side: Side, *, mandatory: bool) -> None:
        """Write a full timeout; a mandatory one is the broadcast's."""
        qualifiers = ["team", "mandatory"] if mandatory else ["team"]
        row = self._row("timeout", "full", side, qualifiers=qualifiers)
        row["description"] = f"{side.tricode} Timeout"

    def ejection(self, side: Side, man: Man) -> None:
        """Write that a player was sent off."""
        row = self._row("ejection", "other", side, man=man, official=True)
        row["description"] = f"Ejection {man.player.initial_name}"

    def substitutions(
        self, swaps: list[tuple[Side, Man, Man]], *, before_period: bool = False
    ) -> None:
        """Write substitutions: first everyone who goes off, then everyone who comes on."""
        qualifiers = ["startperiod"] if before_period else []
        for word, place in (("out", 1), ("in", 2)):
            for swap in swaps:
                man = swap[1] if place == 1 else swap[2]
                row = self._row("substitution", word, swap[0], qualifiers=list(qualifiers), man=man)
                row["description"] = f"SUB {word}: {man.player.initial_name}"

    def finish(self) -> None:
        """Number the rows: ``actionNumber``, ``orderNumber`` and ``shotActionNumber``.

        Rows are numbered as they are entered, now and then with a gap (a row that was withdrawn).
        A few
        are inserted late: they carry the number of their entry and an order between their
            neighbours.
        """
        random = self._random
        number = 1
        waiting: list[list[int]] = []  # [rows until it is entered, index]
        inserted: list[int] = []
        previous = -9
        for index, row in enumerate(self.rows):
            is_insertable = (
                row["actionType"] in ("block", "rebound", "foul", "substitution", "violation")
                and index - previous > 1
                and index + 8 < len(self.rows)
            )
            if is_insertable and random.random() < _INSERTED_SHARE * 1.6:
                waiting.append([1 + int(random.random() * 6), index])
                inserted.append(index)
                previous = index
                continue
            number += 1 if random.random() < 0.8 else 2
            row["actionNumber"] = number
            row["orderNumber"] = number * _ORDER_STEP
            for entry in waiting:
                entry[0] -= 1
            while waiting and waiting[0][0] <= 0:
                number += 1
                self.rows[waiting.pop(0)[1]]["actionNumber"] = number
        for _, index in waiting:
            number += 1
            self.rows[index]["actionNumber"] = number
        for index in inserted:
            before = self.rows[index - 1]["orderNumber"]
            self.rows[index]["orderNumber"] = (before + self.rows[index + 1]["orderNumber"]) // 2
        for row, shot_index in zip(self.rows, self.shot_rows, strict=True):
            if shot_index is not None:
                row["shotActionNumber"] = self.rows[shot_index]["actionNumber"]


def place_of(
    x_legacy: float, y_legacy: float, side: str
) -> tuple[float, float, str, int, int, float]:
    """Give a shot's place in the feed's fields, from the place where it was taken.

    Args:
        x_legacy: Tenths of a foot.
        y_legacy: Tenths of a foot.
        side: ``left`` or ``right``: the basket attacked.

    Returns:
        ``x``, ``y``, ``side``, ``xLegacy``, ``yLegacy``, ``shotDistance``.
    """
    x, y = geometry.to_court(x_legacy, y_legacy, side)
    legacy_x, legacy_y, distance = geometry.from_court(x, y, side)
    return x, y, side, legacy_x, legacy_y, distance
