"""One simulated game, play by play.

A game is a sequence of *plays*: the side with the ball uses some seconds and then shoots, turns
the ball over, is fouled or loses it at the end of the period. Make probability is the league's at
that distance (:mod:`ingestion.sandbox.nba.geometry`) plus effects in points per shot: both teams,
the home floor, the shooter, lateness, the shooter's clutch deviation, and a pull against the side
that leads. The pull is why leads regress as real ones do; a random walk would keep them.

Clock times are tenths of a second, so that rows can be compared exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ingestion.sandbox.nba import geometry, rates
from ingestion.sandbox.nba.floor import FOUL_LIMIT, TECHNICAL_LIMIT, Man, Side
from ingestion.sandbox.nba.scoresheet import Scoresheet, place_of
from ingestion.sandbox.nba.settings import ClutchEffects

CLUTCH_FIRST_PERIOD = 4
CLUTCH_CLOCK = 3000
CLUTCH_MARGIN = 5

_REGULATION_PERIOD = 7200
_OVERTIME_PERIOD = 3000
_MARKS = ("fromturnover", "2ndchance", "fastbreak")

_INTERRUPTION = (
    rates.TECHNICAL + rates.DEFENSIVE_THREE_SECONDS + rates.DELAY_OF_GAME + rates.KICKED_BALL
)
_TURNOVER_WEIGHT = sum(entry[4] for entry in rates.TURNOVERS)

_LAYUPS = (
    ("driving", 0.42), ("", 0.12), ("cutting", 0.13), ("running", 0.12),
    ("driving finger roll", 0.11), ("driving reverse", 0.05), ("reverse", 0.05),
)  # fmt: skip
_SECOND_CHANCES = (("putback", 0.45), ("tip", 0.55))
_DUNKS = (("", 0.25), ("cutting", 0.38), ("alley-oop", 0.15), ("driving", 0.12), ("running", 0.10))
_SHORTS = (
    ("driving floating", 0.32), ("pullup", 0.16), ("turnaround", 0.15), ("floating", 0.14),
    ("driving floating bank", 0.09), ("turnaround fadeaway", 0.08), ("fadeaway", 0.06),
)  # fmt: skip
_HOOKS = (("", 0.6), ("turnaround", 0.22), ("driving", 0.18))
_MIDDLES = (
    ("pullup", 0.56),
    ("", 0.16),
    ("step back", 0.15),
    ("fadeaway", 0.08),
    ("turnaround fadeaway", 0.05),
)
_THREES = (
    ("", 0.70),
    ("pullup", 0.14),
    ("step back", 0.08),
    ("running", 0.05),
    ("running pullup", 0.03),
)


def _choose(random: Random, options: tuple[tuple[str, float], ...]) -> str:
    draw = random.random()
    for name, weight in options:
        draw -= weight
        if draw < 0:
            return name
    return options[0][0]


class GameSimulation:
    """Plays one game.

    Args:
        random: Source of everything that happens.
        sheet: Takes the rows.
        home: Home side.
        away: Away side.
        effects: Sizes of the effects that are not a player's own.
    """

    def __init__(
        self, random: Random, sheet: Scoresheet, home: Side, away: Side, effects: ClutchEffects
    ) -> None:
        self._random = random
        self._sheet = sheet
        self._sides = (home, away)
        self._late_shift = effects.late_shift
        # Points per shot of each side before anything that changes during the game.
        self._base = (
            home.team.offense_effect - away.team.defense_effect + rates.HOME_EDGE,
            away.team.offense_effect - home.team.defense_effect - rates.HOME_EDGE,
        )
        self._home_first_half_right = random.random() < 0.53
        self._clock = _REGULATION_PERIOD
        self._elapsed = 0
        self._period = 1
        self._ball = 0
        self._start = "period"
        self._from_turnover = False
        self._second_chance = False
        self._fast_break = False

    # --- time
    # ------------------------------------------------------------------------------------------

    def _advance(self, tenths: int) -> None:
        """Let the game clock run; outside the last minute it stops on whole seconds."""
        clock = max(0, self._clock - max(0, tenths))
        if clock >= 600:
            clock -= clock % 10
        used = self._clock - clock
        self._clock = clock
        self._elapsed += used
        self._sheet.clock = clock
        self._sheet.wall += used

    def _wait(self, seconds: float) -> None:
        """Let the wall clock run while the game clock stands, a third more or less."""
        self._sheet.wall += int(10 * seconds * (0.67 + 0.66 * self._random.random()))

    # --- who
    # -------------------------------------------------------------------------------------------

    def _pick(self, men: Sequence[Man], weights: list[float]) -> Man:
        draw = self._random.random() * sum(weights)
        for man, weight in zip(men, weights, strict=True):
            draw -= weight
            if draw < 0:
                return man
        return men[-1]

    def _margin(self) -> int:
        """Score margin of the side with the ball."""
        return self._sides[self._ball].score - self._sides[1 - self._ball].score

    def _give_ball(self, index: int, start: str, *, from_turnover: bool = False) -> None:
        """Start a possession."""
        self._ball = index
        self._start = start
        self._from_turnover = from_turnover
        self._second_chance = False
        self._fast_break = False
        self._sheet.possession = self._sides[index].team_id

    # --- dead balls
    # ------------------------------------------------------------------------------------

    def _substitute(self, *, is_break: bool = False, keep: Man | None = None) -> None:
        """Let both coaches change; ``keep`` stays on the floor."""
        margin = self._margin()
        swaps = [
            (side, out, into)
            for side in self._sides
            for out, into in side.rotate(
                self._random,
                now=self._elapsed,
                period=self._period,
                seconds_left=self._clock / 10,
                margin=margin,
                is_break=is_break,
                keep=keep,
            )
        ]
        if swaps:
            self._sheet.substitutions(swaps, before_period=is_break)

    def _send_off(self, side: Side, man: Man) -> None:
        """Replace a man who may not play on."""
        man.is_out = True
        if man in side.on:
            swap = side.replace(man, self._elapsed)
            if swap is None:
                # The rules let the last five play on with a technical foul each time; so rare that
                # the simulation leaves the man on the floor.
                man.is_out = False
                return
            self._wait(8)
            self._sheet.substitutions([(side, *swap)])

    def _timeout(self) -> bool:
        """Let the side that has the ball, or the broadcast, stop the game; tell whether it did."""
        random = self._random
        side = self._sides[self._ball]
        other = self._sides[1 - self._ball]
        regulation = self._period <= 4
        taken = side.timeouts_in_period + other.timeouts_in_period
        due = 0
        if regulation:
            due = 2 if self._clock < 1790 else 1 if self._clock < 4190 else 0
        if taken < due and self._clock > 300:
            caller = self._sides[taken % 2] if random.random() < 0.25 else side
            if caller.timeouts_left == 0:
                caller = other if caller is side else side
            if caller.timeouts_left:
                self._take_timeout(caller, mandatory=True)
                return True
        if side.timeouts_left == 0:
            return False
        if random.random() < 0.022:
            self._take_timeout(side, mandatory=taken < due)
            return True
        if other.run >= 7 and random.random() < 0.6:
            self._take_timeout(side, mandatory=taken < due)
            return True
        is_end = self._period >= 4 and self._clock < 1200
        margin = side.score - other.score
        if is_end and -9 <= margin <= 2 and random.random() < 0.42 + 0.25 * (self._clock < 300):
            self._take_timeout(side, mandatory=False)
            return True
        return False

    def _take_timeout(self, side: Side, *, mandatory: bool) -> None:
        side.timeouts_left -= 1
        side.timeouts_in_period += 1
        for each in self._sides:
            each.run = 0
        self._wait(7)
        self._sheet.timeout(side, mandatory=mandatory)
        self._wait(rates.MANDATORY_TIMEOUT if mandatory else rates.TEAM_TIMEOUT)
        self._substitute()
        self._start = "dead ball"

    def _dead_ball(self, seconds: float = rates.DEAD_BALL) -> None:
        """Stop the game before the next play: substitutions, perhaps a timeout."""
        if self._random.random() < rates.REVIEW_SHARE:
            self._wait(rates.REVIEW)
        if not self._timeout():
            self._substitute()
            self._wait(seconds)

    # --- fouls and free throws
    # -------------------------------------------------------------------------

    def _in_penalty(self, side: Side) -> bool:
        """Tell whether ``side``'s next team foul gives free throws (Rule 12, Part B, Section V)."""
        limit = 5 if self._period <= 4 else 4
        return side.team_fouls + 1 >= limit or (self._clock <= 1200 and side.late_fouls + 1 >= 2)

    def _count_foul(self, side: Side, man: Man, *, team_foul: bool) -> None:
        man.fouls += 1
        if team_foul:
            side.team_fouls += 1
            if self._clock <= 1200:
                side.late_fouls += 1

    def _fouler(self, side: Side) -> Man:
        men = side.on
        # A man in foul trouble defends more carefully.
        return self._pick(
            men,
            [man.player.foul * (0.45 if man.fouls >= 5 else 1.0 - 0.07 * man.fouls) for man in men],
        )

    def _defensive_foul(
        self, descriptor: str | None, shots: int, drawn_by: Man, area: tuple[str, str]
    ) -> list[str]:
        """Write a foul of the defence and name its free throws.

        Args:
            descriptor: For instance ``shooting``.
            shots: Free throws; 0 for none, or two when the side is in the penalty.
            drawn_by: Who was fouled.
            area: Where.

        Returns:
            The foul's qualifiers; they name the free throws.
        """
        side = self._sides[1 - self._ball]
        man = self._fouler(side)
        penalty = self._in_penalty(side)
        if penalty and not shots:
            shots = 2
        self._count_foul(side, man, team_foul=True)
        qualifiers = (["inpenalty"] if penalty else []) + ([f"{shots}freethrow"] if shots else [])
        self._sheet.foul(
            side,
            man,
            "personal",
            descriptor=descriptor,
            qualifiers=qualifiers,
            drawn_by=drawn_by,
            area=area,
        )
        if self._random.random() < rates.REVIEW_SHARE:
            self._wait(rates.REVIEW)
        if man.fouls >= FOUL_LIMIT:
            self._send_off(side, man)
        return qualifiers

    def _marks(self) -> list[str]:
        flags = (self._from_turnover, self._second_chance, self._fast_break)
        return [mark for mark, flag in zip(_MARKS, flags, strict=True) if flag]

    def _free_throws(self, shooter: Man, count: int) -> None:
        """Shoot ``count`` free throws and play on from the last one."""
        random = self._random
        sheet = self._sheet
        side = self._sides[self._ball]
        marks = self._marks()
        made, index = False, 0
        for number in range(1, count + 1):
            if number == count:
                self._substitute(keep=shooter)
            self._wait(rates.BEFORE_FREE_THROW if number == 1 else rates.BETWEEN_FREE_THROWS)
            made = random.random() < shooter.player.free_throw_rate
            if made:
                self._score(side, shooter, 1)
            index = sheet.free_throw(
                side,
                shooter,
                number=number,
                count=count,
                made=made,
                descriptor=None,
                qualifiers=list(marks),
            )
            if not made and number < count:
                sheet.rebound(side, None, offensive=True, shot_index=index, dead_ball=True)
        if made:
            self._give_ball(1 - self._ball, "free throw")
            self._after_score()
        else:
            self._rebound(index, None, is_free_throw=True)

    def _technical(self, side: Side, descriptor: str | None) -> None:
        """Call a technical foul on ``side``; the other side shoots one and the possession stays."""
        opponent = self._sides[0] if side is self._sides[1] else self._sides[1]
        man = self._pick(side.on, [m.player.foul for m in side.on])
        man.technicals += 1
        self._sheet.foul(
            side,
            man,
            "technical",
            descriptor=descriptor,
            qualifiers=["1freethrow"],
            drawn_by=None,
            area=None,
        )
        if descriptor is None and man.technicals >= TECHNICAL_LIMIT:
            self._sheet.ejection(side, man)
            self._send_off(side, man)
        self._wait(rates.BEFORE_FREE_THROW)
        shooter = max(opponent.on, key=lambda m: m.player.free_throw_rate)
        made = self._random.random() < shooter.player.free_throw_rate
        if made:
            self._score(opponent, shooter, 1)
        self._sheet.possession = opponent.team_id
        index = self._sheet.free_throw(
            opponent,
            shooter,
            number=1,
            count=1,
            made=made,
            descriptor="technical",
            qualifiers=[],
        )
        if not made:
            self._sheet.rebound(opponent, None, offensive=True, shot_index=index, dead_ball=True)
        self._sheet.possession = self._sides[self._ball].team_id

    def _score(self, side: Side, man: Man, points: int) -> None:
        side.score += points
        side.run += points
        man.points += points
        (self._sides[1] if side is self._sides[0] else self._sides[0]).run = 0

    def _after_score(self) -> None:
        """After a basket the clock runs, except late; only then coaches stop the game."""
        self._timeout()

    # --- rebounds
    # --------------------------------------------------------------------------------------

    def _rebound(
        self,
        shot_index: int,
        area: tuple[str, str] | None,
        *,
        is_free_throw: bool = False,
    ) -> None:
        """Play the ball after a miss."""
        random = self._random
        sheet = self._sheet
        offense, defense = self._sides[self._ball], self._sides[1 - self._ball]
        draw = random.random()
        if self._clock <= 2:
            # Too late for anybody: the feed credits the shooting team.
            sheet.rebound(offense, None, offensive=True, shot_index=shot_index, area=area)
            self._advance(self._clock)
            return
        if draw < rates.LOOSE_BALL_FOUL:
            self._loose_ball_foul(shot_index, area)
            return
        self._advance(int(10 + 27 * random.random()))
        if self._clock == 0:
            self._sheet.clock = 0
            sheet.rebound(offense, None, offensive=True, shot_index=shot_index, area=area)
            return
        draw -= rates.LOOSE_BALL_FOUL
        if draw < rates.TEAM_REBOUND_OFFENSE:
            sheet.rebound(offense, None, offensive=True, shot_index=shot_index, area=area)
            self._second_chance = True
            self._start = "foul"
            self._dead_ball()
            return
        draw -= rates.TEAM_REBOUND_OFFENSE
        if draw < rates.TEAM_REBOUND_DEFENSE:
            self._give_ball(1 - self._ball, "dead ball")
            sheet.rebound(defense, None, offensive=False, shot_index=shot_index, area=area)
            self._dead_ball()
            return
        share = rates.OFFENSIVE_REBOUND_FREE_THROW if is_free_throw else rates.OFFENSIVE_REBOUND
        if random.random() < share:
            man = self._pick(offense.on, [m.player.offensive_rebound for m in offense.on])
            man.offensive_rebounds += 1
            self._second_chance = True
            self._fast_break = False
            self._start = "offensive rebound"
            sheet.rebound(offense, man, offensive=True, shot_index=shot_index, area=area)
        else:
            man = self._pick(defense.on, [m.player.defensive_rebound for m in defense.on])
            man.defensive_rebounds += 1
            self._give_ball(1 - self._ball, "rebound")
            sheet.rebound(defense, man, offensive=False, shot_index=shot_index, area=area)

    def _loose_ball_foul(self, shot_index: int, area: tuple[str, str] | None) -> None:
        """Foul on the rebound: the fouled side gets a team rebound, in the penalty also shots."""
        sheet = self._sheet
        self._advance(int(10 + 10 * self._random.random()))
        on_defense = self._random.random() < 0.6
        if not on_defense:
            self._give_ball(1 - self._ball, "foul")
        side = self._sides[self._ball]
        sheet.rebound(side, None, offensive=on_defense, shot_index=shot_index, area=area)
        self._second_chance = self._second_chance or on_defense
        self._wait(5)
        drawn_by = self._pick(side.on, [m.player.foul_drawn for m in side.on])
        qualifiers = self._defensive_foul("loose ball", 0, drawn_by, self._floor_area())
        self._after_common_foul(drawn_by, qualifiers)

    def _after_common_foul(self, drawn_by: Man, qualifiers: list[str]) -> None:
        if qualifiers:
            self._free_throws(drawn_by, 2)
        else:
            self._start = "foul"
            self._dead_ball(17)

    def _floor_area(self) -> tuple[str, str]:
        """Name a zone for an event that is not a shot."""
        random = self._random
        draw = random.random()
        if draw < 0.5:
            return geometry.zone(*geometry.short_spot(random), 2)
        if draw < 0.75:
            return geometry.zone(*geometry.middle_spot(random), 2)
        return geometry.zone(*geometry.three_point_spot(random), 3)

    # --- plays
    # -----------------------------------------------------------------------------------------

    def _play_seconds(self) -> float:
        """Draw how long the next play takes, ends of periods and of games aside."""
        random = self._random
        start = self._start
        quick = rates.QUICK_SHARE.get(start, 0.0)
        if quick and random.random() < quick:
            return 0.3 + rates.QUICK_SECONDS[start] * (0.25 + 0.75 * random.random())
        mean, deviation, shortest, longest = rates.PLAY_SECONDS[start]
        return rates.PACE * min(longest, max(shortest, random.gauss(mean, deviation)))

    def _timed_play(self) -> float:
        """Draw how long the next play takes, with the strategy of the clock."""
        random = self._random
        seconds = self._play_seconds()
        left = self._clock / 10
        if left > 125:
            return seconds
        margin = self._margin()
        if self._period >= 4 and left <= 120:
            if margin <= -4:
                seconds *= 0.62 if left < 60 else 0.8
            elif margin >= 4 and self._start not in ("steal", "rebound"):
                seconds = min(23.5, max(seconds, random.gauss(20, 2)))
            if left <= 26:
                if margin in (0, 1) or margin >= 2:
                    return max(seconds, left - (0.4 + 3.2 * random.random()))
                if margin >= -3:
                    hold = left - (1.0 + 4.5 * random.random())
                    return (
                        hold if random.random() < 0.72 and hold > 0.5 else min(seconds, left * 0.75)
                    )
                return min(seconds, 0.45 * left)
        elif left <= 27:
            if self._start == "offensive rebound" and random.random() < 0.6:
                return seconds
            return left - (0.3 + 3.8 * random.random())
        elif left <= 40 and random.random() < 0.45:
            return min(seconds, max(3.0, left - 29))
        return seconds

    def _wants_to_foul(self) -> bool:
        """Tell whether the defence stops the clock with a foul."""
        if self._period < 4 or self._clock > 550:
            return False
        margin = self._margin()  # of the side with the ball: it leads
        left = self._clock / 10
        if margin <= 0 or margin > 4 + left / 7 or margin > 11:
            return False
        if margin <= 2:
            return left < 23
        if margin == 3:
            return left < 28
        return left < 24 + 3.2 * margin

    def _play(self) -> None:
        """Play until the ball is dead, rebounded or changes hands."""
        random = self._random
        if self._start in ("dead ball", "foul", "free throw", "made"):
            self._interruptions()
        if self._wants_to_foul() and random.random() < 0.86:
            self._take_foul()
            return
        seconds = self._timed_play()
        left = self._clock / 10
        if seconds >= left - 0.1:
            self._end_of_period(left)
            return
        draw = random.random()
        if draw < rates.HELD_BALL and self._start != "offensive rebound":
            self._advance(int(10 * seconds))
            self._held_ball()
            return
        draw = random.random()
        turnover_share = rates.TURNOVER if self._start != "offensive rebound" else 0.085
        if draw < turnover_share:
            self._advance(int(10 * seconds))
            self._turnover(seconds)
            return
        draw -= turnover_share
        side = self._sides[self._ball]
        if draw < rates.COMMON_FOUL:
            self._advance(int(10 * seconds * (0.25 + 0.65 * random.random())))
            drawn_by = self._pick(side.on, [m.player.foul_drawn for m in side.on])
            qualifiers = self._defensive_foul(None, 0, drawn_by, self._floor_area())
            self._after_common_foul(drawn_by, qualifiers)
            return
        self._advance(int(10 * seconds))
        self._fast_break = (
            self._start in ("rebound", "steal") and seconds <= rates.FAST_BREAK_SECONDS
        )
        shooter = self._pick(side.on, [m.player.usage for m in side.on])
        draw -= rates.COMMON_FOUL
        if draw < rates.SHOOTING_FOUL:
            self._shooting_foul(shooter)
        else:
            self._shot(shooter)

    def _interruptions(self) -> None:
        """Whistles that leave the possession where it is."""
        random = self._random
        draw = random.random()
        if draw > _INTERRUPTION:
            return
        draw -= rates.TECHNICAL
        if draw < 0:
            self._technical(self._sides[int(random.random() * 2)], None)
            return
        draw -= rates.DEFENSIVE_THREE_SECONDS
        if draw < 0:
            self._technical(self._sides[1 - self._ball], "defensive-3-second")
            return
        draw -= rates.DELAY_OF_GAME
        if draw < 0:
            self._sheet.violation(self._sides[int(random.random() * 2)], None, "delay-of-game")
            return
        draw -= rates.KICKED_BALL
        if draw < 0 and self._clock > 200:
            self._advance(int(20 + 60 * random.random()))
            defense = self._sides[1 - self._ball]
            man = self._pick(defense.on, [m.player.steal for m in defense.on])
            self._sheet.violation(defense, man, "kicked ball")
            self._start = "foul"
            self._dead_ball()

    def _end_of_period(self, left: float) -> None:
        """Let the period run out, perhaps with a heave."""
        side = self._sides[self._ball]
        if left > 0.6 and self._random.random() < 0.42:
            self._advance(int(10 * (left - 0.1 * (1 + int(8 * self._random.random())))))
            shooter = self._pick(side.on, [m.player.usage for m in side.on])
            self._shot(shooter, is_heave=True)
        if self._clock > 0:
            self._advance(self._clock)

    def _take_foul(self) -> None:
        """Foul to stop the clock; the side with the ball tries to keep it with a good shooter."""
        random = self._random
        self._advance(min(self._clock - 1, int(8 + 42 * random.random() ** 1.5)))
        side = self._sides[self._ball]
        drawn_by = self._pick(
            side.on, [m.player.usage * m.player.free_throw_rate**6 for m in side.on]
        )
        qualifiers = self._defensive_foul("take", 0, drawn_by, self._floor_area())
        self._after_common_foul(drawn_by, qualifiers)

    def _held_ball(self) -> None:
        random = self._random
        offense, defense = self._sides[self._ball], self._sides[1 - self._ball]
        ours = self._pick(offense.on, [m.player.turnover for m in offense.on])
        theirs = self._pick(defense.on, [m.player.steal for m in defense.on])
        self._wait(20)
        if random.random() < 0.55:
            helper = offense.on[int(random.random() * 5)]
            self._sheet.jump_ball(offense, ours, theirs, helper, "heldball")
            self._start = "foul"
            return
        ours.turnovers += 1
        theirs.steals += 1
        area = self._floor_area()
        self._sheet.turnover(offense, ours, "lost ball", descriptor=None, area=area, stealer=theirs)
        self._give_ball(1 - self._ball, "steal", from_turnover=True)
        self._sheet.steal(defense, theirs, area)
        helper = defense.on[int(random.random() * 5)]
        self._sheet.jump_ball(defense, theirs, ours, helper, "heldball")

    def _turnover(self, seconds: float) -> None:
        random = self._random
        offense, defense = self._sides[self._ball], self._sides[1 - self._ball]
        draw = random.random() * _TURNOVER_WEIGHT
        entry = rates.TURNOVERS[0]
        for candidate in rates.TURNOVERS:
            draw -= candidate[4]
            if draw < 0:
                entry = candidate
                break
        kind, descriptor, has_steal, is_team, _ = entry
        if (kind == "shot clock" and seconds < 19) or (
            kind == "8-second-violation" and seconds < 8
        ):
            kind, descriptor, has_steal, is_team, _ = rates.TURNOVERS[4]
        area = self._floor_area()
        man = (
            None
            if is_team
            else self._pick(offense.on, [m.player.turnover * m.player.usage for m in offense.on])
        )
        if kind == "offensive foul" and man is not None:
            penalty = self._in_penalty(offense)
            self._count_foul(offense, man, team_foul=False)
            draw = random.random()
            self._sheet.foul(
                offense,
                man,
                "offensive",
                descriptor="charge" if draw < 0.26 else "off-the-ball" if draw < 0.36 else None,
                qualifiers=["inpenalty"] if penalty else [],
                drawn_by=self._pick(defense.on, [m.player.foul_drawn for m in defense.on]),
                area=area,
            )
        stealer = None
        if has_steal:
            stealer = self._pick(defense.on, [m.player.steal for m in defense.on])
            stealer.steals += 1
        if man is not None:
            man.turnovers += 1
        self._sheet.turnover(
            offense,
            man,
            kind,
            descriptor=descriptor,
            area=area,
            stealer=stealer,
            official=not has_steal,
        )
        start = "steal" if stealer is not None else "dead ball"
        self._give_ball(1 - self._ball, start, from_turnover=True)
        if stealer is not None:
            self._sheet.steal(defense, stealer, area)
            return
        if man is not None and man.fouls >= FOUL_LIMIT:
            self._send_off(offense, man)
        self._dead_ball()

    def _shooting_foul(self, shooter: Man) -> None:
        shots = 3 if self._random.random() < rates.FOUL_ON_THREE else 2
        spot = geometry.three_point_spot if shots == 3 else geometry.rim_spot
        area = geometry.zone(*spot(self._random), shots)
        self._defensive_foul("shooting", shots, shooter, area)
        self._free_throws(shooter, shots)

    def _wants_three(self) -> float:
        """Chance that the clock and the score force a three, whoever shoots."""
        left = self._clock / 10
        if self._period < 4 or left > 45:
            return 0.0
        margin = self._margin()
        if margin == -3:
            return 0.92 if left < 24 else 0.4
        if margin < -3:
            return 0.55
        return 0.0

    def _spot(self, player_rim: float, player_short: float, player_middle: float) -> str:
        draw = self._random.random()
        if draw < player_rim:
            return "rim"
        if draw < player_rim + player_short:
            return "short"
        return "middle" if draw < player_rim + player_short + player_middle else "three"

    def _effect(self, shooter: Man) -> float:
        """Sum the effects on a shot, points per shot."""
        margin = self._margin()
        pull = rates.LEAD_PULL if self._period < 4 else rates.LEAD_PULL_FOURTH
        capped = max(-rates.LEAD_PULL_CAP, min(rates.LEAD_PULL_CAP, margin))
        effect = self._base[self._ball] + shooter.shot_effect - pull * capped
        if self._period >= CLUTCH_FIRST_PERIOD and self._clock <= CLUTCH_CLOCK:
            effect += self._late_shift
            if abs(margin) <= CLUTCH_MARGIN:
                effect += shooter.clutch_effect
        return effect

    def _shot(self, shooter: Man, *, is_heave: bool = False) -> None:
        random = self._random
        player = shooter.player
        offense, defense = self._sides[self._ball], self._sides[1 - self._ball]
        tip = self._start == "offensive rebound" and self._second_chance and random.random() < 0.30
        if is_heave:
            spot = "heave"
        elif tip:
            spot = "rim"
        elif random.random() < self._wants_three():
            spot = "three"
        elif self._fast_break and random.random() < 0.30:
            spot = "rim"
        else:
            spot = self._spot(player.rim, player.short, player.middle)
        if spot == "rim":
            x_legacy, y_legacy = geometry.rim_spot(random)
        elif spot == "short":
            x_legacy, y_legacy = geometry.short_spot(random)
        elif spot == "middle":
            x_legacy, y_legacy = geometry.middle_spot(random)
        elif spot == "three":
            x_legacy, y_legacy = geometry.three_point_spot(random)
        else:
            x_legacy, y_legacy = geometry.heave_spot(random)
        points_value = 3 if spot in ("three", "heave") else 2
        home_right = self._home_first_half_right == (self._period <= 2)
        place = place_of(x_legacy, y_legacy, "right" if home_right == (self._ball == 0) else "left")
        area = geometry.zone(place[3], place[4], points_value)
        chance = geometry.make_probability(points_value, place[5])
        if not is_heave:
            level = rates.LEVEL_TWO if points_value == 2 else rates.LEVEL_THREE
            chance = min(0.97, max(0.02, chance + (self._effect(shooter) + level) / points_value))
        made = random.random() < chance
        kind, descriptor = self._style(spot, made=made, tip=tip)
        qualifiers = self._marks()
        if area[0] in ("Restricted Area", "In The Paint (Non-RA)"):
            qualifiers.insert(0, "pointsinthepaint")
        assist = blocker = None
        if made:
            if not tip and random.random() < rates.ASSISTED.get(spot, 0.2):
                others = [man for man in offense.on if man is not shooter]
                assist = self._pick(others, [man.player.assist for man in others])
                assist.assists += 1
            self._score(offense, shooter, points_value)
        elif random.random() < rates.BLOCKED.get(spot, 0.0):
            blocker = self._pick(defense.on, [man.player.block for man in defense.on])
            blocker.blocks += 1
        goaltending = made and spot in ("rim", "short") and random.random() < rates.GOALTENDING
        if goaltending:
            qualifiers.append("defensivegoaltending")
        index = self._sheet.shot(
            offense,
            shooter,
            points_value=points_value,
            made=made,
            place=place,
            area=area,
            kind=kind,
            descriptor=descriptor,
            qualifiers=qualifiers,
            assist=assist,
            blocker=blocker,
        )
        if not made:
            if blocker is not None:
                self._sheet.block(defense, blocker, area)
            self._rebound(index, area)
            return
        if goaltending:
            man = self._pick(defense.on, [each.player.block for each in defense.on])
            self._sheet.violation(defense, man, "defensive goaltending")
        if spot in ("rim", "short") and random.random() < rates.AND_ONE:
            self._wait(3)
            self._defensive_foul("shooting", 1, shooter, area)
            self._free_throws(shooter, 1)
            return
        self._give_ball(1 - self._ball, "made")
        self._after_score()

    def _style(self, spot: str, *, made: bool, tip: bool) -> tuple[str, str]:
        """Word a shot: the feed's ``subType`` and ``descriptor``."""
        random = self._random
        if spot in ("three", "heave"):
            return "Jump Shot", _choose(random, _THREES) if spot == "three" else ""
        if spot == "middle":
            return "Jump Shot", _choose(random, _MIDDLES)
        if spot == "short":
            if random.random() < 0.13:
                return "Hook", _choose(random, _HOOKS)
            if random.random() < 0.20:
                return "Layup", _choose(random, _LAYUPS)
            return "Jump Shot", _choose(random, _SHORTS)
        if tip:
            return "Layup", _choose(random, _SECOND_CHANCES)
        if random.random() < (0.27 if made else 0.06):
            return "DUNK", _choose(random, _DUNKS)
        return "Layup", _choose(random, _LAYUPS)

    # --- periods
    # ---------------------------------------------------------------------------------------

    def _tip(self, descriptor: str) -> int:
        """Jump for the ball at the start of the game or of overtime; return who has it."""
        random = self._random
        home, away = self._sides
        jumpers = [max(side.on, key=lambda man: man.player.size) for side in (home, away)]
        winner = int(random.random() * 2)
        side = self._sides[winner]
        helper = side.on[int(random.random() * 4)]
        self._advance(int(20 + 20 * random.random()))
        self._sheet.possession = side.team_id
        self._sheet.jump_ball(
            side,
            jumpers[winner],
            jumpers[1 - winner],
            helper if random.random() < 0.98 else None,
            descriptor,
        )
        return winner

    def _start_period(self, opening: int) -> int:
        """Write the start of a period, put the ball into play; return who won the opening tip."""
        sheet = self._sheet
        period = self._period
        self._clock = _REGULATION_PERIOD if period <= 4 else _OVERTIME_PERIOD
        sheet.period = period
        sheet.clock = self._clock
        for side in self._sides:
            side.team_fouls = side.late_fouls = side.timeouts_in_period = side.run = 0
            if period > 4:
                side.timeouts_left = 2
        # The loser of the opening tip starts the second and third period, the winner the fourth.
        starter = opening if period == 4 else 1 - opening
        if period > 1:
            sheet.possession = self._sides[starter].team_id if period <= 4 else 0
            self._substitute(is_break=True)
            self._wait(45)
        sheet.mark("period", "start")
        if period == 1:
            opening = self._tip("startperiod")
            self._give_ball(opening, "dead ball")
        elif period > 4:
            self._give_ball(self._tip("startperiod"), "dead ball")
        else:
            self._give_ball(starter, "period")
        return opening

    def play(self) -> None:
        """Play the whole game, overtime included."""
        home, away = self._sides
        opening = 0
        while True:
            opening = self._start_period(opening)
            while self._clock > 0:
                if self._period == 4 and self._clock <= 1800:
                    for side in self._sides:  # at most two timeouts in the last three minutes
                        side.timeouts_left = min(side.timeouts_left, 2)
                self._play()
            self._wait(5)
            self._sheet.mark("period", "end")
            if self._period >= 4 and home.score != away.score:
                break
            self._wait(rates.HALF_TIME if self._period == 2 else rates.PERIOD_BREAK)
            self._period += 1
        self._wait(30)
        self._sheet.possession = 0
        self._sheet.mark("game", "end")
        self._sheet.finish()
