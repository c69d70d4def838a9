#!/usr/bin/env python3
"""The command line of Clutch: ``python3 clutch.py --help``, in its environment ``clutch --help``.

Run as a script this file first makes the environment it needs (``.venv`` beside it, exactly the
versions of ``pyproject.toml``) and does nothing when that is there already. Every command is then a
few lines that call ``ingestion``, dbt or ``modeling``. Exit codes: 0 done, 1 failed, 2 wrong usage,
3 partly done.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
UV_VERSION = "0.13.9"


def ensure_environment() -> None:
    """Make ``.venv`` match ``pyproject.toml`` and continue in it; a no-op when it does already.

    Uses the standard library only: on a fresh machine there is nothing else. Never returns when the
    interpreter has to change.
    """
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit("clutch needs Python 3.11 to 3.13. Fix: run it as python3.11 clutch.py ...")
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "clutch-stamp"
    in_environment = Path(sys.prefix).resolve() == ENVIRONMENT.resolve()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if in_environment or not stamp.exists():
        wanted = _fingerprint(version)
    else:
        wanted = _fingerprint(stamp.read_text().split()[0])  # made by another Python: keep it
    if not stamp.exists() or stamp.read_text() != wanted:
        _make_environment(python)
        stamp.write_text(wanted)
    if not in_environment:
        os.execv(python, [str(python), str(Path(__file__).resolve()), *sys.argv[1:]])


def _fingerprint(version: str) -> str:
    return f"{version} {hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}"


def _make_environment(python: Path) -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    print("Setting up .venv (once, about half a minute) ...", file=sys.stderr, flush=True)
    # the interpreter that made the environment: inside it there is no pip
    base = getattr(sys, "_base_executable", sys.executable)
    if not python.exists():
        # without pip inside: Debian's Python cannot put it there, and uv does not need it
        _run([base, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT)])
    pip = [base, "-m", "pip", "--python", str(python), "install", "--quiet"]
    versions = ENVIRONMENT / "requirements.txt"
    versions.write_text("\n".join(project["optional-dependencies"]["locked"]) + "\n")
    exact = ["--no-deps", "-r", str(versions)]
    itself = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    _run([*pip, f"uv=={UV_VERSION}"])
    uv = [str(ENVIRONMENT / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(python)]
    # Its own certificates first, then the system's: behind a company's proxy only those will do.
    tried = []
    for certificates in ([], ["--system-certs"]):
        # compiled: dbt and dlt start twice as fast, and PYTHONDONTWRITEBYTECODE may be set
        command = [*uv, *certificates, "--compile-bytecode", *exact]
        tried.append(subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True))
        if tried[-1].returncode == 0:
            _run([*uv, *itself])
            return
    print(tried[-1].stderr, "uv did not do it; going on with pip.", file=sys.stderr, flush=True)
    _run([*pip, *exact])
    _run([*pip, *itself])


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(
            f"Setting up .venv failed at: {' '.join(command[:6])} ... Fix: see the lines above; "
            "the package index must be reachable, the disk have 2 GB free. Then run it again."
        )


if __name__ == "__main__":
    ensure_environment()

# What follows needs the environment.
import errno
import gc
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ingestion.consent import END_REASONS
from ingestion.errors import ClutchError
from ingestion.settings import Settings
from modeling.clutch_skill import SEED
from modeling.errors import ModelError

if TYPE_CHECKING:
    import psycopg

    from ingestion.consent.rosters import Move
    from ingestion.ledger import QuarantinedItem

DEMO_DATABASE = "clutch_demo"
as_json = click.option("--json", "as_json", is_flag=True, help="Print machine-readable results.")


def main() -> None:
    """Run the command line; a failure that a person can act on is one line, without a traceback."""
    try:
        cli(standalone_mode=False)
    except ClutchError as error:
        _fail(str(error), error.exit_code)
    except ModelError as error:
        _fail(str(error), 1)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Abort:
        _fail("Interrupted. What was loaded stays; run the same command again to go on.", 1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(
            f"The disk of {error.filename or ROOT} is full. Fix: free space and run it again.",
            1,
        )


def _fail(line: str, code: int) -> None:
    Console(stderr=True, soft_wrap=True).print(line, style="red", markup=False, highlight=False)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Open analytics of clutch performance and athlete readiness."""


@cli.command()
@click.option(
    "--games", "game_count", default=240, show_default=True, help="Games played before today."
)
@click.option("--seed", default=1, show_default=True, help="Which simulated league.")
def demo(game_count: int, seed: int) -> None:
    """Simulated league and nights to a leaderboard on the embedded server: no key, no network.

    The league is in mid-season today, with games tonight or tomorrow; run again on another day, it
    has gone on.
    """
    from datetime import UTC

    from ingestion import nba
    from ingestion.database.migrate import ensure_ready
    from ingestion.sandbox.demo import begun_on, league_of_today, read_first_team, this_morning
    from ingestion.sandbox.nba import NbaSandbox

    console = Console(stderr=True)
    settings = _demo_settings(Settings.load())
    console.print("[bold]1/6[/] database")
    ensure_ready(settings)
    today = datetime.now(UTC).date()
    now = this_morning(today)
    league = league_of_today(seed, game_count, begun_on(settings, today))
    played = sum(fixture.tip_off_utc < now for fixture in league.fixtures)
    console.print(
        f"[bold]2/6[/] ingest {played} games of {league.settings.season} from the sandbox"
    )
    with NbaSandbox(league, now=now) as sandbox:
        at_sandbox = replace(
            settings,
            nba_cdn_base_url=sandbox.base_url,
            nba_stats_base_url=sandbox.base_url,
            nba_cdn_requests_per_second=1000.0,
            nba_stats_requests_per_second=1000.0,
        )
        report = nba.ingest(at_sandbox, seasons=[league.settings.season], now=now)
    console.print(report.closing_line())
    console.print("[bold]3/6[/] nights of its first team from a simulated WHOOP, by their consent")
    nights = read_first_team(settings, league, now, show_progress=True)
    console.print(nights.closing_line())
    console.print("[bold]4/6[/] dbt build: situations, actions, expected points, nights, scores")
    # unit tests are about SQL and not about what was loaded
    run_dbt(["build", "--exclude-resource-type", "unit_test"], settings, console)
    console.print("[bold]5/6[/] fit: how much of a score is the player, and does his night matter")
    with _as_model(settings) as (connection, say):
        from modeling.clutch_skill.run import fit

        fitted = fit(connection, only_if_needed=True, say=say)
    console.print("\n".join(fitted.lines()), highlight=False)
    console.print("[bold]6/6[/] leaderboard, and the team before its last game")
    print_leaderboard(settings, console)
    print_predictions(settings, console)
    print_readiness(settings, console)
    print_morning(settings, console)
    console.print(
        "Look at it in a browser: clutch serve dashboard --demo\n"
        f"Look around as the medical staff: psql '{_reader_url(settings)}'\n"
        "Real games: clutch ingest nba --season 2026-27, then dbt build (docs/runbook.md).",
        soft_wrap=True,
        highlight=False,
    )
    if code := report.exit_code or nights.exit_code or fitted.exit_code:
        sys.exit(code)


def _demo_settings(settings: Settings) -> Settings:
    """A database of its own on the embedded server: its games must not mix with real ones."""
    import psycopg

    from ingestion.database import embedded

    settings = replace(settings, database_url=None)
    embedded.start(settings)
    with psycopg.connect(embedded.url(settings, embedded.ADMIN), autocommit=True) as connection:
        exists = connection.execute(
            "select from pg_database where datname = %s", [DEMO_DATABASE]
        ).fetchone()
        if exists is None:
            connection.execute(f"create database {DEMO_DATABASE}")
    return replace(
        settings,
        database_url=embedded.url(settings, embedded.ADMIN, DEMO_DATABASE),
        state_directory=settings.state_directory / "demo",
    )


def _reader_url(settings: Settings) -> str:
    from ingestion.database.connection import role_url
    from ingestion.database.roles import MEDICAL

    return role_url(settings, MEDICAL, purpose="readiness")


def run_dbt(arguments: Sequence[str], settings: Settings, console: Console) -> None:
    """Run dbt in this process with one progress bar; its own lines only where something is wrong.

    Raises:
        ClutchError: If a model or a test failed; dbt's messages have been printed.
    """
    from dbt.cli.main import dbtRunner
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting dbt", total=None)

        def follow(event: Any) -> None:
            if event.info.name == "LogStartLine":
                name = event.data.description.split()[-1]
                progress.update(task, description=name[:44].ljust(44), total=event.data.total)
            elif event.info.name in ("NodeFinished", "SkippingDetails"):
                progress.advance(task)
            elif event.info.level in ("warn", "error"):
                console.print(event.info.msg, markup=False, highlight=False)

        with dbt_environment(settings):
            options = [
                "--quiet",
                "--no-print",
                "--project-dir",
                str(ROOT),
                "--profiles-dir",
                str(ROOT),
            ]
            result = dbtRunner(callbacks=[follow]).invoke([*arguments, *options])
        progress.update(task, description="done".ljust(44))
    if not result.success:
        raise ClutchError(
            f"dbt {arguments[0]} failed{f': {result.exception}' if result.exception else ''}. "
            "Fix: see the lines above and logs/dbt.log."
        )


# views on tables that are never replaced; a mart's view falls with its table
_FOLLOW_BY_THEMSELVES = "path:dbt_project/models/staging,config.materialized:view"
# nights do not change while a game is played: what was known before it stands since the last build
_OF_THE_BODY = (
    "path:dbt_project/models/staging/whoop",
    "path:dbt_project/models/intermediate/wearables",
    "path:dbt_project/models/marts/wearables",
)


class WarmDbt:
    """dbt with the project parsed once: a run then costs what its models cost.

    Args:
        settings: Database to run against.
        target: Folder for compiled SQL and logs; default: the project's own.
    """

    def __init__(self, settings: Settings, target: Path | None = None) -> None:
        from dbt.cli.main import dbtRunner
        from dbt.contracts.graph.manifest import Manifest

        folder = str(target or ROOT / "target")
        self._settings = settings
        self._options = ["--quiet", "--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        self._options += ["--target-path", folder, "--log-path", folder, "--log-level-file", "none"]
        with dbt_environment(settings):
            parsed = dbtRunner().invoke(["parse", *self._options])
        if not isinstance(parsed.result, Manifest):
            raise ClutchError(f"dbt cannot read the project: {parsed.exception}.")
        self._runner = dbtRunner(manifest=parsed.result)
        self._is_built = False

    def run_leaderboard(self) -> None:
        """Bring the leaderboard and what it stands on up to date.

        The first call builds everything but tests; later ones leave staging views, which follow by
        themselves.

        Raises:
            ClutchError: If a model failed; names each with its message.
        """
        if not self._is_built:
            self._invoke("build", "--exclude-resource-types", "test", "unit_test")
            self._is_built = True
            return
        known = (_FOLLOW_BY_THEMSELVES, *_OF_THE_BODY)
        self._invoke("run", "--select", "+clutch_leaderboard", "--exclude", *known)

    def run_other_marts(self) -> None:
        """Then the other marts that tell of clutch time.

        Schedule, quality and what the Bayesian model reads wait for a build; what it wrote shows by
        itself.

        Raises:
            ClutchError: If a model failed; names each with its message.
        """
        marts = ["+clutch_player_totals", "+clutch_situations"]
        marts += ["+game_win_probability", "+possessions"]
        known = (_FOLLOW_BY_THEMSELVES, "+clutch_leaderboard")  # and with it all of the body
        self._invoke("run", "--select", *marts, "--exclude", *known)

    def _invoke(self, *command: str) -> None:
        # the parsed project is a million objects that stay; looking them through takes time
        gc.freeze()
        gc.disable()
        try:
            with dbt_environment(self._settings):
                done = self._runner.invoke([*command, "--no-write-json", *self._options])
        finally:
            gc.enable()
        if not done.success:
            bad = [item for item in getattr(done.result, "results", []) if item.status == "error"]
            raise ClutchError(
                "dbt run failed: "
                + ("; ".join(f"{item.node.name}: {item.message}" for item in bad))
                + (f"{done.exception}" if done.exception else "")
                + ". Fix: run dbt build and look at logs/dbt.log."
            )


@contextmanager
def dbt_environment(settings: Settings) -> Iterator[None]:
    """Let profiles.yml see what this process uses."""
    before = dict(os.environ)
    os.environ["CLUTCH_STATE_DIR"] = str(settings.state_directory)
    os.environ["DATABASE_URL"] = settings.database_url or ""
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def print_leaderboard(
    settings: Settings, console: Console, least_games: int = 10, rows: int = 10
) -> None:
    """Print the top of the newest season, read as the medical staff reads it."""
    from ingestion.database.connection import connect
    from ingestion.database.roles import MEDICAL

    with connect(settings, MEDICAL, purpose="readiness") as connection:
        players = connection.execute(
            """
            select
                full_name, total_clutch_games, avg_clutch_score, clutch_percentile,
                points_scored, points_over_expected, win_probability_added, avg_recovery_score
            from clutch_leaderboard
            where total_clutch_games >= %s and season = (select max(season) from clutch_leaderboard)
            order by avg_clutch_score desc limit %s
            """,
            [least_games, rows],
        ).fetchall()
    if not players:
        console.print(f"No player has {least_games} clutch games yet; load more games.")
        return
    table = Table(title=f"Clutch leaderboard, players with {least_games} clutch games and more")
    table.add_column("Player", no_wrap=True)
    for heading in ("Games", "Score", "Percentile", "Points", "Over expected", "Wins", "Recovery"):
        table.add_column(heading, justify="right")
    for name, games, score, percentile, points, over, wins, recovery in players:
        table.add_row(
            name,
            f"{games}",
            f"{score:.1f}",
            f"{percentile:.0f}",
            f"{points}",
            f"{over:+.1f}",
            f"{wins:+.2f}",
            "" if recovery is None else f"{recovery:.0f} %",
        )
    console.print(table)
    console.print(
        "A score describes what happened in few actions. What it says of the player:",
        style="dim",
    )


def print_predictions(settings: Settings, console: Console, rows: int = 5) -> None:
    """Print what the run in force says of players and effects, as the medical staff reads it."""
    from ingestion.database.connection import connect
    from ingestion.database.roles import MEDICAL

    with connect(settings, MEDICAL, purpose="readiness") as connection:
        players = connection.execute(
            """
            select full_name, clutch_attempts, overall_skill, clutch_deviation,
                clutch_deviation_lower_90, clutch_deviation_upper_90, clutch_reliability
            from clutch_player_skills where is_current
            order by clutch_attempts desc limit %s
            """,
            [rows],
        ).fetchall()
        effects = connection.execute(
            """
            select label, statement from model_effects
            where is_current and effect = any(%s) order by effect
            """,
            [["clutch_spread", "clutch_field_goals", "night_in_clutch_hrv"]],
        ).fetchall()
    if not players:
        console.print("No run of the model is in force: clutch fit.")
        return
    table = Table(title="Most shots in clutch time: points an attempt over an average shooter")
    table.add_column("Player", no_wrap=True)
    for heading in ("Shots", "Skill", "Clutch beyond it (90 %)", "Reliability"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, attempts, skill, deviation, low, high, reliability in players:
        table.add_row(
            name,
            f"{attempts}",
            f"{skill:+.3f}",
            f"{deviation:+.3f} ({low:+.3f} to {high:+.3f})",
            f"{reliability:.2f}",
        )
    console.print(table)
    for label, statement in effects:
        console.print(f"{label}: {statement}", highlight=False, soft_wrap=True)


def print_readiness(settings: Settings, console: Console) -> None:
    """Print what was known of athletes before the last game that any of them played."""
    from ingestion.database.connection import connect
    from ingestion.database.roles import MEDICAL

    with connect(settings, MEDICAL, purpose="readiness") as connection:
        athletes = connection.execute(
            """
            select
                players.full_name, pregame.hrv_rmssd_pregame, pregame.hrv_baseline_deviation,
                pregame.recovery_score_pregame, pregame.quality_score,
                coalesce(pregame.quality_reasons, '')
            from pregame_baselines as pregame
            inner join players on pregame.player_id = players.player_id
            where pregame.game_id = (
                select game_id from pregame_baselines where not is_upcoming
                order by tipoff_at desc, game_id limit 1
            )
            order by pregame.hrv_baseline_deviation desc nulls last, players.full_name
            """
        ).fetchall()
    if not athletes:
        return
    table = Table(title="Athletes before their last game, as known at tip-off")
    table.add_column("Player", no_wrap=True)
    for heading in ("HRV, ms", "Against own 28 nights, s.d.", "Recovery, %", "Quality"):
        table.add_column(heading, justify="right")
    table.add_column("What lowers it")
    for name, hrv, deviation, recovery, quality, reasons in athletes:
        table.add_row(
            name,
            "" if hrv is None else f"{hrv:.0f}",
            "" if deviation is None else f"{deviation:+.1f}",
            "" if recovery is None else f"{recovery:.0f}",
            f"{quality:.2f}",
            reasons.replace(",", ", "),
        )
    console.print(table)


def print_morning(settings: Settings, console: Console) -> None:
    """Print what comes up, as the medical staff reads the morning board."""
    from ingestion.database.connection import connect
    from ingestion.database.roles import MEDICAL

    with connect(settings, MEDICAL, purpose="readiness") as connection:
        games = connection.execute(
            """
            select
                board.tipoff_at,
                case when board.is_home then board.opponent_tricode else board.team_tricode end,
                case when board.is_home then board.team_tricode else board.opponent_tricode end,
                count(distinct board.player_id),
                count(distinct board.player_id) filter (where board.hrv_rmssd_pregame is not null),
                count(alerts.rule_id)
            from morning_board as board
            left join readiness_alerts as alerts
                on board.player_id = alerts.player_id and board.game_id = alerts.game_id
            group by board.game_id, 1, 2, 3
            order by 1, 2
            """
        ).fetchall()
    for tipoff_at, away, home, players, nights, alerts in games:
        console.print(
            f"{tipoff_at:%Y-%m-%d %H:%M} UTC {away} at {home}: {players} players, "
            f"{nights} with last night, {alerts} alerts",
            highlight=False,
        )


@cli.group()
def db() -> None:
    """The embedded server, or the one that DATABASE_URL names."""


@db.command("start")
def db_start() -> None:
    """Start the embedded server and bring the database up to date."""
    from ingestion.database.migrate import ensure_ready

    settings = Settings.load()
    ensure_ready(settings)
    click.echo(
        "DATABASE_URL is set; that server is reachable and migrated."
        if settings.database_url
        else "running"
    )


@db.command("stop")
def db_stop() -> None:
    """Stop the embedded server; a server named by DATABASE_URL is left alone."""
    from ingestion.database import embedded

    settings = Settings.load()
    click.echo(
        "stopped" if embedded.stop(replace(settings, database_url=None)) else "was not running"
    )


@db.command("url")
@click.option(
    "--role", default="clutch_bi", show_default=True, help="Role that the session acts as."
)
@click.option("--purpose", help="What an audience reads athletes' values for, e.g. readiness.")
def db_url(role: str, purpose: str | None) -> None:
    """Print the address for a session of a role; it holds the password that DATABASE_URL holds."""
    from ingestion.database.connection import role_url
    from ingestion.database.roles import ALL_ROLES

    if role not in ALL_ROLES:
        raise click.BadParameter(f"{role!r} is none of {', '.join(ALL_ROLES)}", param_hint="--role")
    click.echo(role_url(Settings.load(), role, purpose))


@db.command("migrate")
@as_json
def db_migrate(as_json: bool) -> None:
    """Apply the migrations that the database lacks."""
    from ingestion.database.connection import check
    from ingestion.database.migrate import migrate

    settings = Settings.load()
    check(settings)
    applied = migrate(settings)
    click.echo(
        json.dumps({"applied": applied}) if as_json else "\n".join(applied) or "nothing to do"
    )


@cli.group()
def ingest() -> None:
    """Load raw payloads; nothing is computed here."""


@ingest.command("nba")
@click.option(
    "--season",
    "seasons",
    multiple=True,
    help="Games of these seasons, e.g. 2023-24, apart by blanks or commas.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Games on or after a date (US Eastern), up to the season in play.",
)
@click.option(
    "--games",
    "game_ids",
    multiple=True,
    help="Exactly these game ids, apart by blanks or commas.",
)
@click.option(
    "--reread", is_flag=True, help="Ask for all finished games again, also the settled ones."
)
@click.option(
    "--from", "directory", type=click.Path(path_type=Path), help="A folder of wire-format files."
)
@click.argument("more", nargs=-1, metavar="")
@as_json
def ingest_nba(
    seasons: tuple[str, ...],
    since: datetime | None,
    game_ids: tuple[str, ...],
    reread: bool,
    more: tuple[str, ...],
    directory: Path | None,
    as_json: bool,
) -> None:
    """Play-by-play and box scores, from the league's services or from files in its wire format.

    By --season and --since only what is missing or may have changed is asked for.
    """
    from ingestion import nba

    if more and bool(seasons) == bool(game_ids):
        raise click.UsageError(f"{more[0]!r} belongs to no option. Fix: --games ID ID ...")
    report = nba.ingest(
        Settings.load(),
        directory=directory,
        seasons=_words(seasons + more if seasons else ()),
        since=since.date() if since else None,
        game_ids=_words(game_ids + more if game_ids else ()),
        reread=reread,
        show_progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps(report.as_dict(), default=str))
    else:
        _print_quarantined(report.quarantined)
        for sentence in report.hosts_given_up:
            click.echo(f"given up for this run: {sentence}", err=True)
        click.echo(report.closing_line())
    sys.exit(report.exit_code)


def _print_quarantined(items: Sequence[QuarantinedItem], most: int = 20) -> None:
    for item in items[:most]:
        click.echo(f"quarantined: {item.resource} {item.record_key}: {item.detail}", err=True)
    if len(items) > most:
        click.echo(f"... and {len(items) - most} more in operations.quarantine", err=True)


@ingest.command("whoop")
@click.option("--player", "player_id", help="Only this athlete (NBA player id).")
@click.option("--backfill", "backfill_days", type=int, help="Read history back so many days.")
@click.option(
    "--follow",
    is_flag=True,
    help="Go on: deliveries as they come, players before games, watch-list, reconcile job.",
)
@as_json
def ingest_whoop(
    player_id: str | None, backfill_days: int | None, follow: bool, as_json: bool
) -> None:
    """Records of all athletes who consent, within WHOOP's request limits.

    Exit code 3: done but for what is listed (athletes who must connect again, records set aside).
    """
    import threading

    from ingestion.whoop import sync
    from ingestion.whoop.settings import WhoopSettings

    settings, whoop = Settings.load(), WhoopSettings.load()
    if follow and (player_id or backfill_days or as_json):
        raise click.UsageError("--follow goes alone. Fix: leave the other options out")
    _go_on_with_withdrawals(settings)
    _end_for_traded(settings)
    if follow:
        console = Console(stderr=True)
        sync.follow(
            settings,
            whoop,
            threading.Event(),
            say=lambda line: console.print(
                f"{datetime.now():%H:%M:%S} {line}",  # noqa: DTZ005 - for the person who watches
                highlight=False,
                markup=False,
                soft_wrap=True,
            ),
        )
        return
    report = sync.ingest(
        settings,
        whoop,
        player_id=player_id,
        backfill_days=backfill_days,
        show_progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps(report.as_dict(), default=str))
    else:
        _print_quarantined(report.quarantined)
        for failure in report.failures[:20]:
            click.echo(f"player {failure.player_id}: {failure.detail}", err=True)
        if report.not_reached:
            click.echo(f"not reached: players {', '.join(report.not_reached)}", err=True)
        for path, count in sorted(report.fields_left_out.items()):
            click.echo(f"outside the allow-list, not stored: {path} ({count:,})", err=True)
        click.echo(report.closing_line())
    sys.exit(report.exit_code)


@cli.command()
@click.option("--every", default=30.0, show_default=True, help="Seconds between two looks.")
@click.option("--days", default=1, show_default=True, help="How many days back games are followed.")
@click.option("--rounds", type=int, help="Stop after so many looks; default: when interrupted.")
def live(every: float, days: int, rounds: int | None) -> None:
    """Follow games while they are played: ingest, and the marts right after, in one warm process.

    A cron job of the two commands does the same; it only starts Python and dbt each time. Season
    figures take a game in when it is over.
    """
    from datetime import UTC, timedelta

    from ingestion import nba

    settings = Settings.load()
    console = Console(stderr=True)
    warm: WarmDbt | None = None
    for number in itertools.count(1):
        started = time.monotonic()
        since = (datetime.now(UTC) - timedelta(hours=5, days=days)).date()
        report = nba.ingest(settings, since=since, show_progress=False)
        loaded = time.monotonic()
        line = report.closing_line()
        if report.versions_added or warm is None:
            warm = warm or WarmDbt(settings)
            warm.run_leaderboard()
            line += f", leaderboard in {time.monotonic() - loaded:.1f} s"
            warm.run_other_marts()
            line += f", all clutch marts in {time.monotonic() - loaded:.1f} s"
        console.print(f"{datetime.now(UTC):%H:%M:%S} {line}", highlight=False, soft_wrap=True)
        if number == rounds:
            return
        time.sleep(max(0.0, every - (time.monotonic() - started)))


def _words(values: Sequence[str]) -> list[str]:
    """The words of option values that are apart by blanks or commas."""
    return [word for value in values for word in value.replace(",", " ").split()]


@cli.group("win-probability")
def win_probability() -> None:
    """How good the win probability is, and new coefficients when there are new games."""


@win_probability.command("judge")
@click.option("--fit", "fit_seasons", multiple=True, help="Seasons to fit, e.g. 2022-23.")
@click.option("--unseen", help="Season to judge on; default: the newest finished one.")
@as_json
def win_probability_judge(fit_seasons: tuple[str, ...], unseen: str | None, as_json: bool) -> None:
    """Fit formula and baselines on some seasons and judge them on one that none has seen.

    By default all finished seasons but the newest are fitted. Some two minutes for four seasons.
    """
    from modeling.win_probability.judge import judge

    with _as_model() as (connection, say):
        found = judge(connection, _words(fit_seasons), unseen, say=say)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    for title, headings, rows in found.tables():
        table = Table(*headings, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


@win_probability.command("refit")
@click.option("--until", help="Last season to use; default: the newest finished one.")
@click.option(
    "--held-back",
    default=0.2,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Share of the games new to the version in force, or how many, to judge on.",
)
@as_json
def win_probability_refit(until: str | None, held_back: float, as_json: bool) -> None:
    """Fit new coefficients and publish them as a row of the seed, for games to come.

    Only if they are not worse than those in force on games that neither saw, calibrated and in
    order; otherwise nothing changes and the exit code is 3.
    """
    from modeling.win_probability.refit import refit

    with _as_model() as (connection, say):
        found = refit(connection, until=until, held_back=held_back, say=say)
    click.echo(json.dumps(found.as_dict()) if as_json else "\n".join(found.lines()))
    sys.exit(found.exit_code)


@cli.command("fit")
@click.option("--season", "seasons", multiple=True, help="Seasons to fit; default: newest three.")
@click.option("--without-wearables", is_flag=True, help="Leave nights out, whoever wears what.")
@click.option(
    "--if-needed", is_flag=True, help="Only if data or code changed, or consent was withdrawn."
)
@click.option("--seed", default=SEED, show_default=True, help="For every random number.")
@as_json
def fit_model(
    seasons: tuple[str, ...], without_wearables: bool, if_needed: bool, seed: int, as_json: bool
) -> None:
    """Fit the Bayesian model, check it, and publish its predictions or refuse to.

    Refused runs are recorded with the reason, the last good one stays in force, and the exit code
    is 3. What was published shows at once, without another dbt build.
    """
    from modeling.clutch_skill.run import fit

    with _as_model() as (connection, say):
        found = fit(
            connection,
            _words(seasons),
            with_wearables=not without_wearables,
            seed=seed,
            only_if_needed=if_needed,
            say=say,
        )
    click.echo(json.dumps(found.as_dict(), default=str) if as_json else "\n".join(found.lines()))
    sys.exit(found.exit_code)


@cli.group()
def skill() -> None:
    """How good the Bayesian model is: leagues with a known truth, unseen seasons, other priors.

    With --store a result goes into docs/methods, with hashes of the files it was made by, and page
    and pictures are made anew.
    """


store_result = click.option("--store", is_flag=True, help="Keep the result in docs/methods.")


@skill.command("validate-worlds")
@click.option("--fits", default=208, show_default=True, help="Leagues with truth from the priors.")
@click.option("--null", "nulls", default=30, show_default=True, help="Leagues without effects.")
@click.option("--slope", "slopes", default=12, show_default=True, help="Leagues for each slope.")
@click.option("--quick", is_flag=True, help="Two leagues of each in place of all, small ones.")
@store_result
@as_json
def skill_worlds(
    fits: int, nulls: int, slopes: int, quick: bool, store: bool, as_json: bool
) -> None:
    """Fit simulated leagues: do intervals hold the truth, does nothing look like something?

    About an hour on two cores; 0 leaves a part out.
    """
    from modeling.clutch_skill.validation.coverage import calibrate, null_leagues, slope_grid

    if quick and store:
        raise click.UsageError("--quick tells too little to be kept.")
    size = {"players": 90, "teams": 6} if quick else {}
    parts: dict[str, Callable[[Callable[[str], None]], dict[str, Any]]] = {}
    for name, run, count in (
        ("calibration", calibrate, fits),
        ("null", null_leagues, nulls),
        ("slopes", slope_grid, slopes),
    ):
        if count:
            many = min(count, 2) if quick else count
            parts[name] = partial(_simulated, run, many, size)
    with _saying() as say:
        _validated(parts, store, as_json, say)


def _simulated(
    run: Callable[..., dict[str, Any]],
    count: int,
    size: dict[str, int],
    say: Callable[[str], None],
) -> dict[str, Any]:
    return run(count, **size, say=say)


@skill.command("validate-forecast")
@click.option("--fit", "fit_seasons", multiple=True, help="Seasons to fit; default: three before.")
@click.option("--unseen", help="Season to judge on; default: the newest.")
@click.option("--seed", default=1, show_default=True, help="For both fits.")
@store_result
@as_json
def skill_forecast(
    fit_seasons: tuple[str, ...], unseen: str | None, seed: int, store: bool, as_json: bool
) -> None:
    """Fit some seasons and hold it, and what it must beat, against one that none has seen."""
    from modeling.clutch_skill.validation.forecast import forecast_season

    with _as_model() as (connection, say):
        _validated(
            {
                "forecast": lambda say: forecast_season(
                    connection, _words(fit_seasons), unseen, seed=seed, say=say
                )
            },
            store,
            as_json,
            say,
        )


@skill.command("validate-oracle")
@click.option("--season", "seasons", multiple=True, help="Seasons to fit; default: newest three.")
@click.option("--seed", default=1, show_default=True, help="For sampler and integration.")
@store_result
@as_json
def skill_oracle(seasons: tuple[str, ...], seed: int, store: bool, as_json: bool) -> None:
    """Hold the sampler against integration by linear algebra, without nights."""
    from modeling.clutch_skill.data import read_newest
    from modeling.clutch_skill.validation.oracle import compare

    with _as_model() as (connection, say):
        observations = read_newest(connection, _words(seasons))
        run = partial(compare, observations, seed=seed)
        _validated({"oracle": lambda say: run(say=say)}, store, as_json, say)


@skill.command("placebo")
@click.option("--leagues", default=12, show_default=True, help="Simulated ones; 0: the database.")
@click.option("--season", "seasons", multiple=True, help="With --leagues 0; default: newest three.")
@store_result
@as_json
def skill_placebo(leagues: int, seasons: tuple[str, ...], store: bool, as_json: bool) -> None:
    """Let the night after a game predict it: nothing must be found.

    Nights of real athletes stay in the database's answer and out of docs/methods.
    """
    from modeling.clutch_skill.data import read_newest
    from modeling.clutch_skill.validation.placebo import placebo, placebo_leagues

    if leagues:
        with _saying() as say:
            parts = {"placebo": lambda say: placebo_leagues(leagues, say=say)}
            _validated(parts, store, as_json, say)
        return
    if store:
        raise click.UsageError("--store keeps simulated leagues only.")
    with _as_model() as (connection, say):
        click.echo(json.dumps(placebo(read_newest(connection, _words(seasons)), say=say)))


@skill.command("sensitivity")
@click.option("--leagues", default=8, show_default=True, help="For each strength of missing.")
@click.option("--real", is_flag=True, help="Real seasons in place of simulated leagues.")
@click.option("--season", "seasons", multiple=True, help="With --real; default: newest three.")
@store_result
@as_json
def skill_sensitivity(
    leagues: int, real: bool, seasons: tuple[str, ...], store: bool, as_json: bool
) -> None:
    """Halve and double priors, let bad nights be missing more often: how far do answers move?"""
    from modeling.clutch_skill.data import read_newest
    from modeling.clutch_skill.validation import sensitivity

    if real:
        with _as_model() as (connection, say):
            observations = read_newest(connection, _words(seasons))
            parts = {"priors_real": lambda say: sensitivity.to_priors(observations, say=say)}
            _validated(parts, store, as_json, say)
        return
    with _saying() as say:
        _validated(
            {
                "priors_league": lambda say: sensitivity.simulated_to_priors(say=say),
                "missing": lambda say: sensitivity.to_missing(leagues, say=say),
            },
            store,
            as_json,
            say,
        )


@skill.command("page")
def skill_page() -> None:
    """Write page and pictures from what is stored; says which files have changed since."""
    from modeling.clutch_skill.validation import pictures, record

    click.echo(record.rewrite())
    for path in pictures.draw_all(record.read(), record.FOLDER):
        click.echo(path)


def _validated(
    parts: Mapping[str, Callable[[Callable[[str], None]], dict[str, Any]]],
    store: bool,
    as_json: bool,
    say: Callable[[str], None],
) -> None:
    """Run the parts of a validation one by one; each is kept as soon as it is done."""
    from modeling.clutch_skill.validation import pictures, record

    found = {}
    for name, run in parts.items():
        started = time.monotonic()
        found[name] = run(say)
        if store:
            record.store(name, found[name], time.monotonic() - started)
        if not as_json:
            click.echo("\n".join([*record.lines(name, found[name]), ""]))
    if store:
        pictures.draw_all(record.read(), record.FOLDER)
    if as_json:
        click.echo(json.dumps(found))


@cli.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "docs" / "methods",
    show_default="docs/methods",
    help="Folder for the pictures (SVG).",
)
@click.option("--season", help="Default: the newest finished one.")
@as_json
def calibration(output: Path, season: str | None, as_json: bool) -> None:
    """Draw how often what was said to be likely came true: win probability, expected points."""
    from modeling.calibration import draw

    with _as_model() as (connection, say):
        pictures, missing = draw(connection, output, season, say=say)
    if as_json:
        click.echo(json.dumps({"pictures": [str(path) for path in pictures], "missing": missing}))
    else:
        for path in pictures:
            click.echo(path)
        for line in missing:
            click.echo(line, err=True)
    if missing:
        sys.exit(3)


@contextmanager
def _as_model(
    settings: Settings | None = None,
) -> Iterator[tuple[psycopg.Connection[Any], Callable[[str], None]]]:
    """A session of the role that reads the marts, and a way to say on stderr what is done."""
    from ingestion.database.connection import connect
    from ingestion.database.roles import MODEL

    with (
        connect(settings or Settings.load(), MODEL) as connection,
        _saying() as say,
    ):
        yield connection, say


@contextmanager
def _saying() -> Iterator[Callable[[str], None]]:
    """A way to say on stderr what is done."""
    console = Console(stderr=True)
    with console.status("starting") as status:
        yield (
            lambda line: (
                status.update(line)
                if console.is_terminal
                else print(line, file=sys.stderr, flush=True)
            )
        )


@cli.command()
@as_json
def status(as_json: bool) -> None:
    """Freshness, last runs and quarantine: one screen."""
    from ingestion.status import read_status

    found = read_status(Settings.load())
    if as_json:
        click.echo(json.dumps(found.as_dict(), default=str))
        return
    console = Console()
    for title, headings, rows in found.tables():
        table = Table(*headings, title=title, title_justify="left")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        console.print(table if rows else f"{title}: none")


@cli.group()
def keys() -> None:
    """Keys that encrypt athletes' tokens (setting ENCRYPTION_KEY).

    \b
    To change the key while everything runs (the first encrypts, all decrypt):
      1. clutch keys new; put it second: ENCRYPTION_KEY=old,new
         and restart the processes that use WHOOP, so that all of them know it
      2. put it first: ENCRYPTION_KEY=new,old, and restart them again
      3. clutch keys rotate, in each state directory
      4. ENCRYPTION_KEY=new clutch keys rotate: fails if anything old is left
      5. after a day take the old one out and restart them; what it encrypted
         in backups opens with nothing else
    """  # noqa: D301 - click's own mark, a backspace


@keys.command("new")
def keys_new() -> None:
    """Print a fresh key; nothing is stored. Keep it apart from the database and its backups."""
    from cryptography.fernet import Fernet

    click.echo(Fernet.generate_key().decode())


@keys.command("rotate")
@as_json
def keys_rotate(as_json: bool) -> None:
    """Encrypt all stored tokens with the first key of ENCRYPTION_KEY and say how many.

    Each connection is done by itself, under the lock of a token refresh: workers go on. Every
    process that uses WHOOP must encrypt with the new key before (clutch keys --help).
    """
    from ingestion.database.migrate import ensure_ready
    from ingestion.whoop.settings import encryption_keys
    from ingestion.whoop.tokens import rotate_keys

    known = encryption_keys()
    settings = Settings.load()
    ensure_ready(settings)
    done = rotate_keys(settings, known)
    click.echo(
        json.dumps({"rotated": done})
        if as_json
        else f"encrypted again with the newest key: tokens of {done} connections"
    )


@keys.command("api")
@click.option("--name", required=True, help="Who will ask; the log of reads shows it.")
@click.option("--audience", required=True, help="public, medical_staff, coaches, ...")
def keys_api(name: str, audience: str) -> None:
    """Make a key for the read API: prints it once, and its entry for DASHBOARD_API_KEYS."""
    from dashboard.keys import KeyListError, new_key

    try:
        key, entry = new_key(name, audience)
    except KeyListError as error:
        raise click.BadParameter(str(error)) from None
    click.echo(f"key, for whoever asks (it is stored nowhere): {key}")
    click.echo(f"entry, added to DASHBOARD_API_KEYS: {entry}")


@cli.group()
def serve() -> None:
    """Servers that go on until interrupted."""


@serve.command("receiver")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free."
)
def serve_receiver(host: str, port: int) -> None:
    """Consent page, OAuth callback and webhooks of WHOOP; a proxy before it does TLS.

    Settings, database, port and consent text are checked before the first request.
    """
    from ingestion.consent.settings import ConsentSettings
    from ingestion.whoop.receiver.app import Receiver
    from ingestion.whoop.settings import WhoopSettings

    whoop, consent = WhoopSettings.load(), ConsentSettings.load()
    receiver = Receiver(Settings.load(), whoop, consent, host=host, port=port)
    click.echo(f"listening on {receiver.base_url}", err=True)
    receiver.run()


@serve.command("dashboard")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port; 0 for any free one.")
@click.option(
    "--demo",
    "of_demo",
    is_flag=True,
    help="Show what clutch demo made; prints a link that opens it.",
)
def serve_dashboard(host: str, port: int, of_demo: bool) -> None:
    """Pages and read API for whoever has a key (clutch keys api); a proxy before it does TLS."""
    from dashboard.app import create_app
    from dashboard.keys import KeyListError, new_key, read_keys
    from ingestion.database.migrate import ensure_ready
    from ingestion.errors import SettingError
    from ingestion.serving import PortServer

    settings = _demo_settings(Settings.load()) if of_demo else Settings.load()
    ensure_ready(settings)
    # the demo's athletes are nobody: a key of this process alone may be printed
    key, entry = new_key("demo", "medical_staff")
    entries = [entry] if of_demo else os.environ.get("DASHBOARD_API_KEYS", "").split()
    try:
        keys = read_keys(entries)
    except KeyListError as error:
        raise SettingError(
            "DASHBOARD_API_KEYS", str(error), "take the entries that clutch keys api prints"
        ) from None
    app = create_app(reader_addresses(settings), keys, catalogue=_catalogue_file(Settings.load()))
    server = PortServer(app, host=host, port=port)
    click.echo(f"listening on {server.base_url}, {len(keys.callers)} keys", err=True)
    if of_demo:
        click.echo(f"Open {server.base_url}/sign-in#{key}")
    server.run()


def reader_addresses(settings: Settings) -> dict[str, str]:
    """Where each audience of the dashboard reads, as which role, and for what."""
    from dashboard.keys import PUBLIC
    from ingestion.database.connection import role_url
    from ingestion.database.roles import AUDIENCES, BI, FRONT_OFFICE

    return {
        PUBLIC: role_url(settings, BI),
        "front_office": role_url(settings, FRONT_OFFICE),
        **{
            audience: role_url(settings, role, purpose="readiness")
            for role, audience in AUDIENCES.items()
        },
    }


@cli.group()
def consent() -> None:
    """What athletes decided about their records."""


@consent.command("invite")
@click.option("--player", "player_id", required=True, help="NBA player id, e.g. 201939.")
@click.option("--days", default=7, show_default=True, help="How long the link opens the page.")
@as_json
def consent_invite(player_id: str, days: int, as_json: bool) -> None:
    """Print a personal link to the consent page. It is shown once: only its hash is stored."""
    from ingestion.consent import invitations
    from ingestion.database.connection import connect
    from ingestion.database.migrate import ensure_ready
    from ingestion.database.roles import INGEST
    from ingestion.whoop.settings import WhoopSettings

    settings, whoop = Settings.load(), WhoopSettings.load()
    invitations.public_address(whoop.redirect_uri)  # before a secret is made for nothing
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        secret, expires_at = invitations.invite(connection, player_id, days)
    address = invitations.link(whoop.redirect_uri, secret)
    if as_json:
        click.echo(json.dumps({"link": address, "expires_at": expires_at.isoformat()}))
        return
    click.echo(address)
    click.echo(
        f"For player {player_id} alone, until {expires_at:%Y-%m-%d %H:%M} UTC; takes one decision.",
        err=True,
    )


@consent.command("link")
@click.option("--player", "player_id", required=True, help="NBA player id, e.g. 201939.")
@click.option(
    "--replace", "replaces", is_flag=True, help="Older links of his open nothing any more."
)
@as_json
def consent_link(player_id: str, replaces: bool, as_json: bool) -> None:
    """Print a personal link to an athlete's own page: what he allowed, his data, and to stop.

    He gets one by himself when he is connected; this is for who lost it. It is shown once.
    """
    from ingestion.consent import links
    from ingestion.consent.invitations import public_address
    from ingestion.database.connection import connect
    from ingestion.database.migrate import ensure_ready
    from ingestion.database.roles import INGEST
    from ingestion.whoop.settings import WhoopSettings

    settings, whoop = Settings.load(), WhoopSettings.load()
    public_address(whoop.redirect_uri)  # before a secret is made for nothing
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        secret, expires_at = links.issue(connection, player_id, replaces=replaces)
    address = links.address(whoop.redirect_uri, secret)
    if as_json:
        click.echo(json.dumps({"link": address, "expires_at": expires_at.isoformat()}))
        return
    click.echo(address)
    click.echo(
        f"For player {player_id} alone, until {expires_at:%Y-%m-%d %H:%M} UTC or his withdrawal.",
        err=True,
    )


@consent.command("list")
@as_json
def consent_list(as_json: bool) -> None:
    """Who decided what, until when it holds, and what became of the connection."""
    from dataclasses import asdict

    from ingestion.consent import ledger
    from ingestion.database.connection import connect
    from ingestion.database.migrate import ensure_ready
    from ingestion.database.roles import INGEST

    settings = Settings.load()
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        found = ledger.standings(connection)
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], default=str))
        return
    if not found:
        click.echo("Nobody was invited yet. Begin with: clutch consent invite --player ID")
        return
    headings = ("player", "decision", "on", "live until", "besides", "connections", "last walk")
    table = Table(*headings)
    for item in found:
        until = f"{item.expires_at:%Y-%m-%d}" if item.is_live and item.expires_at else ""
        invited = f"invited until {item.invited_until:%Y-%m-%d}" if item.invited_until else ""
        table.add_row(
            item.player_id,
            item.decision or invited,
            f"{item.recorded_at:%Y-%m-%d %H:%M}" if item.recorded_at else "",
            until,
            ", ".join(item.besides()),
            ", ".join(item.connections),
            item.last_attempt or "",
        )
    Console().print(table)


@consent.command("end")
@click.option("--player", "player_id", required=True, help="NBA player id, e.g. 201939.")
@click.option(
    "--reason",
    required=True,
    type=click.Choice(END_REASONS),
    help="What closed the audience that he permitted.",
)
def consent_end(player_id: str, reason: str) -> None:
    """Close a permission because its athlete left the team: nothing is read or shown from now on.

    For his new team he is asked anew. Exit code 1 where no permission was there to close.
    """
    from ingestion.consent import ledger
    from ingestion.database.connection import connect
    from ingestion.database.migrate import ensure_ready
    from ingestion.database.roles import INGEST

    settings = Settings.load()
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        closed = ledger.end(connection, player_id, reason)
    if closed is None:
        raise ClutchError(
            f"--player: {player_id} permits nothing, so nothing ends. Fix: clutch consent list "
            "shows who permits what."
        )
    click.echo(f"ended what player {player_id} permitted on {closed.recorded_at:%Y-%m-%d}")


@consent.command("check-rosters")
@as_json
def consent_check_rosters(as_json: bool) -> None:
    """End what athletes permitted a team that they have left, as box scores tell.

    Which team a permission was given to: CONSENT_TEAM_ID, or the one that listed him last before he
    agreed. Every clutch ingest whoop and clutch retention do so too. Box scores tell of no waiver:
    clutch consent end.
    """
    from dataclasses import asdict

    from ingestion.database.migrate import ensure_ready

    settings = Settings.load()
    ensure_ready(settings)
    ended = _end_for_traded(settings, is_silent=as_json)
    if as_json:
        click.echo(json.dumps([asdict(move) for move in ended]))
    else:
        click.echo(f"{len(ended)} permissions ended")


def _end_for_traded(settings: Settings, *, is_silent: bool = False) -> list[Move]:
    """End permissions of who plays for another team now, and say so."""
    from datetime import UTC

    from ingestion.consent import rosters
    from ingestion.consent.settings import ConsentSettings
    from ingestion.database.connection import connect
    from ingestion.database.roles import INGEST

    team_id = ConsentSettings.load().team_id
    with connect(settings, INGEST) as connection:
        ended = rosters.end_for_moved(connection, team_id, datetime.now(UTC))
    for move in () if is_silent else ended:
        click.echo(str(move), err=True)
    return ended


@consent.command("withdraw")
@click.option("--player", "player_id", help="NBA player id, e.g. 201939.")
@click.option("--finish", is_flag=True, help="Go on with all that are not over.")
@as_json
def consent_withdraw(player_id: str | None, finish: bool, as_json: bool) -> None:
    """Withdraw for an athlete: nothing is read or shown from now on, and everything is erased.

    Ends the grant at WHOOP, deletes every row of his, rids the server's files of them, searches,
    and prints a receipt without personal data. While WHOOP is down it stays open (exit code 3) and
    goes on with every clutch ingest whoop.
    """
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import withdrawal

    if finish == (player_id is not None):
        raise click.UsageError("give either --player or --finish.")
    settings = Settings.load()
    ensure_ready(settings)
    begun = (
        withdrawal.unfinished(settings)
        if player_id is None
        else [withdrawal.begin(settings, player_id)]
    )
    with _revoking(settings) as revoke:
        found = [withdrawal.proceed(settings, each, revoke) for each in begun]
    if as_json:
        click.echo(json.dumps([each.receipt() for each in found]))
    else:
        for each in found:
            for name, value in each.receipt().items():
                click.echo(f"{name}: {'; '.join(value) if name == 'remarks' else value}")
    if not all(each.is_over for each in found):
        click.echo(
            "No record of the athlete is stored any more, but WHOOP has not confirmed the end of "
            "the access. Fix: run clutch consent withdraw --finish when WHOOP answers; every "
            "clutch ingest whoop does so too.",
            err=True,
        )
        sys.exit(3)


def _go_on_with_withdrawals(settings: Settings) -> None:
    """Whatever else is to be done, who withdrew comes first; what fails is said and tried again."""
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import finishing

    ensure_ready(settings)
    with _revoking(settings) as revoke:
        finishing.go_on(settings, revoke, lambda line: click.echo(line, err=True))


def _revoking(settings: Settings) -> AbstractContextManager[Callable[[Any], bool]]:
    """Something that ends grants at WHOOP; settings are read only where there is one to end."""
    from ingestion.privacy import finishing
    from ingestion.whoop.settings import WhoopSettings

    return finishing.revoking(settings, WhoopSettings.load)


@consent.command("export")
@click.option("--player", "player_id", required=True, help="NBA player id, e.g. 201939.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that is made, JSON, readable by this account only.",
)
@as_json
def consent_export(player_id: str, output: Path, as_json: bool) -> None:
    """Write everything that is stored of an athlete into one file, for himself."""
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy.export import export

    settings = Settings.load()
    ensure_ready(settings)
    written = export(settings, player_id, output)
    if as_json:
        click.echo(json.dumps({"path": str(written.path), "rows": written.rows}))
        return
    for name, count in written.rows.items():
        click.echo(f"{count:8,} {name}")
    click.echo(f"{sum(written.rows.values()):8,} rows in {written.path}")


@consent.command("verify")
@click.option(
    "--receipt",
    "receipts",
    multiple=True,
    metavar="NUMBER:HASH",
    help="An entry that must be there, e.g. the head that was printed the last time.",
)
@as_json
def consent_verify(receipts: tuple[str, ...], as_json: bool) -> None:
    """Recompute the ledger's hashes: was an entry changed, deleted or put in between?

    The chain alone cannot tell that its end was cut off: keep the head that is printed here away
    from the database and give it as --receipt the next time. Exit code 1 where a hash does not
    hold.
    """
    from dataclasses import asdict

    from ingestion.consent import ledger
    from ingestion.database.connection import connect
    from ingestion.database.migrate import ensure_ready
    from ingestion.database.roles import INGEST

    wanted = [ledger.parse_receipt(receipt) for receipt in receipts]
    settings = Settings.load()
    ensure_ready(settings)
    with connect(settings, INGEST) as connection:
        found = ledger.verify(connection, wanted)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        for consent_id, problem in found.problems:
            click.echo(f"entry {consent_id}: {problem}")
        click.echo(f"{found.entries} entries, head {found.head or 'none'}")
    if found.problems:
        raise ClutchError(
            f"the consent ledger does not hold: {len(found.problems)} entries are not as they were "
            "written. Fix: find out who changed the database (docs/runbook.md); restore it from "
            "before."
        )


@cli.command()
@as_json
def retention(as_json: bool) -> None:
    """Delete what is older than its rule allows (docs/privacy.md); for cron, once a day.

    An athlete whose permission has been over for 30 days is erased as if he had withdrawn. Exit
    code 3: WHOOP has to confirm an end of access yet.
    """
    from datetime import UTC

    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import reads, withdrawal
    from ingestion.privacy import retention as rules

    settings = Settings.load()
    ensure_ready(settings)
    now = datetime.now(UTC)
    # before the server's log is turned over
    reads.collect(settings)
    _end_for_traded(settings)
    deleted = rules.sweep(settings, now)
    with _revoking(settings) as revoke:
        erased = [
            withdrawal.proceed(settings, withdrawal.begin(settings, player_id), revoke)
            for player_id in rules.overdue(settings, now)
        ]
    receipts = [each.receipt() for each in erased]
    if as_json:
        click.echo(json.dumps({"deleted": deleted, "erased": receipts}))
    else:
        for name, count in deleted.items():
            click.echo(f"{count:8,} rows of {name}")
        click.echo(f"{len(receipts):8,} athletes erased whose permission was over")
    if not all(each.is_over for each in erased):
        sys.exit(3)


@cli.group()
def access() -> None:
    """Who may read what, and who did."""


@access.command("check")
@click.option("--output", type=click.Path(path_type=Path), help="Write the whole matrix as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def access_check(output: Path | None, as_json: bool) -> None:
    """Compare every role's rights on everything with those that are meant; 1 on a surprise."""
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import access as rights

    settings = Settings.load()
    ensure_ready(settings)
    found = rights.matrix(settings)
    if output is not None:
        rights.write(found, output)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "cells": len(found.cells),
                    "surprises": found.surprises,
                    "people": found.people,
                }
            )
        )
    else:
        for line in found.surprises:
            click.echo(line)
        for name, held in found.people.items():
            click.echo(f"login {name}: {', '.join(held)}")
        click.echo(
            f"{len(found.cells):,} combinations of role, object and column: "
            f"{len(found.surprises)} surprises"
        )
    if found.surprises:
        sys.exit(1)


@access.command("login")
@click.option("--name", required=True, help="Of the login; the log of reads shows it.")
@click.option("--role", default="clutch_bi", show_default=True, help="The role that it may act as.")
@click.option("--purpose", help="What an audience reads athletes' values for, e.g. readiness.")
@click.option(
    "--connections",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="It may have so many at once.",
)
@click.option("--drop", is_flag=True, help="Take it away instead.")
@as_json
def access_login(
    name: str, role: str, purpose: str | None, connections: int, drop: bool, as_json: bool
) -> None:
    """Make a login for a BI tool or a person; prints its password once. Again: another password."""
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import logins

    if role not in logins.MAY_HAVE_LOGINS:
        known = ", ".join(logins.MAY_HAVE_LOGINS)
        raise click.BadParameter(f"{role!r} is none of {known}", param_hint="--role")
    settings = Settings.load()
    ensure_ready(settings)
    if drop:
        logins.drop(settings, name)
        click.echo(json.dumps({"dropped": name}) if as_json else f"{name} is no login any more")
        return
    made = logins.make(settings, name, role, purpose=purpose, connections=connections)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    click.echo(made.address)
    click.echo(
        f"{name} {'may act' if made.is_new else 'has a new password and may act'} as {role} and "
        "nothing else; its password is stored nowhere",
        err=True,
    )
    if settings.database_url is None:
        click.echo(
            "the embedded server asks nobody for a password: whoever may enter the folder of its "
            "socket is whom he says. Use a server of your own (DATABASE_URL) for others",
            err=True,
        )
    if made.other_databases:
        others = ", ".join(made.other_databases)
        click.echo(
            f"the server lets every login into its other databases: {others}. An administrator "
            "closes each with: revoke connect, temporary on database NAME from public",
            err=True,
        )


@access.command("log")
@click.option("--player", "player_id", help="Only reads that could show this athlete's values.")
@click.option("--days", default=30, show_default=True, help="How far back.")
@click.option(
    "--from",
    "log_file",
    type=click.Path(path_type=Path),
    help="A log file of the server, where it does not show its own.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result.")
def access_log(player_id: str | None, days: int, log_file: Path | None, as_json: bool) -> None:
    """File what the server's log says of reads of athletes' values, and show it.

    Run it daily where the server's log is turned over: lines that were not filed go with it.
    """
    from ingestion.database.migrate import ensure_ready
    from ingestion.privacy import reads

    settings = Settings.load()
    ensure_ready(settings)
    collected = reads.collect(settings, log_file)
    found = (
        reads.newest(settings, days) if player_id is None else reads.of_athlete(settings, player_id)
    )
    if as_json:
        click.echo(json.dumps({"added": collected.added, "reads": found}, default=str))
    else:
        for read in found:
            click.echo("  ".join(_shown(value) for value in read.values()))
        click.echo(f"{collected.added:,} new lines from {', '.join(collected.sources) or 'no log'}")
    if not collected.sources:
        raise ClutchError(
            "the database server does not show its log. Fix: let its administrator fetch it, and "
            "give it with --from."
        )


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return ",".join(value) if isinstance(value, list) else str(value)


@cli.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Default: docs/index.html in the state directory.",
)
def docs(output: Path | None) -> None:
    """Write the catalogue of all models, columns and their SQL as one HTML file without a row."""
    import tempfile

    from dashboard.catalogue import write_page
    from ingestion.database.migrate import ensure_ready

    settings = Settings.load()
    ensure_ready(settings)
    file = output or _catalogue_file(settings)
    with tempfile.TemporaryDirectory() as folder:
        generate = ["docs", "generate", "--target-path", folder]
        run_dbt(generate, settings, Console(stderr=True))
        page = write_page(Path(folder))
    file.parent.mkdir(parents=True, exist_ok=True)
    # whoever is shown it meanwhile gets the old one or the new one
    half = file.with_name(f".{file.name}.new")
    half.write_text(page)
    half.replace(file)
    click.echo(str(file))


def _catalogue_file(settings: Settings) -> Path:
    """Where the dashboard finds the catalogue."""
    return settings.state_directory / "docs" / "index.html"


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--role", default="clutch_bi", show_default=True, help="Role that asks; decides what it sees."
)
@click.option("--purpose", help="What an audience reads athletes' values for, e.g. readiness.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def metrics(role: str, purpose: str | None, arguments: tuple[str, ...]) -> None:
    """Ask the metrics of the semantic layer (MetricFlow's own command mf, as a reader).

    E.g. clutch metrics query --metrics clutch_points --group-by player__full_name
    """
    from ingestion.database.connection import role_url
    from ingestion.database.roles import BI, READERS

    if role not in (BI, *READERS):
        names = ", ".join((BI, *READERS))
        raise click.BadParameter(f"{role!r} is none of {names}", param_hint="--role")
    settings = Settings.load()
    role_url(settings, role)
    # MetricFlow looks there and nowhere else, and the name of the database is in what dbt parsed
    run_dbt(["parse", "--target-path", str(ROOT / "target")], settings, Console(stderr=True))
    with dbt_environment(settings):
        done = subprocess.run(
            [Path(sys.executable).with_name("mf"), *arguments],
            env={
                **os.environ,
                "CLUTCH_ROLE": role,
                "CLUTCH_PURPOSE": purpose or "",
                "DBT_PROJECT_DIR": str(ROOT),
                "DBT_PROFILES_DIR": str(ROOT),
            },
            check=False,
        )
    sys.exit(done.returncode)


@cli.group()
def alerts() -> None:
    """Reasons to ask an athlete before a game (readiness_alerts)."""


@alerts.command("push")
@click.option(
    "--audience", default="medical_staff", show_default=True, help="Whose eyes see the alerts."
)
@click.option("--board-address", help="Where readers open the board; default: DASHBOARD_ADDRESS.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and note nothing.")
@as_json
def alerts_push(audience: str, board_address: str | None, dry_run: bool, as_json: bool) -> None:
    """Tell the services of ALERT_ADDRESSES how many new alerts there are before which games.

    A message names no athlete and no value. Each service is told of an alert once. Exit code 0:
    told, or nothing is new; 3: some services did not take it; 1: none did. The next run tries
    again.
    """
    from dataclasses import asdict

    from ingestion import alerts as announcing
    from ingestion.database.migrate import ensure_ready
    from ingestion.settings import http_base_url

    if audience not in announcing.AUDIENCES:
        raise click.BadParameter(
            f"there are {', '.join(announcing.AUDIENCES)}.", param_hint="--audience"
        )
    alerting = announcing.AlertSettings.load()
    if board_address is not None:
        board_address = http_base_url("--board-address", board_address)
        alerting = replace(alerting, board_address=board_address)
    settings = Settings.load()
    ensure_ready(settings)
    done = announcing.push(settings, alerting, audience, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        for text in done.messages:
            click.echo(text)
        how = "would be told" if dry_run else f"told to {done.told} of {done.services} services"
        click.echo(
            f"{done.new} new alerts {how}"
            if done.new
            else f"nothing new: {done.alerts} alerts, all told before"
        )
    if done.failed:
        raise announcing.NotTaken(done)


CHECKS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "sqlfluff": ["sqlfluff", "lint", "--nocolor", "dbt_project/models", "dbt_project/tests"],
    # the next three: docs/runbook.md, "Findings of the checks"
    "secrets": ["tests.checks.secrets"],
    "packages": ["tests.checks.packages"],
    "deptry": ["deptry", "."],
    # one process runs the tests of a file, long ones come first (tests/conftest.py)
    "pytest": [
        *("pytest", "--numprocesses", "logical", "--maxprocesses", "4"),
        *("--dist", "loadfile", "--no-loadscope-reorder"),
    ],
}


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(pytest_arguments: tuple[str, ...]) -> None:
    """Run every check: code, SQL, secrets, packages, and tests in a process per core (at most 4).

    Those before the tests run two at a time, and what each prints stands together. With arguments
    pytest runs alone, in one process, with them.
    """
    from concurrent.futures import ThreadPoolExecutor

    checks = {"pytest": ["pytest", *pytest_arguments]} if pytest_arguments else CHECKS
    failed = []
    # pytest takes every core by itself, each of the others one
    with ThreadPoolExecutor(2) as executor:
        begun = {
            name: executor.submit(_run_check, command, is_shown=False)
            for name, command in checks.items()
            if name != "pytest"
        }
        for name, command in checks.items():
            click.secho(f"== {name}", bold=True, err=True)
            done = begun[name].result() if name in begun else _run_check(command)
            click.echo(done.stdout or "", nl=False)
            if done.returncode != 0:
                failed.append(name)
    if failed:
        raise ClutchError(f"failed: {', '.join(failed)}. Fix: see the lines above.")


def _run_check(command: list[str], *, is_shown: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a check; where it is not shown at once, what it prints is in the result."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        check=False,
        stdout=None if is_shown else subprocess.PIPE,
        stderr=None if is_shown else subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    main()
