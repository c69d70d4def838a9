"""Tables of the model: what a run may say, who may write it, and that it goes as a whole."""

from __future__ import annotations

import psycopg
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.model_output import EFFECT, PREDICTION, PUBLISHED, REFUSED, SKILL, insert


@pytest.mark.parametrize(
    "changes",
    [
        {"is_published": False},
        {"refusal_reasons": "a divergence"},
        {"fitted_at": None},
        {"max_r_hat": None},
        {"predictive_checks": None},
        {"max_r_hat": float("nan")},
        {"clutch_attempts": 6},
        {"last_game_date": "2023-01-01"},
        {"chains": 0},
    ],
)
def test_a_published_run_says_all_of_it(
    changes: dict[str, object], module_database: Settings
) -> None:
    with (
        connect(module_database, roles.MODEL) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        insert(connection, "runs", PUBLISHED | changes)


def test_a_refused_run_may_know_nothing_but_why(module_database: Settings) -> None:
    with connect(module_database, roles.MODEL) as connection:
        insert(connection, "runs", REFUSED)
        with pytest.raises(psycopg.errors.CheckViolation):
            insert(connection, "runs", REFUSED | {"model_run_id": "r2", "refusal_reasons": None})
        connection.rollback()


@pytest.mark.parametrize(
    ("table", "row", "changes"),
    [
        ("predictions", PREDICTION, {"predicted_clutch_score": 100.1}),
        ("predictions", PREDICTION, {"predicted_clutch_score": float("nan")}),
        ("predictions", PREDICTION, {"lower_90": 49.0}),
        ("predictions", PREDICTION, {"upper_90": float("nan")}),
        ("predictions", PREDICTION, {"confidence": -0.1}),
        ("predictions", PREDICTION, {"used_wearables": True}),
        ("predictions", PREDICTION, {"wearables_score_effect": 1.0}),
        ("predictions", PREDICTION, {"is_upcoming": True, "is_in_fit": True}),
        ("predictions", PREDICTION, {"model_run_id": "another"}),
        ("player_skills", SKILL, {"clutch_attempts": 101}),
        ("player_skills", SKILL, {"clutch_reliability": 1.2}),
        ("player_skills", SKILL, {"overall_skill_lower_90": 0.2}),
        ("player_skills", SKILL, {"clutch_deviation": float("nan")}),
        ("player_skills", SKILL, {"statement": ""}),
        ("effects", EFFECT, {"median": 0.9}),
        ("effects", EFFECT, {"upper_90": float("inf")}),
        ("effects", EFFECT, {"probability_in_rope": None}),
        ("effects", EFFECT, {"r_hat": float("nan")}),
    ],
)
def test_a_figure_outside_its_range_is_refused(
    table: str, row: dict[str, object], changes: dict[str, object], module_database: Settings
) -> None:
    refusals = (psycopg.errors.CheckViolation, psycopg.errors.ForeignKeyViolation)
    with connect(module_database, roles.MODEL) as connection:
        insert(connection, "runs", PUBLISHED)
        insert(connection, table, row)
        connection.execute(f"delete from model_output.{table}")  # type: ignore[arg-type]
        with pytest.raises(refusals):
            insert(connection, table, row | changes)
        connection.rollback()


def test_the_model_adds_and_deletes_and_changes_nothing(database: Settings) -> None:
    of_a_run = {"player_skills": SKILL, "effects": EFFECT, "predictions": PREDICTION}
    with connect(database, roles.MODEL) as connection:
        insert(connection, "runs", PUBLISHED)
        insert(connection, "run_devices", {"model_run_id": "r1", "device_id": "d"})
        for table, row in of_a_run.items():
            insert(connection, table, row)
    with connect(database, roles.MODEL) as connection:
        for change in ("update model_output.runs set seed = 2", "truncate model_output.effects"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)  # type: ignore[arg-type]
            connection.rollback()
        connection.execute("delete from model_output.runs")
        for table in ("run_devices", *of_a_run):
            rows = connection.execute(f"select 1 from model_output.{table}")  # type: ignore[arg-type]
            assert rows.fetchall() == []


@pytest.mark.parametrize("role", [roles.BI, roles.INGEST])
def test_nobody_else_reads_it(role: str, module_database: Settings) -> None:
    with (
        connect(module_database, role) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select 1 from model_output.runs")


def test_dbt_reads_it_and_writes_nothing(module_database: Settings) -> None:
    with connect(module_database, roles.TRANSFORM) as connection:
        connection.execute("select 1 from model_output.runs")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from model_output.runs")
        connection.rollback()
