"""What a finished fit says shows without a build, and is gone the moment an athlete withdraws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.model_output import EFFECT, PREDICTION, PUBLISHED, REFUSED, SKILL, insert
from tests.support.wearables import Athlete, store_connections

TOLD = ("clutch_predictions", "clutch_player_skills", "model_effects")
CHAIN = ("--select", "+path:dbt_project/models/marts/model", *WITHOUT_TESTS)


def write_run(connection: psycopg.Connection[Any], name: str, **changes: Any) -> None:
    """A run as the model writes it, in one transaction."""
    run = {"model_run_id": name}
    insert(connection, "runs", PUBLISHED | run | changes)
    for table, row in (("player_skills", SKILL), ("effects", EFFECT), ("predictions", PREDICTION)):
        insert(connection, table, row | run)


def told(settings: Settings) -> dict[str, bool]:
    """The runs that the medical staff finds, the same everywhere, and whether each is current."""
    with connect(settings, roles.MEDICAL, purpose="readiness") as connection:
        found = [
            dict(
                connection.execute(
                    f"select model_run_id, is_current from {relation}"  # type: ignore[arg-type]
                ).fetchall()
            )
            for relation in TOLD
        ]
    assert all(of_a_relation == found[0] for of_a_relation in found)
    return found[0]


def test_a_fit_shows_at_once_and_a_withdrawal_too(database: Settings, tmp_path: Path) -> None:
    stays, leaves = Athlete("stays"), Athlete("leaves")
    with connect(database, roles.INGEST) as connection:
        store_connections(connection, [stays, leaves])
    build(database, tmp_path, *CHAIN)
    assert told(database) == {}

    with connect(database, roles.MODEL) as connection:
        write_run(connection, "1 nobody's", used_wearables=False, athletes=0)
        write_run(connection, "2 of both", fitted_at="2026-11-21 10:00:00+00")
        for athlete in (stays, leaves):
            device = {"model_run_id": "2 of both", "device_id": str(athlete.connection_id)}
            insert(connection, "run_devices", device)
        insert(connection, "runs", REFUSED)
    assert told(database) == {"1 nobody's": False, "2 of both": True}

    with connect(database, roles.INGEST) as connection:
        connection.execute(
            """
            insert into operations.consents (
                player_id, decision, text_version, purposes, audience, scopes
            )
            values (%s, 'withdrawn', 'test', '{}', '{}', '{}')
            """,
            [leaves.player_id],
        )
    assert told(database) == {"1 nobody's": True}
    with connect(database, roles.MEDICAL, purpose="readiness") as connection:
        stale = connection.execute(
            "select model_run_id, stale_reason from model_runs where is_stale"
        ).fetchall()
    reason = "1 of 2 wearable accounts in the fit may no longer be read: fit again"
    assert stale == [("2 of both", reason)]

    with connect(database, roles.MODEL) as connection:
        write_run(connection, "3 of one", fitted_at="2026-11-22 10:00:00+00")
        device = {"model_run_id": "3 of one", "device_id": str(stays.connection_id)}
        insert(connection, "run_devices", device)
    assert told(database) == {"1 nobody's": False, "3 of one": True}
    # who erases an account takes its runs along
    with connect(database, roles.INGEST) as connection:
        connection.execute(
            "delete from operations.wearable_connections where player_id = %s", [stays.player_id]
        )
    assert told(database) == {"1 nobody's": True}


def test_a_build_leaves_the_views_where_they_are(database: Settings, tmp_path: Path) -> None:
    build(database, tmp_path, *CHAIN)
    with connect(database, roles.MODEL) as connection:
        write_run(connection, "1 nobody's", used_wearables=False, athletes=0)
    # all of them stand on this one, and it is made anew
    build(database, tmp_path, "--select", "stg_operations__wearable_devices", *WITHOUT_TESTS)
    assert told(database) == {"1 nobody's": True}

    # one with other columns cannot be replaced as it is; what stood on it is made again too
    with connect(database, roles.TRANSFORM) as connection:
        connection.execute("drop view analytics.model_runs cascade")
        connection.execute("create view analytics.model_runs as select 1 as odd")
    build(database, tmp_path, *CHAIN)
    assert told(database) == {"1 nobody's": True}
