"""The read API's leaderboard beside its bare query, by as many askers at once.

``clutch serve dashboard`` runs in a process of its own. Askers are threads of this process: each
has a kept connection to the API and asks again as soon as it has its answer; beside it they ask the
same query through a pool of the same size, as the same role, on this side of the database alone,
where nothing checks a key, makes JSON or asks for a page. "known" sends ``If-None-Match``: the API
asks the database all the same, because a withdrawal must show at once, and answers without a body.
The ways take turns in short blocks, so that a slow minute slows all.

``/freshness`` shows the API's own share: its query takes a millisecond.

Real seasons from a database that is built (``--database``), or four are loaded for it. Both ways
must give the same rows.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from clutch import reader_addresses
from dashboard import queries
from dashboard.app import POOL_SIZE, PREFIX
from dashboard.keys import PUBLIC, new_key
from ingestion.settings import Settings
from tests.benchmarks.measuring import Spread, ratio
from tests.benchmarks.workplace import Workplace
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS

SEASONS = ("2020-21", "2021-22", "2022-23", "2023-24")
ASKED = {"season": SEASONS[-1], "min_games": 10, "limit": 50, "offset": 0}
AT_ONCE = (1, 4, 16)
REPETITIONS = 3
BLOCK_SECONDS = 3.0

_Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """The same question to the API and to the database.

    Attributes:
        path: Address behind the prefix, parameters included.
        query: Its SQL.
        parameters: Of the SQL.
    """

    path: str
    query: str
    parameters: _Row


QUESTIONS = {
    "leaderboard": Question(
        f"/leaderboard?{urlencode(ASKED)}", queries.LEADERBOARD, ASKED | {"team_id": None}
    ),
    "freshness": Question("/freshness", queries.FRESHNESS, {}),
}

Ask = Callable[[], None]


@dataclass
class _Way:
    """One way to ask: a function that makes an asker, and what was measured."""

    asker: Callable[[], Ask]
    seconds: list[list[float]] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        For each question and way milliseconds, requests a second and their ratio to the bare ones.

    Raises:
        AssertionError: If the API's rows are not those of the query.
        RuntimeError: If the API did not start, or answered with an error.
    """
    if workplace.built_database:
        settings = replace(workplace.settings, database_url=workplace.built_database)
    else:
        settings = load(workplace, progress)
    key, entry = new_key("benchmark", PUBLIC)
    address = reader_addresses(settings)[PUBLIC]
    figures: dict[str, Any] = {}
    with serving(settings, entry) as base_url, _pool(address) as pool:
        for name, question in QUESTIONS.items():
            api = _Api(base_url, key, question.path)
            bare = _Bare(pool, question)
            _check_equal(api.rows(), bare.rows())
            figures[name] = {}
            for at_once in AT_ONCE:
                progress(f"{name}, {at_once} at once (load {os.getloadavg()[0]:.1f})")
                figures[name] |= _compared(api, bare, at_once)
    return figures


def load(workplace: Workplace, progress: Callable[[str], None]) -> Settings:
    """Load and build four real seasons."""
    settings = workplace.make_database("leaderboard_api")
    for season in SEASONS:
        progress(f"loading {season}")
        workplace.ingest(settings, workplace.season_files(season))
    progress("building")
    workplace.dbt_build(settings, "--exclude", "possessions", *WITHOUT_TESTS)
    with workplace.administrator(settings) as connection:
        connection.execute("vacuum analyze")
    workplace.settle(settings)
    return settings


def _compared(api: _Api, bare: _Bare, at_once: int) -> dict[str, dict[str, Spread]]:
    ways = {
        "bare": _Way(bare.asker),
        "API": _Way(api.asker),
        "API, known": _Way(api.knowing_asker),
    }
    names = list(ways)
    for repetition in range(REPETITIONS + 1):
        # the second of two may find warmer caches: take turns
        for name in names if repetition % 2 == 0 else reversed(names):
            seconds, per_second = _block(ways[name].asker, at_once)
            if repetition > 0:  # the first one warms connections and caches
                ways[name].seconds.append(seconds)
                ways[name].per_second.append(per_second)
    return {
        f"{at_once} at once, {name}": {
            "p50, ms": Spread.of([1000 * statistics.median(each) for each in way.seconds]),
            "p95, ms": Spread.of([1000 * _percentile(each, 95) for each in way.seconds]),
            "a second": Spread.of(way.per_second),
            "of bare": ratio(way.per_second, ways["bare"].per_second),
        }
        for name, way in ways.items()
    }


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _block(make_asker: Callable[[], Ask], at_once: int) -> tuple[list[float], float]:
    """Ask for some seconds; seconds of each answer, and answers a second."""
    ends: list[list[float]] = [[] for _ in range(at_once)]
    failed: list[Exception] = []
    ready = threading.Barrier(at_once)
    askers = [make_asker() for _ in range(at_once)]

    def ask(number: int) -> None:
        ready.wait()
        ends[number].append(time.perf_counter())
        try:
            while ends[number][-1] < ends[number][0] + BLOCK_SECONDS:
                askers[number]()
                ends[number].append(time.perf_counter())
        except Exception as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=ask, args=[number]) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"a request failed: {failed[0]!r}")
    began, ended = min(each[0] for each in ends), max(each[-1] for each in ends)
    seconds = [after - before for each in ends for before, after in pairwise(each)]
    return seconds, len(seconds) / (ended - began)


class _Bare:
    """The query alone, through a pool like the API's."""

    def __init__(
        self, pool: ConnectionPool[psycopg.Connection[DictRow]], question: Question
    ) -> None:
        self._pool = pool
        self._query = question.query.encode()
        self._parameters = question.parameters

    def asker(self) -> Ask:
        """A function that asks once."""

        def ask() -> None:
            self.rows()

        return ask

    def rows(self) -> list[_Row]:
        with self._pool.connection() as connection:
            return connection.execute(self._query, self._parameters).fetchall()


class _Api:
    """The same over HTTP."""

    def __init__(self, base_url: str, key: str, path: str) -> None:
        self._place = urlsplit(base_url)
        self._path = f"{PREFIX}{path}"
        self._headers = {"authorization": f"Bearer {key}"}

    def asker(self) -> Ask:
        """A function that asks once."""
        return self._asker(self._headers, 200)

    def knowing_asker(self) -> Ask:
        """A function that asks once, and has the answer already."""
        etag = self._get(self._connection(), self._headers)[0].getheader("etag", "")
        return self._asker(self._headers | {"if-none-match": etag}, 304)

    def rows(self) -> list[_Row]:
        body = json.loads(self._get(self._connection(), self._headers)[1])
        items: list[_Row] = body.get("items", [body])
        return items

    def _asker(self, headers: dict[str, str], expected: int) -> Ask:
        connection = self._connection()

        def ask() -> None:
            answer, _ = self._get(connection, headers)
            if answer.status != expected:
                raise RuntimeError(f"the API answered {answer.status} to {self._path}")

        return ask

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._place.hostname or "", self._place.port, timeout=60)

    def _get(
        self, connection: http.client.HTTPConnection, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("GET", self._path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def _check_equal(answered: Sequence[_Row], queried: Sequence[_Row]) -> None:
    """Each field of the API is the query's; moments are text in JSON."""
    assert answered
    assert len(answered) == len(queried)
    for ours, row in zip(answered, queried, strict=True):
        for name, answer in ours.items():
            expected = row[name]
            is_moment = isinstance(expected, date)  # of which a moment with a time is one
            assert (type(expected).fromisoformat(answer) if is_moment else answer) == expected, name


def _pool(address: str) -> ConnectionPool[psycopg.Connection[DictRow]]:
    return ConnectionPool(
        address,
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        timeout=60,
        kwargs={"autocommit": True, "row_factory": dict_row},
        open=True,
    )


@contextmanager
def serving(settings: Settings, entry: str) -> Iterator[str]:
    """``clutch serve dashboard`` with one key; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clutch", "serve", "dashboard", "--port", "0"],
        cwd=PROJECT_ROOT,
        env=os.environ
        | {
            "CLUTCH_STATE_DIR": str(settings.state_directory),
            "DATABASE_URL": settings.database_url or "",
            "DASHBOARD_API_KEYS": entry,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        if not first.startswith("listening on "):
            process.kill()
            raise RuntimeError(f"the API did not start: {first}{process.stderr.read()}")
        yield first.split()[2].rstrip(",")
        process.terminate()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
