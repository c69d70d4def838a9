"""The commands of the read API."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
import requests

from dashboard.keys import read_keys
from ingestion.settings import Settings
from tests.end_to_end.test_win_probability_commands import clutch
from tests.support.dbt_runs import PROJECT_ROOT


def test_a_key_that_was_made_opens_what_is_served(database: Settings) -> None:
    made = clutch(database, "keys", "api", "--name", "a_tool", "--audience", "public")
    assert made.returncode == 0, made.stderr
    key = made.stdout.splitlines()[0].rpartition(" ")[2]
    entry = made.stdout.splitlines()[1].rpartition(" ")[2]
    assert read_keys([entry]).find(key) is not None
    server = subprocess.Popen(
        [sys.executable, PROJECT_ROOT / "clutch.py", "serve", "dashboard", "--port", "0"],
        env={**os.environ, "DATABASE_URL": database.database_url, "DASHBOARD_API_KEYS": entry},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "listening on" in line)
        address = re.search(r"http://\S+(?=,)", said)
        assert address is not None
        assert "1 keys" in said
        for path, headers, status in (
            ("/api/v1/seasons", {}, 401),
            # nothing was built in this database
            ("/api/v1/seasons", {"authorization": f"Bearer {key}"}, 503),
            ("/api/v1/openapi.json", {}, 200),
        ):
            answer = requests.get(address[0] + path, headers=headers, timeout=30)
            assert answer.status_code == status, answer.text
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def test_wrong_keys_and_audiences_are_explained(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = clutch(database, "keys", "api", "--name", "a", "--audience", "owners")
    assert refused.returncode == 2
    assert "there are public, medical_staff" in refused.stderr
    monkeypatch.setenv("DASHBOARD_API_KEYS", "a:public:1")
    wrong = clutch(database, "serve", "dashboard")
    assert wrong.returncode == 1
    assert "DASHBOARD_API_KEYS" in wrong.stderr
    assert "entry 1 is not NAME:AUDIENCE:HASH" in wrong.stderr
