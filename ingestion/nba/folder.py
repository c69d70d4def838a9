"""Wire-format files of a folder, as ``--from`` names it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from ingestion.errors import UsageError
from ingestion.nba.payloads import MAX_BODY_BYTES, PayloadError, Resource
from ingestion.nba.source import Arrival

_GAME_FILE = re.compile(
    r"(?:stats_)?(playbyplay|boxscore|playbyplayv3|boxscoretraditionalv3|playbyplayv2)"
    r"_(.+)\.json(?:\.gz)?"
)
_SCHEDULE_FILE = re.compile(r"scheduleLeagueV2.*\.json(\.gz)?", re.IGNORECASE)


class FolderSource:
    """The wire-format files of a folder.

    They are called ``<resource>_<game id>.json`` (``playbyplay``, ``boxscore``, ``playbyplayv3``,
    ``boxscoretraditionalv3``, ``playbyplayv2``; ``stats_`` may stand before) and
    ``scheduleLeagueV2*.json``; all may end in ``.gz``. The folder is searched recursively, in the
    order of names.

    Args:
        directory: The folder.

    Attributes:
        ignored_files: How many files have other names.

    Raises:
        UsageError: If there is no such folder or no such file in it; it names ``--from``.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise UsageError(
                f"--from: {directory} is not a folder. Fix: name the folder that holds the files."
            )
        self._directory = directory
        self._files: dict[str, list[tuple[Resource, Path]]] = {}
        self._schedule_files: list[Path] = []
        self.ignored_files = 0
        for parent, folders, names in os.walk(directory):
            folders.sort()
            for name in sorted(names):
                self._add(Path(parent, name))
        if not self._files and not self._schedule_files:
            raise UsageError(
                f"--from: {directory} holds no wire-format file ({self.ignored_files} others). "
                "Fix: name a folder with playbyplay_<game id>.json and boxscore_<game id>.json, "
                "plain or as .json.gz."
            )

    def _add(self, path: Path) -> None:
        if match := _GAME_FILE.fullmatch(path.name):
            resource = cast(Resource, match[1])
            self._files.setdefault(match[2], []).append((resource, path))
        elif _SCHEDULE_FILE.fullmatch(path.name):
            self._schedule_files.append(path)
        else:
            self.ignored_files += 1

    @property
    def game_keys(self) -> Sequence[str]:
        """Ids in the files' names, malformed ones included, in ascending order."""
        return sorted(self._files)

    @property
    def schedules(self) -> Sequence[Arrival]:
        """The schedule files."""
        return [self._read("schedule", path.name, path) for path in self._schedule_files]

    def fetch(self, game_keys: Sequence[str]) -> Iterator[list[Arrival]]:
        """Yield the files of each of these games; it may have several of one kind."""
        for key in game_keys:
            yield [self._read(resource, key, path) for resource, path in self._files[key]]

    def _read(self, resource: Resource, key: str, path: Path) -> Arrival:
        origin = path.relative_to(self._directory).as_posix()
        try:
            with path.open("rb") as file:
                # one byte more than allowed, so that the check sees that there was more
                body = file.read(MAX_BODY_BYTES + 1)
        except OSError as error:
            failure = PayloadError(
                "unreadable_file", f"{origin} cannot be read: {error.strerror or error}"
            )
            return Arrival(resource, key, origin, "file", failure=failure)
        return Arrival(resource, key, origin, "file", body, is_gzip=path.suffix == ".gz")
