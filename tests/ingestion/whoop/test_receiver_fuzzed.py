"""Injection, path, header and framing attacks on the receiver, by nobody and by an athlete.

Every address that the application registers is attacked, so a new one is without a line here. A
fixed sweep of every payload at every place comes first, then mixtures that Hypothesis draws, the
same ones each time. ``CLUTCH_FUZZ=20000`` draws that many and new ones.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit
from uuid import uuid4

import orjson
import psycopg
import pytest
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect, login_url
from ingestion.database.roles import INGEST
from ingestion.settings import Settings
from ingestion.whoop import raw_tables
from ingestion.whoop.clock import SystemClock
from ingestion.whoop.raw_tables import Version
from ingestion.whoop.receiver import pages
from ingestion.whoop.receiver.app import WEBHOOKS_PATH, Receiver, create_app
from ingestion.whoop.receiver.webhooks import EVENT_TYPES
from ingestion.whoop.settings import WhoopSettings
from ingestion.whoop.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from tests.ingestion.whoop.athletes import CLIENT_SECRET, KEY, Athlete, Page, whoop_settings
from tests.ingestion.whoop.deliveries import deliver, encoded, signed
from tests.ingestion.whoop.scripted_whoop import ScriptedWhoop
from tests.support import attacks
from tests.support.attacks import Attack, Endpoint, Log, Oracle

MORE = int(os.environ.get("CLUTCH_FUZZ", "0"))
ACCOUNT = 770_044_991_001  # of the athlete who must not show; long enough not to come by chance
PULSE = "61.7321904455"
PLAYER = "880031337001"
REFUSALS = "operations.webhook_refusals"
FIELDS = (
    "secret",
    "state",
    "code",
    "error",
    "decision",
    "token",
    "purpose_modeling",
    "clutch-browser",
)
REASONS = {
    *("wrong_method", "missing_signature", "wrong_timestamp", "stale", "too_large", "too_slow"),
    *("wrong_signature", "not_json", "unknown_type", "unknown_account", "wrong_types"),
    "trace_reused",
}
# what uvicorn says by itself where no application is reached
BODIES = {b"", b"Invalid HTTP request received."}


def drawn(normal: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings of a test that draws: the same examples each time, unless more are asked for."""
    return hypothesis_settings(
        max_examples=max(normal, MORE * normal // 600),
        derandomize=not MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Target:
    """A receiver under attack, and a connected athlete behind it.

    Attributes:
        receiver: It.
        settings: Its database.
        whoop: Its settings.
        service: The WHOOP that it asks.
        endpoints: What it registers.
        oracle: Knows everything that must not show.
        log: What its process says.
        sent: Requests so far.
    """

    receiver: Receiver
    settings: Settings
    whoop: WhoopSettings
    service: ScriptedWhoop
    endpoints: list[Endpoint]
    oracle: Oracle
    log: Log
    sent: list[int]

    @property
    def address(self) -> tuple[str, int]:
        return self.receiver.host, self.receiver.port

    def strike(self, attack: Attack, oracle: Oracle | None = None) -> None:
        self.sent[0] += 1
        exchange = attacks.send(self.address, attack)
        problems = (oracle or self.oracle).problems(attack, exchange)
        problems += self.log.faults
        assert not problems, (problems, str(attack), exchange.raw[:2000])

    def rows(self) -> dict[str, str]:
        """What is stored, but counts of refusals."""
        return fingerprints(self.settings, REFUSALS)

    def is_well(self) -> None:
        """It still serves, and has counted nothing under a name of an attacker's."""
        answer = Athlete(self.settings, self.receiver.base_url, "201939").open()
        assert answer.status_code == 200
        with connect(self.settings, INGEST) as connection:
            rows = connection.execute(f"select distinct reason from {REFUSALS}").fetchall()
        assert {reason for (reason,) in rows} <= REASONS


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    with attacks.listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def target(module_database: Settings, log: Log) -> Iterator[Target]:
    with ScriptedWhoop() as service:
        whoop = whoop_settings(service.base_url)
        consent = ConsentSettings()
        with Receiver(module_database, whoop, consent, port=0) as running:
            known = {
                "the secret of the app": CLIENT_SECRET,
                "a key": KEY,
                **a_connected_athlete(module_database, running.base_url),
            }
            headers = {
                name.decode(): value.decode()
                for name, value in pages.headers(whoop.oauth_base_url, is_https=False)
            }
            oracle = Oracle(
                secrets=known,
                html_headers=headers,
                header_names={
                    *headers,
                    *("content-type", "content-length", "date", "connection", "allow"),
                    *("set-cookie", "location", "transfer-encoding"),
                },
                redirects=[f"{whoop.oauth_base_url}/auth?"],
                other_bodies=BODIES,
            )
            app = create_app(module_database, whoop, consent, SystemClock())
            yield Target(
                running,
                module_database,
                whoop,
                service,
                attacks.endpoints_of(app),
                oracle,
                log,
                [0],
            )


def fingerprints(settings: Settings, *but: str) -> dict[str, str]:
    with psycopg.connect(login_url(settings)) as connection:
        return attacks.fingerprints(connection, but)


def a_connected_athlete(settings: Settings, base_url: str) -> dict[str, str]:
    """An athlete with a link, a walk, tokens, a delivery and a night; all that is told of him."""
    his = Athlete(settings, base_url, PLAYER)
    state = his.agree(audience_coaches="yes")
    assert his.come_back(state=state, code=f"good-{ACCOUNT}-0").status_code == 200
    delivery = event()
    [(status, _)] = deliver(base_url, [signed(encoded(delivery), CLIENT_SECRET)])
    assert status == 204
    another = his.invite()  # not used: whoever learns it decides for him
    with connect(settings, INGEST) as connection:
        row = connection.execute(
            "select connection_id from operations.wearable_connections where player_id = %s",
            [his.player_id],
        ).fetchone()
        assert row is not None
        night = orjson.dumps({"score": {"hrv_rmssd_milli": float(PULSE)}})
        now = datetime.now(UTC)
        raw_tables.insert(
            connection,
            [Version("recovery", "9", row[0], ACCOUNT, "0" * 64, night, "sync", now, now)],
        )
        hashes = connection.execute(
            "select invitation_hash from operations.consent_invitations where player_id = %s",
            [his.player_id],
        ).fetchall()
    cookie = next(iter(his.browser.cookies)).value
    assert cookie is not None
    return {
        "his player id": his.player_id,
        "his account": str(ACCOUNT),
        "his pulse": PULSE,
        "his used link": his.secret,
        "his link": another,
        "his state": state,
        "his cookie": cookie,
        "his connection": str(row[0]),
        "his delivery": str(delivery["trace_id"]),
        "his access token": "access-token-1",
        "his refresh token": "refresh-token-1",
        **{f"the hash of link {number}": value for number, (value,) in enumerate(hashes)},
    }


def event() -> dict[str, Any]:
    return {
        "user_id": ACCOUNT,
        "id": str(uuid4()),
        "type": "sleep.updated",
        "trace_id": str(uuid4()),
    }


@pytest.fixture(autouse=True)
def nothing_is_told_in_the_log(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "target" in request.fixturenames:
        log: Log = request.getfixturevalue("log")
        target: Target = request.getfixturevalue("target")
        assert log.faults == []
        assert target.oracle.secrets_in("\n".join(log.lines)) == []


def test_every_payload_at_every_place_gets_nothing(target: Target) -> None:
    before = target.rows()
    assert len(before) > 30
    assert {endpoint.template for endpoint in target.endpoints} >= {
        *("/consent/{secret}", "/oauth/callback", "/webhooks/whoop"),
    }
    with ThreadPoolExecutor(4) as senders:  # most wait for an answer that never comes
        list(senders.map(target.strike, attacks.sweep(target.endpoints, FIELDS)))
    assert target.rows() == before
    target.is_well()


def test_a_request_with_two_ends_is_refused_and_the_connection_ends(target: Target) -> None:
    """What hides behind one of the two ends is not answered."""
    attack = next(
        attack
        for attack in attacks.framings("GET", "/oauth/callback", b"", "/oauth/callback")
        if attack.note == "length and chunks, and a second request"
    )
    exchange = attacks.send(target.address, attack)
    assert [answer.status for answer in exchange.answers] == [400]
    assert exchange.has_ended


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_chunk_that_turns_out_wrong_after_the_answer_is_no_error(
    target: Target, method: str
) -> None:
    with socket.create_connection(target.address, timeout=5) as connection:
        head = f"{method} {WEBHOOKS_PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        status = 401 if method == "POST" else 405
        assert connection.recv(65_536).startswith(f"HTTP/1.1 {status}".encode())
        connection.sendall(b"zz\r\n")
        with suppress(ConnectionResetError):
            while connection.recv(65_536):
                pass
    assert target.log.faults == []


def own_headers() -> st.SearchStrategy[list[attacks.Header]]:
    """Signatures and times of deliveries, never a true pair."""
    now = int(time.time() * 1000)
    times = st.one_of(
        st.sampled_from([str(now), str(now - 90_000_000), "0", "-1", "1e3", "9" * 13, "9" * 14]),
        attacks.wild_values(),
    )
    signatures = st.one_of(
        st.binary(min_size=32, max_size=32).map(lambda digest: base64.b64encode(digest).decode()),
        attacks.wild_values(),
    )
    pairs = st.one_of(
        st.tuples(st.just(TIMESTAMP_HEADER), times),
        st.tuples(st.just(SIGNATURE_HEADER), signatures),
    )
    return st.lists(
        pairs.map(lambda pair: (pair[0], attacks.header_value(pair[1])[:3000])), max_size=3
    )


def test_mixtures_get_nothing(target: Target) -> None:
    before = target.rows()

    @drawn(600)
    @given(attacks.mixed(target.endpoints, FIELDS, own_headers()))
    def strike(attack: Attack) -> None:
        target.strike(attack)

    strike()
    assert target.rows() == before
    target.is_well()


def near_events() -> st.SearchStrategy[bytes]:
    """Bodies of deliveries that are nearly right, and any other JSON."""
    wild = attacks.wild_json()
    fields = st.dictionaries(
        st.sampled_from(["user_id", "id", "type", "trace_id", "more", "__proto__"]),
        wild,
        max_size=3,
    )
    types = st.sampled_from([*sorted(EVENT_TYPES), "cycle.updated", "sleep.updated\0"])
    traces = attacks.wild_values().map(lambda text: text[:300])
    made = st.builds(
        lambda change, kind, trace, keeps: {
            **(event() | {"type": kind}),
            **({} if keeps else {"trace_id": trace}),
            **change,
        },
        st.one_of(st.just({}), fields),
        types,
        traces,
        st.booleans(),
    )
    return st.one_of(
        *[made.map(_json)] * 3,
        made.map(lambda content: _json(content)[:-9]),
        made.map(lambda content: b'{"type":"sleep.updated",' + _json(content)[1:]),  # a key twice
        made.map(lambda content: _json(content).decode("utf-8").encode("utf-16")),
        wild.map(_json),
        st.binary(max_size=200),
        st.sampled_from(
            [
                b"",
                b"[" * 16_000,
                b'{"type":' * 2000,
                b'{"user_id":' + b"9" * 5000 + b"}",
                b"\0" * 99,
            ]
        ),
    )


def _json(content: object) -> bytes:
    """Python's own JSON writes lone surrogates and numbers that JSON does not have."""
    return json.dumps(content).encode()


def test_a_true_signature_opens_nothing_but_the_inbox(target: Target) -> None:
    unchanged = ["operations.webhook_inbox", REFUSALS]
    before = fingerprints(target.settings, *unchanged)

    @drawn(300)
    @given(near_events(), st.sampled_from([0, 0, 0, 7_000_000, -7_000_000, 8_000_000, -(10**12)]))
    def strike(body: bytes, shift: int) -> None:
        timestamp = str(max(0, int(time.time() * 1000) + shift))
        headers = [
            (TIMESTAMP_HEADER, timestamp.encode()),
            (SIGNATURE_HEADER, sign(CLIENT_SECRET, timestamp, body).encode()),
        ]
        target.strike(attacks.request("POST", WEBHOOKS_PATH, headers, body, note="signed"))

    strike()
    assert fingerprints(target.settings, *unchanged) == before
    with connect(target.settings, INGEST) as connection:
        strange = connection.execute(
            r"""
            select * from operations.webhook_inbox
            where
                provider_user_id <> %s
                or object_id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                or event_type <> all (%s) or trace_id ~ '[\x01-\x1f]' or length(trace_id) > 200
            """,
            [ACCOUNT, sorted(EVENT_TYPES)],
        ).fetchall()
        [(stored,)] = connection.execute("select count(*) from operations.webhook_inbox").fetchall()
    assert strange == []
    assert stored > 8
    target.is_well()


def of_the_other(settings: Settings) -> list[Any]:
    """What is stored of the athlete who must not be touched."""
    found: list[Any] = []
    with connect(settings, INGEST) as connection:
        for table in ("consents", "consent_invitations", "oauth_attempts", "wearable_connections"):
            found += connection.execute(
                f"select t::text from operations.{table} as t where player_id = %s order by 1",
                [PLAYER],
            ).fetchall()
        found += connection.execute(
            """
            select t::text from operations.wearable_tokens as t
            inner join operations.wearable_connections as device using (connection_id)
            where player_id = %s
            """,
            [PLAYER],
        ).fetchall()
    return found


def test_an_athlete_with_a_link_of_his_own_gets_no_further(target: Target) -> None:
    """He holds a true link, cookie, form and state, and sends anything beside them."""
    before = of_the_other(target.settings)
    assert len(before) == 6
    lenient = target.oracle.allowing(502)  # a page that says what WHOOP answered

    @drawn(100)
    @given(
        st.sampled_from(["look", "decide", "come back"]),
        st.lists(st.tuples(st.sampled_from(FIELDS), attacks.wild_values()), max_size=5),
        attacks.wild_values(),
        st.sampled_from(["agree", "decline", None]),
        own_headers(),
    )
    def strike(
        step: str,
        more: list[tuple[str, str]],
        value: str,
        decision: str | None,
        headers: list[attacks.Header],
    ) -> None:
        attacker = Athlete(target.settings, target.receiver.base_url)
        page = Page(attacker.open().text)
        cookie = next(iter(attacker.browser.cookies))
        path = urlsplit(attacker.address).path
        sent = [*headers, ("Cookie", f"{cookie.name}={cookie.value}".encode())]
        extra = "&".join(f"{name}={quote_plus(text)}" for name, text in more)[:9000]
        if step == "look":
            attack = attacks.request("GET", f"{path}?{extra}", sent, note=step)
        elif step == "decide":
            form = f"token={page.hidden['token']}&decision={decision or quote_plus(value)}&{extra}"
            attack = attacks.request("POST", path, sent, form.encode(), note=step)
        else:
            state = attacker.press("agree", page=page).headers["location"]
            state = parse_qs(urlsplit(state).query)["state"][0]
            name = "error" if decision is None else "code"
            attack = attacks.request(
                "GET",
                f"/oauth/callback?state={state}&{name}={quote_plus(value)[:9000]}&x={extra}",
                sent,
                note=step,
            )
        target.strike(attack, lenient)

    strike()
    assert of_the_other(target.settings) == before
    target.is_well()


# --- the judge itself


def _html(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(body, status, headers=GOOD_HEADERS)


GOOD_HEADERS = {"content-security-policy": "default-src 'none'"}


def broken_app(settings: Settings) -> Starlette:
    """An application with one fault at each address."""

    def given(request: Request) -> str:
        return request.query_params.get("state", "")

    async def clean(request: Request) -> Response:
        return _html(f"<p>{escape(given(request))}</p>")

    async def fails(request: Request) -> Response:
        raise ValueError("anything")

    async def refuses(request: Request) -> Response:
        return _html("<p>later</p>", 503)

    async def tells(request: Request) -> Response:
        return _html(f"<p>{base64.b64encode(b'xy' + CLIENT_SECRET.encode()).decode()}</p>")

    async def echoes(request: Request) -> Response:
        return _html(f"<p>{given(request)}</p>")

    async def plants(request: Request) -> Response:
        return HTMLResponse("<p></p>", headers={**GOOD_HEADERS, "x-powered-by": "anything"})

    async def sends_on(request: Request) -> Response:
        return RedirectResponse(given(request))

    async def asks(request: Request) -> Response:
        try:
            with connect(settings, INGEST) as connection:
                connection.execute("set statement_timeout = 200")
                connection.execute(f"select 1 where '{given(request)}' = ''".encode())  # type: ignore[call-overload]
        except psycopg.Error as error:
            return _html(f"<p>{escape(str(error))}</p>", 400)
        return _html("<p></p>")

    async def computes(request: Request) -> Response:
        page = re.sub(
            r"\{\{(\d+)\*(\d+)\}\}",
            lambda found: str(int(found[1]) * int(found[2])),
            given(request),
        )
        return _html(f"<p>{escape(page)}</p>")

    async def opens(request: Request) -> Response:
        try:
            text = Path("/srv", request.path_params["path"]).read_text()
        except (OSError, ValueError):
            text = ""
        return _html(f"<p>{escape(text)}</p>")

    async def forgets(request: Request) -> Response:
        return HTMLResponse("<p></p>")

    return Starlette(
        debug=True,
        routes=[
            *(Route("/clean", clean), Route("/fails", fails), Route("/refuses", refuses)),
            *(Route("/tells", tells), Route("/echoes", echoes), Route("/plants", plants)),
            *(Route("/sends_on", sends_on), Route("/asks", asks), Route("/computes", computes)),
            *(Route("/opens/{path:path}", opens), Route("/forgets", forgets)),
        ],
        exception_handlers={404: lambda _, __: _html("<p></p>", 404)},
    )


FAULTS = {
    "/fails": {"status 500", "shows a stack trace", "shows the class of an error"},
    "/refuses": {"status 503"},
    "/tells": {"shows the secret of the app"},
    "/echoes": {"markup that was sent in: <script>", "markup that was sent in: img onerror"},
    "/plants": {"header x-powered-by"},
    "/sends_on": {"sent to a foreign address"},
    "/asks": {"shows SQL"},
    "/computes": {"shows what was computed"},
    "/opens/{path:path}": {"shows a file of the machine"},
    "/forgets": {"HTML without content-security-policy"},
}


def test_each_fault_of_a_broken_application_is_found(module_database: Settings) -> None:
    app = broken_app(module_database)
    endpoints = attacks.endpoints_of(app)
    assert {endpoint.template for endpoint in endpoints} == {*FAULTS, "/clean"}
    judge = Oracle(
        secrets={"the secret of the app": CLIENT_SECRET},
        html_headers=GOOD_HEADERS,
        header_names={
            *GOOD_HEADERS,
            "content-type",
            "content-length",
            "date",
            "connection",
            "allow",
        }
        | {"location"},
        redirects=["/own"],
    )
    with served(app) as address:
        for endpoint in endpoints:
            found: set[str] = set()
            for attack in attacks.sweep([endpoint], ["state"]):
                if attack.is_whole and attack.method == "GET" and "another way" not in attack.note:
                    found.update(judge.problems(attack, attacks.send(address, attack)))
            expected = FAULTS.get(endpoint.template, set())
            assert found >= expected, (endpoint, found)
            assert bool(found) == bool(expected), (endpoint, found)


def test_silence_smuggling_writing_and_talking_are_found(module_database: Settings) -> None:
    judge = Oracle(secrets={"a key": KEY}, html_headers={}, header_names=set())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        whole = attacks.request("GET", "/")
        exchange = attacks.send(silent.getsockname(), whole, patience=0.1)
        assert {"no answer", "the connection stays open"} <= set(judge.problems(whole, exchange))

    class Deaf(BaseHTTPRequestHandler):
        """Does not know chunks, so that their content is the next request."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Deaf) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        address = ("127.0.0.1", server.server_address[1])
        smuggled = [
            attack.note
            for attack in attacks.framings("GET", "/", b"", "/x")
            if "an answer to a smuggled request"
            in judge.problems(attack, attacks.send(address, attack))
        ]
        server.shutdown()
    assert "length and chunks, and a second request" in smuggled
    assert "two requests at once" not in smuggled
    before = fingerprints(module_database)
    with connect(module_database, INGEST) as connection:
        connection.execute(f"insert into {REFUSALS} values ('stale', '2020-01-01', 1)")
    after = fingerprints(module_database)
    assert {table for table in after if after[table] != before[table]} == {REFUSALS}
    assert REFUSALS not in fingerprints(module_database, REFUSALS)
    with attacks.listening() as log:
        logging.getLogger("anything").info("the key is %s", KEY)
        logging.getLogger("anything").error("no")
    assert judge.secrets_in("\n".join(log.lines)) == ["shows a key"]
    assert len(log.faults) == 1


def test_an_unknown_kind_of_route_is_not_passed_over() -> None:
    with pytest.raises(TypeError, match="teach them"):
        attacks.endpoints_of(Starlette(routes=[WebSocketRoute("/live", lambda _: None)]))


@contextmanager
def served(app: Starlette) -> Iterator[tuple[str, int]]:
    place = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, http="h11", server_header=False)
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_trace)
    thread = threading.Thread(target=server.run, args=[[place]], daemon=True)
    thread.start()
    try:
        yield place.getsockname()
    finally:
        server.should_exit = True
        thread.join()
        place.close()
        logging.getLogger("uvicorn.error").removeFilter(_is_no_trace)


def _is_no_trace(record: logging.LogRecord) -> bool:
    return not record.exc_info
