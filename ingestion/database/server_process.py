"""The server process behind a data folder: found, told from a stranger with its number, ended.

PostgreSQL writes ``postmaster.pid`` and believes it. That file outlives a ``kill -9``, a reboot and
a copy of the folder, and its number may by then belong to a zombie or to any other program; then
the server refuses to start. So a number counts here only when its process really works in that
folder.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")  # Linux; elsewhere the process number alone has to do


@dataclass(frozen=True)
class Postmaster:
    """What ``postmaster.pid`` says about a server.

    Attributes:
        pid: Process number.
        socket_directory: Folder of its Unix socket, as the server was given it; empty while it
            starts.
        is_ready: Whether it says that it accepts connections.
    """

    pid: int
    socket_directory: str
    is_ready: bool


def read_postmaster_file(data: Path) -> Postmaster | None:
    """Read ``postmaster.pid``; None when there is none or it is being written.

    Source: PostgreSQL, src/include/utils/pidfile.h: lines 1 (pid), 5 (socket folder) and 8
    (status).
    """
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").split("\n")
        pid = abs(int(lines[0]))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    fields = dict(enumerate((line.strip() for line in lines), start=1))
    return Postmaster(pid, fields.get(5, ""), fields.get(8, "") == "ready")


def live_postmaster(data: Path) -> Postmaster | None:
    """The running server of this data folder, if ``postmaster.pid`` names one that is there."""
    postmaster = read_postmaster_file(data)
    if postmaster is None or not is_alive(postmaster.pid):
        return None
    return postmaster if _works_in(postmaster.pid, data) else None


def is_taken(pid: int) -> bool:
    """Whether the system knows a process of this number, a zombie included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended; a zombie has, though its number is taken."""
    if not is_taken(pid):
        return False
    if not _PROC.is_dir():
        return True
    try:
        status = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return False
    # "pid (name) state ...": the name may hold anything, brackets too
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def server_processes(data: Path) -> list[int]:
    """Every PostgreSQL process that works in this data folder, or did before its deletion.

    That finds a server whose folder was deleted under it, and workers that outlived their killed
    postmaster. Empty on systems without ``/proc``.
    """
    if not _PROC.is_dir():
        return []
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if is_alive(pid) and _is_postgres(pid) and _works_in(pid, data)]


def end(pids: list[int], how: signal.Signals, patience_seconds: float) -> bool:
    """Send a signal to processes and wait for their end.

    Args:
        pids: Process numbers.
        how: ``SIGINT`` asks a postmaster for a fast shutdown, ``SIGQUIT`` for an immediate one.
        patience_seconds: How long to wait.

    Returns:
        Whether all have ended.
    """
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + patience_seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _is_postgres(pid: int) -> bool:
    # `exe` cannot be read of another account's process without CAP_SYS_PTRACE, which containers
    # lack; `comm` can. Workers call themselves "postgres" there as well.
    try:
        return (_PROC / str(pid) / "comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _works_in(pid: int, data: Path) -> bool:
    if not _PROC.is_dir():
        return True
    process = _PROC / str(pid)
    try:
        folder = str((process / "cwd").readlink())
    except PermissionError:
        # A container's root may not look at another account's process; its command line is public,
        # and that of a postmaster names the folder.
        try:
            return str(data).encode() in (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    except OSError:
        return False
    if folder == f"{data} (deleted)":
        return True
    try:
        return (process / "cwd").samefile(data)
    except OSError:
        return False
