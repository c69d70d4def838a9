"""Database sessions that are used again: a request to WHOOP costs three short transactions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from ingestion.database import connection as database
from ingestion.database import roles
from ingestion.settings import Settings

UNTESTED_SECONDS = 5.0
"""An idle session that is older is tried before use: the server may have been restarted."""


class Sessions:
    """Autocommit sessions of the role that ingests, one per borrower, kept for the next one.

    Args:
        settings: The database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: list[tuple[psycopg.Connection[Any], float]] = []
        self._process = os.getpid()
        self._url: str | None = None

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """Borrow a session.

        Raises:
            ClutchError: If the database cannot be reached.
        """
        connection = self._take()
        try:
            yield connection
        except psycopg.OperationalError:
            connection.close()
            raise
        finally:
            if not connection.closed:
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                    with self._lock:
                        self._idle.append((connection, time.monotonic()))
                else:
                    connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            with self._lock:
                if self._process != os.getpid():
                    # the sessions of the process that forked are not ours
                    self._idle, self._process = [], os.getpid()
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            if time.monotonic() - since < UNTESTED_SECONDS:
                return connection
            try:
                connection.execute("select 1")
            except psycopg.OperationalError:
                connection.close()
            else:
                return connection
        if self._url is None:
            self._url = database.role_url(self._settings, roles.INGEST)
        return database.open_session(self._settings, self._url, autocommit=True)
