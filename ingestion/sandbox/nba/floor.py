"""Who is on the floor: playing time, fouls and the coach's substitutions of one team in one game.

Times are tenths of a second of game time since tip-off.
"""

from __future__ import annotations

from random import Random

from ingestion.sandbox.nba.roster import Player, Team

FOUL_LIMIT = 6
TECHNICAL_LIMIT = 2

_STARTER_COUNT = 5
_CLOSING_SECONDS = 330
_CLOSING_MARGIN = 12
# A man comes off when he is over his plan and his replacement under it by this much together,
# seconds.
_SWAP_DEFICIT_SECONDS = 205
_SHORTEST_STINT_SECONDS = 150
_SHORTEST_REST_SECONDS = 100


class Man:
    """A player in a game: his playing time and the running totals that the feed prints."""

    __slots__ = (
        "assists",
        "blocks",
        "clutch_effect",
        "defensive_rebounds",
        "entered",
        "fouls",
        "is_out",
        "left",
        "offensive_rebounds",
        "plan",
        "played",
        "player",
        "player_id",
        "points",
        "shot_effect",
        "steals",
        "technicals",
        "turnovers",
    )

    def __init__(
        self, player: Player, plan: float, shot_effect: float, clutch_effect: float
    ) -> None:
        self.player = player
        self.player_id = player.player_id
        self.plan = plan  # share of the game that he is meant to play
        self.shot_effect = shot_effect  # points per shot, on every shot of this game
        self.clutch_effect = clutch_effect  # points per shot, added in clutch time
        self.played = 0
        self.entered = 0
        self.left = -100000
        self.is_out = False
        self.points = self.assists = self.steals = self.blocks = self.turnovers = 0
        self.offensive_rebounds = self.defensive_rebounds = 0
        self.fouls = self.technicals = 0


class Side:
    """One team in one game.

    Args:
        team: The team.
        dressed: Its active players in the order of the rotation; the first five start.
        plans: Planned seconds of each of them in 48 minutes; scaled to five men.
        effects: Points per shot of each of them in this game: on every shot, and added in clutch
            time.
    """

    def __init__(
        self,
        team: Team,
        dressed: list[Player],
        plans: list[float],
        effects: list[tuple[float, float]],
    ) -> None:
        self.team = team
        self.team_id = team.team_id
        self.tricode = team.city.tricode
        scale = _STARTER_COUNT / sum(plans)
        self.men = [
            Man(player, plan * scale, *effect)
            for player, plan, effect in zip(dressed, plans, effects, strict=True)
        ]
        self.on = self.men[:_STARTER_COUNT]
        self.score = 0
        self.team_fouls = 0
        self.late_fouls = 0
        self.timeouts_left = 7
        self.timeouts_in_period = 0
        self.run = 0

    def _swap(self, out: Man, into: Man, now: int) -> tuple[Man, Man]:
        out.played += now - out.entered
        out.left = now
        into.entered = now
        self.on[self.on.index(out)] = into
        return out, into

    def replace(self, out: Man, now: int) -> tuple[Man, Man] | None:
        """Take a man off who may not play on (sixth foul, ejection).

        Returns:
            Who went off and who came on, or None when nobody is left to come on.
        """
        bench = [man for man in self.men if man not in self.on and not man.is_out]
        if not bench:
            return None
        size = out.player.size
        best = max(bench, key=lambda man: man.plan - 0.12 * abs(man.player.size - size))
        return self._swap(out, best, now)

    def _planned_lineup(self, seconds_left: float, period: int, margin: int) -> list[Man] | None:
        """Name the five for the end of a game, or None while the rotation runs."""
        if period < 4:
            return None
        able = [man for man in self.men if not man.is_out]
        if len(able) < _STARTER_COUNT:
            return None
        if abs(margin) > 12 + seconds_left / 25 and seconds_left < 480:
            return able[-_STARTER_COUNT:]
        if (seconds_left <= _CLOSING_SECONDS and abs(margin) <= _CLOSING_MARGIN) or period > 4:
            return able[:_STARTER_COUNT]
        return None

    def rotate(
        self,
        random: Random,
        *,
        now: int,
        period: int,
        seconds_left: float,
        margin: int,
        is_break: bool,
        keep: Man | None = None,
    ) -> list[tuple[Man, Man]]:
        """Decide the substitutions at a dead ball.

        Args:
            random: Source of randomness; is advanced.
            now: Game time since tip-off, tenths of a second.
            period: Period that goes on or is about to start.
            seconds_left: In that period.
            margin: Score margin, any side's.
            is_break: Whether a period is about to start, when coaches change more freely.
            keep: A man who stays: the shooter of the free throws under way.

        Returns:
            Pairs of who goes off and who comes on, in that order.
        """
        swaps: list[tuple[Man, Man]] = []
        planned = self._planned_lineup(seconds_left, period, margin)
        if planned is not None:
            coming = [man for man in planned if man not in self.on]
            going = [man for man in self.on if man not in planned and man is not keep]
            for out, into in zip(going, coming, strict=False):
                if is_break or now - out.entered >= 300:
                    swaps.append(self._swap(out, into, now))
            return swaps
        if period == 3 and is_break:
            starters = [m for m in self.men[:_STARTER_COUNT] if not m.is_out and m.fouls < 4]
            coming = [man for man in starters if man not in self.on]
            going = sorted((man for man in self.on if man not in starters), key=lambda m: m.plan)
            return [self._swap(out, into, now) for out, into in zip(going, coming, strict=False)]
        foul_trouble = period + 1
        for man in list(self.on):
            if len(swaps) == 3:
                break
            if man is keep:
                continue
            stint = (now - man.entered) / 10
            over = (man.played + now - man.entered) / 10 - man.plan * now / 10
            in_trouble = foul_trouble <= man.fouls and period < 4
            if stint < _SHORTEST_STINT_SECONDS and not in_trouble and not is_break:
                continue
            limit = _SWAP_DEFICIT_SECONDS * (0.55 if is_break else 0.85 + 0.3 * random.random())
            best: Man | None = None
            best_deficit = -1e9
            for other in self.men:
                if other in self.on or other.is_out or (other.plan <= 0.02 and not in_trouble):
                    continue
                if period < 4 and other.fouls >= foul_trouble:
                    continue
                rest = (now - other.left) / 10
                if rest < _SHORTEST_REST_SECONDS and not is_break:
                    continue
                deficit = other.plan * now / 10 - other.played / 10
                deficit -= 45 * abs(other.player.size - man.player.size)
                if deficit > best_deficit:
                    best, best_deficit = other, deficit
            if best is not None and (in_trouble or over + best_deficit > limit):
                swaps.append(self._swap(man, best, now))
        return swaps
