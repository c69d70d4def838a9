"""A process that asks for a token, and dies where it is told to.

Arguments: step (or nothing), connection, and if wanted how many threads and when they begin (s).
Prints the versions that it got, or the error. Its log goes to stderr, in full.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from ingestion.consent.vault import Vault
from ingestion.errors import ClutchError
from ingestion.settings import Settings
from ingestion.whoop import tokens
from ingestion.whoop.clock import SystemClock
from ingestion.whoop.http import HttpClient
from ingestion.whoop.oauth import OAuthClient
from ingestion.whoop.refreshed_pairs import RefreshedPairs
from ingestion.whoop.settings import WhoopSettings

STEPS: dict[str, tuple[Any, str, str]] = {
    "locked, nothing noted": (tokens.TokenSource, "_mark_started", "before"),
    "noted, not sent": (OAuthClient, "refresh", "before"),
    "answered, not read": (HttpClient, "send", "after"),
    "read, not written": (RefreshedPairs, "write", "before"),
    "half written": (Path, "rename", "before"),
    "written, not stored": (tokens, "_adopt", "before"),
    "stored, not committed": (Vault, "store", "after"),
    "committed, file there": (RefreshedPairs, "drop", "before"),
    "file dropped": (RefreshedPairs, "drop", "after"),
}


def die_at(step: str) -> None:
    owner, name, when = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)

    def dying(*args: Any, **kw: Any) -> Any:
        if when == "after":
            original(*args, **kw)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


def say(line: str) -> None:
    """Print a line in one piece: print() writes its end by itself, and threads come between."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    step, connection_id, *rest = sys.argv[1:]
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    if step:
        die_at(step)
    source = tokens.TokenSource(Settings.load(), WhoopSettings.load(), SystemClock())
    if rest:
        time.sleep(max(0.0, float(rest[1]) - time.time()))

    def ask() -> None:
        try:
            _, version = source.access_token(UUID(connection_id))
        except ClutchError as error:
            say(f"{type(error).__name__} {error}")
        else:
            say(str(version))

    threads = [threading.Thread(target=ask) for _ in range(int(rest[0]) if rest else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
