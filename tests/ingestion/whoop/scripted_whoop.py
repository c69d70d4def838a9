"""A small WHOOP whose answers a test sets: what the sandbox never says can be said here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

ALL_SCOPES = "read:cycles read:recovery read:sleep read:workout offline"


class ScriptedWhoop:
    """Token endpoint, newest cycle, profile and revocation on 127.0.0.1.

    A code is good once and carries the account after its dash: ``good-7`` is account 7.
    """

    def __init__(self) -> None:
        self.scope: str | None = ALL_SCOPES
        self.refresh_token = True
        self.token_status = 200
        self.has_cycle = True
        self.requests: list[tuple[str, str]] = []
        self.spent: set[str] = set()
        self.live_tokens: dict[str, int] = {}
        self.before_token: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._count = 0
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script._answer(self, "")

            def do_DELETE(self) -> None:
                script._answer(self, "")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                script._answer(self, body.decode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """Answer well again, forget what was asked."""
        self.scope, self.refresh_token, self.token_status = ALL_SCOPES, True, 200
        self.has_cycle, self.before_token = True, None
        self.requests.clear()

    def count(self, method: str, path: str) -> int:
        """How often something was asked for."""
        return self.requests.count((method, path))

    def _answer(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        path = urlsplit(handler.path).path
        with self._lock:
            self.requests.append((handler.command, path))
        if path == "/oauth/oauth2/token":
            if self.before_token is not None:
                self.before_token()
            status, content = self._token({k: v[0] for k, v in parse_qs(body).items()})
        else:
            bearer = handler.headers.get("Authorization", "").removeprefix("Bearer ")
            status, content = self._api(handler.command, path, self.live_tokens.get(bearer))
        payload = b"" if content is None else json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)

    def _token(self, form: dict[str, str]) -> tuple[int, Any]:
        if self.token_status != 200:
            return self.token_status, {"error": "server_error"}
        code = form.get("code", "")
        with self._lock:
            if not code.startswith("good-") or code in self.spent:
                return 400, {"error": "invalid_grant"}
            self.spent.add(code)
            self._count += 1
            number = self._count
            self.live_tokens[f"access-token-{number}"] = int(code.split("-")[1])
        answer = {"access_token": f"access-token-{number}", "expires_in": 3600}
        if self.scope is not None:
            answer["scope"] = self.scope
        if self.refresh_token:
            answer["refresh_token"] = f"refresh-token-{number}"
        return 200, answer

    def _api(self, method: str, path: str, account: int | None) -> tuple[int, Any]:
        if account is None:
            return 401, {}
        if (method, path) == ("DELETE", "/developer/v2/user/access"):
            with self._lock:
                for token in [t for t, owner in self.live_tokens.items() if owner == account]:
                    del self.live_tokens[token]
            return 204, None
        if path == "/developer/v2/cycle":
            return 200, {"records": [{"id": 1, "user_id": account}] if self.has_cycle else []}
        if path == "/developer/v2/user/profile/basic":
            return 200, {"user_id": account, "email": "someone@example.org"}
        return 404, {}

    def __enter__(self) -> ScriptedWhoop:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
