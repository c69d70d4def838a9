"""An embedded server of the benchmarks' own, payload files, and the project's commands."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from ingestion.database import embedded
from ingestion.database.migrate import migrate
from ingestion.database.server_process import server_processes
from ingestion.settings import Settings
from tests.benchmarks.measuring import Cost, measured
from tests.replay import write_files
from tests.support.dbt_runs import PROJECT_ROOT


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of a dbt run: kind (``model``, ``test``, ``unit_test``, ``seed``) and time (s)."""

    kind: str
    name: str
    seconds: float


class Workplace:
    """What the benchmarks share; made by :func:`open_workplace`.

    Attributes:
        settings: Of the embedded server.
        directory: Temporary folder.
        built_database: Address of a built database of real seasons, for who only reads; None to
            load and build one.
    """

    def __init__(
        self, settings: Settings, directory: Path, files: Path, built_database: str | None = None
    ) -> None:
        self.settings = settings
        self.built_database = built_database
        self.directory = directory
        self._files = files
        self._data = settings.state_directory / "postgres" / "data"

    def make_database(self, name: str) -> Settings:
        """A migrated, empty database of this name; one that existed is dropped."""
        address = embedded.url(self.settings, embedded.ADMIN, "postgres")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
        made = dataclasses.replace(
            self.settings, database_url=embedded.url(self.settings, embedded.ADMIN, name)
        )
        migrate(made)
        return made

    def administrator(self, settings: Settings) -> psycopg.Connection[Any]:
        """An autocommit session of the superuser in a database."""
        return psycopg.connect(settings.database_url or "", autocommit=True)

    def season_files(self, season: str) -> Path:
        """The folder with the wire files of a season; they are written when they are not there."""
        directory = self._files / season
        if not directory.is_dir():
            # a folder that was only half written must not be taken for a whole one
            unfinished = self._files / f"{season}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            write_files([season], unfinished)
            unfinished.rename(directory)
        return directory

    def select_files(self, name: str, season: str, games: Collection[str]) -> Path:
        """A folder with links to the files of some games of a season.

        Raises:
            FileNotFoundError: If a game of them has no payload.
        """
        source = self.season_files(season)
        directory = self.directory / "selected" / name
        directory.mkdir(parents=True, exist_ok=True)
        for game in games:
            for resource in ("playbyplay", "boxscore"):
                path = source / f"{resource}_{game}.json"
                (directory / path.name).symlink_to(path.resolve(strict=True))
        return directory

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        """Measure what happens inside, on this side and in the server."""
        with measured(lambda: server_processes(self._data)) as cost:
            yield cost

    def settle(self, settings: Settings) -> None:
        """Let the server write what earlier work left behind, so that later work does not pay."""
        with self.administrator(settings) as connection:
            connection.execute("checkpoint")

    def ingest(self, settings: Settings, directory: Path) -> Cost:
        """``clutch ingest nba --from``, as a process of its own, start-up included.

        Raises:
            RuntimeError: If it did not load everything; says what it printed.
        """
        return self._run(
            settings, [str(PROJECT_ROOT / "clutch.py"), "ingest", "nba", "--from", str(directory)]
        )

    def dbt_build(self, settings: Settings, *arguments: str) -> tuple[Cost, list[Node]]:
        """``dbt build``, as a process of its own, start-up included.

        The parsed project is kept from one build of a database to the next, as a checkout keeps it.

        Returns:
            The cost, and the nodes that ran.

        Raises:
            RuntimeError: If it failed; says what dbt printed.
        """
        target = self.target(settings)
        options = ["--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT)]
        options += ["--target-path", str(target), "--log-path", str(target), "--quiet"]
        cost = self._run(settings, ["-m", "dbt.cli.main", "build", *arguments, *options])
        run = json.loads((target / "run_results.json").read_text())
        nodes = []
        for result in run["results"]:
            kind, _, name, *_ = result["unique_id"].split(".")
            nodes.append(Node(kind, name, result["execution_time"]))
        return cost, nodes

    def target(self, settings: Settings) -> Path:
        """dbt's folder for a database."""
        return self.directory / "target" / (settings.database_url or "").rpartition("/")[2]

    def _run(self, settings: Settings, arguments: Sequence[str]) -> Cost:
        environment = os.environ | {
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DATABASE_URL": settings.database_url or "",
        }
        with self.measured() as cost:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=PROJECT_ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(
                f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return cost


@contextmanager
def open_workplace(
    files: Path | None = None, built_database: str | None = None
) -> Iterator[Workplace]:
    """Start a server in a temporary folder; stop it and delete the folder at the end.

    Args:
        files: Folder where the seasons' payload files are kept for the next run; by default they
            are written anew and deleted with the rest.
        built_database: See :class:`Workplace`.
    """
    # not 0700: a root's server runs under another account and could not enter it
    directory = Path(tempfile.mkdtemp(prefix="clutch-benchmark-"))
    directory.chmod(0o711)
    settings = dataclasses.replace(
        Settings.load(), database_url=None, state_directory=(directory / "state").resolve()
    )
    files = (files or directory / "files").resolve()
    files.mkdir(parents=True, exist_ok=True)
    try:
        embedded.start(settings)
        yield Workplace(settings, directory, files, built_database)
    finally:
        embedded.stop(settings)
        shutil.rmtree(settings.socket_directory, ignore_errors=True)
        shutil.rmtree(directory)
