"""The operating-system account that the embedded server runs under.

PostgreSQL refuses to run as root. An ordinary user runs the server as himself; root hands it over
to an unprivileged account, which must then be able to reach the program and the data folder. No
permission of a folder that already exists is ever changed for that.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.errors import ClutchError

# Debian's account for servers first; `nobody` exists on every Linux and is shared by several
# services.
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class ServerAccount:
    """An account, and how to start a process under it.

    Attributes:
        name: Login name, or the number where the account has no name (usual in containers).
        uid: User id.
        gid: Group id.
        is_other: Whether it is another account than this process runs under (only root can have
            that).
    """

    name: str
    uid: int
    gid: int
    is_other: bool

    def popen_arguments(self) -> dict[str, Any]:
        """Arguments of :class:`subprocess.Popen` that start a process under this account."""
        arguments: dict[str, Any] = {"umask": 0o077, "env": _server_environment()}
        if self.is_other:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a short command under this account, from ``/``, and collect what it prints.

        Raises:
            ClutchError: If this process may not start processes under the account.
        """
        try:
            return subprocess.run(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                **self.popen_arguments(),
            )
        except PermissionError as error:
            # The child first becomes the account, then executes: only the latter names the program.
            if self.is_other and str(error.filename) != str(command[0]):
                raise ClutchError(
                    "The embedded database cannot run as root, and this root may not switch to the "
                    f"account {self.name!r}. Fix: run as an ordinary user, or set DATABASE_URL to "
                    "a server."
                ) from None
            return subprocess.CompletedProcess(list(command), 126, stdout=str(error))
        except OSError as error:
            return subprocess.CompletedProcess(list(command), 127, stdout=str(error))

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can reach this folder; tried, as mode bits are not all there is."""
        return self.run(["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0

    def give(self, path: Path) -> None:
        """Make the account the owner of a path that this process has just made."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account(data: Path) -> ServerAccount:
    """Choose the account: this process's own, or for root the data's owner or an unprivileged one.

    Args:
        data: The data folder; it need not exist yet.

    Raises:
        ClutchError: If the data belong to an account that this process cannot act as, or if root
            finds no account to hand over to.
    """
    own_uid = os.geteuid()
    try:
        owner_uid = data.stat().st_uid
    except FileNotFoundError:
        owner_uid = None
    except PermissionError:
        raise belongs_to_another(data) from None
    if own_uid != 0:
        if owner_uid not in (None, own_uid):
            raise belongs_to_another(data, owner_uid)
        return ServerAccount(_account_name(own_uid), own_uid, os.getegid(), is_other=False)
    if owner_uid is not None:
        if owner_uid == 0:
            raise ClutchError(
                f"The database folder {data} belongs to root, under which PostgreSQL does not run. "
                f"Fix: chown -R it to the account that shall run the server (e.g. postgres)."
            )
        # a cluster that an ordinary user made stays that user's
        return ServerAccount(_account_name(owner_uid), owner_uid, data.stat().st_gid, is_other=True)
    for name in UNPRIVILEGED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerAccount(entry.pw_name, entry.pw_uid, entry.pw_gid, is_other=True)
    raise ClutchError(
        "The embedded database cannot run as root and the system has no account "
        f"{' or '.join(UNPRIVILEGED_ACCOUNTS)}. Fix: make one (useradd --system postgres), run as "
        "an ordinary user, or set DATABASE_URL to a server."
    )


def _server_environment() -> dict[str, str]:
    # Not this process's environment: it holds keys and secrets, and the server may run under an
    # account that other services share.
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def belongs_to_another(path: Path, uid: int | None = None) -> ClutchError:
    """The error for a server whose account (None: cannot be seen) is not this process's."""
    owner = "another account" if uid is None else f"the account {_account_name(uid)!r}"
    return ClutchError(
        f"The embedded database in {path} belongs to {owner}, this process runs as "
        f"{_account_name(os.geteuid())!r}. Fix: run as the account that made it (or as root), or "
        "set CLUTCH_STATE_DIR to a folder of your own."
    )
