"""What a simulated WHOOP service is made of: roster, client, switches and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from random import Random
from urllib.parse import urlsplit

from ingestion.sandbox.nba.roster import ROSTER_SIZE
from ingestion.sandbox.nba.schedule import opening_day
from ingestion.sandbox.nba.settings import LeagueSettings, SandboxError

SCOPES = (
    "read:recovery",
    "read:cycles",
    "read:workout",
    "read:sleep",
    "read:profile",
    "read:body_measurement",
)
OFFLINE = "offline"

_CHOICES = {
    "unauthorized_body": ("text", "json"),
    "missing_scope_status": (403, 401),
    "spent_refresh_token": ("fails_alone", "revokes_grant"),
    "refresh_error": ("invalid_grant", "token_inactive"),
    "retry_timestamp": ("signed_again", "original"),
    "last_page": ("absent", "null", "empty"),
    "rate_window": ("fixed", "sliding"),
    "step_count": ("absent", "present", "null"),
    "limit_above_maximum": ("error", "clamp"),
}


def seeded(*parts: object) -> Random:
    """Give a source of randomness that depends on the parts and on nothing else."""
    return Random(":".join(map(str, parts)))  # noqa: S311 - a simulation, not a secret


@dataclass(frozen=True)
class Switches:
    """Behaviour that WHOOP does not document; a client must bear both sides of each.

    May be changed while the service runs.

    Attributes:
        unauthorized_body: Body of a 401: ``text`` (seen in live probes) or ``json``.
        missing_scope_status: 403 or 401.
        spent_refresh_token: A refresh token used twice ``fails_alone`` or ``revokes_grant``.
        refresh_error: 400 ``invalid_grant`` or 401 ``token_inactive`` for a refused refresh.
        retry_timestamp: A repeated delivery is ``signed_again`` or carries the ``original`` time.
        retry_offsets_seconds: When a failed delivery is repeated, simulated seconds after the
            first attempt.
        webhook_timeout_seconds: How long a receiver may take, in real seconds.
        last_page: ``next_token`` of the last page: ``absent``, ``null`` or ``empty`` text.
        rate_window: ``fixed`` minutes and days, or windows ``sliding`` behind each request.
        retry_after: Whether a 429 carries ``Retry-After``.
        step_count: ``absent``, ``present`` or ``null`` on cycles.
        future_field: Whether every record carries an unknown ``x_future_field``.
        cache_control: ``Cache-Control`` of data answers, or None for no such header.
        limit_above_maximum: ``limit=26`` is an ``error`` (400) or is ``clamp``-ed to 25.
        errors_count: Whether answers of 4xx use up the request limits.
        token_requests_count: Whether requests for tokens do.
    """

    unauthorized_body: str = "text"
    missing_scope_status: int = 403
    spent_refresh_token: str = "fails_alone"  # noqa: S105 - no password
    refresh_error: str = "invalid_grant"
    retry_timestamp: str = "signed_again"
    retry_offsets_seconds: tuple[float, ...] = (60.0, 300.0, 900.0, 1800.0, 3600.0)
    webhook_timeout_seconds: float = 5.0
    last_page: str = "absent"
    rate_window: str = "fixed"
    retry_after: bool = False
    step_count: str = "absent"
    future_field: bool = False
    cache_control: str | None = None
    limit_above_maximum: str = "error"
    errors_count: bool = True
    token_requests_count: bool = False

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise SandboxError(
                    f"switches.{name}",
                    f"{value!r} is not a position of this switch",
                    f"give one of {', '.join(map(str, choices))}",
                )
        for name in ("retry_after", "future_field", "errors_count", "token_requests_count"):
            if not isinstance(getattr(self, name), bool):
                raise SandboxError(
                    f"switches.{name}", f"{getattr(self, name)!r} is neither", "give true or false"
                )
        offsets = self.retry_offsets_seconds
        if any(offset <= 0 for offset in offsets) or list(offsets) != sorted(offsets):
            raise SandboxError(
                "switches.retry_offsets_seconds",
                f"{offsets} are not rising times after the first attempt",
                "give seconds such as 60, 300",
            )
        if not 0 < self.webhook_timeout_seconds <= 60:
            raise SandboxError(
                "switches.webhook_timeout_seconds",
                f"{self.webhook_timeout_seconds} is outside 0 to 60",
                "give seconds, e.g. 5",
            )


class Kind(StrEnum):
    """What a script makes happen to one member on one local date."""

    TIME_ZONE_CHANGE = "time_zone_change"
    """He wakes in ``zone`` from that date on, for ``days`` days."""
    NO_SLEEP = "no_sleep"
    """The night that ends on that date is not slept: a cycle of more than 36 h."""
    TWO_MAIN_SLEEPS = "two_main_sleeps"
    """He sleeps again in the afternoon: two main sleeps end on that date."""
    NAP_ONLY = "nap_only"
    """The night has a nap and no main sleep, hence no recovery and no new cycle."""
    CALIBRATING = "calibrating"
    """He joins on that date: nothing before it, four calibrating recoveries."""
    NO_SPO2 = "no_spo2"
    """From that date on he wears a strap without SpO2 and skin temperature."""
    UNSCORABLE = "unscorable"
    """The night's sleep and recovery cannot be scored."""
    EDIT = "edit"
    """He moves the start of the night's sleep, hours later: sleep and recovery change."""
    LATE_SYNC = "late_sync"
    """The night is uploaded more than 12 h after waking."""
    REVOKES = "revokes"
    """He revokes the access in the app, at noon UTC of that date; no webhook tells it."""


@dataclass(frozen=True)
class Scripted:
    """One thing that happens to one member.

    Attributes:
        kind: What happens.
        member: Place in the roster, from 0.
        on: Local date of waking.
        zone: IANA zone, for a change of time zone.
        days: Length, for a change of time zone.
    """

    kind: Kind
    member: int
    on: date
    zone: str = "America/Los_Angeles"
    days: int = 5


@dataclass(frozen=True)
class FaultScript:
    """What goes wrong, by script or at a rate; the same seed draws the same faults.

    Attributes:
        scripted: What happens to members.
        roster_bursts: Local dates on which the whole roster's nights are stored at 07:00 local.
        lost_rate: Share of webhooks never sent.
        duplicate_rate: Share sent twice.
        reorder_rate: Share sent ``reorder_seconds`` late, behind others.
        early_rate: Share sent ``early_seconds`` before the record can be read (404 until then).
        error_rate: Share of API requests answered with 500.
        slow_rate: Share answered ``slow_seconds`` (real time) late.
        reorder_seconds: Simulated seconds.
        early_seconds: Simulated seconds.
        slow_seconds: Real seconds.
        clock_skew_seconds: How far the clock that signs webhooks and writes ``Date`` runs ahead
            of the simulated time.
    """

    scripted: tuple[Scripted, ...] = ()
    roster_bursts: tuple[date, ...] = ()
    lost_rate: float = 0.0
    duplicate_rate: float = 0.0
    reorder_rate: float = 0.0
    early_rate: float = 0.0
    error_rate: float = 0.0
    slow_rate: float = 0.0
    reorder_seconds: float = 120.0
    early_seconds: float = 30.0
    slow_seconds: float = 2.0
    clock_skew_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lost", "duplicate", "reorder", "early", "error", "slow"):
            rate = getattr(self, f"{name}_rate")
            if not 0 <= rate <= 1:
                raise SandboxError(
                    f"faults.{name}_rate", f"{rate} is outside 0 to 1", "give a share, e.g. 0.1"
                )


@dataclass(frozen=True)
class WhoopSandboxSettings:
    """The whole input of a simulated service: the same settings give byte-identical records.

    Attributes:
        seed: Any integer.
        roster_size: Members, 1 to as many as the league has players: the first so many of
            ``League.players``.
        history_days: How many days of records there are at ``now``.
        now: Where the simulated clock starts (aware); None for 30 days into the league's season.
        league: The league whose players the members are; gives names, home cities and travel.
        client_id: Id of the only registered client.
        client_secret: Its secret; signs webhooks.
        redirect_uris: Its registered redirect addresses.
        webhook_urls: Where webhooks go.
        requests_per_minute: Limit of the client over 60 s.
        requests_per_day: Limit of the client over 24 h.
        access_token_seconds: Lifetime of an access token.
        switches: Undocumented behaviour.
        faults: What goes wrong.
    """

    seed: int = 1
    roster_size: int = 18
    history_days: int = 30
    now: datetime | None = None
    league: LeagueSettings = field(default_factory=LeagueSettings)
    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1:8080/oauth/callback",)
    webhook_urls: tuple[str, ...] = ()
    requests_per_minute: int = 100
    requests_per_day: int = 10_000
    access_token_seconds: int = 3600
    switches: Switches = field(default_factory=Switches)
    faults: FaultScript = field(default_factory=FaultScript)

    def __post_init__(self) -> None:
        most = self.league.team_count * ROSTER_SIZE
        if not 1 <= self.roster_size <= most:
            raise SandboxError(
                "roster_size",
                f"{self.roster_size} members do not fit a league of {most} players",
                f"give 1 to {most}, or more teams",
            )
        if not 1 <= self.history_days <= 3650:
            raise SandboxError(
                "history_days", f"{self.history_days} is outside 1 to 3650", "give days, e.g. 30"
            )
        if self.now is not None and self.now.tzinfo is None:
            raise SandboxError("now", f"{self.now} has no time zone", "add one, e.g. +00:00")
        for name in ("requests_per_minute", "requests_per_day", "access_token_seconds"):
            if getattr(self, name) < 1:
                raise SandboxError(name, f"{getattr(self, name)} is below 1", "give 1 or more")
        if not self.client_id or not self.client_secret:
            raise SandboxError("client_id, client_secret", "one is empty", "give both")
        for url in self.webhook_urls:
            check_http_url("webhook_urls", url)
        for scripted in self.faults.scripted:
            if not 0 <= scripted.member < self.roster_size:
                raise SandboxError(
                    "faults.scripted",
                    f"there is no member {scripted.member}",
                    f"give 0 to {self.roster_size - 1}",
                )

    @property
    def clock_start(self) -> datetime:
        """Where the simulated clock starts (UTC)."""
        if self.now is not None:
            return self.now.astimezone(UTC)
        day = opening_day(self.league) + timedelta(days=30)
        return datetime.combine(day, time(17), tzinfo=UTC)

    @property
    def first_waking_date(self) -> date:
        """Local date of waking of the first night there is."""
        return (self.clock_start - timedelta(days=self.history_days)).date()


def check_http_url(field_name: str, url: str) -> None:
    """Refuse what webhooks cannot be posted to.

    Raises:
        SandboxError: If ``url`` is not an http(s) address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SandboxError(
            field_name, f"{url!r} is not an http(s) address", "write http://host[:port]/path"
        )
