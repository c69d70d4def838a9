"""Serve a simulated league: ``python -m ingestion.sandbox.nba --seed 1 --port 0``."""

from __future__ import annotations

import threading
from datetime import datetime

import click

from ingestion.sandbox.nba import ClutchEffects, League, LeagueSettings, NbaSandbox, SandboxError

_DEFAULTS = LeagueSettings()


@click.command()
@click.option("--seed", default=_DEFAULTS.seed, show_default=True)
@click.option("--season", default=_DEFAULTS.season, show_default=True)
@click.option("--teams", "team_count", default=_DEFAULTS.team_count, show_default=True)
@click.option("--games", "game_count", type=int, help="Regular-season games; default 82 a team.")
@click.option("--playoffs", is_flag=True, help="Add best-of-seven playoffs.")
@click.option(
    "--clutch-sd",
    default=_DEFAULTS.effects.player_sd,
    show_default=True,
    help="S.d. of the players' clutch deviation, points per shot.",
)
@click.option("--now", help="Wall clock of the service, e.g. 2025-11-02T01:30:00+00:00.")
@click.option("--port", default=0, show_default=True, help="0 for any free port.")
def main(
    seed: int,
    season: str,
    team_count: int,
    game_count: int | None,
    playoffs: bool,
    clutch_sd: float,
    now: str | None,
    port: int,
) -> None:
    """Serve a simulated league in the wire form of the league's CDN until interrupted."""
    try:
        try:
            moment = datetime.fromisoformat(now) if now is not None else None
        except ValueError as error:
            raise SandboxError(
                "--now", f"{now!r} is not a time", "write 2025-11-02T01:30:00+00:00"
            ) from error
        settings = LeagueSettings(
            seed=seed,
            season=season,
            team_count=team_count,
            game_count=game_count,
            playoffs=playoffs,
            effects=ClutchEffects(player_sd=clutch_sd),
        )
        sandbox = NbaSandbox(League(settings), port, moment)
    except SandboxError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    with sandbox:
        click.echo(f"NBA_CDN_BASE_URL={sandbox.base_url}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


if __name__ == "__main__":
    main()
