"""Everything that is stored of an athlete, in one file for himself."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError, UsageError
from ingestion.privacy import erasure, reads
from ingestion.privacy.erasure import Person
from ingestion.privacy.places import Place, places
from ingestion.settings import Settings

SECRETS = frozenset({"operations.wearable_tokens"})
"""Not his data but keys to them, and of no use to anybody but this app."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: The file, readable by this account only.
        rows: Rows in it, by table.
    """

    path: Path
    rows: dict[str, int]


def person(settings: Settings, player_id: str) -> Person:
    """By what his rows are found.

    Raises:
        UsageError: If nothing is known of him.
    """
    with connect(settings, roles.INGEST) as connection:
        connections = connection.execute(
            """
            select connection_id::text, provider_user_id from operations.wearable_connections
            where player_id = %s order by connection_id
            """,
            [player_id],
        ).fetchall()
        decided = connection.execute(
            "select 1 from operations.consents where player_id = %s limit 1", [player_id]
        ).fetchone()
    if decided is None and not connections:
        raise UsageError(
            f"--player: nothing is known of {player_id}. Fix: clutch consent list shows of whom "
            "something is."
        )
    return Person(
        player_id,
        tuple(connection_id for connection_id, _ in connections),
        tuple(sorted({account for _, account in connections if account is not None})),
    )


def gather(settings: Settings, player_id: str) -> dict[str, Any]:
    """All rows of an athlete, from every place of the register, as JSON takes them; no token.

    Args:
        settings: The database.
        player_id: NBA player id.

    Raises:
        UsageError: If nothing is known of him.
        ClutchError: If the database cannot be reached as every role that owns a place.
    """
    whom = person(settings, player_id)
    content: dict[str, Any] = {
        "player_id": player_id,
        "exported_at": datetime.now(UTC).isoformat(),
        "decisions": _decisions(settings, player_id),
        "read_by": _reads(settings, player_id),
        "places": {},
    }
    with erasure.Sessions(settings) as sessions:
        for place in places():
            if not place.keys or place.name in SECRETS or place.keys[0][0] in ("run", "cascade"):
                continue
            if rows := _rows(sessions.of(place.owner), place, whom):
                content["places"][place.name] = {"holds": place.holds, "rows": rows}
    return content


def export(settings: Settings, player_id: str, path: Path) -> Export:
    """Write all rows of an athlete, from every place of the register, as JSON.

    Args:
        settings: The database.
        player_id: NBA player id.
        path: A file that does not exist yet.

    Returns:
        What was written.

    Raises:
        UsageError: If nothing is known of him.
        ClutchError: If the file is there already or cannot be written.
    """
    content = gather(settings, player_id)
    try:
        # made anew and closed to others: what is in it is nobody's but his
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise ClutchError(
            f"--output: {path} cannot be made ({error.strerror}). Fix: name a new file in a folder "
            "that is there."
        ) from None
    with os.fdopen(file, "w") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
        stream.write("\n")
    return Export(path, {name: len(found["rows"]) for name, found in content["places"].items()})


def _reads(settings: Settings, player_id: str) -> list[dict[str, Any]]:
    reads.collect(settings)
    return [
        read | {"read_at": read["read_at"].isoformat()}
        for read in reads.of_athlete(settings, player_id)
    ]


def _decisions(settings: Settings, player_id: str) -> list[dict[str, Any]]:
    with connect(settings, roles.INGEST) as connection:
        return [
            row
            for (row,) in connection.execute(
                """
                select to_jsonb(entry) || jsonb_build_object('text', texts.body)
                from operations.consents as entry
                inner join operations.consent_texts as texts using (text_version)
                where player_id = %s order by consent_id
                """,
                [player_id],
            )
        ]


def _rows(connection: psycopg.Connection[Any], place: Place, whom: Person) -> list[dict[str, Any]]:
    if not erasure.is_there(connection, place):
        return []
    return [
        row
        for (row,) in connection.execute(
            sql.SQL("select to_jsonb(found) from {} as found where {}").format(
                erasure.relation(place), erasure.condition(place)
            ),
            erasure.values(whom),
        )
    ]
