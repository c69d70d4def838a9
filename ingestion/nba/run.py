"""One run: fetch, check, tell new versions from known ones, load, and keep the books.

While Postgres loads one chunk of games, a second thread fetches and checks the next one. A chunk is
loaded before its quarantine entries are written, and both are safe to repeat: a run that was killed
is finished by the next one.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import psycopg
from dlt.pipeline.exceptions import PipelineStepFailed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingestion import dlt_settings
from ingestion.database import connection as database
from ingestion.database import migrate, roles
from ingestion.errors import ClutchError, UsageError
from ingestion.ledger import begin_run, finish_run, record_quarantine, resolve_quarantine
from ingestion.nba import ledger, raw_tables
from ingestion.nba.checker import CheckerProcess
from ingestion.nba.discovery import read_schedules
from ingestion.nba.folder import FolderSource
from ingestion.nba.games import check_game_ids, check_season
from ingestion.nba.league import League, LeagueSource
from ingestion.nba.payloads import read_payload
from ingestion.nba.prepare import Chunk, Preparer
from ingestion.nba.report import IngestReport
from ingestion.nba.rereads import is_due
from ingestion.nba.schedule import FINAL
from ingestion.nba.source import Source
from ingestion.settings import Settings

GAMES_PER_CHUNK = 200
"""About 75 MB of payloads, and two chunks are in memory at a time; a package costs 0.4 s."""

# Two numbers of our own for pg_advisory_lock(int, int): "clut" in ASCII, and NBA ingestion.
_LOCK = (0x636C7574, 1)


@dataclass(frozen=True)
class Request:
    """What the caller asked for.

    Attributes:
        directory: A folder of wire-format files.
        seasons: For example ``2023-24``.
        since: First date of play.
        game_ids: Exactly these games.
        reread: Whether games that are settled are asked for too.
    """

    directory: Path | None
    seasons: Sequence[str]
    since: date | None
    game_ids: Sequence[str]
    reread: bool

    def checked(self) -> Request:
        """Return the request with its values checked.

        Raises:
            UsageError: If nothing or more than one thing chooses the games, or a value is
                malformed.
        """
        by_schedule = bool(self.seasons) or self.since is not None
        chosen = [self.directory is not None, by_schedule, bool(self.game_ids)]
        if sum(chosen) != 1:
            raise UsageError(
                f"{'too much' if any(chosen) else 'nothing'} says which games to ingest. "
                "Fix: give one of --season (with or without --since), --since, --games or --from."
            )
        if self.reread and not by_schedule:
            raise UsageError(
                "--reread: files and named games are always read. "
                "Fix: leave it out, or give it with --season or --since."
            )
        return Request(
            directory=self.directory,
            seasons=[check_season(season) for season in dict.fromkeys(self.seasons)],
            since=self.since,
            game_ids=check_game_ids(self.game_ids),
            reread=self.reread,
        )

    def command(self) -> str:
        """The command that asks for this."""
        words = ["ingest nba"]
        if self.directory is not None:
            words += ["--from", str(self.directory)]
        if self.seasons:
            words += ["--season", *self.seasons]
        if self.since is not None:
            words += ["--since", self.since.isoformat()]
        if self.game_ids:
            words += ["--games", *self.game_ids]
        if self.reread:
            words += ["--reread"]
        return " ".join(words)


def ingest(
    settings: Settings,
    *,
    directory: Path | None = None,
    seasons: Sequence[str] = (),
    since: date | None = None,
    game_ids: Sequence[str] = (),
    reread: bool = False,
    show_progress: bool = True,
    now: datetime | None = None,
) -> IngestReport:
    """Bring the raw NBA tables up to date with a source.

    Exactly one of ``directory``, ``game_ids`` and the schedule (``seasons``, ``since`` or both)
    chooses the games. By the schedule only games are asked for that are missing or may have changed
    (:mod:`ingestion.nba.rereads`).

    Args:
        settings: Database, state directory and hosts.
        directory: A folder of wire-format files, searched recursively.
        seasons: The games of these seasons, for example ``["2023-24"]``.
        since: The games on or after this date (US Eastern), up to the season in play.
        game_ids: Exactly these games, whatever their state.
        reread: Ask for all finished games of the schedule, also the settled ones.
        show_progress: Whether to show progress on stderr.
        now: Time of the run (aware) by which games are due; default: the clock.

    Returns:
        What was done; ``exit_code`` is 3 when anything was quarantined.

    Raises:
        UsageError: If the arguments cannot work; it names the option and the fix.
        SettingError: If the host or the database cannot be reached.
        ClutchError: If the data could not be stored; what was loaded before is kept.
    """
    request = Request(directory, seasons, since, game_ids, reread).checked()
    folder = None if request.directory is None else FolderSource(request.directory)
    console = Console(stderr=True)
    report = IngestReport(ignored_files=0 if folder is None else folder.ignored_files)
    started = time.monotonic()
    try:
        migrate.ensure_ready(settings)
        with _locked(settings, console) as connection:
            run_id = begin_run(connection, "nba", request.command())
            status: Literal["done", "failed", "partly_done"] = "failed"
            try:
                run = _Run(settings, request, folder, connection, report, now or datetime.now(UTC))
                run.execute(console, show_progress)
                status = "partly_done" if report.exit_code else "done"
            finally:
                report.seconds = time.monotonic() - started
                finish_run(connection, run_id, status, report.counts())
    except (PipelineStepFailed, psycopg.Error, OSError) as error:
        raise dlt_settings.storage_error(error, settings) from error
    return report


@contextmanager
def _locked(settings: Settings, console: Console) -> Iterator[psycopg.Connection]:
    """A connection that keeps other NBA ingests out of this database and state directory."""
    waiting = "Another NBA ingest is running; waiting until it has finished."
    lock_file = dlt_settings.working_directory(settings) / f"{raw_tables.PIPELINE}.lock"
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(waiting)
            fcntl.flock(lock, fcntl.LOCK_EX)
        with database.connect(settings, roles.INGEST, autocommit=True) as connection:
            row = connection.execute("select pg_try_advisory_lock(%s, %s)", _LOCK).fetchone()
            if row is None or not row[0]:
                console.print(waiting)
                connection.execute("select pg_advisory_lock(%s, %s)", _LOCK)
            raw_tables.wait_for_writers(connection)
            yield connection


class _Run:
    """One run under the lock; ``report`` grows by chunks, so it is right after a failure too.

    Args:
        settings: Database, state directory and hosts.
        request: What was asked for.
        folder: Where the files are, None for the league's services.
        connection: Autocommit connection that holds the lock.
        report: Grows with every chunk.
        now: Time of the run (aware).
    """

    def __init__(
        self,
        settings: Settings,
        request: Request,
        folder: FolderSource | None,
        connection: psycopg.Connection,
        report: IngestReport,
        now: datetime,
    ) -> None:
        self._settings = settings
        self._request = request
        self._folder = folder
        self._connection = connection
        self._report = report
        self._now = now
        self._known = ledger.last_reads(connection)
        self._newest = {
            resource: raw_tables.newest_versions(connection, resource)
            for resource in raw_tables.RESOURCES
        }

    def execute(self, console: Console, show_progress: bool) -> None:
        """Fetch, check and store."""
        stop = threading.Event()
        league = League(self._settings, stop)
        try:
            source, damage = self._source(league)
            progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
                disable=not show_progress,
            )
            with progress, ExitStack() as stack:
                read = read_payload
                if len(source.game_keys) > GAMES_PER_CHUNK:
                    read = stack.enter_context(CheckerProcess()).read_payload
                preparer = Preparer(source, self._newest, self._known, self._now, read)
                store = _Store(self._settings, self._connection, self._report)
                task = progress.add_task("NBA games", total=len(source.game_keys))
                for chunk in _chunks(source, preparer, stop):
                    store.add(chunk)
                    progress.advance(task, chunk.games)
            if damage is not None:
                raise damage
        finally:
            stop.set()
            league.close()
            self._report.requests = league.requests_sent
            self._report.retries = league.retries
            self._report.hosts_given_up = league.open_circuits()

    def _source(self, league: League) -> tuple[Source, ClutchError | None]:
        """The source, and what is to be raised when what it has is stored."""
        if self._folder is not None:
            return self._folder, None
        if self._request.game_ids:
            games: dict[str, bool | None] = dict.fromkeys(self._request.game_ids)
            return LeagueSource(league, games, self._known), None
        schedules = read_schedules(league, self._request.seasons, self._request.since, self._now)
        due = {
            fixture.game_id: fixture.status == FINAL
            for fixture in schedules.fixtures
            if is_due(fixture, self._known, self._now)
            or (self._request.reread and fixture.status == FINAL and not fixture.is_postponed)
        }
        self._report.not_due = len(schedules.fixtures) - len(due)
        return LeagueSource(league, due, self._known, schedules.arrivals), schedules.damage


def _chunks(source: Source, preparer: Preparer, stop: threading.Event) -> Iterator[Chunk]:
    """Yield the chunks in order, each prepared while the one before it is being stored."""
    keys = source.game_keys
    parts = [keys[i : i + GAMES_PER_CHUNK] for i in range(0, len(keys), GAMES_PER_CHUNK)]
    with ThreadPoolExecutor(1, thread_name_prefix="nba-prepare") as executor:
        try:
            prepared = executor.submit(preparer.schedules)
            for part in parts:
                chunk = prepared.result()
                prepared = executor.submit(preparer.games, part)
                yield chunk
            yield prepared.result()
        finally:
            stop.set()


class _Store:
    """Stores chunks and counts them.

    Args:
        settings: Database and state directory.
        connection: Autocommit connection that holds the lock.
        report: Grows with every chunk.
    """

    def __init__(
        self, settings: Settings, connection: psycopg.Connection, report: IngestReport
    ) -> None:
        self._connection = connection
        self._report = report
        self._pipeline = dlt_settings.new_pipeline(
            settings,
            name=raw_tables.PIPELINE,
            dataset=raw_tables.SCHEMA,
            url=database.role_url(settings, roles.INGEST),
        )
        self._directory = dlt_settings.working_directory(settings) / raw_tables.PIPELINE

    def add(self, chunk: Chunk) -> None:
        """Load new versions, then write the quarantine."""
        raw_tables.load(self._pipeline, chunk.rows, self._directory)
        self._report.games += chunk.games
        self._report.versions_added += sum(len(rows) for rows in chunk.rows.values())
        self._report.unchanged += chunk.unchanged
        # stored: a third chunk of payloads is not to be held while the next two are at work
        chunk.rows.clear()
        self._report.stale += chunk.stale
        self._report.resolved += resolve_quarantine(self._connection, "nba", chunk.settled_keys())
        record_quarantine(self._connection, "nba", chunk.quarantine)
        ledger.record_reads(self._connection, chunk.reads)
        self._report.quarantined += [
            entry.item for entry in chunk.quarantine if not entry.is_settled
        ]
