"""A real HTTP server whose answers, faults included, a test writes down per path."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import orjson


@dataclass
class Answer:
    """One answer.

    Attributes:
        body: What is sent.
        status: HTTP status.
        headers: Further headers.
        promised: ``Content-Length`` instead of the true one: the connection then breaks off.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None


class ScriptedServer:
    """Serves ``answers[path]`` in order, the last one for ever; other paths are 404.

    Attributes:
        answers: By path; change it at any time.
        requests: How often each path was asked for.
        moments: When each path was asked for (``time.monotonic``).
        user_agents: Every ``User-Agent`` seen.
        connections: How many connections were opened.
        most_at_once: The largest number of requests that were being answered at the same time.
        answer_seconds: How long an answer takes.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: Counter[str] = Counter()
        self.moments: dict[str, list[float]] = {}
        self.user_agents: set[str | None] = set()
        self.connections = 0
        self.most_at_once = 0
        self.answer_seconds = 0.0
        self._at_once = 0
        self._lock = threading.Lock()
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with script._lock:
                    script.connections += 1

            def do_GET(self) -> None:
                answer = script._next(self.path, self.headers.get("User-Agent"))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                length = len(answer.body) if answer.promised is None else answer.promised
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(answer.body)
                if answer.promised is not None:
                    self.close_connection = True
                with script._lock:
                    script._at_once -= 1

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _next(self, path: str, user_agent: str | None) -> Answer:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            number = self.requests[path]
            self.requests[path] += 1
            self.moments.setdefault(path, []).append(time.monotonic())
            self.user_agents.add(user_agent)
            script = self.answers.get(path, [Answer(status=404)])
        time.sleep(self.answer_seconds)
        return script[min(number, len(script) - 1)]

    def put(self, path: str, content: object) -> None:
        """Answer a path with JSON."""
        self.answers[path] = [Answer(orjson.dumps(content))]

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
