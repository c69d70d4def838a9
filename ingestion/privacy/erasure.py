"""Take a person's rows out of every table, and what they leave in the server's files.

Tables go in the order in which data flow, each under a lock that waits for who reads it: a
statement that began on rows that were still there has committed what it made of them before the
table behind is reached, or else writes into a table that the second pass takes. Two passes
therefore leave nothing, whatever dbt does meanwhile.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ingestion.database import roles
from ingestion.database.connection import connect, login_url, open_session
from ingestion.privacy.places import Place, places
from ingestion.settings import Settings

PASSES = 2
_WRITERS = {"operations": roles.INGEST, "model_output": roles.MODEL}


@dataclass(frozen=True)
class Person:
    """By what a person's rows are found.

    Attributes:
        player_id: NBA player id.
        connection_ids: Our ids of his connections.
        account_ids: His user ids at WHOOP.
    """

    player_id: str
    connection_ids: tuple[str, ...] = ()
    account_ids: tuple[int, ...] = ()


@dataclass
class Compaction:
    """What was done to the server's files.

    Attributes:
        tables: Tables that were written anew without what was deleted.
        remarks: What could not be done, and what that means.
    """

    tables: int = 0
    remarks: list[str] = field(default_factory=list)


class Sessions:
    """One session for each role: 170 tables are looked at several times.

    Args:
        settings: The database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, psycopg.Connection[Any]] = {}

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open.values():
            connection.close()

    def of(self, role: str) -> psycopg.Connection[Any]:
        """A session in which every statement commits by itself."""
        if role not in self._open:
            self._open[role] = connect(self._settings, role, autocommit=True)
        return self._open[role]


def erase(settings: Settings, person: Person) -> Counter[str]:
    """Delete a person's rows everywhere but where the end at WHOOP still needs them.

    Safe to repeat. Work files of dlt go too.

    Returns:
        Rows deleted, by table.

    Raises:
        ClutchError: If the database cannot be reached.
    """
    deleted: Counter[str] = Counter()
    with Sessions(settings) as sessions:
        for _ in range(PASSES):
            for place in places():
                if place.is_erased:
                    deleted[place.name] += _delete(sessions.of(writer(place)), place, person)
    shutil.rmtree(settings.state_directory / "dlt" / "whoop", ignore_errors=True)
    return +deleted


def left_of(settings: Settings, person: Person) -> dict[str, int]:
    """Rows of a person that are still there, by table; ``last`` places are not looked at."""
    found = {}
    with Sessions(settings) as sessions:
        for place in places():
            connection = sessions.of(writer(place))
            if not place.is_erased or not is_there(connection, place):
                continue
            row = connection.execute(
                sql.SQL("select count(*) from {} where {}").format(
                    relation(place), condition(place)
                ),
                values(person),
            ).fetchone()
            if row is not None and row[0]:
                found[place.name] = int(row[0])
    return found


def texts_that_hold(settings: Settings, needles: Sequence[str]) -> dict[str, int]:
    """Rows of tables that can be personal in whose columns, as text, one of some words stands."""
    found = {}
    with Sessions(settings) as sessions:
        for place in places():
            connection = sessions.of(roles.OWNER if place.schema == "operations" else writer(place))
            if not place.is_personal or not place.is_erased or not is_there(connection, place):
                continue
            row = connection.execute(
                sql.SQL("select count(*) from {} as row where row::text like any(%s)").format(
                    relation(place)
                ),
                [[f"%{needle}%" for needle in needles]],
            ).fetchone()
            if row is not None and row[0]:
                found[place.name] = int(row[0])
    return found


def compact(settings: Settings, only: Sequence[str] = ()) -> Compaction:
    """Write every table that can be personal anew, and drop what the server keeps of the old ones.

    A deleted row stays in its page, in the planner's statistics and in the write-ahead log until
    something overwrites it.

    Args:
        settings: The database.
        only: Names of tables; none for all that can be personal.

    Raises:
        ClutchError: If the database cannot be reached.
    """
    done = Compaction()
    with Sessions(settings) as sessions:
        for place in places():
            if not place.is_personal or (only and place.name not in only):
                continue
            connection = sessions.of(place.owner)
            if is_there(connection, place):
                connection.execute(sql.SQL("vacuum (full, analyze) {}").format(relation(place)))
                done.tables += 1
    with _administrator(settings) as connection:
        for statement, meaning in _OF_THE_SERVER:
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                remark = f"{statement}: the user of DATABASE_URL lacks the right; {meaning}"
                if remark not in done.remarks:
                    done.remarks.append(remark)
    if settings.database_url is not None:
        done.remarks.append(
            "backups, replicas and archived write-ahead log of this server are its operator's, who "
            "may keep what was deleted for 35 days (docs/privacy.md)"
        )
    return done


# The log's segment that is being written cannot go: the next one is begun, and what is before it
# goes with the second checkpoint.
_OF_THE_SERVER: tuple[tuple[LiteralString, str], ...] = (
    (
        "vacuum full pg_catalog.pg_statistic",
        "the planner's statistics may hold single values until they are made anew",
    ),
    ("checkpoint", "old pages stay in the write-ahead log until the next checkpoints"),
    (
        "select pg_switch_wal()",
        "the current segment of the write-ahead log stays until it is full",
    ),
    ("checkpoint", "old pages stay in the write-ahead log until the next checkpoints"),
)


def forget(settings: Settings, person: Person) -> Counter[str]:
    """Delete what was kept for the end at WHOOP: tokens, connections, and who the athlete was."""
    deleted: Counter[str] = Counter()
    with Sessions(settings) as sessions:
        # against their order: tokens before the connections that they hang on
        for place in reversed(places()):
            if place.keys and place.keys[0][0] == "last":
                deleted[place.name] += _delete(sessions.of(writer(place)), place, person)
    return +deleted


def _delete(connection: psycopg.Connection[Any], place: Place, person: Person) -> int:
    if not is_there(connection, place):
        return 0
    statement = sql.SQL("delete from {} where {}").format(relation(place), condition(place))
    ((way, column), *_) = place.keys
    if way == "unlink":
        statement = sql.SQL("update {} set {} = null where {}").format(
            relation(place), sql.Identifier(column), condition(place)
        )
    with connection.transaction():
        connection.execute(
            sql.SQL("lock table {} in access exclusive mode").format(relation(place))
        )
        return connection.execute(statement, values(person)).rowcount


_FOUND = {
    "connection": sql.SQL("{}::text = any(%(ids)s)"),
    "unlink": sql.SQL("{}::text = any(%(ids)s)"),
    "account": sql.SQL("{} = any(%(accounts)s)"),
    "player": sql.SQL("{} = %(player)s"),
    "origin": sql.SQL("split_part({}, ' ', 1) = any(%(ids)s)"),
    "last": sql.SQL("{}::text = any(%(ids)s::text[] || array[%(player)s::text])"),
    "run": sql.SQL(
        "{} in (select model_run_id from model_output.run_devices where device_id = any(%(ids)s))"
    ),
}


def condition(place: Place) -> sql.Composable:
    """Which rows of a table are a person's; of :func:`values`."""
    return sql.SQL(" or ").join(
        _FOUND[way].format(sql.Identifier(column)) for way, column in place.keys
    )


def values(person: Person) -> dict[str, Any]:
    """Parameters of :func:`condition`."""
    return {
        "player": person.player_id,
        "ids": list(person.connection_ids),
        "accounts": list(person.account_ids),
    }


def writer(place: Place) -> str:
    """The role that may delete in a table."""
    return _WRITERS.get(place.schema, place.owner)


def relation(place: Place) -> sql.Identifier:
    """A table's name in a statement."""
    return sql.Identifier(place.schema, place.table)


def is_there(connection: psycopg.Connection[Any], place: Place) -> bool:
    """Whether a table has been made."""
    row = connection.execute("select to_regclass(%s) is not null", [place.name]).fetchone()
    return bool(row and row[0])


@contextmanager
def _administrator(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with open_session(settings, login_url(settings), autocommit=True) as connection:
        yield connection
