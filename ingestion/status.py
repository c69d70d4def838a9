"""What is loaded, how fresh it is, what went wrong: the screen of ``clutch status``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ingestion.database import migrate
from ingestion.database.connection import check, connect
from ingestion.database.roles import INGEST
from ingestion.settings import Settings

_RAW_TABLES = ("raw_nba.schedule", "raw_nba.playbyplay", "raw_nba.boxscore")


@dataclass(frozen=True)
class Status:
    """One look at the operational side of a database.

    Attributes:
        migration: Newest migration applied, None before the first.
        raw: One row per raw table: name, games (or seasons), versions, newest fetch (UTC).
        runs: The newest runs: command, status, started and finished (UTC), counts.
        quarantine: Open quarantine entries: source, resource, reason, entries, newest sight (UTC).
    """

    migration: str | None
    raw: list[tuple[Any, ...]]
    runs: list[tuple[Any, ...]]
    quarantine: list[tuple[Any, ...]]

    def tables(self) -> list[tuple[str, list[str], list[tuple[Any, ...]]]]:
        """Title, headings and rows of each table, for a terminal."""
        return [
            (
                f"Raw payloads (migration {self.migration})",
                ["table", "keys", "versions", "newest"],
                self.raw,
            ),
            ("Last runs", ["command", "status", "started", "finished", "counts"], self.runs),
            (
                "Open quarantine",
                ["source", "resource", "reason", "entries", "last seen"],
                self.quarantine,
            ),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types but for times."""
        return asdict(self)


def read_status(settings: Settings, runs: int = 5) -> Status:
    """Look at the database; starts the embedded server, changes nothing else.

    Args:
        settings: Database to look at.
        runs: How many of the newest runs to give.

    Raises:
        ClutchError: If the server cannot be reached.
    """
    check(settings)
    migration = migrate.current(settings)
    if migration is None:
        return Status(None, [], [], [])
    with connect(settings, INGEST) as connection:
        raw = []
        for table in _RAW_TABLES:
            (exists,) = connection.execute(
                "select to_regclass(%s) is not null", [table]
            ).fetchone() or (False,)
            if exists:
                key = "season" if table.endswith("schedule") else "game_id"
                row = connection.execute(
                    f"select count(distinct {key}), count(*), max(fetched_at) from {table}"
                ).fetchone()
                raw.append((table, *(row or ())))
        last_runs = connection.execute(
            """
            select command, status, started_at, finished_at, counts
            from operations.ingest_runs order by started_at desc limit %s
            """,
            [runs],
        ).fetchall()
        quarantine = connection.execute(
            """
            select source, resource, reason, count(*), max(last_seen_at)
            from operations.quarantine where resolved_at is null
            group by source, resource, reason order by source, resource, reason
            """
        ).fetchall()
    return Status(migration, raw, last_runs, quarantine)
