"""Tell chat services that alerts are there, and neither of whom nor why.

What a body says stays in the database, behind its row security: a message has numbers by severity,
the game, its tip-off, and the address of the board, where the reader's own key decides what he
sees. Each service is told of an alert once, also across restarts and runs at the same time
(``operations.alert_announcements``); what a service did not take is tried again by the next run.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import apprise
import psycopg

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings, http_base_url

AUDIENCES = tuple(roles.AUDIENCES.values())
SEVERITIES = ("act", "watch")
"""The graver first."""

_LOCK = 0x636C7561
"""pg_advisory_xact_lock: "clua" in ASCII."""

_ALERTS = """
    select
        alerts.player_id, alerts.game_id, alerts.rule_id, alerts.severity, alerts.tipoff_at,
        schedule.away_tricode, schedule.home_tricode
    from readiness_alerts as alerts
    left join game_schedule as schedule on alerts.game_id = schedule.game_id
    -- after tip-off it serves nobody
    where alerts.tipoff_at > now()
    order by alerts.tipoff_at, alerts.game_id, alerts.player_id, alerts.rule_id
"""
# who withdrew since they were read leaves no row behind
_ANNOUNCE = """
    insert into operations.alert_announcements (
        player_id, game_id, rule_id, audience, service_hash
    )
    select alerts.player_id, alerts.game_id, alerts.rule_id, %(audience)s, %(service)s
    from unnest(%(players)s::text[], %(games)s::text[], %(rules)s::text[])
        as alerts (player_id, game_id, rule_id)
    where exists (
        select from operations.consents
        where consents.player_id = alerts.player_id and consents.is_live
    )
    on conflict do nothing
    returning player_id, game_id, rule_id
"""


@dataclass(frozen=True)
class AlertSettings:
    """Where messages go. The addresses hold secrets and are never printed.

    Attributes:
        addresses: ``ALERT_ADDRESSES``: addresses of services in the form of Apprise.
        board_address: ``DASHBOARD_ADDRESS``: where readers open the board.
    """

    addresses: tuple[str, ...] = field(default=(), repr=False)
    board_address: str | None = None

    @classmethod
    def load(cls) -> AlertSettings:
        """Read the settings from the environment; an empty variable counts as not set.

        Raises:
            SettingError: If one cannot be what it is for; an address is named by its place alone.
        """
        addresses = tuple(os.environ.get("ALERT_ADDRESSES", "").split())
        for place, address in enumerate(addresses, 1):
            with _silent():
                service = apprise.Apprise.instantiate(address)
            if service is None:
                raise SettingError(
                    "ALERT_ADDRESSES",
                    f"address {place} of {len(addresses)} is none that Apprise knows",
                    "write it as the page of its service at https://appriseit.com says, addresses "
                    "separated by blanks",
                )
        board = os.environ.get("DASHBOARD_ADDRESS") or None
        return cls(addresses, board and http_base_url("DASHBOARD_ADDRESS", board))


@dataclass(frozen=True)
class Alert:
    """A rule that fired. Which player, rule and value go into no message.

    Attributes:
        key: Player, game and rule.
        severity: ``act`` or ``watch``.
        tipoff_at: Tip-off of the game.
        game: Visitors at home side, or the game's id.
    """

    key: tuple[str, str, str]
    severity: str
    tipoff_at: datetime
    game: str


@dataclass
class Pushed:
    """What one run did.

    Attributes:
        alerts: Alerts before games that are to come.
        services: Services that there are.
        told: Services that took a message.
        new: Alerts that any of them had not been told of.
        failed: Services that did not take it, by place and kind.
        messages: What was sent, or would be.
    """

    alerts: int
    services: int
    told: int = 0
    new: int = 0
    failed: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class NotTaken(ClutchError):  # noqa: N818 - what happened to the message
    """A service did not take its message.

    Args:
        pushed: What the run did.
    """

    def __init__(self, pushed: Pushed) -> None:
        super().__init__(
            f"not taken by {', '.join(pushed.failed)}. Fix: is the service up, and its address in "
            "ALERT_ADDRESSES still right? The next clutch alerts push tries again."
        )
        self.exit_code = 3 if pushed.told else 1


class _Refused(Exception):  # noqa: N818
    """Takes back what was noted of a message that a service did not take."""


def push(
    settings: Settings, alerting: AlertSettings, audience: str, *, dry_run: bool = False
) -> Pushed:
    """Tell every service of the alerts that it was not told of yet.

    Args:
        settings: The database.
        alerting: Where to, and the address of the board.
        audience: Whose eyes see the alerts, one of :data:`AUDIENCES`.
        dry_run: Send and note nothing.

    Raises:
        ClutchError: If the database cannot be reached or the models were not built.
        SettingError: If there is no address to send to.
    """
    if not alerting.addresses and not dry_run:
        raise SettingError(
            "ALERT_ADDRESSES",
            "it names no service",
            "write addresses of Apprise, e.g. ALERT_ADDRESSES=slack://..., or try --dry-run",
        )
    found = _read(settings, audience)
    pushed = Pushed(len(found), len(alerting.addresses))
    known: set[tuple[str, str, str]] = set()
    with connect(settings, roles.INGEST, autocommit=True) as connection:
        for place, address in enumerate(alerting.addresses or ("",), 1):
            try:
                with connection.transaction(force_rollback=dry_run):
                    new = _noted(connection, found, audience, address)
                    if not new:
                        continue
                    known |= {alert.key for alert in new}
                    title, body = message(new, alerting.board_address)
                    text = f"{title}\n{body}"
                    if text not in pushed.messages:
                        pushed.messages.append(text)
                    if not dry_run:
                        # within the transaction: it is noted if and only if it was taken
                        _send(address, title, body)
                        pushed.told += 1
            except _Refused:
                kind = address.partition(":")[0]
                pushed.failed.append(f"service {place} of {len(alerting.addresses)} ({kind})")
    pushed.new = len(known)
    return pushed


def message(alerts: Sequence[Alert], board_address: str | None) -> tuple[str, str]:
    """Title and text of a message: how many, before which games, and where to look.

    Args:
        alerts: At least one.
        board_address: Where readers open the board.
    """
    games: dict[tuple[datetime, str], Counter[str]] = {}
    for alert in alerts:
        games.setdefault((alert.tipoff_at, alert.game), Counter())[alert.severity] += 1
    lines = [
        f"{tipoff_at:%Y-%m-%d %H:%M} UTC, {game}: {_numbers(counts)}"
        for (tipoff_at, game), counts in sorted(games.items())
    ]
    lines.append(f"Whom and why: {board_address or 'see the morning board'}")
    word = "alert" if len(alerts) == 1 else "alerts"
    return f"Clutch: {len(alerts)} new readiness {word}", "\n".join(lines)


def _numbers(counts: Counter[str]) -> str:
    return ", ".join(
        f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity]
    )


def _read(settings: Settings, audience: str) -> list[Alert]:
    (role,) = (role for role, named in roles.AUDIENCES.items() if named == audience)
    with connect(
        settings, role, purpose="readiness", application_name="clutch_alerts"
    ) as connection:
        try:
            rows = connection.execute(_ALERTS).fetchall()
        except psycopg.errors.UndefinedTable:
            raise ClutchError("There are no alerts yet. Fix: dbt build.") from None
    return [
        Alert(
            (player_id, game_id, rule_id),
            severity,
            tipoff_at,
            f"{away} at {home}" if away and home else f"game {game_id}",
        )
        for player_id, game_id, rule_id, severity, tipoff_at, away, home in rows
    ]


def _noted(
    connection: psycopg.Connection[Any], alerts: Sequence[Alert], audience: str, address: str
) -> list[Alert]:
    """Note alerts as told to a service; those of them that it had not been told of."""
    # one run at a time: what another one is sending is noted when it has been sent
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    rows = connection.execute(
        _ANNOUNCE,
        {
            "audience": audience,
            "service": hashlib.sha256(address.encode()).hexdigest()[:16],
            "players": [alert.key[0] for alert in alerts],
            "games": [alert.key[1] for alert in alerts],
            "rules": [alert.key[2] for alert in alerts],
        },
    ).fetchall()
    new = {(player_id, game_id, rule_id) for player_id, game_id, rule_id in rows}
    return [alert for alert in alerts if alert.key in new]


def _send(address: str, title: str, body: str) -> None:
    """Send a message.

    Raises:
        _Refused: If the service did not take it.
    """
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Clutch"))
    with _silent():
        if not service.add(address) or not service.notify(title=title, body=body):
            raise _Refused


@contextmanager
def _silent() -> Iterator[None]:
    """Without Apprise's own log: it could hold an address."""
    log = logging.getLogger("apprise")
    propagates, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.propagate = propagates
