"""What holds for every application behind the server, whatever it answers."""

from __future__ import annotations

import http.client
import time
from itertools import pairwise

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ingestion.serving import PortServer

# what a kernel waits before it confirms a piece of an answer that it got alone
DELAYED_CONFIRMATION_SECONDS = 0.04


def test_a_body_does_not_wait_until_its_headers_are_confirmed() -> None:
    async def text(_: Request) -> PlainTextResponse:
        return PlainTextResponse("text")

    with PortServer(Starlette(routes=[Route("/", text)]), port=0) as server:
        connection = http.client.HTTPConnection(server.host, server.port)
        moments = [time.perf_counter()]
        for _ in range(60):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"text"
            moments.append(time.perf_counter())
        connection.close()
    seconds = sorted(after - before for before, after in pairwise(moments))
    assert seconds[len(seconds) // 2] < DELAYED_CONFIRMATION_SECONDS / 2
