"""Who plays whom, where and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from ingestion.sandbox.nba.roster import Team
from ingestion.sandbox.nba.settings import LeagueSettings

EASTERN = ZoneInfo("America/New_York")

# Local tip-off times and their share of games, regular season 2022-23.
_TIP_OFFS = (
    (time(19, 0), 0.56), (time(19, 30), 0.24), (time(18, 0), 0.07), (time(20, 0), 0.06),
    (time(18, 30), 0.04), (time(17, 0), 0.03),
)  # fmt: skip
_WEEKEND_MATINEES = (time(13, 0), time(14, 30), time(15, 30))
_ALL_STAR_ROUND = 54  # rounds before the break
_ALL_STAR_DAYS = 6
PLAYOFF_HOME = (True, True, False, False, True, False, True)  # home court of the better seed


@dataclass(frozen=True, slots=True)
class Fixture:
    """One scheduled game.

    Attributes:
        game_id: Ten digits, ``002<yy><number>`` or ``004<yy>00<round><series><game>``.
        home: Home team.
        away: Visitors.
        tip_off: Scheduled start, aware, in the arena's zone.
        series: Game number of a playoff series, 0 in the regular season.
        round: Playoff round, 0 in the regular season.
    """

    game_id: str
    home: Team
    away: Team
    tip_off: datetime
    series: int = 0
    round: int = 0

    @property
    def tip_off_utc(self) -> datetime:
        """Scheduled start in UTC."""
        return self.tip_off.astimezone(UTC)


def opening_day(settings: LeagueSettings) -> date:
    """Opening day: the third Tuesday of October or the one after, as in recent seasons.

    ``settings.days_later`` moves it.
    """
    return _opening_tuesday(settings) + timedelta(days=settings.days_later)


def _opening_tuesday(settings: LeagueSettings) -> date:
    day = date(settings.first_year, 10, 18)
    return day + timedelta(days=(1 - day.weekday()) % 7)


def _rounds(teams: tuple[Team, ...], count: int) -> list[list[tuple[Team, Team]]]:
    """Pair all teams ``count`` times by the circle method; home games are shared out evenly."""
    ring = list(teams)
    size = len(ring)
    home_games = dict.fromkeys((team.team_id for team in teams), 0)
    rounds: list[list[tuple[Team, Team]]] = []
    for number in range(count):
        pairs = []
        for index in range(size // 2):
            home, away = ring[index], ring[size - 1 - index]
            surplus = home_games[home.team_id] - home_games[away.team_id]
            if surplus > 0 or (surplus == 0 and (number + index) % 2):
                home, away = away, home
            home_games[home.team_id] += 1
            pairs.append((home, away))
        rounds.append(pairs)
        ring.insert(1, ring.pop())
    return rounds


def _tip_off(random: Random, day: date, home: Team) -> datetime:
    zone = ZoneInfo(home.city.timezone)
    if day.weekday() >= 5 and random.random() < 0.22:
        start = _WEEKEND_MATINEES[int(random.random() * 3)]
    else:
        start = _TIP_OFFS[0][0]
        draw = random.random()
        for candidate, share in _TIP_OFFS:
            draw -= share
            if draw < 0:
                start = candidate
                break
    return datetime.combine(day, start, tzinfo=zone)


def regular_season(settings: LeagueSettings, teams: tuple[Team, ...]) -> list[Fixture]:
    """Schedule the regular season in order of tip-off.

    Every round gives each team one game and takes two days, so nobody plays twice a day and
    back-to-backs occur at about the league's rate.

    Args:
        settings: Season, games and seed.
        teams: The teams.
    """
    random = Random(f"{settings.seed}:schedule")  # noqa: S311 - a simulation, not a secret
    if settings.game_count is None:
        round_count = settings.games_per_team
        game_count = round_count * len(teams) // 2
    else:
        game_count = settings.game_count
        round_count = -(-game_count * 2 // len(teams))
    # drawn by the calendar, moved at the end: a matinee stays one on whatever day it falls
    first_day = _opening_tuesday(settings)
    games: list[tuple[datetime, Team, Team]] = []
    for number, pairs in enumerate(_rounds(teams, round_count)):
        day = first_day + timedelta(days=2 * number)
        if number >= _ALL_STAR_ROUND:
            day += timedelta(days=_ALL_STAR_DAYS)
        for home, away in pairs:
            played_on = day + timedelta(days=int(random.random() * 2))
            games.append((_tip_off(random, played_on, home), home, away))
    games.sort(key=lambda game: (game[0].astimezone(UTC), game[1].team_id))
    year = settings.first_year % 100
    later = timedelta(days=settings.days_later)
    fixtures = [
        # the same time of day by the arena's clock
        Fixture(f"002{year:02d}{number:05d}", home, away, tip_off + later)
        for number, (tip_off, home, away) in enumerate(games[:game_count], start=1)
    ]
    # a city without summer time may change places with another
    return sorted(fixtures, key=lambda fixture: fixture.tip_off_utc)


def playoff_game(
    settings: LeagueSettings,
    *,
    round_number: int,
    series: int,
    game: int,
    better: Team,
    worse: Team,
    first_day: date,
) -> Fixture:
    """Schedule one playoff game.

    Args:
        settings: Season and seed.
        round_number: 1 is the first round.
        series: Number of the pairing in its round, from 0.
        game: 1 to 7.
        better: Team with home court.
        worse: Its opponent.
        first_day: Day of the round's first games.
    """
    game_id = f"004{settings.first_year % 100:02d}00{round_number}{series}{game}"
    random = Random(f"{settings.seed}:{game_id}:schedule")  # noqa: S311 - a simulation
    home, away = (better, worse) if PLAYOFF_HOME[game - 1] else (worse, better)
    day = first_day + timedelta(days=2 * (game - 1) + series % 2)
    return Fixture(game_id, home, away, _tip_off(random, day, home), game, round_number)
