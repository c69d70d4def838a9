"""Compare databases table by table."""

from __future__ import annotations

import psycopg
from psycopg import sql

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import OF_OWN_WORK

# When something was loaded is the only thing that may differ between two ways to load the same.
TIMES_OF_LOADING = {
    *("fetched_at", "updated_at", "last_read_at", "last_loaded_at", "previous_seen_at", "seen_at"),
    *("_dlt_load_id", "_dlt_id", "observed_at"),
}
BUILT_SCHEMAS = ("staging", "intermediate", "analytics")


def table_hashes(settings: Settings, *, with_times: bool = False) -> dict[str, tuple[int, str]]:
    """Rows and a hash over the content of every raw and built relation.

    The SQL that last wrote a table (``built_definitions``) is none of its content, nor is how
    ingestion goes at this moment (:data:`tests.support.dbt_runs.OF_OWN_WORK`).

    Args:
        settings: The database.
        with_times: Whether times of loading count too (for a run that must change nothing).

    Returns:
        ``{"analytics.games": (rows, md5), ...}``
    """
    left_out = set() if with_times else TIMES_OF_LOADING
    hashes = {}
    with connect(settings, roles.TRANSFORM) as connection:
        for schema, name, columns in _relations(connection):
            kept = [column for column in columns if column not in left_out and column != "payload"]
            query = sql.SQL(
                "select count(*), coalesce(md5(string_agg(row_hash, '' order by row_hash)), '') "
                "from (select md5(row({})::text) as row_hash from {}) as hashed"
            ).format(
                sql.SQL(", ").join(map(sql.Identifier, kept)),
                sql.Identifier(schema, name),
            )
            count, digest = connection.execute(query).fetchone() or (0, "")
            hashes[f"{schema}.{name}"] = (count, digest)
    return hashes


def _relations(connection: psycopg.Connection) -> list[tuple[str, str, list[str]]]:
    return connection.execute(
        """
        select table_schema, table_name, array_agg(column_name::text order by column_name)
        from information_schema.columns
        where (table_schema = any(%s) and table_name <> all(%s))
            or (table_schema = 'raw_nba' and table_name in ('playbyplay', 'boxscore', 'schedule'))
        group by table_schema, table_name order by 1, 2
        """,
        [list(BUILT_SCHEMAS), ["built_definitions", *OF_OWN_WORK]],
    ).fetchall()
