"""The HTTP server of the simulated WHOOP service, and its handle for tests and people."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop import control
from ingestion.sandbox.whoop.api import Answer, Api, json_answer
from ingestion.sandbox.whoop.clock import Clock
from ingestion.sandbox.whoop.faults import Faults
from ingestion.sandbox.whoop.oauth import AuthorizationServer, OAuthError, consent_page
from ingestion.sandbox.whoop.physiology import Athlete, scripted_revocations
from ingestion.sandbox.whoop.request_log import LoggedRequest
from ingestion.sandbox.whoop.settings import Switches, WhoopSandboxSettings, check_http_url
from ingestion.sandbox.whoop.timeline import Event, Member, Timeline, Truth
from ingestion.sandbox.whoop.webhooks import Attempt, Dispatcher

_AUTH_PATH = "/oauth/oauth2/auth"
_TOKEN_PATH = "/oauth/oauth2/token"  # noqa: S105 - a path
_MOST_BODY_BYTES = 1_000_000
_FORM = "application/x-www-form-urlencoded"


class _Handler(BaseHTTPRequestHandler):
    """Answers GET, POST and DELETE; the server carries the sandbox."""

    protocol_version = "HTTP/1.1"
    server_version = "whoop-sandbox"
    sys_version = ""
    # Headers and body leave in two writes: without this, Nagle's algorithm delays the second by 40
    # ms.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        self._handle("GET")

    def do_POST(self) -> None:
        """Answer."""
        self._handle("POST")

    def do_DELETE(self) -> None:
        """Answer."""
        self._handle("DELETE")

    def do_PUT(self) -> None:
        """Answer: nothing can be put."""
        self._handle("PUT")

    def do_PATCH(self) -> None:
        """Answer: nothing can be changed."""
        self._handle("PATCH")

    def _handle(self, method: str) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _MOST_BODY_BYTES:
            self.close_connection = True
            self._send(Answer(413, b"Content Too Large"))
            return
        body = self.rfile.read(int(length))
        answer = self.server.sandbox.handle(method, self.path, dict(self.headers.items()), body)
        if answer.delay_seconds:
            time.sleep(answer.delay_seconds)
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            # a client that was not willing to wait for a slow answer
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(answer.body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Write ``Date`` by the simulated clock."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        return format_datetime(self.server.sandbox.served_now, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent: the sandbox keeps its own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # a roster asks at once
    request_queue_size = 128

    def __init__(self, port: int, sandbox: WhoopSandbox) -> None:
        self.sandbox = sandbox
        super().__init__(("127.0.0.1", port), _Handler)


class WhoopSandbox:
    """Serves simulated members on 127.0.0.1 as WHOOP's OAuth server and API v2 do.

    Time is simulated: tokens, limits, scores and webhooks follow :attr:`clock`, which stands still
    until :meth:`advance` moves it, or runs at ``speed`` times real time. What the methods do can
    also be done over HTTP, under ``/__sim`` (:mod:`ingestion.sandbox.whoop.control`).

    Args:
        settings: The whole input.
        port: Port to listen on; 0 for any free one.
        speed: Simulated seconds per real second; 0: the clock stands still between calls.

    Raises:
        SandboxError: If the port is taken or out of range.
    """

    def __init__(
        self, settings: WhoopSandboxSettings | None = None, port: int = 0, speed: float = 0.0
    ) -> None:
        self.settings = settings or WhoopSandboxSettings()
        if not 0 <= port <= 65535:
            raise SandboxError("port", f"{port} is not a port", "give 0 (any free port) to 65535")
        self.clock = Clock(self.settings.clock_start, speed)
        self.faults = Faults(self.settings.seed, self.settings.faults)
        self._switches = self.settings.switches
        self._lock = threading.RLock()
        self._advancing = threading.RLock()
        self._timeline = Timeline(self.settings)
        self.oauth = AuthorizationServer(self.settings, self.clock.milli, lambda: self._switches)
        self.api = Api(
            settings=self.settings,
            timeline=self._timeline,
            oauth=self.oauth,
            clock=self.clock.milli,
            switches=lambda: self._switches,
            faults=self.faults,
            lock=self._lock,
        )
        self._dispatcher = Dispatcher(
            clock=self.clock,
            seed=self.settings.seed,
            secret=self.settings.client_secret,
            switches=lambda: self._switches,
            faults=self.faults,
            events=self._events,
            connected_since=self._connected_since,
            hide=self._hide,
        )
        self.webhook_urls = self.settings.webhook_urls
        self._revocations = scripted_revocations(self.settings)
        try:
            self._server = _Server(port, self)
        except OSError as error:
            raise SandboxError(
                "port", f"{port} cannot be used ({error.strerror})", "give 0 for any free port"
            ) from error
        self._thread: threading.Thread | None = None
        self._ticker: threading.Thread | None = None
        self._stopped = threading.Event()

    # --- addresses and life
    # ------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api_base_url(self) -> str:
        """Address to put into ``WHOOP_API_BASE_URL``."""
        return f"{self.base_url}/developer"

    @property
    def oauth_base_url(self) -> str:
        """Address to put into ``WHOOP_OAUTH_BASE_URL``; ``/auth`` and ``/token`` follow it."""
        return f"{self.base_url}/oauth/oauth2"

    def start(self) -> WhoopSandbox:
        """Start to answer requests, in threads of this process."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            self._thread.start()
            if self.clock.speed:
                self._ticker = threading.Thread(target=self._tick, daemon=True)
                self._ticker.start()
        return self

    def stop(self) -> None:
        """Stop answering and sending, and free the port."""
        self._stopped.set()
        if self._ticker is not None:
            self._ticker.join()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._dispatcher.close()

    def __enter__(self) -> WhoopSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _tick(self) -> None:
        while not self._stopped.wait(0.1):
            self._reach(self.clock.milli())

    # --- time
    # --------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """Simulated time (UTC)."""
        return self.clock.now

    @property
    def served_now(self) -> datetime:
        """Time as the service's own clock shows it, which may be skewed."""
        return self.now + timedelta(seconds=self.settings.faults.clock_skew_seconds)

    def advance(self, by: timedelta | float) -> None:
        """Move the clock on; every webhook that is due on the way is sent before this returns.

        Args:
            by: How far; a number is seconds.

        Raises:
            SandboxError: If it is negative.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            raise SandboxError("advance", f"{step} goes back", "give 0 or more seconds")
        self._reach(self.clock.milli() + step // timedelta(milliseconds=1))

    def advance_to(self, moment: datetime) -> None:
        """As :meth:`advance`, to a moment (aware).

        Raises:
            SandboxError: If it has no zone or is past.
        """
        if moment.tzinfo is None:
            raise SandboxError("set", f"{moment} has no time zone", "add one, e.g. +00:00")
        self.advance(moment.astimezone(UTC) - self.now)

    def _reach(self, until: int) -> None:
        with self._advancing:
            while self._revocations and self._revocations[0][0] <= until:
                at, scripted = self._revocations.pop(0)
                self._dispatcher.pump(max(at, self.clock.milli()))
                self.revoke_in_app(list(self._timeline.athletes)[scripted.member])
            self._dispatcher.pump(until)

    def _events(self, after: int, until: int) -> list[Event]:
        found: list[Event] = []
        with self._lock:
            for user_id in self._timeline.athletes:
                if self.oauth.connected_since(user_id) is not None:
                    found += self._timeline.events(user_id, after, until)
        return sorted(found, key=lambda event: event.at)

    def _connected_since(self, user_id: int) -> int | None:
        with self._lock:
            return self.oauth.connected_since(user_id)

    def _hide(self, event: Event, until: int) -> None:
        with self._lock:
            member = self._timeline.member(event.user_id, self.clock.milli())
            resource = event.type.partition(".")[0]
            if resource == "recovery":
                member.recoveries[member.cycle_of_sleep[event.id]].hidden_until = until
            else:
                among = member.sleeps if resource == "sleep" else member.workouts
                among[event.id].hidden_until = until

    # --- control
    # -----------------------------------------------------------------------------------------

    @property
    def webhook_urls(self) -> tuple[str, ...]:
        """Where webhooks go."""
        return self._dispatcher.urls

    @webhook_urls.setter
    def webhook_urls(self, urls: tuple[str, ...]) -> None:
        for url in urls:
            check_http_url("webhook_urls", url)
        self._dispatcher.urls = tuple(urls)

    @property
    def switches(self) -> Switches:
        """Present switches."""
        return self._switches

    def switch(self, **changes: Any) -> None:
        """Change switches.

        Args:
            changes: Fields of :class:`Switches`.

        Raises:
            SandboxError: If there is no such switch or position.
        """
        names = {entry.name for entry in dataclasses.fields(Switches)}
        for name, value in changes.items():
            if name not in names:
                raise SandboxError(f"switches.{name}", "there is no such switch", "see Switches")
            if isinstance(value, list):
                changes[name] = tuple(value)
        try:
            self._switches = dataclasses.replace(self._switches, **changes)
        except TypeError as error:
            raise SandboxError("switches", "a value has the wrong type", "see Switches") from error

    @property
    def members(self) -> list[int]:
        """User ids, in the order of the roster."""
        return list(self._timeline.athletes)

    @property
    def player_ids(self) -> dict[int, int]:
        """Player id in the linked league, by user id."""
        return {user_id: a.player_id for user_id, a in self._timeline.athletes.items()}

    @property
    def athletes(self) -> list[Athlete]:
        """What is fixed about each member, in the order of the roster."""
        return list(self._timeline.athletes.values())

    def member(self, user_id: int) -> Member:
        """Give a member's records with all their versions, to compare with.

        Raises:
            SandboxError: If there is no such member.
        """
        with self._lock:
            return self._timeline.member(user_id, self.clock.milli())

    def approve(self, authorize_url: str, user_id: int) -> str:
        """Let a member accept; gives the address that his browser is sent to.

        Args:
            authorize_url: The address that the client opened, with its query.
            user_id: Who accepts.

        Raises:
            OAuthError: If the request itself is refused.
            SandboxError: If there is no such member.
        """
        query = dict(parse_qsl(urlsplit(authorize_url).query))
        with self._lock:
            self._timeline.member(user_id, self.clock.milli())
            return self.oauth.approve(self.oauth.check(query), user_id)

    def decide(self, challenge: str, decision: str, member: str) -> str:
        """Take the decision on a consent page; gives the address to go to.

        Args:
            challenge: Name of the decision, from the page.
            decision: ``approve`` or ``deny``.
            member: User id of who approves.

        Raises:
            OAuthError: If the decision was taken already.
        """
        with self._lock:
            request = self.oauth.challenged(challenge)
            if decision == "deny":
                return self.oauth.deny(request)
            return self.oauth.approve(request, int(member))

    def decide_at_once(self, query: Mapping[str, str], decision: str, member: str) -> str:
        """Check a request for consent and decide it, without a page; as :meth:`decide`."""
        with self._lock:
            return self.decide(self.oauth.challenge(self.oauth.check(query)), decision, member)

    def put(self, resource: str, row: dict[str, Any]) -> None:
        """Put a record as it is, or a new version of one; its webhook follows.

        A member who joins later than the end of the test (:attr:`Kind.CALIBRATING`) has no records
        but these.

        Args:
            resource: ``cycle``, ``recovery``, ``sleep`` or ``workout``; put a sleep before its
                recovery. Cycles have no webhook.
            row: Wire form; ``user_id`` names the member.

        Raises:
            SandboxError: If there is no such member or something is missing.
        """
        with self._advancing:
            with self._lock:
                now = self.clock.milli() + 1
                user_id = row.get("user_id")
                if not isinstance(user_id, int):
                    raise SandboxError("row", "it has no user_id", "give that of a member")
                self._timeline.member(user_id, now).put(resource, row, now)
            self._reach(now)

    def edit_sleep(self, sleep_id: str, shift: timedelta) -> None:
        """Let the member move the start of a sleep (negative is earlier); webhooks follow."""
        self._change(sleep_id, "edit_sleep", _milli(shift))

    def edit_workout(self, workout_id: str, shift: timedelta) -> None:
        """Let the member move a workout; its webhook follows."""
        self._change(workout_id, "edit_workout", _milli(shift))

    def delete_sleep(self, sleep_id: str) -> None:
        """Let the member delete a sleep, and with it its recovery; webhooks follow."""
        self._change(sleep_id, "delete_sleep")

    def delete_workout(self, workout_id: str) -> None:
        """Let the member delete a workout; its webhook follows."""
        self._change(workout_id, "delete_workout")

    def _change(self, activity_id: str, method: str, *shift: int) -> None:
        with self._advancing:
            with self._lock:
                # a moment of its own: what was told before is not told again
                now = self.clock.milli() + 1
                member = self._timeline.owner(activity_id, now)
                getattr(member, method)(activity_id, *shift, now)
            self._reach(now)

    def revoke_in_app(self, user_id: int) -> bool:
        """Let a member revoke the access in WHOOP's app; no webhook tells it."""
        with self._lock:
            self._timeline.member(user_id, self.clock.milli())
            return self.oauth.revoke(user_id)

    def deliveries(self) -> list[Attempt]:
        """Give the log of webhook attempts."""
        return self._dispatcher.log()

    def pending_deliveries(self) -> int:
        """Count webhooks that wait for their time."""
        return self._dispatcher.pending()

    def requests(self) -> list[LoggedRequest]:
        """Give the log of requests."""
        return self.api.log.lines()

    def request_counts(self, *by: str) -> Counter[tuple[object, ...]]:
        """Count requests; see :meth:`RequestLog.counts`."""
        return self.api.log.counts(*by)

    def truth(self) -> list[Truth]:
        """Give what only the simulation knows of the nights that have ended."""
        with self._lock:
            return self._timeline.truth(self.clock.milli())

    # --- answering
    # ---------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one HTTP request.

        Args:
            method: HTTP method.
            target: Path with query, as sent.
            headers: As sent.
            body: As sent.
        """
        parts = urlsplit(target)
        path = unquote(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            if path.startswith("/__sim/"):
                return control.handle(self, method, path, query, body)
            if path.startswith("/developer/"):
                return self.api.handle(method, path, query, lower.get("authorization"))
            if path in (_AUTH_PATH, _TOKEN_PATH):
                return self._oauth(method, path, query, lower, body)
        except SandboxError as error:
            return json_answer({"error": str(error)}, 400)
        return Answer(404, b"Not Found")

    def _oauth(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        if method != ("GET" if path == _AUTH_PATH else "POST"):
            return Answer(405, b"Method Not Allowed")
        with self._lock:
            now = self.clock.milli()
            answer = self._authorize(query) if path == _AUTH_PATH else self._token(headers, body)
            self.api.log.add(LoggedRequest(now, method, path, path, answer.status, None))
            return answer

    def _authorize(self, query: Mapping[str, str]) -> Answer:
        try:
            request = self.oauth.check(query)
        except OAuthError as error:
            return control.refused(error)
        people = [
            (user_id, f"{athlete.first_name} {athlete.family_name}")
            for user_id, athlete in self._timeline.athletes.items()
        ]
        page = consent_page(request, self.oauth.challenge(request), people)
        return Answer(200, page.encode(), "text/html; charset=utf-8", {"Cache-Control": "no-store"})

    def _token(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._switches.token_requests_count:
            is_sliding = self._switches.rate_window == "sliding"
            budget = self.api.limits.take(self.clock.milli(), sliding=is_sliding)
            if not budget.is_allowed:
                return Answer(429, b"Too Many Requests", headers=budget.headers)
        try:
            if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
                raise OAuthError(400, "invalid_request", f"The body must be {_FORM}.")
            form = dict(parse_qsl(body.decode("utf-8", "replace")))
            answer = json_answer(self.oauth.token(form))
        except OAuthError as error:
            answer = control.refused(error)
        answer.headers |= {"Cache-Control": "no-store", "Pragma": "no-cache"}
        return answer


def _milli(shift: timedelta) -> int:
    return shift // timedelta(milliseconds=1)
