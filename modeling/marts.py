"""Reading relations of the schema ``analytics``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from modeling.errors import ModelError

_NOT_THERE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InsufficientPrivilege,
)


@contextmanager
def reading(relation: str) -> Iterator[None]:
    """Explain why a relation cannot be read.

    Raises:
        ModelError: If it, a column of it or the right to read it is missing.
    """
    try:
        yield
    except _NOT_THERE as error:
        raise ModelError(
            f"{relation} cannot be read ({error.diag.message_primary}). Fix: dbt build."
        ) from error
