"""dbt without what no test looks at: a quarter of a build's time is spent on it.

A build of a small season is 150 nodes of which each logs some thirty lines, compiles its template
anew and opens a session of its own. What is run and in what order stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import CodeType
from typing import Any
from unittest import mock

import jinja2
import psycopg2
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager

_UNREAD = (EventLevel.DEBUG, EventLevel.INFO)

_COMPILED: dict[tuple[type, type, str], CodeType] = {}
"""Templates by what compiles them; what is in scope is given when they run."""


@contextmanager
def lean_dbt() -> Iterator[None]:
    """Inside, dbt writes no line below a warning, compiles a template once, and keeps sessions."""
    spare: list[Any] = []
    patches = (
        (EventManager, "fire_event", _quiet),
        (jinja2.Environment, "compile", _compiled_once),
        (PostgresConnectionManager, "open", functools.partial(_opened, spare)),
        (PostgresConnectionManager, "_close_handle", functools.partial(_kept, spare)),
    )
    with ExitStack() as stack:
        for owner, name, instead_of in patches:
            stack.enter_context(mock.patch.object(owner, name, instead_of(getattr(owner, name))))
        try:
            yield
        finally:
            for handle in spare:
                handle.close()


def _quiet(real: Callable[..., None]) -> Callable[..., None]:
    def fire_event(
        self: EventManager, event: BaseEvent, level: EventLevel | None = None, *rest: Any, **kw: Any
    ) -> None:
        is_read = (level or event.level_tag()) not in _UNREAD
        if is_read or kw.get("force_warn_or_error_handling"):
            real(self, event, level, *rest, **kw)

    return fire_event


def _compiled_once(real: Callable[..., Any]) -> Callable[..., Any]:
    def compile(  # noqa: A001 - jinja's name
        self: jinja2.Environment, source: Any, *rest: Any, **kw: Any
    ) -> Any:
        if rest or kw or not isinstance(source, str):
            return real(self, source, *rest, **kw)
        key = (type(self), self.code_generator_class, source)
        if key not in _COMPILED:
            _COMPILED[key] = real(self, source)
        return _COMPILED[key]

    return compile


def _opened(spare: list[Any], real: Callable[..., Any]) -> Any:
    def open(connection: Connection) -> Connection:  # noqa: A001 - dbt's name
        try:
            connection.handle = spare.pop()
        except IndexError:
            return real(connection)
        connection.state = ConnectionState.OPEN
        return connection

    return staticmethod(open)


def _kept(spare: list[Any], real: Callable[..., None]) -> Any:
    def close_handle(connection: Connection) -> None:
        handle = connection.handle
        try:
            # as new: without temporary tables, settings and locks
            handle.rollback()
            handle.autocommit = True
            handle.cursor().execute("discard all")
            handle.autocommit = False
        except psycopg2.Error:
            real(connection)
        else:
            spare.append(handle)

    return staticmethod(close_handle)
