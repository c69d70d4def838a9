"""The true link between a member's night and his shooting, for checks of what a model finds.

The linked league adds ``readiness_slope * z`` points to each shot of a player in a game, and
``readiness_clutch_slope * z`` more in clutch time (:class:`~ingestion.sandbox.nba.ClutchEffects`).
``z`` is the true readiness of the night before the game. Both slopes are zero unless asked for, and
then the league is the same, byte for byte, as one without WHOOP.
"""

from __future__ import annotations

import dataclasses

from ingestion.sandbox.nba.settings import LeagueSettings
from ingestion.sandbox.whoop.calendar import fixtures, roster
from ingestion.sandbox.whoop.clock import to_milli
from ingestion.sandbox.whoop.physiology import HOUR
from ingestion.sandbox.whoop.settings import WhoopSandboxSettings
from ingestion.sandbox.whoop.timeline import Timeline, Truth

LONGEST_GAP = 20 * HOUR


def nights_before_games(settings: WhoopSandboxSettings) -> dict[tuple[int, str], Truth]:
    """Find the night behind each player's game.

    It is the main sleep with the latest end before tip-off, ended at most 20 h before. Who was not
    asleep in that time, or is no member, has none. Regular season only.

    Args:
        settings: Of the service; its history need not reach the games, nights are lived as needed.

    Returns:
        ``(player_id, game_id) -> night``, of games from the first night on.
    """
    timeline = Timeline(settings)
    members = {athlete.player_id: athlete for athlete in timeline.athletes.values()}
    team_of = {player.player_id: player.team_id for player in roster(settings.league)}
    found: dict[tuple[int, str], Truth] = {}
    for athlete in members.values():
        team_id = team_of[athlete.player_id]
        for fixture in fixtures(settings.league):
            if team_id not in (fixture.home.team_id, fixture.away.team_id):
                continue
            tip_off = to_milli(fixture.tip_off_utc)
            night: Truth | None = None
            for row in reversed(timeline.member(athlete.user_id, tip_off).truth):
                if row.sleep_end < tip_off:
                    night = row
                    break
            if night is not None and tip_off - night.sleep_end <= LONGEST_GAP:
                found[athlete.player_id, fixture.game_id] = night
    return found


def linked_league(
    settings: WhoopSandboxSettings, *, slope: float = 0.0, clutch_slope: float = 0.0
) -> LeagueSettings:
    """Give the linked league's settings with the members' readiness in it.

    Args:
        settings: Of the WHOOP service.
        slope: Points per shot for each unit of readiness, on every shot.
        clutch_slope: Points per shot for each unit of readiness, added in clutch time.

    Returns:
        ``settings.league`` with its ``effects`` completed.
    """
    readiness = {key: night.readiness for key, night in nights_before_games(settings).items()}
    effects = dataclasses.replace(
        settings.league.effects,
        readiness=readiness,
        readiness_slope=slope,
        readiness_clutch_slope=clutch_slope,
    )
    return dataclasses.replace(settings.league, effects=effects)
