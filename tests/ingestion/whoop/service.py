"""A real HTTP server with WHOOP's OAuth, rate limits and a collection, and faults that tests order.

It counts on its own, so that what the adapter believes of its requests can be checked against it.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from ingestion.whoop.clock import Clock, SystemClock

SCOPES = ("read:recovery", "read:cycles", "read:workout", "read:sleep", "offline")


@dataclass
class Grant:
    """What a member granted."""

    access: str
    refresh: str
    is_alive: bool = True


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    user_agent: str | None
    at: float
    status: int


@dataclass
class Order:
    """What happens to the next request of a kind (``token`` or ``api``) instead of the usual.

    Attributes:
        status: Answered without doing anything.
        body: With it.
        headers: With it.
        is_lost: The connection is closed without an answer.
        is_done: The request is carried out all the same.
    """

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_lost: bool = False
    is_done: bool = False


class WhoopService:
    """Serves one app.

    Attributes:
        seen: Every request.
        orders: By kind, in turn.
        issued: Every token ever given.
        refreshes: How many refreshes succeeded.
        losers: How many refresh tokens were refused.
        kills_grant_on_reuse: Whether a spent refresh token ends the grant.
        loser_answer: Status and error code for a refresh token that is refused.
        per_minute: Limit over 60 s of ``clock``.
        per_day: Limit over a day.
        is_sliding: Whether the windows slide.
        over_limit: How many requests were answered 429.
        before_token_answer: Called when a refresh is done and not yet answered.
        pages: Pages of ``/v2/cycle``: (records, token of the next page).
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.grants: list[Grant] = []
        self.seen: list[Seen] = []
        self.orders: dict[str, deque[Order]] = {"token": deque(), "api": deque()}
        self.issued: list[str] = []
        self.refreshes = 0
        self.losers = 0
        self.kills_grant_on_reuse = True
        self.loser_answer = (400, "invalid_grant")
        self.per_minute = 100
        self.per_day = 10_000
        self.is_sliding = False
        self.has_rate_headers = True
        self.over_limit = 0
        self.token_life = 3600
        self.before_token_answer: Callable[[], None] = lambda: None
        self.pages: list[tuple[list[dict[str, Any]], Any]] = [([{"id": 1}], None)]
        self.codes: set[str] = set()
        self.missing_scopes: Counter[str] = Counter()
        self._moments: deque[float] = deque()
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                form = {name: values[0] for name, values in parse_qs(body).items()}
                kind = "token" if parts.path.endswith("/token") else "api"
                with service._lock:
                    order = service.orders[kind].popleft() if service.orders[kind] else None
                    headers, is_over = service._count()
                    if is_over:
                        status, content, order = 429, b"", None
                    elif order is not None and not order.is_done:
                        status, content = order.status, order.body
                        headers |= order.headers
                    elif kind == "token":
                        status, content = service._token(form)
                    else:
                        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                        status, content = service._api(self.command, parts.path, query, bearer)
                    service.seen.append(
                        Seen(
                            self.command,
                            parts.path,
                            query,
                            self.headers.get("User-Agent"),
                            service.clock.now().timestamp(),
                            status,
                        )
                    )
                if kind == "token" and status == 200:
                    service.before_token_answer()
                if order is not None and order.is_lost:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def grant(self) -> Grant:
        """A member who has agreed."""
        made = Grant(self._new("access"), self._new("refresh"))
        self.grants.append(made)
        return made

    def _new(self, kind: str) -> str:
        token = f"{kind}-{secrets.token_hex(12)}"
        self.issued.append(token)
        return token

    def _token(self, form: dict[str, str]) -> tuple[int, bytes]:
        if form.get("client_secret") != "secret-of-the-app":
            return 401, orjson.dumps({"error": "invalid_client"})
        if form.get("grant_type") == "authorization_code":
            if form.get("code") not in self.codes:
                return 400, orjson.dumps({"error": "invalid_grant"})
            self.codes.remove(form["code"])
            return 200, self._pair(self.grant())
        spent = form.get("refresh_token", "")
        for grant in self.grants:
            if grant.is_alive and grant.refresh == spent:
                grant.access, grant.refresh = self._new("access"), self._new("refresh")
                self.refreshes += 1
                return 200, self._pair(grant)
        self.losers += 1
        if self.kills_grant_on_reuse:
            for grant in self.grants:
                grant.is_alive = False
        status, code = self.loser_answer
        return status, orjson.dumps({"error": code, "error_description": f"got {spent}"})

    def _pair(self, grant: Grant) -> bytes:
        return orjson.dumps(
            {
                "access_token": grant.access,
                "refresh_token": grant.refresh,
                "expires_in": self.token_life,
                "scope": " ".join(SCOPES),
                "token_type": "bearer",
            }
        )

    def _api(self, method: str, path: str, query: dict[str, str], bearer: str) -> tuple[int, bytes]:
        grant = next((g for g in self.grants if g.is_alive and g.access == bearer), None)
        if grant is None:
            return 401, b"Authorization was not valid"
        if method == "DELETE":
            grant.is_alive = False
            return 204, b""
        if path.endswith("/v2/cycle"):
            number = int(query.get("nextToken", "page-0").removeprefix("page-"))
            records, token = self.pages[min(number, len(self.pages) - 1)]
            page: dict[str, Any] = {"records": records}
            if token != "absent":
                page["next_token"] = token
            return 200, orjson.dumps(page)
        if path.endswith("/404"):
            return 404, b"Not found"
        return 200, orjson.dumps({"path": path})

    def _count(self) -> tuple[dict[str, str], bool]:
        now = self.clock.now().timestamp()
        if not self.has_rate_headers:
            return {}, False
        while self._moments and self._moments[0] <= now - 86_400:
            self._moments.popleft()
        start = now - 60 if self.is_sliding else now // 60 * 60
        in_minute = sum(1 for moment in self._moments if moment >= start)
        in_day = len(self._moments)
        is_over = in_minute >= self.per_minute or in_day >= self.per_day
        if is_over:
            self.over_limit += 1
        else:
            self._moments.append(now)
            in_minute, in_day = in_minute + 1, in_day + 1
        left_minute, left_day = self.per_minute - in_minute, self.per_day - in_day
        by_day = left_day < left_minute
        limit = self.per_day if by_day else self.per_minute
        limits = f"{self.per_minute};window=60, {self.per_day};window=86400"
        return {
            "X-RateLimit-Limit": f"{limit}, {limits}",
            "X-RateLimit-Remaining": str(max(0, min(left_day, left_minute))),
            "X-RateLimit-Reset": str(86_400 if by_day else int(60 - now % 60) + 1),
        }, is_over

    def use_elsewhere(self, requests: int) -> None:
        """Requests of the same app that the adapter knows nothing of."""
        with self._lock:
            for _ in range(requests):
                self._moments.append(self.clock.now().timestamp())

    def largest_window(self, seconds: float) -> int:
        """The most requests, token requests included, in any window of that length."""
        moments = sorted(seen.at for seen in self.seen if seen.status != 429)
        first, most = 0, 0
        for last, moment in enumerate(moments):
            while moments[first] <= moment - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def count(self, ending: str) -> int:
        """Requests whose path ends so."""
        return sum(1 for seen in self.seen if seen.path.endswith(ending))

    def __enter__(self) -> WhoopService:
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
