"""Nights for the demo's league: simulated athletes consent, connect and are read.

Everything goes the way of the product - invitation, consent, the walk to WHOOP, sync - against the
simulated service; only the athlete's hand is played.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from ingestion.sandbox.nba import League
from ingestion.sandbox.nba.roster import ROSTER_SIZE
from ingestion.sandbox.whoop import WhoopSandbox, WhoopSandboxSettings
from ingestion.settings import Settings
from ingestion.whoop import sync
from ingestion.whoop.receiver.oauth_flow import Walk
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.settings import WhoopSettings

HISTORY_BEFORE = timedelta(days=35)
"""The first game has a whole baseline before it, and a week."""

_NO_LIMIT = 1_000_000


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


def read_first_team(settings: Settings, league: League, *, show_progress: bool) -> WhoopReport:
    """Connect the players of the league's first team and read their nights of the whole season.

    Args:
        settings: Database and state directory.
        league: The simulated league.
        show_progress: Whether to show progress on stderr.

    Returns:
        What was read.

    Raises:
        ClutchError: If the walk of an athlete did not end in a connection.
    """
    with first_team(settings, league) as team:
        return team.read(show_progress=show_progress)


@contextmanager
def first_team(settings: Settings, league: League) -> Iterator[FirstTeam]:
    """Connect the players of the league's first team to a simulated WHOOP, which runs meanwhile.

    Args:
        settings: Database and state directory.
        league: The simulated league.

    Raises:
        ClutchError: If the walk of an athlete did not end in a connection.
    """
    first, last = league.fixtures[0].tip_off_utc, league.fixtures[-1].tip_off_utc
    history = last - first + HISTORY_BEFORE
    service = WhoopSandboxSettings(
        roster_size=ROSTER_SIZE,
        history_days=history.days,
        # the morning after the last game: its day has been uploaded
        now=last + timedelta(hours=12),
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
