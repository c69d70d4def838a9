"""An ASGI application on a port of this machine; a proxy before it does TLS."""

from __future__ import annotations

import logging
import socket
import threading
from types import TracebackType
from typing import Self

import h11
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ingestion.errors import ClutchError

_SHUTDOWN_SECONDS = 10


class _Connection(H11Protocol):
    """The server's own, which trips over a body that turns out to be framed wrongly.

    It would answer 400 by itself although an answer has begun or can have no body (``HEAD``), or
    let the application answer after it: each ends as an error with a stack trace in the log, with
    what the sender wrote.
    """

    def send_400_response(self, msg: str) -> None:
        """Answer if that is possible, and hang up."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


def _has_two_ends(scope: Scope) -> bool:
    """Whether a request says both its length and that it comes in chunks.

    The server would believe the chunks and keep the connection. A proxy that believes the length
    then passes a second request on inside the first, with whatever path it refuses itself
    (RFC 9112, 6.3: the connection must be closed, and the request may be refused).
    """
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


class _OneEnd:
    """Refuses such a request, whatever the application, and hangs up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_two_ends(scope):
            refused = Response(status_code=400, headers={"connection": "close"})
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class PortServer:
    """Serves an application; as a context it does so in a thread.

    Args:
        app: The ASGI application.
        host: Address to listen on.
        port: Port; 0 for any free one.

    Raises:
        ClutchError: If the port cannot be used.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 8080) -> None:
        try:
            self._socket = socket.create_server(
                (host, port),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=2048,
            )
            # Taken over by every connection. asyncio does so for sockets that name their protocol
            # alone, and this one does not: a body that follows its headers would wait 40 ms for
            # the other side to confirm them.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, OverflowError) as error:
            raise ClutchError(
                f"cannot listen on {host}, port {port}: {error}. Fix: give --host an address of "
                "this machine and --port a free port."
            ) from None
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                _OneEnd(app),
                access_log=False,
                log_config=None,
                http=_Connection,
                loop="asyncio",
                ws="none",
                lifespan="on",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Address for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self) -> None:
        """Serve until interrupted (SIGINT, SIGTERM); what was begun is finished."""
        # Its lines hold links, codes and states. The server's own switch leaves the logger on where
        # some handler is found, which any library in this process can bring about.
        logging.getLogger("uvicorn.access").disabled = True
        with self._socket:
            self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
