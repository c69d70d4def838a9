"""The simulated WHOOP service, connected athletes, and their deliveries in the inbox."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import orjson
import psycopg
import requests
from cryptography.fernet import Fernet

from ingestion import nba
from ingestion.consent.vault import Vault
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, NbaSandbox
from ingestion.sandbox.whoop import WhoopSandbox
from ingestion.sandbox.whoop.timeline import collection
from ingestion.settings import Settings
from ingestion.whoop import connections
from ingestion.whoop.allowlist import AllowList
from ingestion.whoop.oauth import TokenSet
from ingestion.whoop.records import PENDING
from ingestion.whoop.settings import SCOPES, WhoopSettings

KEY = Fernet.generate_key().decode()
RESOURCES = ("cycle", "recovery", "sleep", "workout")


def whoop_settings(sandbox: WhoopSandbox, resources: tuple[str, ...] = RESOURCES) -> WhoopSettings:
    return WhoopSettings(
        api_base_url=sandbox.api_base_url,
        oauth_base_url=sandbox.oauth_base_url,
        client_id=sandbox.settings.client_id,
        client_secret=sandbox.settings.client_secret,
        redirect_uri=sandbox.settings.redirect_uris[0],
        webhook_secret=sandbox.settings.client_secret,
        encryption_keys=(KEY,),
        resources=resources,
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
        "ENCRYPTION_KEY": KEY,
    }


def connect_member(
    sandbox: WhoopSandbox,
    settings: Settings,
    whoop: WhoopSettings,
    user_id: int,
    *,
    is_named: bool = True,
) -> UUID:
    """Walk a member through OAuth and store his connection with a consent."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": whoop.client_id,
            "redirect_uri": whoop.redirect_uri,
            "scope": " ".join(whoop.scopes),
            "state": "0123456789",
        }
    )
    address = sandbox.approve(f"{whoop.oauth_base_url}/auth?{query}", user_id)
    answer = requests.post(
        f"{whoop.oauth_base_url}/token",
        data={
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(address).query)["code"][0],
            "redirect_uri": whoop.redirect_uri,
            "client_id": whoop.client_id,
            "client_secret": whoop.client_secret,
        },
        timeout=10,
    ).json()
    tokens = TokenSet(
        answer["access_token"],
        answer["refresh_token"],
        sandbox.now + timedelta(seconds=answer["expires_in"]),
        tuple(answer["scope"].split()),
    )
    player_id = str(sandbox.player_ids[user_id])
    with connect(settings, roles.INGEST) as connection:
        return connections.connect(
            connection,
            player_id=player_id,
            consent_id=decide(connection, player_id, "granted"),
            scopes=tokens.scopes,
            tokens=tokens,
            vault=Vault((KEY,)),
            provider_user_id=user_id if is_named else None,
        )


def decide(connection: psycopg.Connection[Any], player_id: str, decision: str) -> int:
    connection.execute(
        """
        insert into operations.consent_texts (text_version, text_sha256, body)
        values ('test', %s, 'text') on conflict do nothing
        """,
        ["0" * 64],
    )
    row = connection.execute(
        """
        insert into operations.consents (
            player_id, decision, text_version, purposes, audience, scopes, expires_at
        )
        values (%s, %s, 'test', '{readiness,modeling}', '{medical_staff}', %s,
            now() + interval '1 year')
        returning consent_id
        """,
        [player_id, decision, list(SCOPES.values())],
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def inbox(settings: Settings, sandbox: WhoopSandbox) -> Iterator[None]:
    """An address that files every delivery of the sandbox in the inbox."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = datetime.fromtimestamp(
                int(self.headers["X-WHOOP-Signature-Timestamp"]) / 1000, UTC
            )
            file_delivery(settings, orjson.loads(body), signed)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sandbox.webhook_urls = (f"http://127.0.0.1:{server.server_address[1]}/",)
    try:
        yield
    finally:
        sandbox.webhook_urls = ()
        server.shutdown()
        server.server_close()


def file_delivery(settings: Settings, event: dict[str, Any], signed: datetime) -> None:
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            """
            insert into operations.webhook_inbox as known (
                trace_id, event_type, provider_user_id, object_id, body, signed_at
            )
            values (%s, %s, %s, %s, %s, %s)
            on conflict (trace_id) do update set duplicates = known.duplicates + 1
            """,
            [
                event["trace_id"],
                event["type"],
                event["user_id"],
                event["id"],
                orjson.dumps(event),
                signed,
            ],
        )


def load_league(settings: Settings, sandbox: WhoopSandbox) -> None:
    """Ingest the schedule of the members' league, and the games of the last days."""
    with NbaSandbox(League(sandbox.settings.league), now=sandbox.now) as league:
        hosts = {"nba_cdn_base_url": league.base_url, "nba_stats_base_url": league.base_url}
        report = nba.ingest(
            dataclasses.replace(settings, **hosts),
            since=(sandbox.now - timedelta(days=4)).date(),  # every team plays on one day of two
            now=sandbox.now,
            show_progress=False,
        )
    assert report.exit_code == 0, report


def held(
    sandbox: WhoopSandbox, user_ids: list[int], at: int | None = None
) -> dict[tuple[str, str], str]:
    """Every settled record that the service holds now (or at some ms since 1970), as JSON."""
    found = {}
    now = sandbox.clock.milli() if at is None else at
    allow_list = AllowList.load()
    for user_id in user_ids:
        member = sandbox.member(user_id)
        for resource in RESOURCES:
            for _, version in collection(member, resource, now):
                if version.row is None:
                    continue
                shown = orjson.loads(orjson.dumps(sandbox.api.dress(version.row)))
                if shown["score_state"] == PENDING:
                    continue
                if resource == "cycle" and shown.get("end") is None:
                    continue
                kept, _ = allow_list.reduce(resource, shown)
                key = str(shown["cycle_id" if resource == "recovery" else "id"])
                found[resource, key] = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()
    return found


def stored(settings: Settings) -> dict[tuple[str, str], str]:
    """Every settled record that is stored, in its newest version."""
    with connect(settings, roles.INGEST) as connection:
        rows = connection.execute(
            """
            select resource, record_key, payload from raw_whoop.record_versions
            where is_newest and not is_deleted and payload ->> 'score_state' <> 'PENDING_SCORE'
                and (resource <> 'cycle' or payload ? 'end')
            """
        ).fetchall()
    return {
        (resource, key): orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()
        for resource, key, payload in rows
    }
