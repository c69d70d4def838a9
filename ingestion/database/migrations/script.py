"""Run a revision's SQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import op


def run_sql_beside(revision_file: str) -> None:
    """Execute the SQL file that has the name of a revision's Python file, within its transaction.

    The text goes to the server as it stands: SQLAlchemy would take ``:name`` and ``%`` for
    parameters.

    Args:
        revision_file: ``__file__`` of the revision.
    """
    connection = op.get_bind().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"migrations run on psycopg 3, not on {type(connection).__name__}")
    connection.execute(Path(revision_file).with_suffix(".sql").read_bytes())
