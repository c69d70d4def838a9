"""P15: what is older than its rule allows goes, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.consent import ledger, texts
from ingestion.consent.settings import ConsentSettings
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.privacy import retention
from ingestion.settings import Settings

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
TEXT = texts.consent_text(ConsentSettings(), ("cycle", "recovery", "sleep"))
ROWS: dict[str, dict[str, Any]] = {
    "operations.webhook_inbox": {
        "event_type": "sleep.updated",
        "provider_user_id": 1,
        "object_id": "x",
        "body": b"{}",
        "signed_at": NOW,
        "status": "done",
    },
    "operations.quarantine": {
        "source": "whoop",
        "resource": "sleep",
        "reason": "not_json",
        "first_seen_at": NOW - timedelta(days=900),
    },
    "operations.consent_invitations": {
        "player_id": "1",
        "created_at": NOW - timedelta(days=900),
    },
}
KEYS = {
    "operations.webhook_inbox": "trace_id",
    "operations.quarantine": "record_key",
    "operations.consent_invitations": "invitation_hash",
}


def put(settings: Settings, table: str, key: str, when: datetime, **change: Any) -> None:
    (rule,) = (rule for rule in retention.rules() if rule.place.name == table)
    row = {**ROWS[table], KEYS[table]: key, rule.older_by: when, **change}
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            f"insert into {table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )


def keys(settings: Settings, table: str) -> set[str]:
    with connect(settings, roles.INGEST) as connection:
        return {
            key for (key,) in connection.execute(f"select {KEYS[table]} from {table}").fetchall()
        }


@pytest.mark.parametrize("table", sorted(ROWS))
def test_a_row_goes_the_day_after_its_last(database: Settings, table: str) -> None:
    (rule,) = (rule for rule in retention.rules() if rule.place.name == table)
    put(database, table, "kept", NOW - timedelta(days=rule.days) + timedelta(minutes=1))
    put(database, table, "gone", NOW - timedelta(days=rule.days, minutes=1))
    deleted = retention.sweep(database, NOW)
    assert deleted[table] == 1
    assert keys(database, table) == {"kept"}
    assert sum(deleted.values()) == 1
    # and the clock goes on
    assert retention.sweep(database, NOW + timedelta(minutes=2))[table] == 1
    assert keys(database, table) == set()


def test_what_waits_or_is_not_of_a_body_stays(database: Settings) -> None:
    long_ago = NOW - timedelta(days=800)
    put(database, "operations.webhook_inbox", "waits", long_ago, status="waiting")
    put(database, "operations.quarantine", "a game", long_ago, source="nba")
    assert set(retention.sweep(database, NOW).values()) == {0}
    assert keys(database, "operations.webhook_inbox") == {"waits"}
    assert keys(database, "operations.quarantine") == {"a game"}


def test_each_rule_says_why_and_names_columns_that_are_there() -> None:
    assert len(retention.rules()) >= 5
    for rule in retention.rules():
        assert rule.older_by in rule.place.columns, rule.place.name
        assert rule.days > 0
        assert len(rule.why) > 20
        assert rule.place.is_personal, rule.place.name


def test_whose_permission_has_been_over_for_long(database: Settings) -> None:
    def decide(connection: Any, player_id: str, decision: str, **more: Any) -> None:
        ledger.append(
            connection,
            player_id=player_id,
            decision=decision,
            text_version=TEXT.version,
            purposes=["readiness"] if decision == ledger.GRANTED else [],
            **more,
        )

    with connect(database, roles.INGEST) as connection:
        texts.register(connection, TEXT)
        for player_id, days in (("1", 100), ("2", 1), ("3", 100), ("4", 100), ("5", 100)):
            decide(connection, player_id, ledger.GRANTED, days=days)
            if player_id != "5":
                connection.execute(
                    """
                    insert into operations.wearable_connections (
                        connection_id, player_id, consent_id, scopes
                    )
                    select gen_random_uuid(), player_id, consent_id, '{}'
                    from operations.consents where player_id = %s
                    """,
                    [player_id],
                )
        decide(connection, "3", ledger.ENDED, reason="trade")
        decide(connection, "4", ledger.DECLINED)
        decide(connection, "5", ledger.DECLINED)
    today = datetime.now(UTC)
    assert retention.overdue(database, today) == []
    assert retention.overdue(database, today + timedelta(days=29)) == []
    # the third and fourth ended today, the second ends tomorrow, of the fifth nothing is stored
    late = today + timedelta(days=30, minutes=1)
    assert retention.overdue(database, late) == ["3", "4"]
    assert retention.overdue(database, late + timedelta(days=1)) == ["2", "3", "4"]
    assert retention.overdue(database, today + timedelta(days=131)) == ["1", "2", "3", "4"]
