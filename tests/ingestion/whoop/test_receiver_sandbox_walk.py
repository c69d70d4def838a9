"""The whole walk against the sandbox: our page, WHOOP's page, the way back, a delivery."""

from __future__ import annotations

import itertools
import time
from urllib.parse import parse_qsl, urlsplit

from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.sandbox import whoop as sandbox
from ingestion.sandbox.demo import SandboxClock
from ingestion.settings import Settings
from ingestion.whoop.receiver.app import WEBHOOKS_PATH, Receiver
from tests.ingestion.whoop.athletes import CLIENT_SECRET, Athlete, whoop_settings


def test_a_roster_walks_in_and_its_events_arrive_once(database: Settings) -> None:
    settings = sandbox.WhoopSandboxSettings(
        client_id="clutch-in-tests",
        client_secret=CLIENT_SECRET,
        redirect_uris=("http://127.0.0.1:8080/oauth/callback",),
        roster_size=3,
    )
    with sandbox.WhoopSandbox(settings) as service:
        whoop = whoop_settings(service.base_url)
        with Receiver(
            database, whoop, ConsentSettings(), port=0, clock=SandboxClock(service)
        ) as receiver:
            service.webhook_urls = (receiver.base_url + WEBHOOKS_PATH,)
            players = service.player_ids
            for member in service.members:
                athlete = Athlete(database, receiver.base_url, str(players[member]))
                to_whoop = athlete.press("agree").headers["location"]
                back = service.approve(to_whoop, member)
                answer = athlete.come_back(**dict(parse_qsl(urlsplit(back).query)))
                assert answer.status_code == 200, answer.text
                assert athlete.rows("wearable_connections", "provider_user_id, status") == [
                    (member, "active")
                ]
            for _ in itertools.repeat(None, 26):
                service.advance(3600)
            wait_for_deliveries(service)
        delivered = {attempt.trace_id for attempt in service.deliveries() if attempt.status == 204}
    with connect(database, INGEST) as connection:
        stored = connection.execute(
            "select trace_id, provider_user_id from operations.webhook_inbox"
        ).fetchall()
        refused = connection.execute("select * from operations.webhook_refusals").fetchall()
    assert delivered
    assert {trace_id for trace_id, _ in stored} == delivered
    assert {user_id for _, user_id in stored} == set(players)
    assert refused == []


def wait_for_deliveries(service: sandbox.WhoopSandbox) -> None:
    until = time.monotonic() + 10
    while service.pending_deliveries() and time.monotonic() < until:
        time.sleep(0.05)
