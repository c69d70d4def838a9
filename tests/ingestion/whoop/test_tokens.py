from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.fernet import Fernet

from ingestion.consent.vault import Vault
from ingestion.database import embedded, roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.whoop import tokens as tokens_module
from ingestion.whoop.connections import connect as connect_account
from ingestion.whoop.connections import mark_revoked
from ingestion.whoop.errors import ReconnectNeeded, ServiceUnavailable
from ingestion.whoop.oauth import TokenSet
from ingestion.whoop.refreshed_pairs import Origin, RefreshedPairs
from ingestion.whoop.tokens import REFRESH_MARGIN, TokenSource, rotate_keys
from tests.ingestion.whoop.clocks import ManualClock
from tests.ingestion.whoop.members import (
    KEY,
    at,
    connected,
    environment,
    everything_stored,
    give_consent,
    started_at,
    status,
    whoop_settings,
)
from tests.ingestion.whoop.refresher import STEPS
from tests.ingestion.whoop.service import SCOPES, Order, WhoopService

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def start_process(
    own: Settings, service: WhoopService, connection_id: UUID, step: str = "", *rest: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.ingestion.whoop.refresher"),
            *(step, str(connection_id), *rest),
        ],
        cwd=PROJECT_ROOT,
        env=os.environ | environment(whoop_settings(service), own),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def source_of(own: Settings, service: WhoopService, clock: ManualClock) -> TokenSource:
    return TokenSource(own, whoop_settings(service), clock)


def test_a_token_is_used_until_shortly_before_its_end(own: Settings, service: WhoopService) -> None:
    clock = ManualClock(NOW)
    grant = service.grant()
    connection_id = connected(own, grant, NOW)
    source = source_of(own, service, clock)
    assert source.access_token(connection_id) == (grant.access, 1)
    clock.sleep(3600 - REFRESH_MARGIN.total_seconds() - 1)
    assert source.access_token(connection_id) == (grant.access, 1)
    clock.sleep(1)
    token, version = source.access_token(connection_id)
    assert (token, version) == (grant.access, 2)
    assert service.refreshes == 1
    assert started_at(own, connection_id) is None
    # 401 for a version that has been replaced is no reason to refresh again
    assert source.access_token(connection_id, refused=1) == (token, 2)
    assert source.access_token(connection_id, refused=2)[1] == 3
    assert service.refreshes == 2


def test_twenty_workers_refresh_once(own: Settings, service: WhoopService) -> None:
    connection_id = connected(own, service.grant(), datetime.now(UTC), expires_in=-1)
    begin = str(time.time() + 3)
    processes = [start_process(own, service, connection_id, "", "5", begin) for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [out for out, _ in outputs] == ["2\n" * 5] * 4
    assert service.refreshes == 1
    assert service.losers == 0
    logged = "".join(err for _, err in outputs)
    assert "POST /oauth/oauth2/token" in logged  # urllib3 says so: the log is not empty
    assert not [secret for secret in [*service.issued, KEY] if secret in logged]


def test_threads_with_sources_of_their_own_refresh_once(
    own: Settings, service: WhoopService
) -> None:
    connection_id = connected(own, service.grant(), NOW)
    source = source_of(own, service, ManualClock(NOW))
    barrier = threading.Barrier(20)

    def ask(number: int) -> int:
        mine = source if number % 2 else source_of(own, service, ManualClock(NOW))
        barrier.wait()
        return mine.access_token(connection_id, refused=1)[1]

    with ThreadPoolExecutor(20) as executor:
        assert set(executor.map(ask, range(20))) == {2}
    assert (service.refreshes, service.losers) == (1, 0)


LOST = {"answered, not read", "read, not written", "half written"}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step(step: str, own: Settings, service: WhoopService) -> None:
    grant = service.grant()
    connection_id = connected(own, grant, datetime.now(UTC), expires_in=60)
    killed = start_process(own, service, connection_id, step)
    out, err = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, err
    assert out == ""
    source = TokenSource(own, whoop_settings(service), ManualClock(datetime.now(UTC)))
    if step in LOST:
        with pytest.raises(ReconnectNeeded, match="a refresh was cut off"):
            source.access_token(connection_id)
        assert status(own, connection_id) == ("reconnect", "refresh_interrupted")
        asked = len(service.seen)
        with pytest.raises(ReconnectNeeded, match="a refresh was cut off"):
            source.access_token(connection_id)
        assert len(service.seen) == asked  # a lost connection asks nothing
    else:
        token, version = source.access_token(connection_id)
        assert (token, version) == (grant.access, 2)
        assert service.losers == 0
        assert status(own, connection_id) == ("active", None)
    assert service.refreshes == 1
    assert started_at(own, connection_id) is None
    folder = own.state_directory / "whoop" / "refreshed"
    left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if step != "half written":
        assert left == []
    text = everything_stored(own) + "".join(err)
    for secret in service.issued:
        assert secret not in text
        assert secret.encode().hex() not in text


def test_the_next_refresh_clears_away_what_was_half_written(
    own: Settings, service: WhoopService
) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    origin = Origin(connection_id, 1, "active", 1)
    folder = own.state_directory / "whoop" / "refreshed"
    folder.mkdir(parents=True)
    (folder / f"{origin.file_name()}.part").write_bytes(b"gAAAAA")
    assert source_of(own, service, ManualClock(NOW)).access_token(connection_id)[1] == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("loser_answer", [(400, "invalid_grant"), (401, "token_inactive")])
def test_a_refused_grant_needs_the_athlete(
    loser_answer: tuple[int, str], own: Settings, service: WhoopService
) -> None:
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=0)
    grant.is_alive = False
    service.loser_answer = loser_answer
    source = source_of(own, service, ManualClock(NOW))
    with pytest.raises(ReconnectNeeded, match="Fix: give the athlete a new link") as caught:
        source.access_token(connection_id)
    assert caught.value.reason == "grant_refused"
    assert status(own, connection_id) == ("reconnect", "grant_refused")
    for _ in range(3):
        with pytest.raises(ReconnectNeeded):
            source.access_token(connection_id)
    assert service.losers == 1
    assert_no_secret(caught, service)


def assert_no_secret(caught: pytest.ExceptionInfo[BaseException], service: WhoopService) -> None:
    """Nowhere in the chain of errors, requests that hang on them included."""
    error: BaseException | None = caught.value
    seen = 0
    while error is not None:
        seen += 1
        shown = f"{error!r} {error} {error.args} {vars(error)}"
        request = getattr(error, "request", None)
        shown += f"{getattr(request, 'body', '')} {getattr(request, 'headers', '')}"
        for secret in [*service.issued, "secret-of-the-app"]:
            assert secret not in shown
        error = error.__cause__ or error.__context__
    assert seen


@pytest.mark.parametrize(
    "order",
    [
        Order(status=500),
        Order(status=503, body=b"<html>"),
        Order(status=429, headers={"Retry-After": "1"}),
        Order(status=400, body=b"<html>a proxy's page</html>"),
        Order(is_lost=True),
        Order(status=200, body=b"{}"),
    ],
)
def test_a_stumbling_token_endpoint_is_asked_again(
    order: Order, own: Settings, service: WhoopService
) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    service.orders["token"].extend([order, order])
    assert source_of(own, service, ManualClock(NOW)).access_token(connection_id)[1] == 2
    assert service.count("/token") == 3


def test_a_token_endpoint_that_is_away_changes_nothing(
    own: Settings, service: WhoopService
) -> None:
    clock = ManualClock(NOW)
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=120)
    source = source_of(own, service, clock)
    service.orders["token"].extend([Order(status=503)] * 100)
    # it has not ended yet: it is used while the endpoint is away
    assert source.access_token(connection_id) == (grant.access, 1)
    assert service.count("/token") == 4
    assert source.access_token(connection_id) == (grant.access, 1)
    assert service.count("/token") == 4  # not asked again at once
    clock.sleep(120)
    with pytest.raises(ServiceUnavailable, match=r"token \(HTTP 503\)"):
        source.access_token(connection_id)
    assert service.count("/token") == 8
    with pytest.raises(ServiceUnavailable):
        source.access_token(connection_id)
    assert service.count("/token") == 8
    assert status(own, connection_id) == ("active", None)
    assert started_at(own, connection_id) is not None  # a 5xx may have spent it
    service.orders["token"].clear()
    clock.sleep(60)
    assert source.access_token(connection_id) == (grant.access, 2)
    assert (service.refreshes, service.losers) == (1, 0)


def test_no_connection_leaves_no_mark(own: Settings) -> None:
    with WhoopService() as gone:
        connection_id = connected(own, gone.grant(), NOW, expires_in=0)
    with pytest.raises(ServiceUnavailable, match="no connection"):
        source_of(own, gone, ManualClock(NOW)).access_token(connection_id)
    assert started_at(own, connection_id) is None


def test_an_answer_that_is_lost_needs_the_athlete(own: Settings, service: WhoopService) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    service.orders["token"].append(Order(is_lost=True, is_done=True))
    with pytest.raises(ReconnectNeeded) as caught:
        source_of(own, service, ManualClock(NOW)).access_token(connection_id)
    assert caught.value.reason == "refresh_interrupted"
    assert status(own, connection_id) == ("reconnect", "refresh_interrupted")
    assert_no_secret(caught, service)


def test_a_refused_app_is_told_and_costs_no_athlete_his_connection(
    own: Settings, service: WhoopService
) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    service.orders["token"].append(Order(status=401, body=b'{"error":"invalid_client"}'))
    with pytest.raises(SettingError, match="WHOOP_CLIENT_SECRET: WHOOP refuses this app") as caught:
        source_of(own, service, ManualClock(NOW)).access_token(connection_id)
    assert status(own, connection_id) == ("active", None)
    assert started_at(own, connection_id) is None
    assert_no_secret(caught, service)


def test_without_a_refresh_token_a_connection_lasts_as_long_as_its_token(
    own: Settings, service: WhoopService
) -> None:
    clock = ManualClock(NOW)
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=100)
    with connect(own, roles.INGEST) as connection:
        connection.execute("update operations.wearable_tokens set refresh_token = null")
    source = source_of(own, service, clock)
    assert source.access_token(connection_id) == (grant.access, 1)
    clock.sleep(100)
    with pytest.raises(ReconnectNeeded, match="gave no refresh token"):
        source.access_token(connection_id)
    assert status(own, connection_id) == ("reconnect", "no_refresh_token")


def test_unknown_and_revoked_connections(own: Settings, service: WhoopService) -> None:
    source = source_of(own, service, ManualClock(NOW))
    with pytest.raises(ReconnectNeeded, match="no such connection"):
        source.access_token(uuid4())
    connection_id = connected(own, service.grant(), NOW)
    with connect(own, roles.INGEST) as connection:
        mark_revoked(connection, connection_id, "withdrawn")
    with pytest.raises(ReconnectNeeded, match="it was revoked"):
        source.access_token(connection_id)
    assert service.seen == []


@pytest.mark.parametrize("change", ["revoked", "connected again"])
def test_a_pair_that_comes_too_late_is_thrown_away(
    change: str, own: Settings, service: WhoopService
) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    newer = service.grant()

    def meanwhile() -> None:
        service.before_token_answer = lambda: None
        with connect(own, roles.INGEST) as connection:
            if change == "revoked":
                mark_revoked(connection, connection_id, "withdrawn")
                return
            again = connect_account(
                connection,
                player_id="201939",
                consent_id=give_consent(connection, "201939"),
                scopes=SCOPES,
                tokens=TokenSet(newer.access, newer.refresh, NOW + timedelta(hours=1), SCOPES),
                vault=Vault([KEY]),
                provider_user_id=1,
            )
            assert again == connection_id

    service.before_token_answer = meanwhile
    source = source_of(own, service, ManualClock(NOW))
    if change == "revoked":
        with pytest.raises(ReconnectNeeded, match="revoked"):
            source.access_token(connection_id)
        with connect(own, roles.INGEST) as connection:
            stored = Vault([KEY]).load(connection, connection_id)
        assert stored is not None
        assert stored.token_version == 1
        assert stored.tokens.access_token == service.issued[0]
    else:
        assert source.access_token(connection_id) == (newer.access, 2)
    assert RefreshedPairs(own, Vault([KEY])).waiting() == []


@pytest.fixture
def let_in(own: Settings, embedded_settings: Settings) -> Iterator[Callable[[bool], None]]:
    """Makes the test's database go away for everybody, or come back."""
    name = (own.database_url or "").split("?")[0].rsplit("/", 1)[1]
    url = embedded.url(embedded_settings, embedded.ADMIN, "postgres")

    def switch(is_let_in: bool) -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"alter database {name} allow_connections {str(is_let_in).lower()}")
            if not is_let_in:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [name],
                )

    yield switch
    switch(True)


def test_a_database_that_is_away_for_a_moment(
    own: Settings, service: WhoopService, let_in: Callable[[bool], None]
) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    service.before_token_answer = lambda: let_in(False)
    back = threading.Timer(1.5, let_in, [True])
    back.start()
    assert source_of(own, service, ManualClock(NOW)).access_token(connection_id)[1] == 2
    back.join()
    assert status(own, connection_id) == ("active", None)
    assert RefreshedPairs(own, Vault([KEY])).waiting() == []


def test_a_database_that_stays_away(
    own: Settings,
    service: WhoopService,
    let_in: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens_module, "STORE_PATIENCE_SECONDS", 0.2)
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=0)
    service.before_token_answer = lambda: let_in(False)
    try:
        with pytest.raises(ClutchError, match="wait in the state directory") as caught:
            source_of(own, service, ManualClock(NOW)).access_token(connection_id)
    finally:
        let_in(True)
    assert_no_secret(caught, service)
    (file,) = (own.state_directory / "whoop" / "refreshed").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not [secret for secret in service.issued if secret.encode() in file.read_bytes()]
    service.before_token_answer = lambda: None
    assert source_of(own, service, ManualClock(NOW)).access_token(connection_id) == (
        grant.access,
        2,
    )
    assert (service.refreshes, service.losers) == (1, 0)
    assert not file.exists()


def test_a_pair_that_another_machine_thought_lost_is_taken_up(
    own: Settings, service: WhoopService, tmp_path: Path
) -> None:
    service.kills_grant_on_reuse = False
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=0)
    killed = start_process(own, service, connection_id, "written, not stored")
    killed.communicate(timeout=60)
    elsewhere = source_of(at(own, tmp_path / "elsewhere"), service, ManualClock(NOW))
    with pytest.raises(ReconnectNeeded):
        elsewhere.access_token(connection_id)
    assert status(own, connection_id) == ("reconnect", "refresh_interrupted")
    assert source_of(own, service, ManualClock(NOW)).access_token(connection_id)[0] == grant.access
    assert status(own, connection_id) == ("active", None)


def test_a_wrong_key_is_told_before_anything_is_asked(own: Settings, service: WhoopService) -> None:
    connection_id = connected(own, service.grant(), NOW, expires_in=0)
    other = Fernet.generate_key().decode()
    source = TokenSource(own, whoop_settings(service, (other,)), ManualClock(NOW))
    for ask in (source.check, lambda: source.access_token(connection_id)):
        with pytest.raises(SettingError, match="ENCRYPTION_KEY: none of its keys") as caught:
            ask()
        assert other not in str(caught.value)
        assert KEY not in str(caught.value)
    assert service.seen == []
    assert status(own, connection_id) == ("active", None)


def test_ciphertext_opens_for_its_own_connection_only() -> None:
    vault = Vault([KEY])
    one, another = uuid4(), uuid4()
    sealed = vault.seal("access", one, "token")
    assert vault.open("access", one, sealed) == "token"
    for kind, connection_id in (("refresh", one), ("access", another)):
        with pytest.raises(SettingError):
            vault.open(kind, connection_id, sealed)


def test_keys_change_while_workers_read_and_refresh(own: Settings, service: WhoopService) -> None:
    new = Fernet.generate_key().decode()
    members = [
        connected(own, service.grant(), NOW, player_id=str(number), account=number)
        for number in range(8)
    ]
    both = whoop_settings(service, (new, KEY))
    source = TokenSource(own, both, ManualClock(NOW))
    stop = threading.Event()
    failures: list[Exception] = []
    reads = 0

    def work(number: int) -> None:
        nonlocal reads
        mine = members[number::4]
        while not stop.is_set():
            for connection_id in mine:
                try:
                    _, version = source.access_token(connection_id)
                    if reads % 20 == 0:
                        source.access_token(connection_id, refused=version)
                except (ClutchError, psycopg.Error) as error:
                    failures.append(error)
                    return
                reads += 1

    service.has_rate_headers = False
    source._oauth._budget = None  # the budget would hold hundreds of refreshes
    workers = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            assert rotate_keys(own, (new, KEY)) == len(members)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not failures
    assert reads > 50
    assert service.losers == 0
    with connect(own, roles.INGEST) as connection:
        assert Vault([new]).check(connection) == len(members)
        with pytest.raises(SettingError):
            Vault([KEY]).check(connection)


def test_rotation_takes_up_what_waits_in_files(own: Settings, service: WhoopService) -> None:
    new = Fernet.generate_key().decode()
    grant = service.grant()
    connection_id = connected(own, grant, NOW, expires_in=0)
    start_process(own, service, connection_id, "written, not stored").communicate(timeout=60)
    assert rotate_keys(own, (new, KEY)) == 1
    source = TokenSource(own, whoop_settings(service, (new,)), ManualClock(NOW))
    assert source.access_token(connection_id) == (grant.access, 2)
    with pytest.raises(SettingError, match="ENCRYPTION_KEY"):
        rotate_keys(own, (Fernet.generate_key().decode(),))


def test_the_commands(own: Settings, service: WhoopService) -> None:
    connected(own, service.grant(), NOW)
    clutch = [sys.executable, str(PROJECT_ROOT / "clutch.py"), "keys"]
    made = subprocess.run([*clutch, "new"], capture_output=True, text=True, check=True)
    new = made.stdout.strip()
    Vault([new])
    given = os.environ | environment(whoop_settings(service, (new, KEY)), own)
    done = subprocess.run(
        [*clutch, "rotate"], env=given, capture_output=True, text=True, check=True
    )
    assert done.stdout == "encrypted again with the newest key: tokens of 1 connections\n"
    for value, says in (("", "it is not set"), (KEY, "none of its keys opens")):
        failed = subprocess.run(
            [*clutch, "rotate"],
            env=given | {"ENCRYPTION_KEY": value},
            capture_output=True,
            text=True,
            check=False,
        )
        assert failed.returncode == 1
        assert failed.stderr.startswith(f"ENCRYPTION_KEY: {says}")
        assert failed.stderr.count("\n") == 1
