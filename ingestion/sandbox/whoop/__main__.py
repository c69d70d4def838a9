"""Serve a simulated WHOOP service: ``python -m ingestion.sandbox.whoop --port 8001``."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import click

from ingestion.sandbox.nba.settings import LeagueSettings
from ingestion.sandbox.whoop import SandboxError, WhoopSandbox, WhoopSandboxSettings

_DEFAULTS = WhoopSandboxSettings()


def _season(moment: datetime) -> str:
    year = moment.year if moment.month >= 8 else moment.year - 1
    return f"{year}-{(year + 1) % 100:02d}"


@click.command()
@click.option("--seed", default=_DEFAULTS.seed, show_default=True)
@click.option("--members", default=_DEFAULTS.roster_size, show_default=True)
@click.option("--days", default=_DEFAULTS.history_days, show_default=True, help="Days of history.")
@click.option("--now", help="Where the clock starts, e.g. 2025-11-21T17:00:00+00:00; default now.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    help="Simulated seconds per second; 0: only /__sim/clock moves the clock.",
)
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Registered redirect address.")
@click.option("--webhook-url", "webhook_urls", multiple=True, help="Where webhooks go.")
@click.option("--port", default=0, show_default=True, help="0 for any free port.")
def main(
    seed: int,
    members: int,
    days: int,
    now: str | None,
    speed: float,
    redirect_uris: tuple[str, ...],
    webhook_urls: tuple[str, ...],
    port: int,
) -> None:
    """Serve simulated members as WHOOP does until interrupted."""
    try:
        try:
            moment = datetime.fromisoformat(now) if now is not None else datetime.now(UTC)
        except ValueError as error:
            raise SandboxError(
                "--now", f"{now!r} is not a time", "write 2025-11-21T17:00:00+00:00"
            ) from error
        settings = WhoopSandboxSettings(
            seed=seed,
            roster_size=members,
            history_days=days,
            now=moment,
            league=LeagueSettings(seed=seed, season=_season(moment)),
            redirect_uris=redirect_uris or _DEFAULTS.redirect_uris,
            webhook_urls=webhook_urls,
        )
        sandbox = WhoopSandbox(settings, port, speed)
    except SandboxError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    with sandbox:
        click.echo(f"WHOOP_API_BASE_URL={sandbox.api_base_url}")
        click.echo(f"WHOOP_OAUTH_BASE_URL={sandbox.oauth_base_url}")
        click.echo(f"WHOOP_CLIENT_ID={settings.client_id}")
        click.echo(f"WHOOP_CLIENT_SECRET={settings.client_secret}")
        click.echo(f"WHOOP_REDIRECT_URI={settings.redirect_uris[0]}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


if __name__ == "__main__":
    main()
