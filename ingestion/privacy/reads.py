"""Who read relations with athletes' own values: from the server's log into a table.

A read cannot write: readers are read-only, and what a transaction wrote goes with it when it is
rolled back. So ``operations.note_wearable_read`` writes a line into the server's log, once per
statement and relation, before it shows a row; :func:`collect` files these lines. Which athletes a
statement could show follows from the consent ledger at that time: nothing in a line is a person's
but who read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from ingestion.database import roles
from ingestion.database.connection import connect, login_url, open_session
from ingestion.errors import ClutchError
from ingestion.settings import Settings

_LINE = re.compile(
    r"clutch wearable read (?P<read_id>[0-9a-f-]{36}) at=(?P<read_at>\S+)"
    r" database=(?P<database>\S+) relation=(?P<relation>\S+) login=(?P<login_name>\S+)"
    r" role=(?P<role_name>\S+) audiences=(?P<audiences>\S+) purpose=(?P<purpose>\S+)"
    r" application=(?P<application>[A-Za-z0-9_.@-]+)"
)

# Beside the data directory of the embedded server; any other server tells where its log is.
_EMBEDDED_LOGS = ("../server.log.1", "../server.log")


@dataclass(frozen=True)
class Collected:
    """What became of the server's log.

    Attributes:
        added: Lines that were not filed yet.
        sources: Files they were read from; none where the server does not let us read its log.
    """

    added: int
    sources: list[str]


def collect(settings: Settings, log_file: Path | None = None) -> Collected:
    """File what the server's log says of reads; lines that are filed already add nothing.

    Args:
        settings: The database.
        log_file: A log file of a server that does not show its own, e.g. one that its
            administrator fetched; any of PostgreSQL's formats.

    Raises:
        ClutchError: If the file cannot be read.
    """
    added = 0
    sources = []
    with connect(settings, roles.INGEST) as connection:
        for source, text in _logs(settings, log_file):
            sources.append(source)
            added += _file(connection, text)
    return Collected(added, sources)


def _logs(settings: Settings, log_file: Path | None) -> Iterator[tuple[str, str]]:
    if log_file is not None:
        try:
            yield str(log_file), log_file.read_text(errors="replace")
        except OSError as error:
            raise ClutchError(
                f"--from: {log_file} cannot be read ({error.strerror}). Fix: name a log file of "
                "the database server."
            ) from None
        return
    with open_session(settings, login_url(settings), autocommit=True) as connection:
        for name in _EMBEDDED_LOGS:
            try:
                row = connection.execute(
                    """
                    select path, pg_read_binary_file(path, true)
                    from coalesce(pg_current_logfile(), %s) as path
                    """,
                    [name],
                ).fetchone()
            except psycopg.Error:
                # not the rights, or a log elsewhere: its administrator has to fetch it
                return
            if row is not None and row[1] is not None:
                yield row[0], row[1].decode(errors="replace")


def _file(connection: psycopg.Connection[Any], text: str) -> int:
    database = re.sub(r"[^A-Za-z0-9_.@-]", "_", connection.info.dbname)
    added = 0
    with connection.cursor() as cursor:
        for found in _LINE.finditer(text):
            if found["database"] != database:
                continue
            cursor.execute(
                """
                insert into operations.wearable_reads (
                    read_id, read_at, relation, login_name, role_name, audiences, purpose,
                    application
                )
                values (
                    %(read_id)s, %(read_at)s, %(relation)s, %(login_name)s, %(role_name)s,
                    string_to_array(%(audiences)s, ','), %(purpose)s, %(application)s
                )
                on conflict (read_id) do nothing
                """,
                found.groupdict(),
            )
            added += cursor.rowcount
    return added


def newest(settings: Settings, days: int) -> list[dict[str, Any]]:
    """Reads of the last days by login, role, purpose, program and relation: how many, and when.

    Args:
        settings: The database.
        days: How far back.
    """
    return _as_dicts(
        settings,
        """
        select
            login_name, role_name, purpose, application, relation,
            count(*) as reads, min(read_at) as first_at, max(read_at) as last_at
        from operations.wearable_reads
        where read_at >= now() - make_interval(days => %(days)s)
        group by login_name, role_name, purpose, application, relation
        order by last_at desc, login_name, relation
        """,
        {"days": days},
    )


@dataclass(frozen=True)
class Look:
    """Reads of one login that could show an athlete's values.

    Attributes:
        login_name: Who logged in.
        audiences: Its audiences; the role itself where no person reads.
        reads: How many statements.
        last_at: The newest (UTC).
    """

    login_name: str
    audiences: list[str]
    reads: int
    last_at: datetime


# Which reads could show an athlete's values follows from what he allowed at that time.
_OF_ATHLETE = """
    with decisions as (
        select
            decision, recorded_at, purposes, audience,
            least(
                expires_at, lead(recorded_at, 1, 'infinity') over (order by consent_id)
            ) as until_at
        from operations.consents
        where player_id = %(player_id)s
    ),

    looks as (
        select reads.*
        from decisions
        inner join operations.wearable_reads as reads
            on reads.read_at >= decisions.recorded_at and reads.read_at < decisions.until_at
                and reads.purpose = any(decisions.purposes)
                and (
                    reads.audiences && decisions.audience
                    -- models and research read by purpose alone
                    or reads.audiences <@ array['clutch_model', 'clutch_analyst']
                )
        where decisions.decision = 'granted'
    )
"""


def looks_at(connection: psycopg.Connection[Any], player_id: str, days: int) -> list[Look]:
    """Who could see an athlete's values in the last days, as far as the log is filed.

    Args:
        connection: As role ``clutch_ingest``.
        player_id: NBA player id.
        days: How far back.
    """
    with connection.cursor(row_factory=class_row(Look)) as cursor:
        return cursor.execute(
            _OF_ATHLETE
            + """
            select login_name, audiences, count(*) as reads, max(read_at) as last_at
            from looks
            where read_at >= now() - make_interval(days => %(days)s)
            group by login_name, audiences
            order by last_at desc, login_name
            """,
            {"player_id": player_id, "days": days},
        ).fetchall()


def of_athlete(settings: Settings, player_id: str) -> list[dict[str, Any]]:
    """Reads that could show an athlete's values, by what he allowed at that time.

    Args:
        settings: The database.
        player_id: NBA player id.

    Returns:
        Per read: time (UTC), relation, login, role, audiences, purpose and program, oldest first.
    """
    return _as_dicts(
        settings,
        _OF_ATHLETE
        + """
        select read_at, relation, login_name, role_name, audiences, purpose, application
        from looks
        order by read_at, relation
        """,
        {"player_id": player_id},
    )


def _as_dicts(
    settings: Settings, query: str, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    with connect(settings, roles.INGEST) as connection:
        cursor = connection.execute(query.encode(), parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
