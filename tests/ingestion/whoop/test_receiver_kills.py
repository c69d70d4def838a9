"""kill -9 at every step: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.whoop.receiver.app import Receiver
from tests.ingestion.whoop.athletes import (
    CLIENT_SECRET,
    KEY,
    Athlete,
    Page,
    new_code,
    whoop_settings,
)
from tests.ingestion.whoop.deliveries import PATH, encoded, event, signed
from tests.ingestion.whoop.members import expecting_any_account
from tests.ingestion.whoop.scripted_whoop import ScriptedWhoop


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedWhoop]:
    with ScriptedWhoop() as running:
        yield running


@pytest.fixture(scope="module")
def healthy(module_database: Settings, service: ScriptedWhoop) -> Iterator[Receiver]:
    """The receiver that an operator starts again."""
    with Receiver(
        module_database, whoop_settings(service.base_url), ConsentSettings(), port=0
    ) as running:
        yield running


@contextmanager
def doomed(settings: Settings, service: ScriptedWhoop, step: str) -> Iterator[str]:
    """A receiver in a process of its own that dies at a step; gives its address."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "CLUTCH_STATE_DIR": str(settings.state_directory),
        "WHOOP_API_BASE_URL": f"{service.base_url}/developer",
        "WHOOP_OAUTH_BASE_URL": f"{service.base_url}/oauth/oauth2",
        "WHOOP_CLIENT_ID": "clutch-in-tests",
        "WHOOP_CLIENT_SECRET": CLIENT_SECRET,
        "WHOOP_REDIRECT_URI": "http://127.0.0.1:8080/oauth/callback",
        "ENCRYPTION_KEY": KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingestion.whoop.killed_receiver", step],
        env=environment,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert process.wait(10) == -9, "it was not killed"
    finally:
        process.kill()
        process.wait()


def dies(call: Callable[[], object]) -> None:
    with pytest.raises(requests.ConnectionError):
        call()


@pytest.mark.parametrize("step", ["decision, before its commit", "decision, after its commit"])
def test_killed_at_the_decision(
    module_database: Settings, healthy: Receiver, service: ScriptedWhoop, step: str
) -> None:
    athlete = Athlete(module_database, healthy.base_url)
    page = Page(athlete.open().text)
    with doomed(module_database, service, step) as address:
        athlete.base_url = address
        dies(lambda: athlete.press("agree", page=page, audience_coaches="yes"))
    athlete.base_url = healthy.base_url
    known = 1 if "after" in step else 0
    assert len(athlete.rows("consents")) == len(athlete.rows("oauth_attempts")) == known
    # he presses the button once more
    assert athlete.press("agree", page=page, audience_coaches="yes").status_code == 303
    assert athlete.rows("consents", "decision, audience") == [
        ("granted", ["athlete", "medical_staff", "coaches"])
    ]
    assert athlete.connect(2000 + known).status_code == 200
    assert len(athlete.rows("consents")) == 1


@pytest.mark.parametrize(
    ("step", "reload", "connected"),
    [
        ("callback, before the code is sent", 200, True),
        ("callback, after WHOOP's answer", 502, False),
        ("callback, after the account is known", 502, False),
        ("callback, before its commit", 502, False),
        ("callback, after its commit", 410, True),
    ],
)
def test_killed_at_the_callback(
    module_database: Settings,
    healthy: Receiver,
    service: ScriptedWhoop,
    step: str,
    reload: int,
    connected: bool,
) -> None:
    athlete = Athlete(module_database, healthy.base_url)
    account = 3000 + sum(map(ord, step))
    state, code = athlete.agree(), new_code(account)
    with doomed(module_database, service, step) as address:
        athlete.base_url = address
        dies(lambda: athlete.come_back(state=state, code=code))
    athlete.base_url = healthy.base_url
    # all or nothing
    after_commit = "after its commit" in step
    assert len(athlete.rows("wearable_connections")) == int(after_commit)
    assert athlete.rows("oauth_attempts", "outcome, used_at is null") == [
        ("connected", False) if after_commit else (None, True)
    ]
    # he reloads the page
    assert athlete.come_back(state=state, code=code).status_code == reload
    assert len(athlete.rows("wearable_connections")) == int(connected)
    if not connected:
        assert athlete.rows("oauth_attempts", "outcome") == [("invalid_grant",)]
        # and does as it says: opens his link again
        assert athlete.connect(account).status_code == 200
    assert athlete.rows("wearable_connections", "provider_user_id, status, generation") == [
        (account, "active", 1)
    ]
    assert len(athlete.rows("consents")) == 1


@pytest.mark.parametrize("step", ["delivery, before it is stored", "delivery, after it is stored"])
def test_killed_at_a_delivery(
    module_database: Settings, healthy: Receiver, service: ScriptedWhoop, step: str
) -> None:
    expecting_any_account(module_database)
    content = event(random.Random(step))
    delivery = signed(encoded(content), CLIENT_SECRET)
    assert delivery.timestamp is not None
    headers = {
        "X-WHOOP-Signature": delivery.signature,
        "X-WHOOP-Signature-Timestamp": delivery.timestamp,
    }
    with doomed(module_database, service, step) as address:
        dies(lambda: requests.post(address + PATH, delivery.body, headers=headers))
    # WHOOP had no answer and sends it again
    assert requests.post(healthy.base_url + PATH, delivery.body, headers=headers).status_code == 204
    with connect(module_database, INGEST) as connection:
        rows = connection.execute(
            "select body, duplicates from operations.webhook_inbox where trace_id = %s",
            [content["trace_id"]],
        ).fetchall()
    assert rows == [(delivery.body, 1 if "after" in step else 0)]
