"""A second process that checks payloads while this one loads them.

Parsing holds Python's global lock for milliseconds at a time, and the COPY of the load needs that
lock for every 8 kB: in one process the load of a season took twice its time. The process is started
for a long run only. It reads requests from its standard input and ends with it, so that nothing is
left behind however this process ends.

Protocol: pickled tuples, requests ``(resource, key, body, is_gzip)``, answers a ``Payload`` or a
``PayloadError``; both ends are this module.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from types import TracebackType
from typing import IO

from ingestion.errors import ClutchError
from ingestion.nba.payloads import Payload, PayloadError, Resource, read_payload
from ingestion.settings import PROJECT_ROOT


class CheckerProcess:
    """A context manager around the process; :meth:`read_payload` is the one of ``payloads``."""

    def __enter__(self) -> CheckerProcess:
        path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from ingestion.nba.checker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()  # it holds nothing that could be lost
        self._process.communicate()

    def read_payload(
        self, resource: Resource, key: str | None, body: bytes, *, is_gzip: bool
    ) -> Payload:
        """As :func:`ingestion.nba.payloads.read_payload`, in the other process.

        Raises:
            PayloadError: If the payload does not pass.
            ClutchError: If the process ended, which only an outside force can cause.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise ValueError("the process has no pipes")
        try:
            _send(requests, (resource, key, body, is_gzip))
            answer = pickle.load(answers)  # noqa: S301 - written by our own process
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise ClutchError(
                "the process that checks payloads was ended from outside (out of memory?). "
                "Fix: run the same command again; what is loaded is kept."
            ) from error
        if isinstance(answer, tuple):
            raise PayloadError(*answer)
        if not isinstance(answer, Payload):
            raise TypeError(f"unexpected answer {type(answer).__name__}")
        return answer


def _send(pipe: IO[bytes], message: object) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve() -> None:
    """Answer requests until there are no more; runs in the other process."""
    # Ctrl-C goes to the whole group; the parent decides, and closing the pipe ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            resource, key, body, is_gzip = pickle.load(sys.stdin.buffer)  # noqa: S301 - our parent's
        except EOFError:
            return
        answer: Payload | tuple[str, str]
        try:
            answer = read_payload(resource, key, body, is_gzip=is_gzip)
        except PayloadError as error:
            answer = (error.reason, error.detail)
        try:
            _send(sys.stdout.buffer, answer)
        except BrokenPipeError:
            return
