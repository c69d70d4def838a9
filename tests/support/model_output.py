"""Rows of the model's tables, as a run writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

REFUSED: dict[str, Any] = {
    "model_run_id": "r0",
    "started_at": "2026-11-20 10:00:00+00",
    "model_name": "clutch_skill",
    "model_version": 1,
    "code_hash": "c0de",
    "seed": 7,
    "is_published": False,
    "refusal_reasons": "one player is too few",
}
"""A run that was refused before anything was read."""

PUBLISHED: dict[str, Any] = REFUSED | {
    "model_run_id": "r1",
    "fitted_at": "2026-11-20 10:01:00+00",
    "data_hash": "da7a",
    "seasons": "2025-26",
    "first_game_date": "2025-10-21",
    "last_game_date": "2025-12-01",
    "games": 10,
    "players": 3,
    "athletes": 1,
    "attempts": 5,
    "clutch_attempts": 2,
    "used_wearables": True,
    "chains": 4,
    "tune": 100,
    "draws": 100,
    "seconds": 60.0,
    "max_r_hat": 1.002,
    "min_ess_bulk": 1200.0,
    "min_ess_tail": 1100.0,
    "divergences": 0,
    "min_e_bfmi": 0.9,
    "max_tree_depth_hits": 0,
    "predictive_checks": "all passed",
    "is_published": True,
    "refusal_reasons": None,
}
"""A run that passed its checks."""

SKILL: dict[str, Any] = {
    "model_run_id": "r1",
    "player_id": "p",
    "attempts": 100,
    "clutch_attempts": 4,
    "overall_skill": 0.05,
    "overall_skill_lower_90": -0.02,
    "overall_skill_upper_90": 0.12,
    "clutch_deviation": 0.001,
    "clutch_deviation_lower_90": -0.03,
    "clutch_deviation_upper_90": 0.032,
    "probability_clutch_deviation_positive": 0.52,
    "clutch_reliability": 0.01,
    "clutch_skill": 0.051,
    "clutch_skill_lower_90": -0.03,
    "clutch_skill_upper_90": 0.13,
    "statement": "not distinguishable from zero",
}
"""What run r1 says of a player."""

EFFECT: dict[str, Any] = {
    "model_run_id": "r1",
    "effect": "home",
    "label": "Home side",
    "unit": "points an attempt",
    "mean": 0.01,
    "sd": 0.01,
    "lower_90": -0.006,
    "lower_50": 0.003,
    "median": 0.01,
    "upper_50": 0.017,
    "upper_90": 0.026,
    "rope_half_width": 0.01,
    "probability_in_rope": 0.48,
    "probability_positive": 0.84,
    "prior_sd": 0.02,
    "statement": "undecided",
    "ess_bulk": 1500.0,
    "ess_tail": 1300.0,
    "r_hat": 1.001,
}
"""What it says of an effect."""

PREDICTION: dict[str, Any] = {
    "model_run_id": "r1",
    "player_id": "p",
    "game_id": "g",
    "is_upcoming": False,
    "is_in_fit": True,
    "predicted_clutch_score": 52.0,
    "score_sd": 8.0,
    "lower_50": 47.0,
    "upper_50": 57.0,
    "lower_90": 39.0,
    "upper_90": 65.0,
    "probability_above_median": 0.6,
    "confidence": 0.2,
    "reliability": 0.3,
    "predicted_points_over_expected": 0.02,
    "points_lower_90": -0.08,
    "points_upper_90": 0.12,
    "game_reliability": 0.02,
    "used_wearables": False,
    "wearables_score_effect": None,
    "wearables_score_effect_lower_90": None,
    "wearables_score_effect_upper_90": None,
}
"""What it says of him in a game, without any night of his."""


def insert(connection: psycopg.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Add a row to a table of ``model_output``."""
    connection.execute(
        sql.SQL("insert into model_output.{} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        ),
        list(row.values()),
    )
