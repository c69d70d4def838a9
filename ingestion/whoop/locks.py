"""Advisory locks of the WHOOP adapter: which numbers, and how they are held.

The first number of ``pg_advisory_lock(int, int)`` is four letters of our own in ASCII.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

BUDGET = (0x636C7574, 2)  # "clut": 1 is the lock of NBA ingestion, 3 that of WHOOP ingestion
PREGAME = (0x636C7574, 4)
_WAITING = 0x636C7771  # "clwq", with the priority of a request that waits for the budget
_CONNECTION = 0x636C776B  # "clwk", with 32 bits of the connection's id


def of_connection(connection_id: UUID) -> tuple[int, int]:
    """The lock under which a connection's tokens change.

    Two connections that share the 32 bits (one pair in 4 billion) only wait for each other.
    """
    number = connection_id.int & 0xFFFFFFFF
    return (_CONNECTION, number - 0x100000000 if number >= 0x80000000 else number)


@contextmanager
def held(connection: psycopg.Connection[Any], key: tuple[int, int]) -> Iterator[None]:
    """Hold a session lock; a session that dies gives it back by itself.

    Args:
        connection: Autocommit connection that lives as long as the lock.
        key: One of this module's.
    """
    connection.execute("select pg_advisory_lock(%s, %s)", key)
    try:
        yield
    finally:
        _give_back(connection, key)


def _give_back(connection: psycopg.Connection[Any], key: tuple[int, int]) -> None:
    if not connection.closed:
        try:
            connection.execute("select pg_advisory_unlock(%s, %s)", key)
        except psycopg.OperationalError:  # died unnoticed, and the lock with it
            connection.close()


@contextmanager
def held_if_free(connection: psycopg.Connection[Any], key: tuple[int, int]) -> Iterator[bool]:
    """Hold a session lock unless another session does; gives whether it is held.

    Args:
        connection: Autocommit connection that lives as long as the lock.
        key: One of this module's.
    """
    row = connection.execute("select pg_try_advisory_lock(%s, %s)", key).fetchone()
    is_held = row is not None and row[0] is True
    try:
        yield is_held
    finally:
        if is_held:
            _give_back(connection, key)


def start_waiting(connection: psycopg.Connection[Any], priority: int) -> None:
    """Let others see that a request of a priority waits for the budget."""
    connection.execute("select pg_advisory_lock_shared(%s, %s)", [_WAITING, priority])


def stop_waiting(connection: psycopg.Connection[Any], priority: int) -> None:
    """Take that back; a session that dies takes it back by itself."""
    if connection.closed:
        return
    try:
        connection.execute("select pg_advisory_unlock_shared(%s, %s)", [_WAITING, priority])
    except psycopg.OperationalError:
        connection.close()


def waiting_before(connection: psycopg.Connection[Any], priority: int) -> int:
    """How many sessions wait with requests of a higher priority, that is a lower number."""
    row = connection.execute(
        """
        select count(*) from pg_locks
        where locktype = 'advisory' and classid = %s and objid < %s
            and database = (select oid from pg_database where datname = current_database())
        """,
        [_WAITING, priority],
    ).fetchone()
    return 0 if row is None else int(row[0])
