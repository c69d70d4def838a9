"""How long what is kept: ``retention.csv``, and athletes whose permission has been over for long.

Columns of the file: ``place`` (table), ``older_by`` (column with the time), ``days``, ``only_if``
(SQL), ``why``. Records themselves have no age limit while their athlete permits them: his baseline
and the model stand on them. They go with him.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from psycopg import sql

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.privacy.erasure import is_there, writer
from ingestion.privacy.places import Place, places
from ingestion.settings import Settings

GRACE_DAYS = 30
"""Whose permission has expired or ended is asked anew; after so many days his records go."""


@dataclass(frozen=True)
class Rule:
    """How long rows of one table are kept.

    Attributes:
        place: The table.
        older_by: Column with the time that counts.
        days: How many.
        only_if: Condition in SQL.
        why: The reason.
    """

    place: Place
    older_by: str
    days: int
    only_if: str
    why: str


@cache
def rules() -> tuple[Rule, ...]:
    """All of them.

    Raises:
        KeyError: If a table is not in the register.
    """
    known = {place.name: place for place in places()}
    with (Path(__file__).parent / "retention.csv").open(newline="") as file:
        return tuple(
            Rule(
                known[row["place"]],
                row["older_by"],
                int(row["days"]),
                row["only_if"],
                row["why"],
            )
            for row in csv.DictReader(file)
        )


def sweep(settings: Settings, now: datetime) -> dict[str, int]:
    """Delete what is older than its rule allows.

    Args:
        settings: The database.
        now: The time (aware).

    Returns:
        Rows deleted, by table.
    """
    deleted = {}
    for rule in rules():
        with connect(settings, writer(rule.place)) as connection:
            if not is_there(connection, rule.place):
                continue
            statement = sql.SQL("delete from {} where {} < %s - make_interval(days => %s) and {}")
            deleted[rule.place.name] = connection.execute(
                statement.format(
                    sql.Identifier(rule.place.schema, rule.place.table),
                    sql.Identifier(rule.older_by),
                    # from our own file, never from outside
                    sql.SQL(f"({rule.only_if})"),
                ),
                [now, rule.days],
            ).rowcount
    return deleted


def overdue(settings: Settings, now: datetime) -> list[str]:
    """Athletes of whom something is stored and whose permission was over that many days ago.

    Expired, ended by an event, or declined when asked anew; who withdrew is erased at once. While
    other words are in force than he agreed to the days do not count: he is to be asked.
    """
    with connect(settings, roles.INGEST) as connection:
        rows = connection.execute(
            """
            select device.player_id
            from operations.wearable_connections as device
            cross join lateral (
                select decision, recorded_at, expires_at from operations.consents
                where consents.player_id = device.player_id
                order by consent_id desc limit 1
            ) as newest
            where
                case newest.decision
                    when 'granted' then newest.expires_at else newest.recorded_at
                end < %s - make_interval(days => %s)
            group by device.player_id
            order by device.player_id
            """,
            [now, GRACE_DAYS],
        ).fetchall()
    return [player_id for (player_id,) in rows]
