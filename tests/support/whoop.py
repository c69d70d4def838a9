"""A client and a webhook receiver for tests of the simulated WHOOP service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import requests

from ingestion.sandbox.whoop import WhoopSandbox

ALL_SCOPES = (
    "offline read:recovery read:cycles read:workout read:sleep read:profile read:body_measurement"
)
STATE = "a-state-long-enough"
SECONDS = 30  # to wait for an answer


def authorize_url(sandbox: WhoopSandbox, **changes: str | None) -> str:
    fields = {
        "response_type": "code",
        "client_id": sandbox.settings.client_id,
        "redirect_uri": sandbox.settings.redirect_uris[0],
        "scope": ALL_SCOPES,
        "state": STATE,
    } | changes
    query = {name: value for name, value in fields.items() if value is not None}
    return f"{sandbox.oauth_base_url}/auth?{urlencode(query)}"


def fields_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def ask_token(sandbox: WhoopSandbox, **form: str) -> requests.Response:
    client = {
        "client_id": sandbox.settings.client_id,
        "client_secret": sandbox.settings.client_secret,
    }
    return requests.post(f"{sandbox.oauth_base_url}/token", data=client | form, timeout=SECONDS)


def exchange(sandbox: WhoopSandbox, code: str) -> requests.Response:
    uri = sandbox.settings.redirect_uris[0]
    return ask_token(sandbox, grant_type="authorization_code", code=code, redirect_uri=uri)


def refresh(sandbox: WhoopSandbox, token: str, scope: str = "offline") -> requests.Response:
    return ask_token(sandbox, grant_type="refresh_token", refresh_token=token, scope=scope)


@dataclass
class Connected:
    """A member's tokens and the requests made with them."""

    sandbox: WhoopSandbox
    user_id: int
    access: str
    refresh_token: str | None

    def request(self, method: str, path: str, **query: Any) -> requests.Response:
        return requests.request(
            method,
            self.sandbox.api_base_url + path,
            params=query,
            headers={"Authorization": f"Bearer {self.access}"},
            timeout=SECONDS,
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.request("GET", path, **query)

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All pages of a collection."""
        found: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            page = self.get(path, **query, **({"nextToken": token} if token else {}))
            assert page.status_code == 200, page.text
            found += page.json()["records"]
            token = page.json().get("next_token")
            if not token:
                return found


def connect(
    sandbox: WhoopSandbox, user_id: int | None = None, scope: str = ALL_SCOPES
) -> Connected:
    user_id = user_id or sandbox.members[0]
    location = sandbox.approve(authorize_url(sandbox, scope=scope), user_id)
    answer = exchange(sandbox, fields_of(location)["code"])
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    return Connected(sandbox, user_id, tokens["access_token"], tokens.get("refresh_token"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Hook:
    """One delivery as it came."""

    raw: bytes
    headers: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.raw)
        return body


@dataclass
class Receiver:
    """What came to a webhook address, and what it answers."""

    url: str = ""
    hooks: list[Hook] = field(default_factory=list)
    answer: Callable[[Hook], int] = lambda hook: 204
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [hook.body for hook in self.hooks if hook.body["type"] == kind]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Receive webhooks on 127.0.0.1."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            hook = Hook(raw, dict(self.headers.items()))
            with state.lock:
                state.hooks.append(hook)
            status = state.answer(hook)
            try:
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:  # the sender did not wait
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/whoop/webhook"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
