"""A real HTTP server whose answers, faults included, a test writes down per path."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.message import Message
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
        drip_seconds: Pause between quarters of the body.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    drip_seconds: float = 0.0


class ScriptedServer:
    """Serves ``answers[path]`` in order, the last one for ever; other paths are 404.

    Attributes:
        answers: By path; change it at any time.
        requests: How often each path was asked for.
        moments: When each path was asked for (``time.monotonic``).
        user_agents: Every ``User-Agent`` seen.
        headers: The headers of every request.
        not_modified: How many answers were 304.
        connections: How many connections were opened.
        most_at_once: The largest number of requests that were being answered at the same time.
        answer_seconds: How long an answer takes.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: Counter[str] = Counter()
        self.moments: dict[str, list[float]] = {}
        self.user_agents: set[str | None] = set()
        self.headers: list[Message] = []
        self.not_modified = 0
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
                answer = script._next(self.path, self.headers)
                tag = answer.headers.get("ETag")
                if tag is not None and self.headers.get("If-None-Match") == tag:
                    answer = Answer(status=304, headers=answer.headers)
                    script.not_modified += 1
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                length = len(answer.body) if answer.promised is None else answer.promised
                self.send_header("Content-Length", str(length))
                self.end_headers()
                part = max(1, len(answer.body) // 4)
                for start in range(0, len(answer.body), part):
                    self.wfile.write(answer.body[start : start + part])
                    time.sleep(answer.drip_seconds)
                if answer.promised is not None:
                    self.close_connection = True
                with script._lock:
                    script._at_once -= 1

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _next(self, path: str, headers: Message) -> Answer:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            number = self.requests[path]
            self.requests[path] += 1
            self.moments.setdefault(path, []).append(time.monotonic())
            self.user_agents.add(headers.get("User-Agent"))
            self.headers.append(headers)
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
