"""What a simulated league is made of, and the errors of a wrong setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingestion.errors import UsageError

MAX_TEAM_COUNT = 30


class SandboxError(UsageError):
    """A setting of the simulated league cannot work.

    Args:
        field_name: The field as it is written in :class:`LeagueSettings`.
        problem: What is wrong with it.
        fix: What to do about it.
    """

    def __init__(self, field_name: str, problem: str, fix: str) -> None:
        super().__init__(f"{field_name}: {problem}. Fix: {fix}.")
        self.field_name = field_name


@dataclass(frozen=True)
class ClutchEffects:
    """How far a player's shooting differs from the league at the same spot, in points per shot.

    A value of 0.02 adds 0.02 expected points to each of the player's field goal attempts: 1
    percentage point of make probability on a two, 0.67 on a three.

    Attributes:
        player_sd: Standard deviation between players of the deviation that applies in clutch time
            only (period 4 or later, at most 5:00 left, margin before the shot at most 5).
        overall_sd: Standard deviation between players of the effect on every shot.
        late_shift: Added to every shot of the last five minutes of period 4 and of overtime, at
            any margin.
        readiness: ``(player_id, game_id) -> z score``; a pair that is absent counts as 0.
            ``ingestion.sandbox.whoop.linked_league`` fills it with simulated nights.
        readiness_slope: Points per shot for each unit of ``readiness``, on every shot.
        readiness_clutch_slope: Points per shot for each unit of ``readiness``, added in clutch
            time only.
    """

    player_sd: float = 0.019
    overall_sd: float = 0.0655
    late_shift: float = -0.05
    readiness: Mapping[tuple[int, str], float] = field(default_factory=dict, hash=False, repr=False)
    readiness_slope: float = 0.0
    readiness_clutch_slope: float = 0.0

    def __post_init__(self) -> None:
        for name in ("player_sd", "overall_sd"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SandboxError(
                    f"effects.{name}",
                    f"{value} is outside 0 to 1",
                    "give points per shot, e.g. 0.02",
                )
        for name in ("late_shift", "readiness_slope", "readiness_clutch_slope"):
            value = getattr(self, name)
            if not -1 <= value <= 1:
                raise SandboxError(
                    f"effects.{name}",
                    f"{value} is outside -1 to 1",
                    "give points per shot, e.g. 0.02",
                )


@dataclass(frozen=True)
class LeagueSettings:
    """The whole input of a simulated league: the same settings give byte-identical payloads.

    Attributes:
        seed: Any integer; chooses teams' strengths, players, schedule and every game.
        season: As the league writes it, ``2025-26``.
        team_count: Even, 2 to 30.
        games_per_team: Regular-season games of each team, 1 to 82. Not used when ``game_count`` is
            given.
        game_count: Number of regular-season games: the first so many of the schedule. None for all.
        playoffs: Whether best-of-seven playoffs follow. Their pairing needs the result of every
            regular-season game, so the schedule is slow to make the first time.
        effects: Sizes of the players' true effects.
        days_later: Everything happens so many days after the day that the calendar has for it, in
            the same order and with the same results: a season can have games tonight on any day.
    """

    seed: int = 1
    season: str = "2025-26"
    team_count: int = MAX_TEAM_COUNT
    games_per_team: int = 82
    game_count: int | None = None
    playoffs: bool = False
    effects: ClutchEffects = field(default_factory=ClutchEffects)
    days_later: int = 0

    def __post_init__(self) -> None:
        match = re.fullmatch(r"(\d{4})-(\d{2})", self.season)
        if match is None or (int(match[1]) + 1) % 100 != int(match[2]):
            raise SandboxError(
                "season", f"{self.season!r} is not a season", "write two following years as 2025-26"
            )
        if not 1950 <= int(match[1]) <= 2048:
            raise SandboxError(
                "season",
                f"{self.season!r} cannot be told from another century in a game id",
                "choose a season from 1950-51 to 2048-49",
            )
        if self.team_count % 2 or not 2 <= self.team_count <= MAX_TEAM_COUNT:
            raise SandboxError(
                "team_count",
                f"{self.team_count} teams cannot be paired",
                f"give an even number from 2 to {MAX_TEAM_COUNT}",
            )
        if not 1 <= self.games_per_team <= 82:
            raise SandboxError(
                "games_per_team", f"{self.games_per_team} games do not fit a season", "give 1 to 82"
            )
        most = 82 * self.team_count // 2
        if self.game_count is not None and not 1 <= self.game_count <= most:
            raise SandboxError(
                "game_count",
                f"{self.game_count} games do not fit a season of {self.team_count} teams",
                f"give 1 to {most}, or more teams",
            )
        if self.playoffs and self.team_count < 4:
            raise SandboxError(
                "playoffs",
                f"{self.team_count} teams have no bracket",
                "set team_count to 4 or more",
            )

    @property
    def first_year(self) -> int:
        """Year in which the season starts."""
        return int(self.season[:4])
