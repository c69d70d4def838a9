"""Writing a run into ``model_output``, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection, sql

from modeling.clutch_skill.observations import Observations
from modeling.clutch_skill.predictions import Predictions
from modeling.errors import ModelError
from modeling.marts import reading

MODEL_NAME = "clutch_skill"
MODEL_VERSION = 1

Row = Mapping[str, Any]

_PACKAGE = Path(__file__).parent


class Written(NamedTuple):
    """What a run says; empty but for ``run`` when it was refused.

    Attributes:
        run: Row of ``model_output.runs``.
        devices: Ids of the wearables whose nights entered.
        players: Rows of ``player_skills`` without the run's id.
        effects: Rows of ``effects`` without it.
        predictions: Rows of ``predictions`` without it.
    """

    run: Row
    devices: Sequence[str] = ()
    players: Sequence[Row] = ()
    effects: Sequence[Row] = ()
    predictions: Sequence[Row] = ()


def run_id(data_hash: str, seed: int, now: datetime | None = None) -> str:
    """Name a run by when it began and what it stands on."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S%fZ")
    mark = hashlib.sha256(f"{data_hash}{code_hash()}{seed}".encode()).hexdigest()[:8]
    return f"{MODEL_NAME}-{stamp}-{mark}"


def code_hash() -> str:
    """SHA-256 over the files of the model, validation left out."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def prediction_rows(predictions: Predictions, observations: Observations) -> list[dict[str, Any]]:
    """Rows of ``model_output.predictions`` without the run's id."""
    games = observations.player_games
    has_shots = np.zeros(len(games.player), dtype=bool)
    has_shots[observations.cells.row] = True
    found = []
    for n, row in enumerate(predictions.row.tolist()):
        worn = bool(predictions.used_wearables[n])
        found.append(
            {
                "player_id": observations.player_ids[games.player[row]],
                "game_id": observations.game_ids[row],
                "is_upcoming": bool(games.is_upcoming[row]),
                "is_in_fit": bool(has_shots[row]),
                "predicted_clutch_score": predictions.score[n],
                "score_sd": predictions.score_sd[n],
                "lower_50": predictions.lower_50[n],
                "upper_50": predictions.upper_50[n],
                "lower_90": predictions.lower_90[n],
                "upper_90": predictions.upper_90[n],
                "probability_above_median": predictions.above_median[n],
                "confidence": max(predictions.above_median[n], 1 - predictions.above_median[n]),
                "reliability": predictions.reliability[n],
                "predicted_points_over_expected": predictions.points[n],
                "points_lower_90": predictions.points_lower_90[n],
                "points_upper_90": predictions.points_upper_90[n],
                "game_reliability": predictions.game_reliability[n],
                "used_wearables": worn,
                "wearables_score_effect": predictions.night_effect[n] if worn else None,
                "wearables_score_effect_lower_90": predictions.night_lower_90[n] if worn else None,
                "wearables_score_effect_upper_90": predictions.night_upper_90[n] if worn else None,
            }
        )
    return found


def write(connection: Connection[Any], written: Written) -> None:
    """Write a run in one transaction; readers see all of it or nothing.

    Args:
        connection: Of the role that writes ``model_output``.
        written: The run.

    Raises:
        ModelError: If ``model_output`` is not there.
    """
    name = written.run["model_run_id"]
    with reading("model_output.runs"), connection.transaction():
        _copy(connection, "runs", [written.run])
        for table, rows in (
            ("run_devices", [{"device_id": device} for device in written.devices]),
            ("player_skills", written.players),
            ("effects", written.effects),
            ("predictions", written.predictions),
        ):
            _copy(connection, table, [{"model_run_id": name, **row} for row in rows])
        # after the rows: whoever erases an athlete waits for this transaction, or was here first
        _still_permitted(connection, name)


def _still_permitted(connection: Connection[Any], name: str) -> None:
    with reading("analytics.wearables_permissions"):
        row = connection.execute(
            """
            select count(*) from model_output.run_devices as known
            where known.model_run_id = %s and not exists (
                select from analytics.wearables_permissions as permitted
                where permitted.device_id = known.device_id
            )
            """,
            [name],
        ).fetchone()
    if row is not None and row[0]:
        raise ModelError(
            f"{row[0]} athletes withdrew while the model was fitted with their nights; nothing of "
            "the run is kept. Fix: clutch fit again, without them."
        )


def _copy(connection: Connection[Any], table: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    names = list(rows[0])
    statement = sql.SQL("copy model_output.{} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            # numpy's own numbers are no numbers to the driver
            copy.write_row(
                [
                    value.item() if isinstance(value, np.generic) else value
                    for value in (row[name] for name in names)
                ]
            )
