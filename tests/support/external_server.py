"""A second, real server: the PostgreSQL of the system, over TCP and with passwords."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from ingestion.database.server_account import server_account

# Debian's place; the oldest version there, because 15 is the oldest that the project promises
_INSTALLED = sorted(
    Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3])
)
ADMIN_PASSWORD = "p@ss/w:rd#1 %41+é"  # every character that an address gives a meaning to


@dataclass(frozen=True)
class ExternalServer:
    """A server on 127.0.0.1 that asks for passwords (scram)."""

    port: int

    def url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def administrator(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        url = self.url("administrator", ADMIN_PASSWORD, database)
        return psycopg.connect(url, autocommit=True)


@pytest.fixture(scope="session")
def external_server() -> Iterator[ExternalServer]:
    if not _INSTALLED:
        message = "no PostgreSQL in /usr/lib/postgresql (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with running_server() as server:
        yield server


@contextmanager
def running_server() -> Iterator[ExternalServer]:
    """The oldest installed one, with files of its own that go in the end."""
    programs = _INSTALLED[0].parent
    folder = Path(tempfile.mkdtemp(prefix="clutch-test-"))
    folder.chmod(0o711)
    data = folder / "data"
    account = server_account(data)
    data.mkdir(mode=0o700)
    account.give(data)
    password_file = folder / "password"
    password_file.write_text(ADMIN_PASSWORD)
    account.give(password_file)
    made = account.run(
        [
            *(programs / "initdb", "-D", data, "-U", "administrator", "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-sync", f"--pwfile={password_file}"),
        ]
    )
    assert made.returncode == 0, made.stdout
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = ExternalServer(free.getsockname()[1])
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(server.port), *options],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.popen_arguments(),
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                server.administrator().close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
