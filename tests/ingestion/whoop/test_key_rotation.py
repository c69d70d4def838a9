"""Keys change while athletes connect, deliveries arrive, tokens are refreshed and one withdraws."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import psycopg
import pytest
from cryptography.fernet import Fernet, InvalidToken

from ingestion.consent.settings import ConsentSettings
from ingestion.consent.vault import Vault
from ingestion.database import roles
from ingestion.database.connection import connect, login_url
from ingestion.errors import SettingError
from ingestion.privacy import withdrawal
from ingestion.sandbox.demo import SandboxClock
from ingestion.sandbox.nba import LeagueSettings
from ingestion.sandbox.whoop import WhoopSandbox, WhoopSandboxSettings
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.whoop import sync
from ingestion.whoop.api import WhoopApi
from ingestion.whoop.errors import ServiceUnavailable
from ingestion.whoop.receiver.app import Receiver, prepare
from ingestion.whoop.receiver.own import Finisher
from ingestion.whoop.tokens import TokenSource, rotate_keys
from tests.ingestion.whoop.athletes import Athlete
from tests.ingestion.whoop.deliveries import deliver, encoded, event, signed
from tests.ingestion.whoop.sandboxed import (
    KEY,
    environment,
    whoop_settings,
)

OLD, NEW = KEY, Fernet.generate_key().decode()
# what ENCRYPTION_KEY is, from one restart to the next
STAGES = ((OLD,), (OLD, NEW), (NEW, OLD), (NEW,))
CIPHERTEXT = re.compile(rb"gAAAAA[A-Za-z0-9_-]{60,}={0,2}")
CONNECTING, SYNCED = 2, 2


def opened_by(key: str, contents: Iterator[tuple[str, bytes]]) -> Counter[str]:
    """Where ciphertext lies that a key opens, and how much."""
    fernet, found = Fernet(key), Counter[str]()
    for place, content in contents:
        for match in CIPHERTEXT.finditer(content):
            try:
                fernet.decrypt(match.group())
            except InvalidToken:
                continue
            found[place] += 1
    return found


def everywhere(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Every value of every column of every table, and every file of the state directory."""
    with psycopg.connect(login_url(settings)) as connection:
        columns = connection.execute(
            """
            select format('%I.%I', nspname, relname), attname, typname
            from pg_attribute
            inner join pg_class on pg_class.oid = attrelid
            inner join pg_namespace on pg_namespace.oid = relnamespace
            inner join pg_type on pg_type.oid = atttypid
            where relkind in ('r', 'm', 'p') and attnum > 0 and not attisdropped
                and nspname !~ '^pg_' and nspname <> 'information_schema'
            """
        ).fetchall()
        assert len(columns) > 300
        for table, column, kind in columns:
            value = f'"{column}"' if kind == "bytea" else f"convert_to(\"{column}\"::text, 'UTF8')"
            for (content,) in connection.execute(f"select {value} from {table}".encode()):
                yield f"{table}.{column}", content or b""
    for path in settings.state_directory.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()


class House:
    """The processes of an operator, each with the keys that it was started with.

    Attributes:
        keys: By kind of process.
        failures: What went wrong for anybody.
        done: What went well, by stage of the keys and kind of work.
        ids: Connections whose tokens are refreshed.
    """

    def __init__(self, sandbox: WhoopSandbox, settings: Settings) -> None:
        self.sandbox, self.settings = sandbox, settings
        self.clock = SandboxClock(sandbox)
        self.keys = dict.fromkeys(("receiver", "worker", "sync"), STAGES[0])
        self.failures: list[str] = []
        self.done: Counter[tuple[int, str]] = Counter()
        self.stage = 0
        self.ids: dict[UUID, int] = {}
        self._stop = threading.Event()
        self._lock = threading.Condition()
        self._at_work: Counter[str] = Counter()
        self._receiver = self._start_receiver()

    def whoop(self, kind: str) -> Any:
        return dataclasses.replace(whoop_settings(self.sandbox), encryption_keys=self.keys[kind])

    def _start_receiver(self) -> Receiver:
        return Receiver(
            self.settings, self.whoop("receiver"), ConsentSettings(), port=0, clock=self.clock
        ).__enter__()

    @contextmanager
    def address(self) -> Iterator[str]:
        """The receiver that the proxy sends to now; it is stopped when nobody is left there."""
        with self._lock:
            mine = self._receiver.base_url
            self._at_work[mine] += 1
        try:
            yield mine
        finally:
            with self._lock:
                self._at_work[mine] -= 1
                self._lock.notify_all()

    def restart(self, stage: int) -> None:
        """Give each process other keys, one after the other, while the rest goes on."""
        self.keys["receiver"] = STAGES[stage]
        before, new = self._receiver, self._start_receiver()
        with self._lock:
            self._receiver = new
            self._lock.wait_for(lambda: not self._at_work[before.base_url])
        before.__exit__(None, None, None)
        time.sleep(0.3)
        self.keys["worker"] = STAGES[stage]
        time.sleep(0.3)
        self.keys["sync"] = STAGES[stage]
        self.stage = stage
        self.works()

    def works(self) -> None:
        """Wait until every kind of work was done with the present keys, or something failed."""
        until = time.monotonic() + 120
        least = {"connection": 2, "delivery": 20, "refresh": 4, "sync": 1}
        while not self.failures and not all(
            self.done[self.stage, kind] >= number for kind, number in least.items()
        ):
            assert time.monotonic() < until, self.done
            time.sleep(0.05)

    def connects(self, member: int) -> None:
        """An athlete's walk; the receiver may be another one when he comes back from WHOOP."""
        with self.address() as address:
            athlete = Athlete(self.settings, address, str(self.sandbox.player_ids[member]))
            answer = athlete.press("agree")
        assert answer.status_code == 303, answer.text
        back = self.sandbox.approve(answer.headers["location"], member)
        time.sleep(0.2)  # he reads WHOOP's page
        with self.address() as address:
            athlete.base_url = address
            answer = athlete.come_back(**dict(parse_qsl(urlsplit(back).query)))
        assert answer.status_code == 200, answer.text
        self.done[self.stage, "connection"] += 1

    def joins(self, member: int) -> UUID:
        """As :meth:`connects`; his connection."""
        self.connects(member)
        with connect(self.settings, roles.INGEST) as connection:
            row = connection.execute(
                "select connection_id from operations.wearable_connections where player_id = %s",
                [str(self.sandbox.player_ids[member])],
            ).fetchone()
        assert row is not None
        return UUID(str(row[0]))

    def delivers(self, source: random.Random) -> None:
        account = source.choice(list(self.ids.values()))
        body = encoded(event(source, account))
        secret = self.whoop("receiver").webhook_secret
        with self.address() as address:
            true = signed(body, secret, self.clock.now().timestamp())
            [(status, _)] = deliver(address, [true], connections=1)
        assert status == 204
        self.done[self.stage, "delivery"] += 1
        time.sleep(0.02)

    def refreshes(self) -> None:
        """A long process: it keeps its keys until it is started anew."""
        keys = self.keys["worker"]
        source = TokenSource(self.settings, self.whoop("worker"), self.clock)
        try:
            while self.keys["worker"] == keys and not self._stop.is_set():
                for connection_id in self.ids:
                    _, version = source.access_token(connection_id)
                    source.access_token(connection_id, refused=version)
                    self.done[self.stage, "refresh"] += 1
                    time.sleep(0.02)
        finally:
            source.close()

    def syncs(self, member: int) -> None:
        report = sync.ingest(
            self.settings,
            self.whoop("sync"),
            player_id=str(self.sandbox.player_ids[member]),
            show_progress=False,
            clock=self.clock,
        )
        assert report.exit_code == 0, report
        self.done[self.stage, "sync"] += 1

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Everything at once, until the end or until something fails."""
        source = random.Random(7)
        members = self.sandbox.members
        jobs: list[Callable[[], None]] = [
            *(lambda m=m: self.connects(m) for m in members[:CONNECTING]),  # type: ignore[misc]
            lambda: self.delivers(source),
            self.refreshes,
            lambda: self.syncs(source.choice(list(self.ids.values()))),
        ]

        def work(job: Callable[[], None]) -> None:
            while not self._stop.is_set() and not self.failures:
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                    self.failures.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=work, args=[job]) for job in jobs]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        self._receiver.__exit__(None, None, None)

    def rotate(self, *keys: str) -> subprocess.CompletedProcess[str]:
        """``clutch keys rotate``."""
        given = environment(self.whoop("sync"), self.settings) | {"ENCRYPTION_KEY": ",".join(keys)}
        return subprocess.run(
            [sys.executable, str(PROJECT_ROOT / "clutch.py"), "keys", "rotate"],
            env=os.environ | given,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def house(database: Settings, tmp_path: Path) -> Iterator[House]:
    service = WhoopSandboxSettings(
        roster_size=CONNECTING + SYNCED + 1,
        now=datetime.now(UTC),
        league=LeagueSettings(team_count=4),
        requests_per_minute=100_000,
        requests_per_day=1_000_000,
    )
    with WhoopSandbox(service) as sandbox:
        settings = dataclasses.replace(database, state_directory=tmp_path / "state")
        made = House(sandbox, settings)
        yield made
        made.close()


@pytest.mark.slow
def test_nothing_fails_and_nothing_old_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a receiver would end the withdrawal below behind our back: WHOOP is there for all the others
    monkeypatch.setattr(Finisher, "start", lambda _: None)
    settings, sandbox = house.settings, house.sandbox
    *_, leaving = sandbox.members
    for member in sandbox.members[CONNECTING : CONNECTING + SYNCED]:
        house.ids[house.joins(member)] = member
    house.joins(leaving)
    # he has withdrawn, and WHOOP was not there: his tokens are kept to end the grant with
    begun = withdrawal.begin(settings, str(sandbox.player_ids[leaving]))

    def away(_: UUID) -> bool:
        raise ServiceUnavailable("revoke", "no answer")

    begun = withdrawal.proceed(settings, begun, away)
    assert begun.revocation == withdrawal.PENDING
    before = opened_by(OLD, everywhere(settings))
    assert before == {
        "operations.wearable_tokens.access_token": SYNCED + 1,
        "operations.wearable_tokens.refresh_token": SYNCED + 1,
    }
    with house.busy():
        house.works()
        for stage in (1, 2):
            house.restart(stage)
        rotated = house.rotate(NEW, OLD)
        assert rotated.returncode == 0, rotated.stderr
        left = opened_by(OLD, everywhere(settings))
        house.restart(3)
    assert house.failures == []
    assert left == {}
    assert opened_by(OLD, everywhere(settings)) == {}
    total = CONNECTING + SYNCED + 1
    assert opened_by(NEW, everywhere(settings)) == {
        "operations.wearable_tokens.access_token": total,
        "operations.wearable_tokens.refresh_token": total,
    }
    assert house.rotate(NEW).returncode == 0  # as the runbook checks that the old one can go
    with connect(settings, roles.INGEST) as connection:
        statuses = connection.execute(
            "select status, count(*) from operations.wearable_connections group by 1"
        ).fetchall()
    assert dict(statuses) == {"active": total - 1, "revoked": 1}
    api = WhoopApi(settings, house.whoop("sync"), clock=house.clock)
    try:
        assert withdrawal.proceed(settings, begun, api.revoke).revocation == withdrawal.CONFIRMED
    finally:
        api.close()


def test_a_key_that_a_process_does_not_know_yet_must_not_be_first(house: House) -> None:
    """Why the new key is second for one restart: whoever is not restarted yet cannot read it."""
    settings, member = house.settings, house.sandbox.members[0]
    connection_id = house.joins(member)
    late = TokenSource(settings, house.whoop("worker"), house.clock)
    _, version = late.access_token(connection_id)
    house.keys["worker"] = (NEW, OLD)
    restarted = TokenSource(settings, house.whoop("worker"), house.clock)
    restarted.access_token(connection_id, refused=version)
    with pytest.raises(SettingError, match="none of its keys opens"):
        late.access_token(connection_id)


def test_a_process_that_was_not_restarted_is_found_before_the_old_key_goes(house: House) -> None:
    settings, member = house.settings, house.sandbox.members[0]
    connection_id = house.joins(member)
    house.keys["worker"] = (OLD, NEW)
    late = TokenSource(settings, house.whoop("worker"), house.clock)
    assert house.rotate(NEW, OLD).returncode == 0
    _, version = late.access_token(connection_id)
    late.access_token(connection_id, refused=version)  # writes with the old one again
    checked = house.rotate(NEW)
    assert checked.returncode == 1
    assert checked.stderr.startswith("ENCRYPTION_KEY: none of its keys opens")
    with pytest.raises(SettingError):
        prepare(
            settings,
            dataclasses.replace(house.whoop("receiver"), encryption_keys=(NEW,)),
            ConsentSettings(),
        )
    assert house.rotate(NEW, OLD).returncode == 0
    assert house.rotate(NEW).returncode == 0
    assert opened_by(OLD, everywhere(settings)) == {}


def test_what_was_not_written_to_its_end_goes_too(house: House) -> None:
    """A process that dies between writing a pair's file and naming it leaves ciphertext behind."""
    settings, member = house.settings, house.sandbox.members[0]
    connection_id = house.joins(member)
    folder = settings.state_directory / "whoop" / "refreshed"
    folder.mkdir(parents=True)
    part = folder / f"{connection_id}.1.1.active.part"
    other = folder / "notes.part"  # none of ours
    for path in (part, other):
        path.write_bytes(Vault([OLD]).seal("refreshed", connection_id, "[]"))
    assert opened_by(OLD, everywhere(settings))[part.name] == 1
    assert rotate_keys(settings, (NEW, OLD)) == 1
    assert not part.exists()
    assert other.exists()
    part.write_bytes(b"half")
    api = WhoopApi(settings, dataclasses.replace(house.whoop("sync"), encryption_keys=(NEW,)))
    try:
        assert api.revoke(connection_id)
    finally:
        api.close()
    assert not part.exists()
