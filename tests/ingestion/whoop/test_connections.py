from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ingestion.consent.vault import Vault
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError
from ingestion.settings import Settings
from ingestion.whoop import connections
from ingestion.whoop.errors import AccountTaken
from ingestion.whoop.oauth import TokenSet
from tests.ingestion.whoop.members import KEY, give_consent
from tests.ingestion.whoop.service import SCOPES

TOKENS = TokenSet("access", "refresh", datetime(2026, 11, 22, tzinfo=UTC), SCOPES)
VAULT = Vault([KEY])


def join(
    connection: psycopg.Connection[Any],
    player_id: str = "1",
    account: int | None = 7,
    consent_id: int | None = None,
) -> UUID:
    return connections.connect(
        connection,
        player_id=player_id,
        consent_id=consent_id or give_consent(connection, player_id),
        scopes=SCOPES,
        tokens=TOKENS,
        vault=VAULT,
        provider_user_id=account,
    )


def test_the_same_account_again_is_the_next_generation(own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        connection_id = join(connection)
        connections.mark_reconnect(connection, connection_id, 1, "grant_refused")
        assert connections.active_connections(connection) == []
        assert join(connection) == connection_id
        (active,) = connections.active_connections(connection)
        assert (active.generation, active.provider_user_id, active.scopes) == (2, 7, SCOPES)
        stored = VAULT.load(connection, connection_id)
        assert stored is not None
        assert stored.token_version == 2
        assert stored.tokens == TOKENS
        # what failed under the first generation says nothing of the second
        connections.mark_reconnect(connection, connection_id, 1, "grant_refused")
        assert len(connections.active_connections(connection)) == 1


def test_an_account_belongs_to_one_athlete(own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        connection_id = join(connection)
        with pytest.raises(AccountTaken, match="belongs to another athlete"):
            join(connection, "2")
        connections.mark_revoked(connection, connection_id, "withdrawn")
        another = join(connection, "2")
        assert another != connection_id
        (active,) = connections.active_connections(connection)
        assert active.player_id == "2"


def test_a_second_device_and_accounts_that_get_their_name_later(own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        first = join(connection)
        second = join(connection, account=None)
        assert second != first
        assert join(connection, account=None) == second
        connections.name_account(connection, second, 8)
        connections.name_account(connection, second, 8)
        with pytest.raises(AccountTaken):
            connections.name_account(connection, second, 9)
        third = join(connection, "3", account=None)
        with pytest.raises(AccountTaken):
            connections.name_account(connection, third, 8)
        accounts = {
            (found.player_id, found.provider_user_id)
            for found in connections.active_connections(connection)
        }
        assert accounts == {("1", 7), ("1", 8), ("3", None)}


@pytest.mark.parametrize(
    "change", [{"decision": "withdrawn"}, {"decision": "declined"}, {"days": -1}]
)
def test_the_newest_decision_counts(change: dict[str, Any], own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        consent_id = give_consent(connection, "1")
        join(connection, consent_id=consent_id)
        assert len(connections.active_connections(connection)) == 1
        give_consent(connection, "1", **change)
        assert connections.active_connections(connection) == []
        with pytest.raises(ClutchError, match="no consent that permits"):
            join(connection, consent_id=consent_id)
        with pytest.raises(ClutchError, match="no consent that permits"):
            join(connection, "2", account=9, consent_id=consent_id)
        give_consent(connection, "1")
        assert len(connections.active_connections(connection)) == 1


def test_revoked_keeps_its_first_reason(own: Settings) -> None:
    with connect(own, roles.INGEST) as connection:
        connection_id = join(connection)
        connections.mark_revoked(connection, connection_id, "withdrawn")
        connections.mark_revoked(connection, connection_id, "again")
        connections.mark_reconnect(connection, connection_id, 2, "grant_refused")
        row = connection.execute(
            "select status, status_reason, generation from operations.wearable_connections"
        ).fetchone()
    assert row == ("revoked", "withdrawn", 2)
