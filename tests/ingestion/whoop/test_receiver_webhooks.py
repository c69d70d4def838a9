from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST, OWNER
from ingestion.settings import Settings
from ingestion.whoop.receiver import webhooks
from ingestion.whoop.receiver.app import Receiver
from tests.ingestion.whoop.athletes import CLIENT_SECRET, whoop_settings
from tests.ingestion.whoop.deliveries import (
    PATH,
    Delivery,
    deliver,
    encoded,
    event,
    mutated,
    signed,
)
from tests.ingestion.whoop.members import expecting_any_account
from tests.replay import shared_nba_directory

NOWHERE = "http://127.0.0.1:9"  # webhooks ask nothing of WHOOP
# 10,000 true deliveries and 100,000 mutated ones take a minute: CLUTCH_DELIVERIES=10000
TRUE_DELIVERIES = int(os.environ.get("CLUTCH_DELIVERIES", "300"))


@pytest.fixture(autouse=True)
def whoever_it_is(request: pytest.FixtureRequest) -> None:
    """Deliveries here are of made-up accounts."""
    if "database" in request.fixturenames:
        expecting_any_account(request.getfixturevalue("database"))


@pytest.fixture(scope="module")
def receiver(module_database: Settings) -> Iterator[Receiver]:
    expecting_any_account(module_database)
    with Receiver(module_database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as running:
        yield running


def inbox(settings: Settings) -> dict[str, tuple[Any, ...]]:
    with connect(settings, INGEST) as connection:
        rows = connection.execute(
            "select trace_id, event_type, provider_user_id, object_id, body, duplicates, status "
            "from operations.webhook_inbox"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def refusals(settings: Settings) -> dict[str, int]:
    with connect(settings, INGEST) as connection:
        return dict(
            connection.execute(
                "select reason, sum(refused)::int from operations.webhook_refusals group by reason"
            ).fetchall()
        )


def counted(settings: Settings, before: dict[str, int]) -> dict[str, int]:
    """What was refused since, when the receiver has written it down."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        time.sleep(0.1)
        now = refusals(settings)
        if now != before:
            break
    return {
        reason: now[reason] - before.get(reason, 0)
        for reason in now
        if now[reason] != before.get(reason)
    }


def send(receiver: Receiver, delivery: Delivery) -> int:
    return deliver(receiver.base_url, [delivery], connections=1)[0][0]


@pytest.mark.parametrize("kind", sorted(webhooks.EVENT_TYPES))
def test_a_true_delivery_is_stored_before_the_answer(
    receiver: Receiver, module_database: Settings, kind: str
) -> None:
    content = event(random.Random(kind), kind=kind)
    delivery = signed(encoded(content), CLIENT_SECRET)
    assert send(receiver, delivery) == 204
    assert inbox(module_database)[str(content["trace_id"])] == (
        *(kind, 990001, content["id"], delivery.body, 0, "waiting"),
    )
    # WHOOP sends it again, signed anew or not, and another program writes the same JSON
    assert send(receiver, delivery) == 204
    assert send(receiver, signed(encoded(content), CLIENT_SECRET, time.time() + 60)) == 204
    assert send(receiver, signed(json.dumps(content).encode(), CLIENT_SECRET)) == 204
    assert inbox(module_database)[str(content["trace_id"])][4:] == (3, "waiting")


GOOD = event(random.Random(1))
BAD_BODIES: dict[str, tuple[object, int, str]] = {
    "no JSON": (b"hello", 400, "not_json"),
    "empty": (b"", 400, "not_json"),
    "half": (encoded(GOOD)[:-5], 400, "not_json"),
    "no UTF-8": (b'{"type":"\xff"}', 400, "not_json"),
    "with a byte order mark": (b"\xef\xbb\xbf" + encoded(GOOD), 400, "not_json"),
    "deep": (b"[" * 8000, 400, "not_json"),
    "a list": ([GOOD], 400, "not_json"),
    "a number": (7, 400, "not_json"),
    "null": (None, 400, "not_json"),
    "NaN": (b'{"user_id":NaN}', 400, "not_json"),
    "no type": ({**GOOD, "type": None}, 400, "wrong_types"),
    "type a list": ({**GOOD, "type": ["sleep.updated"]}, 400, "wrong_types"),
    "user a text": ({**GOOD, "user_id": "990001"}, 400, "wrong_types"),
    "user a fraction": ({**GOOD, "user_id": 990001.5}, 400, "wrong_types"),
    "user true": ({**GOOD, "user_id": True}, 400, "wrong_types"),
    "user zero": ({**GOOD, "user_id": 0}, 400, "wrong_types"),
    "user beyond 63 bits": ({**GOOD, "user_id": 2**63}, 400, "wrong_types"),
    "user beyond 64 bits": ({**GOOD, "user_id": 2**70}, 400, "wrong_types"),
    "id a number, as v1 sent": ({**GOOD, "id": 12345}, 400, "wrong_types"),
    "id a path": ({**GOOD, "id": "../../user/access"}, 400, "wrong_types"),
    "id missing": ({k: v for k, v in GOOD.items() if k != "id"}, 400, "wrong_types"),
    "trace id missing": ({k: v for k, v in GOOD.items() if k != "trace_id"}, 400, "wrong_types"),
    "trace id empty": ({**GOOD, "trace_id": ""}, 400, "wrong_types"),
    "trace id with a zero byte": ({**GOOD, "trace_id": "a\0b"}, 400, "wrong_types"),
    "trace id endless": ({**GOOD, "trace_id": "a" * 201}, 400, "wrong_types"),
    "an event to come": ({"type": "cycle.updated", "id": 7}, 204, "unknown_type"),
    "a type with a zero byte": ({**GOOD, "type": "sleep.updated\0"}, 204, "unknown_type"),
    "too large": (b"{" + b" " * 20_000 + b"}", 413, "too_large"),
    "far too large": (b"x" * 1_500_000, 413, "too_large"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_what_a_true_signature_does_not_excuse(
    receiver: Receiver, module_database: Settings, name: str
) -> None:
    content, status, _ = BAD_BODIES[name]
    before = inbox(module_database)
    body = content if isinstance(content, bytes) else encoded(content)
    assert send(receiver, signed(body, CLIENT_SECRET)) == status
    assert inbox(module_database) == before


def test_each_refusal_is_counted_once_by_its_reason(
    receiver: Receiver, module_database: Settings
) -> None:
    time.sleep(1.2)  # what other tests did is written
    before = refusals(module_database)
    for content, _, _ in BAD_BODIES.values():
        body = content if isinstance(content, bytes) else encoded(content)
        send(receiver, signed(body, CLIENT_SECRET))
    expected: dict[str, int] = {}
    for _, _, reason in BAD_BODIES.values():
        expected[reason] = expected.get(reason, 0) + 1
    time.sleep(1.2)
    assert counted(module_database, before) == expected


def test_what_no_signature_or_time_excuses(receiver: Receiver, module_database: Settings) -> None:
    body, now = encoded(event(random.Random(2))), time.time()
    true = signed(body, CLIENT_SECRET)
    assert true.timestamp is not None
    cases = [
        (Delivery(body, true.timestamp, None), 401, "missing_signature"),
        (Delivery(body, None, true.signature), 401, "missing_signature"),
        (Delivery(body, None, None), 401, "missing_signature"),
        (
            Delivery(body, true.timestamp, f"{true.signature}\r\nX-WHOOP-Signature: x"),
            401,
            "missing_signature",
        ),
        (Delivery(body, "", true.signature), 401, "wrong_timestamp"),
        (Delivery(body, "now", true.signature), 401, "wrong_timestamp"),
        (Delivery(body, "-" + true.timestamp, true.signature), 401, "wrong_timestamp"),
        (Delivery(body, "1_000", true.signature), 401, "wrong_timestamp"),
        (Delivery(body, "\xb2" * 13, true.signature), 401, "wrong_timestamp"),
        (Delivery(body, "9" * 400, true.signature), 401, "wrong_timestamp"),
        (signed(body, CLIENT_SECRET, now - 7300), 401, "stale"),
        (signed(body, CLIENT_SECRET, now + 7300), 401, "stale"),
        (signed(body, CLIENT_SECRET, 0), 401, "stale"),
        (signed(body, "another secret"), 401, "wrong_signature"),
        (Delivery(body, true.timestamp, "\xff"), 401, "wrong_signature"),
        (Delivery(body, true.timestamp, ""), 401, "wrong_signature"),
        (Delivery(b"not JSON", true.timestamp, true.signature), 401, "wrong_signature"),
    ]
    stored = inbox(module_database)
    time.sleep(1.2)
    before = refusals(module_database)
    for delivery, status, reason in cases:
        assert send(receiver, delivery) == status, (delivery, reason)
    expected: dict[str, int] = {}
    for _, _, reason in cases:
        expected[reason] = expected.get(reason, 0) + 1
    time.sleep(1.2)
    assert counted(module_database, before) == expected
    assert inbox(module_database) == stored
    # at the edge of the tolerance it is still taken
    assert send(receiver, signed(body, CLIENT_SECRET, now - 7100)) == 204


def test_a_trace_id_of_another_event_changes_nothing(
    receiver: Receiver, module_database: Settings
) -> None:
    content = event(random.Random(3), kind="sleep.updated")
    assert send(receiver, signed(encoded(content), CLIENT_SECRET)) == 204
    stored = inbox(module_database)[str(content["trace_id"])]
    for change in (
        {"type": "sleep.deleted"},
        {"user_id": 5},
        {"id": event(random.Random(4))["id"]},
    ):
        assert send(receiver, signed(encoded({**content, **change}), CLIENT_SECRET)) == 409
    assert inbox(module_database)[str(content["trace_id"])] == stored


def test_nothing_is_kept_of_an_account_that_nobody_connected(database: Settings) -> None:
    """Answered as any other: WHOOP need not know, and would send it again."""
    chance = random.Random(6)
    known, unknown, late = (
        signed(encoded(event(chance, user_id=number)), CLIENT_SECRET)
        for number in (990001, 990002, 990001)
    )
    with connect(database, INGEST) as connection:
        connection.execute("update operations.wearable_connections set provider_user_id = 990001")
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        assert [send(receiver, each) for each in (known, unknown, unknown)] == [204] * 3
        with connect(database, INGEST) as connection:
            connection.execute("update operations.wearable_connections set status = 'revoked'")
        assert send(receiver, late) == 204
    assert [row[1] for row in inbox(database).values()] == [990001]
    assert refusals(database) == {"unknown_account": 3}


def test_other_methods_are_refused(receiver: Receiver) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        with socket.create_connection(("127.0.0.1", receiver.port)) as wire:
            wire.sendall(
                f"{method} {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b"".join(iter(lambda: wire.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 405")
        assert b"allow: POST" in answer


def test_a_body_that_never_ends_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.3)
    true = signed(encoded(event(random.Random(5))), CLIENT_SECRET)
    with socket.create_connection(("127.0.0.1", receiver.port)) as wire:
        wire.sendall(true.request()[:-10])
        wire.settimeout(5)
        assert wire.recv(100).startswith(b"HTTP/1.1 408")


def test_chunked_bodies_are_read_whole(receiver: Receiver) -> None:
    true = signed(encoded(event(random.Random(6))), CLIENT_SECRET)
    chunks = [true.body[start : start + 50] for start in range(0, len(true.body), 50)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    head = true.request()[: -len(true.body)].replace(
        f"Content-Length: {len(true.body)}".encode(), b"Transfer-Encoding: chunked"
    )
    with socket.create_connection(("127.0.0.1", receiver.port)) as wire:
        wire.sendall(head + body)
        assert wire.recv(100).startswith(b"HTTP/1.1 204")


def test_workers_are_woken(receiver: Receiver, module_database: Settings) -> None:
    with connect(module_database, INGEST, autocommit=True) as connection:
        connection.execute(f"listen {webhooks.CHANNEL}")
        assert send(receiver, signed(encoded(event(random.Random(7))), CLIENT_SECRET)) == 204
        heard = next(connection.notifies(timeout=5, stop_after=1), None)
    assert heard is not None


@pytest.mark.realdata
def test_the_signature_vectors_pass(database: Settings) -> None:
    directory = shared_nba_directory()
    assert directory is not None
    path = directory.parent.parent / "reference/whoop-samples/webhook-signature-vectors.json"
    vectors = json.loads(Path(path).read_text())
    first = int(vectors[0]["headers"]["X-WHOOP-Signature-Timestamp"]) / 1000
    whoop = whoop_settings(
        NOWHERE,
        webhook_secret=vectors[0]["client_secret"],
        webhook_tolerance_seconds=abs(time.time() - first) + 86400,
    )
    with Receiver(database, whoop, ConsentSettings(), port=0) as receiver:
        for vector in vectors:
            headers = vector["headers"]
            status = send(
                receiver,
                Delivery(
                    vector["raw_body"].encode(),
                    headers.get("X-WHOOP-Signature-Timestamp"),
                    headers.get("X-WHOOP-Signature"),
                ),
            )
            assert status == (401 if "401" in vector["expect"] else 204), vector["name"]
    rows = inbox(database)
    assert len(rows) == 6
    assert sorted(row[4] for row in rows.values()) == [0, 0, 0, 0, 0, 1]


def test_true_deliveries_once_and_false_ones_never(database: Settings) -> None:
    source = random.Random(20261122)
    true = [
        signed(encoded(event(source, user_id=990001 + number % 450)), CLIENT_SECRET)
        for number in range(TRUE_DELIVERIES)
    ]
    copies = {delivery: 1 + source.choice((0, 0, 1, 5)) for delivery in true}
    false = [
        mutated(source, *source.sample(true, 2), CLIENT_SECRET) for _ in range(10 * TRUE_DELIVERIES)
    ]
    # a mutation may by chance be a true one again
    false = [delivery for delivery in false if delivery not in copies]
    sent = [delivery for delivery, times in copies.items() for _ in range(times)] + false
    source.shuffle(sent)
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        statuses = [status for status, _ in deliver(receiver.base_url, sent, connections=16)]
    taken = [delivery for delivery, status in zip(sent, statuses, strict=True) if status == 204]
    assert len(taken) == sum(copies.values())
    assert all(delivery in copies for delivery in taken)
    assert {status for status in statuses if status != 204} <= {401, 413}
    stored = {row[3]: row[4] + 1 for row in inbox(database).values()}
    assert stored == {delivery.body: times for delivery, times in copies.items()}
    # counted at shutdown at the latest
    assert sum(refusals(database).values()) == len(false)


def test_a_database_that_goes_away_and_comes_back(database: Settings) -> None:
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        source = random.Random(8)
        assert send(receiver, signed(encoded(event(source)), CLIENT_SECRET)) == 204
        name = str(psycopg.conninfo.conninfo_to_dict(database.database_url or "")["dbname"])
        admin = psycopg.connect(
            (database.database_url or "").replace(name, "postgres", 1), autocommit=True
        )
        with admin:
            admin.execute(f"alter database {name} allow_connections false")
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            )
            lost = signed(encoded(event(source)), CLIENT_SECRET)
            begun = time.monotonic()
            assert send(receiver, lost) == 503
            assert time.monotonic() - begun < 1.0, "WHOOP waits one second"
            admin.execute(f"alter database {name} allow_connections true")
        until = time.monotonic() + 20
        while (status := send(receiver, lost)) != 204:
            assert status == 503
            assert time.monotonic() < until
            time.sleep(0.2)
    assert len(inbox(database)) == 2
    assert refusals(database)["database_away"] >= 1


def test_a_restart_of_the_server_is_not_noticed(database: Settings) -> None:
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        source = random.Random(9)
        many = [signed(encoded(event(source)), CLIENT_SECRET) for _ in range(40)]
        deliver(receiver.base_url, many, connections=16)  # the pool has grown
        with psycopg.connect(database.database_url or "", autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        more = [signed(encoded(event(source)), CLIENT_SECRET) for _ in range(20)]
        statuses = [status for status, _ in deliver(receiver.base_url, more, connections=1)]
    assert statuses == [204] * 20
    assert len(inbox(database)) == 60


def test_one_delivery_that_the_database_refuses_harms_no_other(database: Settings) -> None:
    source = random.Random(10)
    many = [signed(encoded(event(source)), CLIENT_SECRET) for _ in range(60)]
    poison = json.loads(many[30].body)["id"]
    with connect(database, OWNER) as connection:
        connection.execute(
            f"alter table operations.webhook_inbox add check (object_id <> '{poison}')"
        )
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        statuses = [status for status, _ in deliver(receiver.base_url, many, connections=30)]
    assert statuses == [503 if number == 30 else 204 for number in range(60)]
    assert len(inbox(database)) == 59


def test_a_burst_of_copies_is_one_event(database: Settings) -> None:
    source = random.Random(11)
    few = [signed(encoded(event(source)), CLIENT_SECRET) for _ in range(5)]
    with Receiver(database, whoop_settings(NOWHERE), ConsentSettings(), port=0) as receiver:
        statuses = [status for status, _ in deliver(receiver.base_url, few * 40, connections=100)]
    assert statuses == [204] * 200
    assert [row[4] for row in inbox(database).values()] == [39] * 5
