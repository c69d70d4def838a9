"""Athletes who allow different things, and what each role may see of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.model_output import PREDICTION, PUBLISHED, insert
from tests.support.wearables import Athlete, store, upcoming_game, utc

WAKE = utc("2025-12-10 13:00")
TIP_OFF = utc("2025-12-11 00:30")

# relation, and the condition under which a row of it is of an athlete's body
OF_A_PERSON = {
    "wearables_permissions": "true",
    "wearables_devices": "true",
    "wearables_readings": "true",
    "wearables_daily_summary": "true",
    "player_wearables_summary": "true",
    "pregame_baselines": "true",
    "action_wearable_context": "true",
    "clutch_performance_scores": "has_wearables_data or wearables_quality_score is not null",
    "clutch_scores_dated": "has_wearables_data",
    "clutch_leaderboard": "recovery_games > 0 or avg_recovery_score is not null",
    "clutch_predictions": "used_wearables",
}
PURPOSES = ("readiness", "modeling")
STAFF = ("medical_staff", "performance_staff", "coaches")


def athlete(
    name: str, *audience: str, purposes: tuple[str, ...] = PURPOSES, **more: Any
) -> Athlete:
    return Athlete(name, purposes=purposes, audience=("athlete", *audience), **more)


ATHLETES = [
    athlete("medical alone", "medical_staff"),
    athlete("medical and models not", "medical_staff", purposes=("readiness",)),
    athlete("performance too", "medical_staff", "performance_staff"),
    athlete("coaches too", "medical_staff", "coaches"),
    athlete("everybody", *STAFF),
    athlete("models alone", purposes=("modeling",)),
    athlete("himself alone"),
    athlete("withdrew", *STAFF, decision="withdrawn"),
    athlete("expired", *STAFF, is_expired=True),
    athlete("gave it up", *STAFF, status="revoked"),
]
LIVE = [each for each in ATHLETES if each.name not in ("withdrew", "expired", "gave it up")]


@dataclass
class World:
    settings: Settings
    players: dict[str, str]
    """Names by player id."""

    def ask(self, role: str, query: str, purpose: str | None = None) -> list[tuple[Any, ...]]:
        with connect(self.settings, role, purpose=purpose) as connection:
            return connection.execute(query.encode()).fetchall()

    def seen(self, role: str, purpose: str | None, relation: str) -> set[str]:
        query = f"select distinct player_id from {relation} where {OF_A_PERSON[relation]}"
        return {self.players[player] for (player,) in self.ask(role, query, purpose)}


def build_world(settings: Settings, folder: Path) -> World:
    """All of them with ten nights, a game and a prediction, built."""
    for number, each in enumerate(ATHLETES):
        # another module of this process may have built a world of them
        each.versions.clear()
        each.games.clear()
        each.nights_before(WAKE, [55.0 + number + day for day in range(9)])
        each.night(WAKE, hrv=60.50731904 + number)
        each.game(TIP_OFF + timedelta(minutes=number))
    store(settings, ATHLETES, folder / "games")
    build(settings, folder / "target", *WITHOUT_TESTS)
    with connect(settings, roles.MODEL) as connection:
        insert(connection, "runs", PUBLISHED)
        for each in LIVE:
            if "modeling" in each.purposes:
                device = {"model_run_id": "r1", "device_id": str(each.connection_id)}
                insert(connection, "run_devices", device)
            for game in each.games:
                row = {"player_id": each.player_id, "game_id": game, "used_wearables": True}
                effect = dict.fromkeys(
                    (
                        "wearables_score_effect",
                        "wearables_score_effect_lower_90",
                        "wearables_score_effect_upper_90",
                    ),
                    0.0,
                )
                insert(connection, "predictions", PREDICTION | row | effect)
        insert(connection, "predictions", PREDICTION | {"player_id": "p", "used_wearables": False})
    return World(settings, {each.player_id: each.name for each in ATHLETES})


MONTH = [60.0 + (day * 7) % 11 for day in range(28)]
"""HRV of a month of usual nights (ms): mean 65, s.d. 3."""
TONIGHT = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=10)


def build_evening(settings: Settings, folder: Path) -> tuple[World, str]:
    """All of them after a bad night before a game tonight, with predictions; gives the game's id.

    HRV is far below the usual, recovery red, the sleep of seven hours as usual. The first five
    are listed as their team's shooters.
    """
    wake = TONIGHT - timedelta(hours=11)
    for number, each in enumerate(ATHLETES):
        each.versions.clear()
        each.games.clear()
        each.nights_before(wake, MONTH)
        each.night(wake, hrv=45.0, score=30.0)
        # tells his team
        each.game(TIP_OFF - timedelta(days=number))
    store(settings, ATHLETES, folder / "games")
    game_id, schedule = upcoming_game(TONIGHT)
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            """
            insert into raw_nba.schedule
            values ('2025-26', 'hash', %s, 'cdn', 'test', null, now(), 'load', 'row')
            """,
            [orjson.dumps(schedule).decode()],
        )
    build(settings, folder / "target", *WITHOUT_TESTS)
    row = {"game_id": game_id, "is_upcoming": True, "is_in_fit": False}
    with connect(settings, roles.MODEL) as connection:
        listed = connection.execute(
            "select player_id from analytics.player_game_contexts where game_id = %s", [game_id]
        ).fetchall()
        insert(connection, "runs", PUBLISHED | {"used_wearables": False})
        for (player_id,) in listed:
            insert(connection, "predictions", PREDICTION | row | {"player_id": player_id})
    return World(settings, {each.player_id: each.name for each in ATHLETES}), game_id


def allowed(role: str, purpose: str | None) -> set[str]:
    """Whom a role may see, by what the consent page says: not by what the database does."""
    if role == roles.TRANSFORM:
        return {each.name for each in LIVE}
    if role == roles.MODEL:
        return {each.name for each in LIVE if "modeling" in each.purposes}
    audience = {
        roles.MEDICAL: "medical_staff",
        roles.PERFORMANCE: "performance_staff",
        roles.COACHES: "coaches",
    }.get(role)
    return {each.name for each in LIVE if audience in each.audience and purpose in each.purposes}
