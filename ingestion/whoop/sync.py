"""``clutch ingest whoop``: bring the records of all consenting athletes up to date.

One run works off the inbox, reads last night of whoever plays soon, then the trailing week of every
athlete (or his history, the first time), and what is due of the watch-list. Each of these is stored
in small steps that are safe to repeat; a run that was killed is finished by the next one. What
fails for one athlete leaves the others alone.

Between runs ``follow`` does the same work as it falls due: deliveries when they come, players
before their game, the watch-list each minute, the reconcile job for what was not read for a day.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import dlt
import psycopg
from dlt.pipeline.exceptions import PipelineStepFailed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingestion import dlt_settings, raw_files
from ingestion.database import connection as database
from ingestion.database import migrate, roles
from ingestion.errors import ClutchError, UsageError
from ingestion.ledger import begin_run, finish_run
from ingestion.settings import Settings
from ingestion.whoop import raw_tables
from ingestion.whoop.allowlist import AllowList
from ingestion.whoop.api import WhoopApi
from ingestion.whoop.clock import Clock, SystemClock
from ingestion.whoop.connections import Connection, active_connections
from ingestion.whoop.errors import (
    AccountTaken,
    BudgetExhausted,
    MissingScope,
    ReconnectNeeded,
    RequestRefused,
    ServiceUnavailable,
)
from ingestion.whoop.pregame import DEAD_SERVICE_AFTER, WINDOW, NextGame, Pregame
from ingestion.whoop.raw_tables import ReadBy
from ingestion.whoop.reads import Reads
from ingestion.whoop.reconcile import (
    EVERY,
    backfill_athlete,
    begin_athlete,
    reconcile_athlete,
)
from ingestion.whoop.records import COLLECTIONS
from ingestion.whoop.report import AthleteFailure, WhoopReport
from ingestion.whoop.sessions import Sessions
from ingestion.whoop.settings import WhoopSettings
from ingestion.whoop.store import Store
from ingestion.whoop.webhook_worker import SETTLING, Worker, read_watched

LOCK = (0x636C7574, 3)
"""pg_advisory_lock of runs: "clut", and WHOOP ingestion."""

CHANNEL = "clutch_webhooks"
"""The receiver notifies it of deliveries."""

PREGAME_SECONDS = 300.0
"""How often it is looked for who plays soon: one query, beside rounds that are hours apart."""
WATCH_SECONDS = 60.0
RECONCILE_SECONDS = 3600.0
"""How often it is looked for what was not read for a day."""

_SYSTEM_CLOCK = SystemClock()


@dataclass
class Parts:
    """What a process needs to read and store."""

    sessions: Sessions
    reads: Reads
    worker: Worker
    pregame: Pregame
    report: WhoopReport


def ingest(
    settings: Settings,
    whoop: WhoopSettings,
    *,
    player_id: str | None = None,
    backfill_days: int | None = None,
    show_progress: bool = True,
    clock: Clock = _SYSTEM_CLOCK,
    settling: timedelta = SETTLING,
) -> WhoopReport:
    """Bring the raw WHOOP tables up to date.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client, keys, kinds of record.
        player_id: Only this athlete; the inbox and the watch-list are left alone then.
        backfill_days: Read history back to so many days ago.
        show_progress: Whether to show progress on stderr.
        clock: Tells the time and waits.
        settling: How long a delivery waits for others about its object.

    Returns:
        What was done; ``exit_code`` is 3 when something was set aside, failed or was not reached.

    Raises:
        UsageError: If the arguments cannot work.
        SettingError: If the database cannot be reached or a key does not fit.
        ClutchError: If the athlete named has no connection, or the data could not be stored; what
            was loaded before is kept.
    """
    if backfill_days is not None and not 1 <= backfill_days <= 3650:
        raise UsageError(f"--backfill: {backfill_days} is outside 1 to 3650. Fix: give days.")
    report = WhoopReport()
    started = time.monotonic()
    console = Console(stderr=True)
    try:
        migrate.ensure_ready(settings)
        with _locked(settings, console) as connection:
            run_id = begin_run(connection, "whoop", _command(player_id, backfill_days))
            status: Literal["done", "failed", "partly_done"] = "failed"
            try:
                pipeline = dlt_settings.new_pipeline(
                    settings,
                    name=raw_tables.PIPELINE,
                    dataset=raw_tables.SCHEMA,
                    url=database.role_url(settings, roles.INGEST),
                )
                with opened(settings, whoop, clock, report, pipeline, settling) as parts:
                    _Run(parts, player_id, backfill_days).execute(console, show_progress)
                status = "partly_done" if report.exit_code else "done"
            finally:
                report.seconds = time.monotonic() - started
                _count_requests(connection, report, clock.now())
                finish_run(connection, run_id, status, report.counts())
    except (PipelineStepFailed, psycopg.Error, OSError) as error:
        raise dlt_settings.storage_error(error, settings) from error
    return report


def _command(player_id: str | None, backfill_days: int | None) -> str:
    words = ["ingest whoop"]
    if player_id is not None:
        words += ["--player", player_id]
    if backfill_days is not None:
        words += ["--backfill", str(backfill_days)]
    return " ".join(words)


@contextmanager
def _locked(settings: Settings, console: Console) -> Iterator[psycopg.Connection]:
    """A connection that keeps other WHOOP ingests out of this database."""
    with database.connect(settings, roles.INGEST, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(%s, %s)", LOCK).fetchone()
        if row is None or not row[0]:
            console.print("Another WHOOP ingest is running; waiting until it has finished.")
            connection.execute("select pg_advisory_lock(%s, %s)", LOCK)
        raw_files.wait_for_writers(connection, raw_tables.SCHEMA, raw_tables.TABLES)
        yield connection


@contextmanager
def opened(
    settings: Settings,
    whoop: WhoopSettings,
    clock: Clock,
    report: WhoopReport,
    pipeline: dlt.Pipeline | None = None,
    settling: timedelta = SETTLING,
) -> Iterator[Parts]:
    """The parts of a process that reads and stores, closed in the end.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client, keys, kinds of record.
        clock: Tells the time and waits.
        report: Grows.
        pipeline: dlt's, in a process that holds the lock of ingestion.
        settling: How long a delivery waits for others about its object.
    """
    allow_list = AllowList.load()
    api = WhoopApi(settings, whoop, clock=clock)
    sessions = Sessions(settings)
    directory = dlt_settings.working_directory(settings) / raw_tables.PIPELINE
    store = Store(sessions, report, pipeline, directory)
    reads = Reads(api, whoop, sessions, store, report, clock, allow_list)
    try:
        yield Parts(
            sessions,
            reads,
            Worker(sessions, reads, store, report, settling),
            Pregame(
                sessions,
                reads,
                report,
                lambda account, resource, error: note_failure(report, account, resource, error),
            ),
            report,
        )
    finally:
        sessions.close()
        api.close()


class _Run:
    """One run under the lock.

    Args:
        parts: Read and store.
        player_id: Only this athlete.
        backfill_days: Read history back to so many days ago.
    """

    def __init__(self, parts: Parts, player_id: str | None, backfill_days: int | None) -> None:
        self._parts = parts
        self._player_id = player_id
        self._backfill_days = backfill_days

    def execute(self, console: Console, show_progress: bool) -> None:
        """Inbox, players before their game, athletes, watch-list."""
        parts, report = self._parts, self._parts.report
        accounts = _accounts(parts.sessions, parts.pregame.games)
        if self._player_id is not None:
            accounts = [each for each in accounts if each.player_id == self._player_id]
            if not accounts:
                raise ClutchError(
                    f"--player: {self._player_id} has no active WHOOP connection with a consent in "
                    "force. Fix: clutch consent list shows who has; clutch consent invite asks."
                )
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not show_progress,
        )
        with progress:
            if self._player_id is None:
                parts.worker.work_off()
            just_read = read_before_games(parts, accounts)
            task = progress.add_task("WHOOP athletes", total=len(accounts))
            read_athletes(
                parts,
                accounts,
                source="sync",
                just_read=just_read,
                backfill_days=self._backfill_days,
                on_progress=lambda: progress.advance(task),
            )
            if self._player_id is None and not report.not_reached:
                watch_once(parts)


def _accounts(
    sessions: Sessions, games: Callable[[Sequence[Connection]], dict[str, NextGame]] | None = None
) -> list[Connection]:
    """The connections that may be asked for, the longest unread first.

    Where the budget does not reach everybody, a fixed order would leave the same athletes out.

    Args:
        sessions: The database.
        games: Tells who plays soon: whoever was not read since the window of his game began goes
            before all others.
    """
    with sessions.session() as connection:
        accounts = active_connections(connection)
        rows = connection.execute(
            """
            select connection_id, min(synced_at) from operations.whoop_sync_positions
            group by connection_id
            """
        ).fetchall()
    read_at = {row[0]: row[1] for row in rows}
    soon = {} if games is None else games(accounts)
    never = datetime.min.replace(tzinfo=UTC)

    def place(account: Connection) -> tuple[bool, datetime]:
        last = read_at.get(account.connection_id, never)
        game = soon.get(account.player_id)
        return game is None or last >= game.tipoff_at - WINDOW, last

    return sorted(accounts, key=place)


def read_athletes(
    parts: Parts,
    accounts: Sequence[Connection],
    *,
    source: ReadBy,
    older_than: timedelta = timedelta(0),
    just_read: Collection[tuple[UUID, str]] = (),
    backfill_days: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Bring athletes up to date, one after the other: the budget is the limit, not the waiting.

    History further back comes when everybody has his newest records.

    Args:
        parts: Read and store.
        accounts: Whose.
        source: What reads.
        older_than: Only what was not read within this.
        just_read: Connection and kind of record of what is left alone.
        backfill_days: Read history back to so many days ago.
        on_progress: Called after each athlete.
    """
    dead = 0
    alive = []
    report = parts.report
    for place, account in enumerate(accounts):
        try:
            is_dead = _read_athlete(parts, account, source, older_than, just_read)
        except BudgetExhausted as error:
            report.failures.append(AthleteFailure(account.player_id, None, "budget", str(error)))
            report.not_reached += [each.player_id for each in accounts[place:]]
            return
        dead = dead + 1 if is_dead else 0
        if dead == DEAD_SERVICE_AFTER:
            report.not_reached += [each.player_id for each in accounts[place + 1 :]]
            return
        if not is_dead:
            alive.append(account)
        report.athletes += 1
        on_progress()
    if backfill_days is None:
        return
    for place, account in enumerate(alive):
        try:
            backfill_athlete(parts.reads, account, backfill_days)
        except BudgetExhausted as error:
            report.failures.append(AthleteFailure(account.player_id, None, "budget", str(error)))
            report.not_reached += [each.player_id for each in alive[place:]]
            return
        except _ONE_ATHLETES as error:
            note_failure(report, account, None, error)


def _read_athlete(
    parts: Parts,
    account: Connection,
    source: ReadBy,
    older_than: timedelta,
    just_read: Collection[tuple[UUID, str]],
) -> bool:
    """Read one athlete; gives whether WHOOP answered nothing at all."""
    reads, report = parts.reads, parts.report
    resources = reads.resources(account)
    known = reads.positions(account)
    old = [
        resource
        for resource in resources
        if (resource in known or resource not in COLLECTIONS)
        and (account.connection_id, resource) not in just_read
    ]
    before = reads.answers
    is_down = False
    try:
        try:
            begin_athlete(reads, account, resources, source)
        except (ServiceUnavailable, MissingScope, RequestRefused) as error:
            is_down = isinstance(error, ServiceUnavailable)
            note_failure(report, account, None, error)
        for resource in old:
            try:
                reconcile_athlete(reads, account, resource, source=source, older_than=older_than)
            except (ServiceUnavailable, MissingScope, RequestRefused) as error:
                is_down = is_down or isinstance(error, ServiceUnavailable)
                note_failure(report, account, resource, error)
    except (ReconnectNeeded, AccountTaken) as error:
        note_failure(report, account, None, error)
        return False
    return is_down and reads.answers == before


_ONE_ATHLETES = (ReconnectNeeded, AccountTaken, ServiceUnavailable, MissingScope, RequestRefused)
_CODES = {
    ServiceUnavailable: "service_unavailable",
    MissingScope: "missing_scope",
    RequestRefused: "request_refused",
    AccountTaken: "account_taken",
}


def note_failure(
    report: WhoopReport, account: Connection, resource: str | None, error: ClutchError
) -> None:
    """Write down what failed for one athlete."""
    code = error.reason if isinstance(error, ReconnectNeeded) else _CODES[type(error)]
    report.failures.append(AthleteFailure(account.player_id, resource, code, str(error)))


def read_before_games(
    parts: Parts, accounts: Sequence[Connection] | None = None
) -> set[tuple[UUID, str]]:
    """Read last night of whoever plays soon, where it is not settled.

    Args:
        parts: Read and store.
        accounts: Whose; default: of all that may be asked for.

    Returns:
        Connection and kind of record of what was read.
    """
    try:
        return parts.pregame.read_due(_accounts(parts.sessions) if accounts is None else accounts)
    except BudgetExhausted as error:
        parts.report.failures.append(AthleteFailure("", None, "budget", str(error)))
        return set()


def watch_once(parts: Parts) -> None:
    """Read what is due of the watch-list."""
    try:
        read_watched(
            parts.sessions,
            parts.reads,
            _accounts(parts.sessions),
            parts.report,
            lambda account, resource, error: note_failure(parts.report, account, resource, error),
        )
    except BudgetExhausted as error:
        parts.report.failures.append(AthleteFailure("", None, "budget", str(error)))


def reconcile(
    settings: Settings,
    whoop: WhoopSettings,
    *,
    clock: Clock = _SYSTEM_CLOCK,
    older_than: timedelta = EVERY,
) -> WhoopReport | None:
    """Read what was not read as a window for a day, and report what webhooks had missed.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client, keys, kinds of record.
        clock: Tells the time and waits.
        older_than: What was read within this is left alone.

    Returns:
        What was done; None when another run is at it.

    Raises:
        ClutchError: As :func:`ingest`.
    """
    report = WhoopReport()
    started = time.monotonic()
    with database.connect(settings, roles.INGEST, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(%s, %s)", LOCK).fetchone()
        if row is None or not row[0]:
            return None
        run_id = begin_run(connection, "whoop", "ingest whoop --follow (reconcile)")
        status: Literal["done", "failed", "partly_done"] = "failed"
        try:
            with opened(settings, whoop, clock, report) as parts:
                accounts = _accounts(parts.sessions, parts.pregame.games)
                read_athletes(parts, accounts, source="reconcile", older_than=older_than)
            status = "partly_done" if report.exit_code else "done"
        finally:
            report.seconds = time.monotonic() - started
            _count_requests(connection, report, clock.now())
            finish_run(connection, run_id, status, report.counts())
    return report


def follow(
    settings: Settings,
    whoop: WhoopSettings,
    stop: threading.Event,
    *,
    clock: Clock = _SYSTEM_CLOCK,
    say: Callable[[str], None],
    settling: timedelta = SETTLING,
) -> None:
    """Work off deliveries as they come, games, watch-list and reconcile job, until stopped.

    Several processes may follow at once; each object and each watched record goes to one of them.

    Args:
        settings: Database and state directory.
        whoop: Addresses, client, keys, kinds of record.
        stop: Set it to end.
        clock: Tells the time and waits.
        say: Gets a line when something was done or failed.
        settling: How long a delivery waits for others about its object.

    Raises:
        ClutchError: If it cannot begin; what happens later is said and tried again.
    """
    migrate.ensure_ready(settings)
    WhoopApi(settings, whoop, clock=clock).close()  # a wrong key is told before anything is done
    next_pregame = next_watch = next_reconcile = 0.0
    while not stop.is_set():
        try:
            report = WhoopReport()
            with (
                database.connect(settings, roles.INGEST, autocommit=True) as listening,
                opened(settings, whoop, clock, report, settling=settling) as parts,
            ):
                listening.execute(f"listen {CHANNEL}")
                while not stop.is_set():
                    parts.worker.work_off()
                    if time.monotonic() >= next_pregame:
                        read_before_games(parts)
                        next_pregame = time.monotonic() + PREGAME_SECONDS
                    if time.monotonic() >= next_watch:
                        watch_once(parts)
                        next_watch = time.monotonic() + WATCH_SECONDS
                    if time.monotonic() >= next_reconcile:
                        next_reconcile = time.monotonic() + RECONCILE_SECONDS
                        reconciled = reconcile(settings, whoop, clock=clock)
                        if reconciled is not None:
                            say(f"reconcile: {reconciled.closing_line()}")
                    _say_changes(report, say)
                    # a notice wakes it; what is not settled yet is looked at again soon
                    for _ in listening.notifies(timeout=1.0, stop_after=1):
                        pass
        except (ClutchError, psycopg.Error, OSError) as error:
            known = isinstance(error, ClutchError)
            say(str(error if known else dlt_settings.storage_error(error, settings)))
            stop.wait(10.0)


def _say_changes(report: WhoopReport, say: Callable[[str], None]) -> None:
    """Tell what was done since the last time, and begin to count anew."""
    if report.events or report.pregame_reads or report.watched_reads or report.failures:
        events = ", ".join(f"{outcome} {count}" for outcome, count in report.events.items())
        say(
            f"{report.versions_added} new versions, {report.deletions} deleted"
            f"{f'; deliveries: {events}' if events else ''}"
            f"{f'; before games: {report.pregame_reads}' if report.pregame_reads else ''}"
            f"{f'; watched: {report.watched_reads}' if report.watched_reads else ''}"
        )
        for failure in report.failures:
            say(failure.detail)
    report.reset()


def _count_requests(connection: psycopg.Connection, report: WhoopReport, now: datetime) -> None:
    """Count the requests of the last 24 hours, of all processes."""
    row = connection.execute(
        """
        select count(*), count(*)::float8 / nullif(count(distinct connection_id), 0)
        from operations.whoop_requests
        where requested_at > %s and endpoint <> 'token'
        """,
        (now - timedelta(hours=24),),
    ).fetchone()
    if row is not None:
        report.requests, report.requests_per_athlete_day = row[0], row[1] or 0.0
