"""How fast deliveries are answered at 200 a second, beside an application that only reads the body.

Both run under the same server in a process of their own and get the same deliveries at the same
rate over eight kept connections, in turns. The receiver checks the signature and commits each one
to Postgres before its answer; every twentieth is a duplicate. "mixed" adds ten forged ones for each
true one, at 550 a second in all. Times count from when a delivery was due, so that one slow
answer is charged for all that wait behind it. Every delivery must be there once at the end.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ingestion.settings import Settings
from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.workplace import Workplace
from tests.ingestion.whoop.athletes import CLIENT_SECRET, KEY
from tests.ingestion.whoop.deliveries import Delivery, deliver, encoded, event, mutated, signed
from tests.ingestion.whoop.members import expecting_any_account
from tests.support.dbt_runs import PROJECT_ROOT

PER_SECOND = 200
SECONDS = 5
FORGED_PER_TRUE = 10
MIXED_PER_SECOND = 550
REPETITIONS = 3

_BARE = """
import uvicorn, socket
from ingestion.whoop.receiver.webhooks import LARGEST_BODY_BYTES

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    status = 204 if size <= LARGEST_BODY_BYTES else 413
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})

listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(f"listening on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
config = uvicorn.Config(
    app, access_log=False, log_config=None, http="h11", loop="asyncio", ws="none", lifespan="off",
    server_header=False, proxy_headers=False,
)
uvicorn.Server(config).run(sockets=[listening])
"""


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``{"answers, ms": {case: {"p50": ..., "p99": ..., "most": ...}}, "p99 beside bare": ...}``
    """
    settings = workplace.make_database("receiver")
    expecting_any_account(settings)
    source = random.Random(1)
    times: dict[str, list[list[float]]] = {"bare": [], "receiver": [], "receiver, mixed": []}
    true: set[bytes] = set()
    with (
        _server(settings, ["-c", _BARE]) as bare,
        _server(settings, ["clutch.py", "serve", "receiver", "--port", "0"]) as receiver,
    ):
        first = _deliveries(source, PER_SECOND, true)
        for base_url in (bare, receiver):  # warm: connections, prepared statements, caches
            deliver(base_url, first, per_second=PER_SECOND)
        for number in range(REPETITIONS):
            progress(f"repetition {number + 1} of {REPETITIONS}")
            sent = _deliveries(source, PER_SECOND * SECONDS, true)
            # the second of two may find warmer caches: take turns
            for name, base_url in [("bare", bare), ("receiver", receiver)][:: (-1) ** number]:
                answers = deliver(base_url, sent, per_second=PER_SECOND)
                _check([status for status, _ in answers], [204] * len(sent))
                times[name].append([seconds for _, seconds in answers])
            times["receiver, mixed"].append(_mixed(receiver, source, true))
    with workplace.administrator(settings) as connection:
        stored = connection.execute("select body from operations.webhook_inbox").fetchall()
    _check(sorted(row[0] for row in stored), sorted(true))
    p99 = {
        name: [statistics.quantiles(values, n=100)[98] for values in of_case]
        for name, of_case in times.items()
    }
    return {
        "answers, ms": {
            name: {
                "p50": Spread.of([1000 * statistics.median(values) for values in of_case]),
                "p99": Spread.of([1000 * value for value in p99[name]]),
                "most": Spread.of([1000 * max(values) for values in of_case]),
            }
            for name, of_case in times.items()
        },
        "p99 beside bare": ratio(p99["receiver"], p99["bare"]),
    }


def _deliveries(source: random.Random, count: int, true: set[bytes]) -> list[Delivery]:
    made: list[Delivery] = []
    for number in range(count):
        if number % 20 == 19:
            made.append(made[source.randrange(len(made))])
        else:
            body = encoded(event(source, user_id=990001 + number % 450))
            made.append(signed(body, CLIENT_SECRET))
            true.add(body)
    return made


def _mixed(base_url: str, source: random.Random, true: set[bytes]) -> list[float]:
    """Seconds of the true ones among many forged ones."""
    genuine = _deliveries(source, PER_SECOND, true)
    sent = list(genuine)
    for _ in range(FORGED_PER_TRUE * len(genuine)):
        forged = mutated(source, *source.sample(genuine, 2), CLIENT_SECRET)
        if forged not in genuine:
            sent.append(forged)
    source.shuffle(sent)
    answers = deliver(base_url, sent, per_second=MIXED_PER_SECOND)
    known = set(genuine)
    _check([status == 204 for status, _ in answers], [one in known for one in sent])
    return [seconds for (status, seconds) in answers if status == 204]


def _check(observed: Sequence[object], expected: Sequence[object]) -> None:
    if observed != expected:
        raise RuntimeError("the receiver took what it must not take, or lost what it took")


@contextmanager
def _server(settings: Settings, arguments: Sequence[str]) -> Iterator[str]:
    """A server in a process of its own; gives the address that it prints last in its first line."""
    nowhere = "http://127.0.0.1:9"
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=os.environ
        | {
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DATABASE_URL": settings.database_url or "",
            "WHOOP_API_BASE_URL": nowhere,
            "WHOOP_OAUTH_BASE_URL": nowhere,
            "WHOOP_CLIENT_ID": "benchmark",
            "WHOOP_CLIENT_SECRET": CLIENT_SECRET,
            "WHOOP_REDIRECT_URI": "http://127.0.0.1:8080/oauth/callback",
            "ENCRYPTION_KEY": KEY,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
