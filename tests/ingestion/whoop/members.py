"""Connected athletes, and settings that lead to a test's own service."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.fernet import Fernet

from ingestion.consent.vault import Vault
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from ingestion.whoop import connections
from ingestion.whoop.oauth import TokenSet
from ingestion.whoop.settings import WhoopSettings
from tests.ingestion.whoop.service import SCOPES, Grant, WhoopService

KEY = Fernet.generate_key().decode()


def whoop_settings(service: WhoopService, keys: tuple[str, ...] = (KEY,)) -> WhoopSettings:
    return WhoopSettings(
        api_base_url=f"{service.base_url}/developer",
        oauth_base_url=f"{service.base_url}/oauth/oauth2",
        client_id="client",
        client_secret="secret-of-the-app",
        redirect_uri="http://127.0.0.1:8080/oauth/callback",
        webhook_secret="secret-of-the-app",
        encryption_keys=keys,
    )


def environment(whoop: WhoopSettings, settings: Settings) -> dict[str, str]:
    """The same for a process of its own."""
    return {
        "DATABASE_URL": settings.database_url or "",
        "CLUTCH_STATE_DIR": str(settings.state_directory),
        "WHOOP_API_BASE_URL": whoop.api_base_url,
        "WHOOP_OAUTH_BASE_URL": whoop.oauth_base_url,
        "WHOOP_CLIENT_ID": whoop.client_id,
        "WHOOP_CLIENT_SECRET": whoop.client_secret,
        "WHOOP_REDIRECT_URI": whoop.redirect_uri,
        "ENCRYPTION_KEY": ",".join(whoop.encryption_keys),
    }


def at(settings: Settings, state_directory: Path) -> Settings:
    return dataclasses.replace(settings, state_directory=state_directory)


def give_consent(connection: psycopg.Connection[Any], player_id: str, **change: Any) -> int:
    connection.execute(
        """
        insert into operations.consent_texts (text_version, text_sha256, body)
        values ('test', %s, 'text') on conflict do nothing
        """,
        ["0" * 64],
    )
    entry = {"decision": "granted", "days": 365} | change
    row = connection.execute(
        """
        insert into operations.consents (
            player_id, decision, text_version, purposes, audience, scopes, recorded_at, expires_at
        )
        values (%s, %s, 'test', '{readiness,modeling}', '{medical_staff}', %s,
            now() - interval '400 days',
            now() + %s * interval '1 day')
        returning consent_id
        """,
        [player_id, entry["decision"], list(SCOPES), entry["days"]],
    ).fetchone()
    assert row is not None
    return int(row[0])


def expecting_any_account(settings: Settings) -> None:
    """A connection whose account no record has told yet: a delivery of anybody may be its."""
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            """
            insert into operations.wearable_connections (
                connection_id, player_id, consent_id, scopes
            )
            values (gen_random_uuid(), '203999', %s, '{}')
            """,
            [give_consent(connection, "203999")],
        )


def connected(
    settings: Settings,
    grant: Grant,
    now: datetime,
    *,
    player_id: str = "201939",
    account: int | None = 1,
    expires_in: float = 3600.0,
    scopes: tuple[str, ...] = SCOPES,
    keys: tuple[str, ...] = (KEY,),
) -> UUID:
    """A connection with a grant's present tokens."""
    tokens = TokenSet(grant.access, grant.refresh, now + timedelta(seconds=expires_in), scopes)
    with connect(settings, roles.INGEST) as connection:
        return connections.connect(
            connection,
            player_id=player_id,
            consent_id=give_consent(connection, player_id),
            scopes=scopes,
            tokens=tokens,
            vault=Vault(keys),
            provider_user_id=account,
        )


def status(settings: Settings, connection_id: UUID) -> tuple[str, str | None]:
    with connect(settings, roles.INGEST) as connection:
        row = connection.execute(
            """
            select status, status_reason from operations.wearable_connections
            where connection_id = %s
            """,
            [connection_id],
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def started_at(settings: Settings, connection_id: UUID) -> datetime | None:
    with connect(settings, roles.INGEST) as connection:
        row = connection.execute(
            "select refresh_started_at from operations.wearable_tokens where connection_id = %s",
            [connection_id],
        ).fetchone()
    return None if row is None else row[0]


def everything_stored(settings: Settings) -> str:
    """Every row of every table of the database as text, bytes as hexadecimal and as they are."""
    parts = []
    with connect(settings, roles.OWNER) as connection:
        tables = connection.execute(
            """
            select format('%I.%I', table_schema, table_name) from information_schema.tables
            where table_schema in ('operations', 'raw_whoop') and table_type = 'BASE TABLE'
                and has_table_privilege(format('%I.%I', table_schema, table_name), 'select')
            """
        ).fetchall()
        assert len(tables) >= 10
        for (table,) in tables:
            for (row,) in connection.execute(f"select t::text from {table} as t").fetchall():
                parts.append(row)
    return "\n".join(parts)
