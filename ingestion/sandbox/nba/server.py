"""The HTTP server of a simulated league: the league's CDN, on this machine."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from ingestion.sandbox.nba.league import League
from ingestion.sandbox.nba.settings import SandboxError

_SCHEDULE_PATH = "/static/json/staticData/scheduleLeagueV2.json"
_GAME_PATH = re.compile(
    r"/static/json/liveData/(playbyplay|boxscore)/(?:playbyplay|boxscore)_([0-9A-Za-z]+)\.json"
)
# What the CDN's store answers for a file that is not there.
_ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; the server carries the sandbox."""

    protocol_version = "HTTP/1.1"
    server_version = "AkamaiNetStorage"
    sys_version = ""
    # Headers and body leave in two writes: without this, Nagle's algorithm delays the second by 40
    # ms.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer with the file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of the file."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        body = self.server.sandbox.payload(self.path.partition("?")[0])
        if body is None:
            self._send(HTTPStatus.FORBIDDEN, _ACCESS_DENIED, "application/xml", with_body=with_body)
            return
        tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(HTTPStatus.OK, body, "application/json", with_body=with_body, tag=tag)

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        content_type: str,
        *,
        with_body: bool,
        tag: str | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if tag is not None:
            self.send_header("ETag", tag)
            self.send_header("Vary", "Accept-Encoding")
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, compresslevel=1, mtime=0)
                self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent: the demo shows its own progress."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, sandbox: NbaSandbox) -> None:
        self.sandbox = sandbox
        super().__init__(("127.0.0.1", port), _Handler)


class NbaSandbox:
    """Serves a league on 127.0.0.1 in the paths and the form of the league's CDN.

    Files: the schedule, and play-by-play and box score of each game. Anything else is answered with
    403 and a small XML, which is what the CDN does for a file that it does not have.

    Args:
        league: The league to serve.
        port: Port to listen on; 0 for any free one.
        now: Wall clock of the service (aware). None: the season is over. Otherwise games after it
            are scheduled (status 1, no play-by-play), games around it are being played (status 2,
            cut off at that moment). May be set while the server runs.

    Raises:
        SandboxError: If the port is taken or out of range, or ``now`` has no zone.
    """

    def __init__(self, league: League, port: int = 0, now: datetime | None = None) -> None:
        self.league = league
        self._now: datetime | None = None
        self.now = now
        if not 0 <= port <= 65535:
            raise SandboxError("port", f"{port} is not a port", "give 0 (any free port) to 65535")
        # A league plays one game at a time: its cache is shared by the request threads.
        self._lock = threading.Lock()
        try:
            self._server = _Server(port, self)
        except OSError as error:
            raise SandboxError(
                "port", f"{port} cannot be used ({error.strerror})", "give 0 for any free port"
            ) from error
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> datetime | None:
        """Wall clock of the service."""
        return self._now

    @now.setter
    def now(self, value: datetime | None) -> None:
        if value is not None and value.tzinfo is None:
            raise SandboxError("now", f"{value} has no time zone", "add one, e.g. +00:00")
        self._now = value.astimezone(UTC) if value is not None else None

    @property
    def base_url(self) -> str:
        """Address to put into ``NBA_CDN_BASE_URL``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def payload(self, path: str) -> bytes | None:
        """Give the file at a path.

        Args:
            path: Path of the request, without query.

        Returns:
            The bytes of the JSON, or None when there is no such file.
        """
        now = self._now
        with self._lock:
            if path == _SCHEDULE_PATH:
                return self.league.schedule_json(now)
            match = _GAME_PATH.fullmatch(path)
            if match is None or f"/{match[1]}_" not in path or not self.league.has_game(match[2]):
                return None
            game_id = match[2]
            if match[1] == "boxscore":
                return self.league.box_score_json(game_id, now)
            if now is not None and not self.league.has_started(game_id, now):
                return None
            return self.league.play_by_play_json(game_id, now)

    def start(self) -> NbaSandbox:
        """Start to answer requests, in a thread of this process."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> NbaSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
