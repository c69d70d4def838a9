from __future__ import annotations

import base64
import hashlib
import random
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ingestion.consent.settings import ConsentSettings
from ingestion.consent.texts import consent_text
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST, OWNER
from ingestion.settings import Settings
from ingestion.whoop.receiver.app import Receiver
from tests.ingestion.whoop.athletes import Athlete, Page, whoop_settings
from tests.ingestion.whoop.scripted_whoop import ScriptedWhoop

CONSENT = ConsentSettings(organisation="Fictional <City>", contact="<Dr. Example>, room 3")
RESOURCES = ("cycle", "recovery", "sleep", "workout")


@pytest.fixture(scope="module")
def receiver(module_database: Settings) -> Iterator[Receiver]:
    with (
        ScriptedWhoop() as service,
        Receiver(module_database, whoop_settings(service.base_url), CONSENT, port=0) as running,
    ):
        yield running


@pytest.fixture
def athlete(module_database: Settings, receiver: Receiver) -> Athlete:
    return Athlete(module_database, receiver.base_url)


def test_the_page_shows_the_registered_text_and_ticks_nothing(athlete: Athlete) -> None:
    answer = athlete.open()
    page = Page(answer.text)
    text = consent_text(CONSENT, RESOURCES)
    assert answer.status_code == 200
    assert page.boxes
    assert {box["name"] for box in page.boxes} == {choice.field for choice in text.choices}
    assert all(box["type"] == "checkbox" for box in page.boxes)
    assert "checked" not in page.attributes
    assert text.version in page.text
    assert text.sha256 in page.text
    # word for word what is stored
    with connect(athlete.settings, INGEST) as connection:
        row = connection.execute(
            "select body, text_sha256 from operations.consent_texts where text_version = %s",
            [text.version],
        ).fetchone()
    assert row is not None
    assert row[1] == hashlib.sha256(row[0].encode()).hexdigest()
    for line in filter(None, row[0].splitlines()):
        words = re.split(r": |\) \(", re.sub(r"^(- |\[ \] |\()|\)$", "", line), maxsplit=1)
        assert all(part in page.text for part in words), line


def test_the_two_buttons_are_alike(athlete: Athlete) -> None:
    page = Page(athlete.open().text)
    assert [button["value"] for button in page.buttons] == ["decline", "agree"]
    assert all(set(button) == {"name", "value"} for button in page.buttons)
    assert "autofocus" not in page.attributes


def test_only_enabled_records_are_named() -> None:
    all_of_them = consent_text(CONSENT, (*RESOURCES, "profile", "body")).body
    without = consent_text(CONSENT, ("cycle", "recovery", "sleep")).body
    assert "Name and mail address" in all_of_them
    assert "Height, weight" in all_of_them
    for word in ("Name and mail address", "Height, weight", "Workouts"):
        assert word not in without


def test_every_answer_has_strict_headers(athlete: Athlete, receiver: Receiver) -> None:
    answers = [
        athlete.open(),
        athlete.press("decline"),
        requests.get(f"{receiver.base_url}/nowhere"),
        requests.post(f"{receiver.base_url}/oauth/callback"),
        requests.get(f"{receiver.base_url}/oauth/callback"),
        requests.get(f"{receiver.base_url}/webhooks/whoop"),
        requests.post(f"{receiver.base_url}/webhooks/whoop"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 405, 400, 405, 401]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    page = Page(answers[0].text)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answers[0].headers["content-security-policy"]
    assert "style" not in page.attributes


def test_what_a_setting_says_is_shown_and_not_interpreted(athlete: Athlete) -> None:
    html = athlete.open().text
    assert "Fictional &lt;City&gt;" in html
    assert "<City>" not in html
    assert "<Dr." not in html


def test_the_cookie_keeps_to_this_host_and_away_from_scripts(
    athlete: Athlete, module_database: Settings
) -> None:
    cookie = athlete.open().headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    with (
        ScriptedWhoop() as service,
        Receiver(
            module_database,
            whoop_settings(service.base_url, redirect_uri="https://c.example/oauth/callback"),
            CONSENT,
            port=0,
        ) as secure,
    ):
        answer = requests.get(f"{secure.base_url}/consent/{athlete.secret}")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie.split("; ")
        assert "Domain" not in cookie
        assert "strict-transport-security" in answer.headers


def test_no_means_no(athlete: Athlete) -> None:
    answer = athlete.press("decline", purpose_modeling="yes")
    assert answer.status_code == 200
    assert "nothing else changes" in Page(answer.text).text
    [(decision, purposes, audience, scopes, expires_at)] = athlete.rows(
        "consents", "decision, purposes, audience, scopes, expires_at"
    )
    assert (decision, purposes, audience, scopes, expires_at) == ("declined", [], [], [], None)
    assert athlete.rows("oauth_attempts") == []


def test_yes_is_written_down_before_the_way_to_whoop(athlete: Athlete) -> None:
    answer = athlete.press("agree", audience_coaches="yes", purpose_everything="yes")
    assert answer.status_code == 303
    address = urlsplit(answer.headers["location"])
    query = {name: value[0] for name, value in parse_qs(address.query).items()}
    assert query["scope"] == "read:cycles read:recovery read:sleep read:workout offline"
    assert len(query["state"]) >= 43
    [(decision, version, purposes, audience, scopes, recorded_at, expires_at)] = athlete.rows(
        "consents",
        "decision, text_version, purposes, audience, scopes, recorded_at, expires_at",
    )
    assert decision == "granted"
    assert version == consent_text(CONSENT, RESOURCES).version
    assert purposes == ["readiness"]
    assert audience == ["athlete", "medical_staff", "coaches"]
    assert scopes == query["scope"].split()
    assert expires_at - recorded_at == timedelta(days=365)
    [(state_hash, browser_hash, expires_at)] = athlete.rows(
        "oauth_attempts", "state_hash, browser_hash, expires_at"
    )
    assert state_hash == hashlib.sha256(query["state"].encode()).hexdigest()
    assert (
        browser_hash
        == hashlib.sha256(next(iter(athlete.browser.cookies)).value.encode()).hexdigest()
    )
    assert timedelta(minutes=9) < expires_at - datetime.now(UTC) <= timedelta(minutes=10)


@pytest.mark.parametrize("decision", ["agree", "decline"])
def test_a_link_takes_one_decision(athlete: Athlete, decision: str) -> None:
    page = Page(athlete.open().text)
    athlete.press(decision, page=page)
    stranger = Athlete(athlete.settings, athlete.base_url)
    stranger.secret = athlete.secret
    assert stranger.open().status_code == 410
    if decision == "decline":
        assert athlete.press("agree", page=page).status_code == 410
    else:
        assert athlete.press("decline", page=page).status_code == 410
    assert [row[0] for row in athlete.rows("consents", "decision")] == [
        "granted" if decision == "agree" else "declined"
    ]


def test_a_second_click_and_a_left_page_go_on_without_a_second_decision(athlete: Athlete) -> None:
    page = Page(athlete.open().text)
    states = {
        parse_qs(urlsplit(athlete.press("agree", page=page).headers["location"]).query)["state"][0]
        for _ in range(2)
    }
    again = Page(athlete.open().text)
    assert [button["value"] for button in again.buttons] == ["agree"]
    assert athlete.press("agree", page=again).status_code == 303
    assert len(states) == 2
    assert len(athlete.rows("consents")) == 1


def test_nothing_is_taken_without_this_browsers_own_form(athlete: Athlete) -> None:
    page = Page(athlete.open().text)
    other = Athlete(athlete.settings, athlete.base_url)
    foreign = Page(other.open().text)
    no_cookie = requests.post(athlete.address, data={**page.hidden, "decision": "agree"})
    stolen = other.browser.post(athlete.address, data={**page.hidden, "decision": "agree"})
    of_other_link = athlete.browser.post(
        athlete.address, data={**foreign.hidden, "decision": "agree"}
    )
    no_token = athlete.browser.post(athlete.address, data={"decision": "agree"})
    answers = [no_cookie, stolen, of_other_link, no_token]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert athlete.press("perhaps", page=page).status_code == 400
    assert athlete.rows("consents") == []


def test_a_form_of_an_older_text_is_not_taken(athlete: Athlete, module_database: Settings) -> None:
    page = Page(athlete.open().text)
    with (
        ScriptedWhoop() as service,
        Receiver(
            module_database, whoop_settings(service.base_url), ConsentSettings(days=30), port=0
        ) as newer,
    ):
        athlete.base_url = newer.base_url
        assert athlete.press("agree", page=page).status_code == 403
    assert athlete.rows("consents") == []


def test_an_expired_and_a_wrong_link_look_alike(athlete: Athlete, receiver: Receiver) -> None:
    page = Page(athlete.open().text)
    with connect(athlete.settings, OWNER) as connection:
        connection.execute(
            "update operations.consent_invitations set created_at = now() - interval '9 days', "
            "expires_at = now() - interval '1 second' where player_id = %s",
            [athlete.player_id],
        )
    expired = athlete.open()
    wrong = requests.get(f"{receiver.base_url}/consent/{'x' * 43}")
    assert expired.status_code == wrong.status_code == 404
    assert expired.text == wrong.text
    assert athlete.press("agree", page=page).status_code == 404
    assert athlete.rows("consents") == []


@pytest.mark.parametrize(
    "path",
    [
        "/consent/%00",
        "/consent/..%2f..%2fetc",
        "/consent/" + "x" * 5000,
        "/consent/%F0%9F%8F%80",
        "/consent/'%20or%201=1--",
        "/oauth/callback?state=%00&code=%00",
        "/oauth/callback?state=a&state=b&code=c",
        "/oauth/callback?error=%0d%0aSet-Cookie:x=1&state=" + "x" * 43 + "." + "y" * 43,
        "/oauth/callback?" + "&".join(f"a{n}=b" for n in range(2000)),
    ],
)
def test_odd_requests_get_a_page_and_never_a_5xx(receiver: Receiver, path: str) -> None:
    answer = requests.get(receiver.base_url + path)
    assert answer.status_code in (400, 404)
    answer = requests.post(receiver.base_url + path, data=b"\xff" * 100)
    assert answer.status_code in (400, 403, 404, 405)


def test_a_large_form_is_cut_off(athlete: Athlete) -> None:
    page = Page(athlete.open().text)
    assert athlete.press("agree", page=page, more="x" * 20_000).status_code == 413
    assert athlete.rows("consents") == []


def test_random_requests_never_make_it_fail(athlete: Athlete, receiver: Receiver) -> None:
    source = random.Random(12)
    page = Page(athlete.open().text)
    cookie = next(iter(athlete.browser.cookies))
    pieces = [
        *("/consent/", "/oauth/callback", "/webhooks/whoop", "?", "&", "=", "state=", "code="),
        *("error=", "%00", "%ff", "%", "/", "..", ";", "+", athlete.secret, "A" * 43, "."),
        *("decision=", "agree", "token=", page.hidden["token"], "\u20ac", "[]", "'"),
    ]

    def some(most: int) -> str:
        return "".join(source.choices(pieces, k=source.randrange(1, most)))

    def noise() -> bytes:
        return source.randbytes(source.randrange(60)).translate(None, b"\r\n\0")

    statuses = set()
    with socket.create_connection(("127.0.0.1", receiver.port)) as wire:
        for _ in range(400):
            path = "/" + some(8).replace(" ", "").lstrip("/")
            body = some(10).encode() + source.randbytes(source.randrange(20))
            head = [
                f"{source.choice(('GET', 'POST', 'PUT', 'HEAD'))} {path} HTTP/1.1".encode(),
                b"Host: x",
                b"Cookie: " + cookie.name.encode() + b"=" + source.choice([noise(), b"A" * 43]),
                b"X-WHOOP-Signature: " + noise(),
                b"X-WHOOP-Signature-Timestamp: " + source.choice([noise(), b"1", b"9" * 30]),
                b"Content-Type: " + source.choice([b"application/x-www-form-urlencoded", noise()]),
                b"Content-Length: " + str(len(body)).encode(),
                b"Connection: close",
            ]
            with socket.create_connection(("127.0.0.1", receiver.port)) as one:
                one.sendall(b"\r\n".join([*head, b"", body]))
                answer = one.makefile("rb").readline()
            statuses.add(int(answer.split()[1]))
        wire.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 400")
    assert statuses
    assert max(statuses) < 500
    assert athlete.rows("consents") == []
