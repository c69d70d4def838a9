"""Nights for the demo's league: simulated athletes consent, connect and are read.

Everything goes the way of the product - invitation, consent, the walk to WHOOP, sync - against the
simulated service; only the athlete's hand is played.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit

import psycopg
from cryptography.fernet import Fernet
from psycopg_pool import ConnectionPool

from ingestion.consent import invitations, texts
from ingestion.consent.settings import ConsentSettings
from ingestion.consent.texts import CHOICES
from ingestion.database.connection import connect, role_url
from ingestion.database.roles import INGEST
from ingestion.errors import ClutchError
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.sandbox.nba.roster import ROSTER_SIZE
from ingestion.sandbox.nba.schedule import opening_day
from ingestion.sandbox.whoop import WhoopSandbox, WhoopSandboxSettings
from ingestion.settings import Settings
from ingestion.whoop import sync
from ingestion.whoop.receiver.oauth_flow import Walk
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.settings import WhoopSettings

HISTORY_BEFORE = timedelta(days=35)
"""The first game has a whole baseline before it, and a week."""

_NO_LIMIT = 1_000_000


TEAM_COUNT = 12
_MORNING = time(18, tzinfo=UTC)
"""Noon or one o'clock in the east, ten in the west: last night has been uploaded everywhere."""


def this_morning(today: date) -> datetime:
    """The simulated services' time on a day (aware)."""
    return datetime.combine(today, _MORNING)


def league_of_today(seed: int, game_count: int, begun_on: date) -> League:
    """A league in mid-season on the day of a game of its first team.

    So many games were played, or a few more until that day. Its season is the one that the first
    game falls into. The same day gives the same league; on later days it has gone on.

    Args:
        seed: Which league.
        game_count: Games before the day, 1 to as many as a season has.
        begun_on: The day.

    Raises:
        SandboxError: If a season has not so many games.
    """
    settings = LeagueSettings(seed=seed, team_count=TEAM_COUNT, game_count=game_count)
    calendar = League(replace(settings, game_count=None))
    dates = [fixture.tip_off.date() for fixture in calendar.fixtures]
    first_team = calendar.teams[0].team_id
    # without a game left it is the day after the last
    next_game = min(
        (
            fixture.tip_off.date()
            for fixture in calendar.fixtures[game_count:]
            if first_team in (fixture.home.team_id, fixture.away.team_id)
            and fixture.tip_off.date() > dates[game_count - 1]
        ),
        default=dates[-1] + timedelta(days=1),
    )
    first_day = begun_on - (next_game - dates[0])
    year = first_day.year if first_day.month >= 8 else first_day.year - 1
    settings = replace(calendar.settings, season=f"{year}-{(year + 1) % 100:02d}")
    later = (first_day - opening_day(settings)).days
    return League(replace(settings, days_later=later))


def begun_on(settings: Settings, today: date) -> date:
    """The day on which the demo's league was first loaded; today where it was not yet."""
    with connect(settings, INGEST) as connection:
        row = connection.execute(
            "select (min(fetched_at) at time zone 'UTC')::date from raw_nba.playbyplay"
        ).fetchone()
    return (row and row[0]) or today


class SandboxClock:
    """A simulated service's time as the time of who asks it; to wait moves it on.

    Args:
        sandbox: The service.
    """

    def __init__(self, sandbox: WhoopSandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> datetime:
        """The simulated time (UTC)."""
        return self._sandbox.now

    def sleep(self, seconds: float) -> None:
        """Move the simulated time on."""
        self._sandbox.advance(max(0.0, seconds))


@dataclass(frozen=True)
class FirstTeam:
    """Connected athletes and the service that they wear.

    Attributes:
        settings: Database and state directory.
        sandbox: The simulated WHOOP, while it runs.
        whoop: How it is reached.
        clock: Its time.
    """

    settings: Settings
    sandbox: WhoopSandbox
    whoop: WhoopSettings
    clock: SandboxClock

    def read(self, *, show_progress: bool) -> WhoopReport:
        """Read their nights of the whole season."""
        return sync.ingest(
            self.settings,
            self.whoop,
            backfill_days=self.sandbox.settings.history_days,
            show_progress=show_progress,
            clock=self.clock,
            settling=timedelta(0),
        )


def read_first_team(
    settings: Settings, league: League, now: datetime, *, show_progress: bool
) -> WhoopReport:
    """Connect the players of the league's first team and read their nights of the season so far.

    Args:
        settings: Database and state directory.
        league: The simulated league.
        now: As for :func:`first_team`.
        show_progress: Whether to show progress on stderr.

    Returns:
        What was read.

    Raises:
        ClutchError: If the walk of an athlete did not end in a connection.
    """
    with first_team(settings, league, now) as team:
        return team.read(show_progress=show_progress)


@contextmanager
def first_team(
    settings: Settings, league: League, now: datetime | None = None
) -> Iterator[FirstTeam]:
    """Connect the players of the league's first team to a simulated WHOOP, which runs meanwhile.

    Args:
        settings: Database and state directory.
        league: The simulated league.
        now: WHOOP's time (aware); None for the morning after the last game.

    Raises:
        ClutchError: If the walk of an athlete did not end in a connection.
    """
    first, last = league.fixtures[0].tip_off_utc, league.fixtures[-1].tip_off_utc
    # by then the day of that game has been uploaded
    now = now or last + timedelta(hours=12)
    history = now - first + HISTORY_BEFORE
    service = WhoopSandboxSettings(
        roster_size=ROSTER_SIZE,
        history_days=history.days,
        now=now,
        league=league.settings,
        # a demo is not to wait for the minute to pass
        requests_per_minute=_NO_LIMIT,
        requests_per_day=_NO_LIMIT,
    )
    with WhoopSandbox(service) as sandbox:
        whoop = WhoopSettings(
            api_base_url=sandbox.api_base_url,
            oauth_base_url=sandbox.oauth_base_url,
            client_id=service.client_id,
            client_secret=service.client_secret,
            redirect_uri=service.redirect_uris[0],
            webhook_secret=service.client_secret,
            # tokens of a simulated service end with it, and nobody needs to read them again
            encryption_keys=(Fernet.generate_key().decode(),),
        )
        clock = SandboxClock(sandbox)
        with _walk(settings, whoop, clock) as walk:
            for place, user_id in enumerate(sandbox.members):
                # all allow models, every second one lets the coaches see as well
                ticked = [choice.field for choice in CHOICES if choice.code == "modeling"]
                if place % 2:
                    ticked += [choice.field for choice in CHOICES if choice.kind == "audience"]
                _connect(settings, sandbox, walk, user_id, ticked)
        yield FirstTeam(settings, sandbox, whoop, clock)


@contextmanager
def _walk(settings: Settings, whoop: WhoopSettings, clock: SandboxClock) -> Iterator[Walk]:
    text = texts.consent_text(ConsentSettings.load(), whoop.resources)
    with connect(settings, INGEST) as connection:
        texts.register(connection, text)
    pool: ConnectionPool[psycopg.Connection[object]] = ConnectionPool(
        role_url(settings, INGEST), min_size=0, max_size=1, open=False
    )
    with pool:
        yield Walk(settings, whoop, text, clock, pool)


def _connect(
    settings: Settings, sandbox: WhoopSandbox, walk: Walk, user_id: int, ticked: Sequence[str]
) -> None:
    with connect(settings, INGEST) as connection:
        secret, _ = invitations.invite(connection, str(sandbox.player_ids[user_id]), days=1)
    browser = secrets.token_urlsafe(32)
    decided = walk.decide(secret, browser, agrees=True, ticked=ticked)
    if decided.address is None:
        raise ClutchError(f"The demo's consent page answered {decided.code}.")
    back = parse_qs(urlsplit(sandbox.approve(decided.address, user_id)).query)
    ended = walk.come_back(back["state"][0], back["code"][0], None, browser)
    if ended.code != "connected":
        raise ClutchError(f"The demo's walk to the simulated WHOOP ended as {ended.code}.")
