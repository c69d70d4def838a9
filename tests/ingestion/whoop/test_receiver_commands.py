from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
import requests

from ingestion.settings import PROJECT_ROOT, Settings
from tests.ingestion.whoop.athletes import CLIENT_SECRET, KEY, Athlete

NOWHERE = "http://127.0.0.1:9"
GOOD = {
    "WHOOP_API_BASE_URL": f"{NOWHERE}/developer",
    "WHOOP_OAUTH_BASE_URL": f"{NOWHERE}/oauth/oauth2",
    "WHOOP_CLIENT_ID": "clutch-in-tests",
    "WHOOP_CLIENT_SECRET": CLIENT_SECRET,
    "WHOOP_REDIRECT_URI": "http://127.0.0.1:8080/oauth/callback",
    "ENCRYPTION_KEY": KEY,
}


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "CLUTCH_STATE_DIR": str(settings.state_directory),
        **GOOD,
        **changes,
    }


def clutch(
    settings: Settings, arguments: Sequence[str], **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "clutch.py", *arguments],
        env=environment(settings, **changes),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"ENCRYPTION_KEY": ""}, "ENCRYPTION_KEY: it is not set"),
        ({"ENCRYPTION_KEY": "short"}, "ENCRYPTION_KEY: key 1 is no Fernet key"),
        ({"WHOOP_CLIENT_SECRET": ""}, "WHOOP_CLIENT_SECRET: it is not set"),
        ({"WHOOP_REDIRECT_URI": ""}, "WHOOP_REDIRECT_URI: it is not set"),
        ({"WHOOP_REDIRECT_URI": "https://c.example/back"}, "WHOOP_REDIRECT_URI: "),
        ({"CONSENT_DAYS": "0"}, "CONSENT_DAYS: "),
        ({"WHOOP_API_BASE_URL": ""}, "WHOOP_TERMS_CONFIRMED: "),
    ],
)
def test_a_wrong_setting_is_one_line_at_the_start(
    module_database: Settings, changes: dict[str, str], names: str
) -> None:
    done = clutch(module_database, ["serve", "receiver", "--port", "0"], **changes)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(names)
    assert done.stderr.count("\n") == 1
    assert "Fix: " in done.stderr
    assert CLIENT_SECRET not in done.stderr
    assert KEY not in done.stderr


def test_a_port_that_is_taken_is_one_line(module_database: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = clutch(module_database, ["serve", "receiver", "--port", str(port)])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"port {port}" in done.stderr


def test_from_the_invitation_to_the_list(module_database: Settings) -> None:
    invited = clutch(module_database, ["consent", "invite", "--player", "201939", "--json"])
    assert invited.returncode == 0, invited.stderr
    link = urlsplit(json.loads(invited.stdout)["link"])
    assert link.netloc == "127.0.0.1:8080"
    process = subprocess.Popen(
        [sys.executable, "clutch.py", "serve", "receiver", "--port", "0"],
        env=environment(module_database),
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        athlete = Athlete(module_database, address, "201939")
        athlete.secret = link.path.rpartition("/")[2]
        assert athlete.press("agree", audience_coaches="yes").status_code == 303
        assert requests.get(f"{address}/webhooks/whoop").status_code == 405
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    assert rest == ""
    listed = clutch(module_database, ["consent", "list", "--json"])
    [item] = json.loads(listed.stdout)
    assert item["player_id"] == "201939"
    assert item["decision"] == "granted"
    assert item["is_live"] is True
    assert item["audience"] == ["athlete", "medical_staff", "coaches"]
    assert item["last_attempt"] == "begun"
    assert item["connections"] == []
    table = clutch(module_database, ["consent", "list"], COLUMNS="160").stdout
    assert "201939" in table
    assert "coaches" in table
    # another link of the same athlete, not used
    again = clutch(module_database, ["consent", "invite", "--player", "201939"])
    assert again.stdout.startswith("http://127.0.0.1:8080/consent/")
    assert again.stdout.count("\n") == 1


def test_who_cannot_be_invited_is_one_line(module_database: Settings) -> None:
    done = clutch(module_database, ["consent", "invite", "--player", "LeBron"])
    assert done.returncode == 2
    assert done.stderr == (
        "'LeBron' is no NBA player id. Fix: give its digits, e.g. --player 201939.\n"
    )
