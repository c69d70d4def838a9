"""Attacks on HTTP servers of ours as bytes on a socket, and what no answer to them may show.

Nothing here knows a server: routes are read from the application, secrets are named by the test.
A client library would repair or refuse half of these requests, so each is written by hand.
"""

from __future__ import annotations

import base64
import copy
import logging
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import psycopg
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, Router

METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "X",
)
PATIENCE_SECONDS = 10.0
"""An answer to a whole request; slower is a fault (the sleeps below are longer)."""
TORN_PATIENCE_SECONDS = 0.06
"""A request that is not whole may get no answer."""

# what a server that interprets its input gives away
COMPUTED = "60481729"  # 7777 * 7777, which no page says by itself

PAYLOADS: Mapping[str, str] = {
    "nothing": "",
    "blank": " ",
    "long": "A" * 5000,
    "longer": "é" * 9000,
    "zero byte": "a\0b",
    "control": "\x01\x1b[31m\x7f\x85",
    "new lines": "a\r\nSet-Cookie: planted=1\r\nX-Planted: 1\r\n\r\n<script>1</script>",
    "bare line feed": "a\nX-Planted: 1",
    "unicode": "\u202e\ufeff\u2028\ud7ff\U0010ffff\u0130\ufb01\uff1cscript\uff1e",
    "half a character": "\ufffd\u0301",
    "script": '"><script>planted(1)</script>',
    "picture": "'><img src=x onerror=planted(1)>",
    "vector": '<svg/onload="planted(1)">',
    "attribute": "\" autofocus onfocus='planted(1)' x=\"",
    "address": "javascript:planted(1)//",
    "comment": "--><!--<planted>",
    "quote": "'",
    "or": "' or '1'='1' --",
    "union": "' union select body::text, null, null from operations.consent_texts --",
    "stacked": "'; delete from operations.consents; drop schema operations cascade; --",
    "sleep": "' || (select pg_sleep(12))::text || '",
    "version": "' || version() || '",
    "cast": "1 and 1 = cast(current_setting('data_directory') as int)",
    "dollar quote": "$$; copy operations.consents to program 'id'; $$",
    "like": "%_%",
    "json path": '{"$gt": ""}',
    "curly template": "{{7777*7777}}{{config}}{% debug %}",
    "dollar template": "${7777*7777}#{7777*7777}<%= 7777*7777 %>",
    "format": "{0.__class__.__mro__}{self.__init__.__globals__}%(secret)s%n%s%x",
    "lookup": "${jndi:ldap://127.0.0.1:9/a}",
    "shell": "; cat /etc/passwd | id & $(id) `id`",
    "traversal": "../../../../../../etc/passwd",
    "traversal, coded": "..%2f..%2f..%2fetc%2fpasswd",
    "traversal, windows": "..\\..\\..\\windows\\win.ini",
    "traversal, overlong": "..%c0%af..%c0%afetc/passwd",
    "file": "file:///proc/self/environ",
    "entity": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "elsewhere": "https://attacker.example/",
    "elsewhere, no scheme": "//attacker.example\\@127.0.0.1/",
    "number": "-1",
    "large number": "9" * 400,
    "too large for an int": "9" * 5000,
    "fraction": "1e309",
    "not a number": "NaN",
    "truth": "true",
    "null": "null",
    "list": "[]",
    "pickle": base64.b64encode(b"cos\nsystem\n(S'id'\ntR.").decode(),
    "token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    "shape of a secret": "A" * 43,
    "shape of a state": f"{'A' * 43}.{'B' * 43}",
    "other digits": "\u0661\u0662\u0663",
    "surrogate": "%ed%a0%80",
}
"""Values for any place of a request."""

_SHOWS = {
    "a stack trace": r"Traceback|File \"|line \d+, in |\.py\b|site-packages",
    "the class of an error": r"\b[A-Z][A-Za-z]*(?:Error|Exception|Warning)\b",
    "a library": r"(?i)\b(?:psycopg|uvicorn|starlette|asyncio|h11|hypercorn|cpython|libpq)\b",
    "SQL": r"(?i)\bselect\b.{1,200}\bfrom\b|insert into|syntax error|SQLSTATE|\boperations\.|"
    r"\banalytics\.|\braw_whoop\b|PostgreSQL \d|duplicate key|violates ",
    "a path of the machine": r"/(?:work|home|usr|etc|var|tmp|proc|root|srv|opt)/",
    "a file of the machine": r"root:.?:0:0|\[extensions\]|PATH=",
    "what was computed": COMPUTED,
    "an address in memory": r"\b0x[0-9a-f]{6,}",
}
_PATTERNS = {name: re.compile(pattern, re.DOTALL) for name, pattern in _SHOWS.items()}


# --- where to


@dataclass(frozen=True)
class Endpoint:
    """An address that an application registers.

    Attributes:
        template: Its path, as ``/consent/{secret}``.
        methods: What it takes; empty where it looks at the method itself.
    """

    template: str
    methods: tuple[str, ...] = ()

    def path(self, value: str) -> str:
        """The path with every parameter at a value, which is quoted already."""
        return re.sub(r"\{[^}]*\}", lambda _: value, self.template)

    @property
    def has_parameter(self) -> bool:
        return "{" in self.template


def endpoints_of(app: Starlette) -> list[Endpoint]:
    """Every address of an application; a kind of route that is not known here is an error."""
    found = {(path, methods) for path, methods in _walk(app.routes, "")}
    return [Endpoint(path, methods) for path, methods in sorted(found)]


def _walk(routes: Sequence[BaseRoute], before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for route in routes:
        if isinstance(route, Mount):
            if route.routes:
                yield from _walk(route.routes, before + route.path)
            else:
                yield before + route.path + "/", ()
        elif isinstance(route, Route):
            yield before + route.path, tuple(sorted(route.methods or ()))
        elif isinstance(getattr(route, "original_router", None), Router):
            # FastAPI's way to include one; its routes have their prefix already
            yield from _walk(route.original_router.routes, before)  # type: ignore[attr-defined]
        else:
            raise TypeError(f"attacks do not know how to reach {route!r}: teach them")


# --- what is sent


@dataclass(frozen=True)
class Attack:
    """One request, or what looks like one.

    Attributes:
        raw: The bytes.
        method: For reading the answer: ``HEAD`` has no body.
        is_whole: Whether the request is framed well and says ``Connection: close``, so that an
            answer must come and the connection must end.
        answers: The most answers that may come. One too many is a smuggled request.
        note: What it tries.
    """

    raw: bytes = field(repr=False)
    method: str = "GET"
    is_whole: bool = True
    answers: int = 1
    note: str = ""

    def __str__(self) -> str:
        return f"{self.note}: {self.raw[:600]!r}"


Header = tuple[str, bytes]


def request(
    method: str,
    target: str,
    headers: Sequence[Header] = (),
    body: bytes | None = None,
    note: str = "",
) -> Attack:
    """A whole request; the target is sent as it is."""
    own = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/1.1".encode("utf-8", "surrogatepass")]
    if "host" not in own:
        lines.append(b"Host: receiver.example")
    lines += [name.encode() + b": " + value for name, value in headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    lines += [b"Connection: close", b"", b""]
    return Attack(b"\r\n".join(lines) + (body or b""), method, note=note)


def encodings(value: str) -> list[str]:
    """Ways to write a value into a path or query, worst last."""
    raw = value.encode("utf-8", "surrogatepass")
    once = quote(raw, safe="")
    return [
        once,
        quote(once, safe=""),  # twice
        quote(raw, safe="/.'\"<>{}()*;:@!$&=+,?"),  # only what must be
        "".join(f"%{byte:02x}" for byte in raw),  # all of it, in small letters
        "".join(f"%u{ord(c):04x}" for c in value),  # as an old server of Microsoft's took it
    ]


_SPOOFED = (
    ("Host", "attacker.example"),
    ("Host", "127.0.0.1:9@attacker.example"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Host", "attacker.example"),
    ("X-Forwarded-Proto", "https, http"),
    ("X-Forwarded-Prefix", "/../.."),
    ("Forwarded", "for=127.0.0.1;host=attacker.example;proto=https"),
    ("X-Real-IP", "::1"),
    ("X-Original-URL", "/oauth/callback"),
    ("X-Rewrite-URL", "/oauth/callback"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Authorization", "Basic YWRtaW46YWRtaW4="),
    ("Authorization", "Bearer null"),
    ("Range", "bytes=0-1,2-3,-1"),
    ("If-None-Match", "*"),
    ("Accept-Encoding", "gzip, deflate, br;q=9"),
    ("Accept", "application/json"),
    ("Expect", "100-continue"),
    ("Upgrade", "websocket"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ("TE", "trailers"),
    ("Origin", "null"),
    ("Access-Control-Request-Method", "DELETE"),
    ("Content-Encoding", "gzip"),
    ("Content-Type", "multipart/form-data; boundary="),
    ("Content-Type", "application/x-www-form-urlencoded; charset=utf-7"),
    ("Content-Type", "application/json"),
    ("Cookie", "a=1; a=2; =; ;;; $Version=1"),
)
_OPEN_NAMES = (
    *("Host", "User-Agent", "Referer", "Origin", "Cookie", "Accept", "Accept-Language"),
    *("Content-Type", "X-Forwarded-For", "X-Forwarded-Host", "Authorization", "X-Request-Id"),
    *("If-Modified-Since", "Range", "X-Api-Key"),
)


def header_value(value: str) -> bytes:
    """A value as the bytes of one header: a line break in it would end the header."""
    return re.sub(rb"[\r\n\0]+", b" ", value.encode("utf-8", "surrogatepass")).strip()


def framings(method: str, target: str, body: bytes, smuggled: str) -> list[Attack]:
    """One request whose end two servers may see in different places.

    Args:
        method: Of the request.
        target: Of the request.
        body: Of the request.
        smuggled: Target of a request that hides in the body.
    """
    head = f"{method} {target} HTTP/1.1\r\nHost: receiver.example\r\n".encode()
    hidden = f"GET {smuggled} HTTP/1.1\r\nHost: receiver.example\r\n\r\n".encode()
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) or 1, body or b"x")
    cases: list[tuple[str, bytes, int]] = [
        (
            "length and chunks",
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + hidden,
            1,
        ),
        (
            "length and chunks, and a second request",
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden))
            + hidden,
            1,
        ),
        ("two lengths", b"Content-Length: 1\r\nContent-Length: 90\r\n\r\n" + hidden, 1),
        ("a list of lengths", b"Content-Length: 0, 90\r\n\r\n" + hidden, 1),
        ("length with a sign", b"Content-Length: +0\r\n\r\n" + hidden, 1),
        ("length below zero", b"Content-Length: -1\r\n\r\n" + hidden, 1),
        ("length of words", b"Content-Length: abc\r\n\r\n" + hidden, 1),
        ("length of other digits", "Content-Length: ٣\r\n\r\n".encode() + hidden, 1),
        ("length in hexadecimal", b"Content-Length: 0x10\r\n\r\n" + hidden, 1),
        ("endless length", b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 1),
        ("large length", b"Content-Length: 99999999999999999999\r\n\r\nx", 1),
        ("length that is too long", b"Content-Length: %d\r\n\r\n" % (len(body) + 9) + body, 1),
        ("blank before the colon", b"Content-Length : 0\r\n\r\n" + hidden, 1),
        ("chunks twice", b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunk + hidden, 1),
        ("chunks and another", b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk + hidden, 1),
        ("chunks misspelt", b"Transfer-Encoding: xchunked\r\n\r\n" + chunk + hidden, 1),
        ("chunks behind a tab", b"Transfer-Encoding:\tchunked\x0b\r\n\r\n" + chunk + hidden, 1),
        ("chunk size below zero", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden, 1),
        ("chunk size of words", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, 1),
        ("endless chunk size", b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 400 + b"\r\nx", 1),
        ("chunk longer than said", b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 1),
        (
            "chunk with an extension, and trailers",
            b'Transfer-Encoding: chunked\r\n\r\n1;a="<script>"\r\nx\r\n0\r\n'
            b"Content-Length: 9\r\nX-Planted: 1\r\n\r\n",
            1,
        ),
        ("folded header", b"X-A: 1\r\n Content-Length: 90\r\n\r\n" + hidden, 2),
        ("header without a name", b": 1\r\n\r\n", 1),
        ("header without a colon", b"nothing\r\n\r\n", 1),
        ("zero byte in a header", b"X-A: a\0b\r\n\r\n", 1),
        ("line feeds alone", b"X-A: 1\n\n", 1),
        ("no host", b"", 1),
        ("two hosts", b"Host: attacker.example\r\n\r\n", 1),
        ("a thousand headers", b"X-A: 1\r\n" * 1000 + b"\r\n", 1),
        ("a header of 70 kB", b"X-A: " + b"a" * 70_000 + b"\r\n\r\n", 1),
        ("head that does not end", b"X-A: 1\r\n", 1),
        ("two requests at once", b"Content-Length: 0\r\n\r\n" + hidden, 2),
    ]
    made = [
        Attack(head + rest, method, is_whole=False, answers=answers, note=name)
        for name, rest, answers in cases
    ]
    line = f"{method} {target}".encode()
    for name, first in (
        ("HTTP/1.0 without a host", line + b" HTTP/1.0\r\n\r\n"),
        ("HTTP/0.9", line + b"\r\n\r\n"),
        ("HTTP/2.0", line + b" HTTP/2.0\r\n\r\n"),
        ("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64))),
        ("blank in the target", line + b" /x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("zero byte in the target", line + b"\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bytes in the target", line + b"\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("no method", b" " + target.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("line breaks", b"\r\n\r\n\r\n"),
    ):
        answers = 2 if name == "preface of HTTP/2" else 1  # as HTTP/1 it is two messages
        made.append(Attack(first, method, is_whole=False, answers=answers, note=name))
    return made


def sweep(endpoints: Sequence[Endpoint], fields: Sequence[str]) -> Iterator[Attack]:
    """Every payload at every place of every address, every spoofed header, every framing.

    Args:
        endpoints: Of the application.
        fields: Names that it is known to read from queries, forms and cookies.
    """
    for endpoint in endpoints:
        plain = endpoint.path("A" * 43)
        for method in METHODS:
            yield request(method, plain, body=b"", note=f"{method} {endpoint.template}")
        takes = endpoint.methods[0] if endpoint.methods else "POST"
        for name, payload in PAYLOADS.items():
            for encoded in encodings(payload):
                if len(encoded) < 60_000:
                    yield request(takes, endpoint.path(encoded), note=f"{name} in the path")
            once, wild = encodings(payload)[0], header_value(payload)
            query = "&".join(f"{field}={once}" for field in fields) if len(once) < 9000 else once
            yield request(takes, f"{plain}?{query}", note=f"{name} in the query")
            yield request(takes, f"{plain}?{once}={once[:9000]}", note=f"{name} names a parameter")
            cookies = b"; ".join(field.encode() + b"=" + wild[:3000] for field in fields)
            yield request(takes, plain, [("Cookie", cookies)], note=f"{name} in cookies")
            every = [(header, wild[:3000]) for header in _OPEN_NAMES]
            yield request(takes, plain, every, note=f"{name} in headers")
            form = "&".join(f"{field}={quote_plus(payload)}" for field in fields).encode()
            yield request("POST", plain, [_FORM], form, note=f"{name} in a form")
            raw = payload.encode("utf-8", "surrogatepass")
            yield request("POST", plain, [], raw, note=f"{name} as a body")
        for header, value in _SPOOFED:
            yield request(takes, plain, [(header, value.encode())], note=f"{header}: {value}")
        for way in _wrong_ways(plain):
            yield request(takes, way, note="another way to the address")
        for method in (takes, "HEAD"):  # whose answer has no body
            yield from framings(method, plain, b"x" * 9, endpoints[0].path("A" * 43))


_FORM: Header = ("Content-Type", b"application/x-www-form-urlencoded")


def _wrong_ways(path: str) -> list[str]:
    last = path.rpartition("/")[2]
    return [
        *(f"{path}/", f"/{path}", f"/.{path}", f"/x/..{path}", f"{path}/..", f"{path}/../{last}"),
        *(f"{path};a=1", f"{path}%2f", f"{path}%00", f"{path}%20", f"{path}?", f"{path}#a", "*"),
        *(path.upper(), path.replace("/", "\\"), path.replace("/", "%2f"), path.lstrip("/")),
        *(f"http://attacker.example{path}", f"https://x@attacker.example:99{path}", "//", "/"),
        *("attacker.example:443", f"{path}.json", f"{path}.html", "/favicon.ico", "/robots.txt"),
        *("/.git/config", "/.env", "/docs", "/openapi.json", "/metrics", "/debug", "/static/../x"),
        *("/admin", "/server-status", "/%2e%2e/%2e%2e/etc/passwd", "/" + "a/" * 4000),
    ]


def wild_values() -> st.SearchStrategy[str]:
    """A payload, or any text."""
    return st.one_of(
        st.sampled_from(sorted(PAYLOADS.values())),
        st.text(max_size=60),
        st.text(alphabet="<>'\"%&;/\\.\r\n\0{}$|=", max_size=20),
        st.builds("".join, st.lists(st.sampled_from(sorted(PAYLOADS.values())), max_size=3)),
    )


def wild_json() -> st.SearchStrategy[Any]:
    """Any JSON value."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | wild_values().map(lambda text: text[:300])
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    )


def mixed(
    endpoints: Sequence[Endpoint],
    fields: Sequence[str],
    headers: st.SearchStrategy[list[Header]] | None = None,
) -> st.SearchStrategy[Attack]:
    """Requests that are wrong in several places at once.

    Args:
        endpoints: Of the application.
        fields: Names that it is known to read from queries, forms and cookies.
        headers: More headers, of the application's own.
    """
    names = st.one_of(st.sampled_from(sorted(fields)), wild_values().map(lambda text: text[:40]))
    pairs = st.lists(st.tuples(names, wild_values()), max_size=5)

    @st.composite
    def build(draw: st.DrawFn) -> Attack:
        endpoint = draw(st.sampled_from(endpoints))
        method = draw(st.sampled_from([*(endpoint.methods or METHODS), *METHODS]))
        value = draw(wild_values())[:4000]
        path = endpoint.path(draw(st.sampled_from(encodings(value))))
        if draw(st.integers(0, 3)) == 0:
            path = draw(st.sampled_from(_wrong_ways(path)))
        query = _coded(draw(pairs))[:20_000]
        target = f"{path}?{query}" if query else path
        target = re.sub(r"[^\x21-\x7e]", "%20", target)[:60_000]
        sent: list[Header] = [
            (name, header_value(value)) for name, value in draw(st.lists(_headers, max_size=4))
        ]
        if headers is not None:
            sent += draw(headers)
        sent.append(("Cookie", header_value(_coded(draw(pairs)).replace("&", "; "))[:6000]))
        body = draw(
            st.one_of(
                st.none(),
                pairs.map(lambda found: _coded(found).encode()),
                st.binary(max_size=300),
                wild_values().map(lambda text: text.encode("utf-8", "surrogatepass")),
                st.sampled_from([b"[" * 9000, b'{"a":' * 3000, b"x" * 30_000, b"x" * 1_200_000]),
            )
        )
        if draw(st.integers(0, 9)) == 0:
            smuggled = draw(st.sampled_from(endpoints)).path("A" * 43)
            return draw(st.sampled_from(framings(method, target, body or b"", smuggled)))
        return request(method, target, sent, body, note="mixed")

    return build()


_headers = st.one_of(
    st.sampled_from(_SPOOFED),
    st.tuples(st.sampled_from(_OPEN_NAMES), wild_values().map(lambda text: text[:3000])),
)


def _coded(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(
        f"{quote_plus(name.encode('utf-8', 'surrogatepass'))}="
        f"{quote_plus(value.encode('utf-8', 'surrogatepass'))}"
        for name, value in pairs
    )


# --- what comes back


@dataclass(frozen=True)
class Answer:
    """One answer on the wire.

    Attributes:
        status: Its status.
        headers: Names in small letters, in their order.
        body: Without its framing.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)


@dataclass(frozen=True)
class Exchange:
    """All that came back for an attack.

    Attributes:
        answers: In their order, without interim ones.
        raw: Every byte.
        seconds: Until the connection ended or patience did.
        has_ended: Whether the server closed the connection.
    """

    answers: tuple[Answer, ...]
    raw: bytes
    seconds: float
    has_ended: bool


def send(address: tuple[str, int], attack: Attack, patience: float = PATIENCE_SECONDS) -> Exchange:
    """Send an attack on a connection of its own and read what comes."""
    begun = time.monotonic()
    received, has_ended = b"", False
    if not attack.is_whole:
        patience = TORN_PATIENCE_SECONDS
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
        # a server may hang up on what is too much; its answer may still be there
        with suppress(OSError):
            connection.sendall(attack.raw)
        connection.settimeout(patience)
        try:
            while part := connection.recv(65_536):
                received += part
            has_ended = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            has_ended = True
    return Exchange(
        tuple(_answers(received, attack.method)), received, time.monotonic() - begun, has_ended
    )


def _answers(raw: bytes, method: str) -> Iterator[Answer]:
    while raw.startswith(b"HTTP/"):
        head, separator, raw = raw.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        if status < 200:
            continue
        headers = tuple(
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        )
        known = dict(headers)
        if method == "HEAD":
            # a head that cannot be read is answered without knowing that it says HEAD
            body, raw = (b"", raw) if raw.startswith(b"HTTP/") else (raw, b"")
        elif status in (204, 304):
            body = b""
        elif "chunked" in known.get("transfer-encoding", ""):
            body = b""
            while (size := int(raw.partition(b"\r\n")[0] or b"0", 16)) > 0:
                rest = raw.partition(b"\r\n")[2]
                body, raw = body + rest[:size], rest[size + 2 :]
            raw = raw.partition(b"\r\n\r\n")[2]
        else:
            size = int(known.get("content-length", len(raw)))
            body, raw = raw[:size], raw[size:]
        yield Answer(status, headers, body)
    if raw:
        yield Answer(0, (), raw)


class _Markup(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "svg", "iframe", "object", "embed", "base", "planted"):
            self.found.add(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or "javascript:" in (value or "").lower():
                self.found.add(f"{tag} {name}")

    def handle_comment(self, data: str) -> None:
        self.found.add("a comment")


class Oracle:
    """What no answer may show.

    Args:
        secrets: What nobody may see, by name.
        html_headers: What every HTML answer must carry, word for word.
        header_names: The only names that an answer's headers may have.
        redirects: Beginnings of addresses that a client may be sent to.
        other_bodies: The only bodies that are no HTML; None where any may be.
        html_bodies: HTML that has scripts and forms and is right to the letter.
        allowed_5xx: Statuses from 500 that stand for a fault of somebody else.
    """

    def __init__(
        self,
        *,
        secrets: Mapping[str, str],
        html_headers: Mapping[str, str],
        header_names: Collection[str],
        redirects: Sequence[str] = (),
        other_bodies: Collection[bytes] | None = None,
        html_bodies: Collection[bytes] = (),
        allowed_5xx: Collection[int] = (),
    ) -> None:
        assert all(len(secret) >= 6 for secret in secrets.values()), "chance would find it"
        self._secrets = {
            form: name for name, secret in secrets.items() for form in _forms_of(secret)
        }
        self._html_headers = html_headers
        self._header_names = frozenset(header_names)
        self._redirects = tuple(redirects)
        self._other_bodies = other_bodies
        self._html_bodies = frozenset(html_bodies)
        self._allowed_5xx = frozenset(allowed_5xx)

    def allowing(self, *statuses: int) -> Oracle:
        """The same, with more statuses that stand for a fault of somebody else."""
        other = copy.copy(self)
        other._allowed_5xx = self._allowed_5xx | set(statuses)
        return other

    def problems(self, attack: Attack, exchange: Exchange) -> list[str]:
        """What is wrong with the answers to an attack, nothing if all is well."""
        found = []
        if attack.is_whole and not exchange.answers:
            found.append("no answer")
        if attack.is_whole and not exchange.has_ended:
            found.append("the connection stays open")
        if len(exchange.answers) > attack.answers:
            found.append("an answer to a smuggled request")
        for answer in exchange.answers:
            found += self._of_answer(answer)
        # what an attacker gets back of his own words tells him nothing
        words = unquote_plus(attack.raw.decode("utf-8", "replace"))
        text = exchange.raw.decode("utf-8", "replace")
        for name, pattern in _PATTERNS.items():
            if any(hit.group() not in words for hit in pattern.finditer(unescape(text))):
                found.append(f"shows {name}")
        return found + self.secrets_in(text)

    def _of_answer(self, answer: Answer) -> Iterator[str]:
        if not 200 <= answer.status < 500 and answer.status not in self._allowed_5xx:
            yield f"status {answer.status}"
        for name in {name for name, _ in answer.headers} - self._header_names:
            yield f"header {name}"
        if len({name for name, _ in answer.headers}) < len(answer.headers):
            yield "a header twice"
        location = answer.header("location")
        if location is not None and not location.startswith(self._redirects or ("\0",)):
            yield "sent to a foreign address"
        if (answer.header("content-type") or "").startswith("text/html"):
            for name, value in self._html_headers.items():
                if answer.header(name) != value:
                    yield f"HTML without {name}"
            if answer.body in self._html_bodies:
                return
            for markup in _Markup(answer.body.decode("utf-8", "replace")).found:
                yield f"markup that was sent in: {markup}"
        elif self._other_bodies is not None and answer.body not in self._other_bodies:
            yield "a body of no known kind"

    def secrets_in(self, text: str) -> list[str]:
        """Which secrets a text holds, also coded, cut out of case, or backwards."""
        known = {text, unquote(text)}
        return sorted(
            {
                f"shows {name}"
                for form, name in self._secrets.items()
                if any(form in version or form.lower() in version for version in known)
            }
        )


def _forms_of(secret: str) -> set[str]:
    raw = secret.encode()
    # base64 of a text depends on where in three bytes it begins; what is the same for all of it
    coded = set()
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        coded.add(inner[(0, 2, 3)[shift] : -1])
    return {secret, raw.hex(), *(form for form in coded if len(form) >= 8)}


class Log(logging.Handler):
    """All that is logged while it listens, as it would be written.

    Attributes:
        lines: The lines.
        faults: Lines of errors and of exceptions.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.lines: list[str] = []
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self.lines.append(line)
        if record.levelno >= logging.ERROR or record.exc_info:
            self.faults.append(line)


@contextmanager
def listening(level: int = logging.INFO) -> Iterator[Log]:
    """Take down everything that any logger of this process says."""
    log, root = Log(), logging.getLogger()
    before = root.level
    root.addHandler(log)
    root.setLevel(level)
    try:
        yield log
    finally:
        root.setLevel(before)
        root.removeHandler(log)


def fingerprints(connection: psycopg.Connection[Any], but: Collection[str] = ()) -> dict[str, str]:
    """Number and hash of the rows of every table of ours.

    Args:
        connection: As a user who reads them all.
        but: Tables (``schema.name``) that may change.
    """
    tables = connection.execute(
        """
        select format('%I.%I', schemaname, tablename) from pg_tables
        where schemaname !~ '^pg_' and schemaname <> 'information_schema'
        """
    ).fetchall()
    found = {}
    for (table,) in tables:
        if table in but:
            continue
        row = connection.execute(
            f"""
            select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text), ''))
            from {table} as t
            """
        ).fetchone()
        assert row is not None
        found[table] = row[0]
    return found
