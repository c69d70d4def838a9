"""Where a team plays and sleeps, day by day, from the linked league's schedule."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from ingestion.sandbox.nba.roster import Player, Team, make_teams
from ingestion.sandbox.nba.schedule import Fixture, regular_season
from ingestion.sandbox.nba.settings import LeagueSettings


class TeamCalendar:
    """One team's regular season.

    Args:
        team: The team.
        fixtures: Its games.
    """

    def __init__(self, team: Team, fixtures: list[Fixture]) -> None:
        self._home = team.city.timezone
        self._team_id = team.team_id
        self._by_day = {fixture.tip_off.date(): fixture for fixture in fixtures}

    def game_on(self, day: date) -> Fixture | None:
        """Give the game on a local date."""
        return self._by_day.get(day)

    def zone_of_night(self, waking_date: date) -> str:
        """Give the IANA zone in which the team sleeps the night that ends on a date.

        It is in the arena's city on the day of a game, stays on the road between two away games
        with one day off, and is at home otherwise.
        """
        today = self._by_day.get(waking_date)
        if today is not None:
            return today.home.city.timezone
        before = self._by_day.get(waking_date - timedelta(days=1))
        after = self._by_day.get(waking_date + timedelta(days=1))
        if before is None or after is None:
            return self._home
        if self._team_id not in (before.home.team_id, after.home.team_id):
            return after.home.city.timezone
        return self._home


@lru_cache(maxsize=8)
def _league(settings: LeagueSettings) -> tuple[tuple[Team, ...], tuple[Fixture, ...]]:
    teams = make_teams(settings)
    return teams, tuple(regular_season(settings, teams))


def roster(settings: LeagueSettings) -> tuple[Player, ...]:
    """Give the league's players in the order of ``League.players``; plays no game."""
    return tuple(player for team in _league(settings)[0] for player in team.players)


@lru_cache(maxsize=64)
def team_calendar(settings: LeagueSettings, team_id: int) -> TeamCalendar:
    """Give the calendar of one team; plays no game."""
    teams, fixtures = _league(settings)
    team = next(team for team in teams if team.team_id == team_id)
    own = [f for f in fixtures if team_id in (f.home.team_id, f.away.team_id)]
    return TeamCalendar(team, own)


def fixtures(settings: LeagueSettings) -> tuple[Fixture, ...]:
    """Give the regular season in order of tip-off; plays no game."""
    return _league(settings)[1]
