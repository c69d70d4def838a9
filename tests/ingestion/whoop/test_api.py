from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings
from ingestion.whoop.api import ATTEMPTS, WhoopApi, moment, scope_of
from ingestion.whoop.budget import Priority
from ingestion.whoop.errors import (
    AccessWithdrawn,
    BudgetExhausted,
    MissingScope,
    ReconnectNeeded,
    RequestRefused,
    ServiceUnavailable,
)
from ingestion.whoop.settings import DEFAULT_USER_AGENT
from tests.ingestion.whoop.clocks import ManualClock
from tests.ingestion.whoop.members import (
    KEY,
    connected,
    everything_stored,
    status,
    whoop_settings,
)
from tests.ingestion.whoop.service import Grant, Order, WhoopService

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Member:
    """A connected athlete with the API that is asked for him."""

    def __init__(self, own: Settings, service: WhoopService, **change: Any) -> None:
        self.clock = ManualClock(NOW)
        self.service = service
        service.clock = self.clock
        self.grant: Grant = service.grant()
        self.connection_id: UUID = connected(own, self.grant, NOW, **change)
        self.api = WhoopApi(own, whoop_settings(service), clock=self.clock)

    def get(self, path: str = "/v2/cycle/1", priority: Priority = Priority.RECONCILE) -> Any:
        return self.api.get(self.connection_id, path, endpoint="/v2/cycle/{id}", priority=priority)

    def pages(self, **change: Any) -> list[list[dict[str, Any]]]:
        window = {"start": NOW - timedelta(days=30), "end": NOW} | change
        return list(
            self.api.pages(
                self.connection_id,
                "/v2/cycle",
                endpoint="/v2/cycle",
                priority=Priority.BACKFILL,
                **window,
            )
        )


@pytest.fixture
def member(own: Settings, service: WhoopService) -> Iterator[Member]:
    made = Member(own, service)
    yield made
    made.api.close()


def test_one_record(member: Member, service: WhoopService) -> None:
    answer = member.get()
    assert (answer.status, answer.payload) == (200, {"path": "/developer/v2/cycle/1"})
    assert answer.fetched_at == NOW
    assert member.get("/v2/cycle/404").status == 404
    assert member.get("/v2/cycle/404").payload is None
    assert {seen.user_agent for seen in service.seen} == {DEFAULT_USER_AGENT}


@pytest.mark.parametrize("last", [None, "", "absent"])
def test_pages_end_in_three_ways(last: str | None, member: Member, service: WhoopService) -> None:
    service.pages = [([{"id": 1}], "page-1"), ([{"id": 2}], "page-2"), ([], last)]
    assert member.pages() == [[{"id": 1}], [{"id": 2}], []]
    window = {
        "limit": "25",
        "start": "2026-10-23T12:00:00.000Z",
        "end": "2026-11-22T12:00:00.000Z",
    }
    assert [seen.query for seen in service.seen] == [
        window,
        {**window, "nextToken": "page-1"},
        {**window, "nextToken": "page-2"},
    ]


def test_a_window_without_bounds(member: Member, service: WhoopService) -> None:
    member.pages(start=None, end=None)
    assert service.seen[0].query == {"limit": "25"}


def test_pages_that_do_not_end(member: Member, service: WhoopService) -> None:
    service.pages = [([{"id": 1}], "page-1"), ([{"id": 2}], "page-0")]
    with pytest.raises(ServiceUnavailable, match="do not end"):
        member.pages()
    assert len(service.seen) == 3


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"records": null}', b'{"records": [1]}', b'{"records": [], "next_token": 7}'],
)
def test_pages_that_are_none(body: bytes, member: Member, service: WhoopService) -> None:
    service.orders["api"].append(Order(status=200, body=body))
    with pytest.raises(ServiceUnavailable, match="/v2/cycle"):
        member.pages()


def test_a_collection_that_is_not_there(member: Member, service: WhoopService) -> None:
    service.orders["api"].append(Order(status=404))
    with pytest.raises(RequestRefused, match="HTTP 404"):
        member.pages()


@pytest.mark.parametrize(
    "order",
    [
        Order(status=500),
        Order(status=502, body=b"<html>"),
        Order(status=200, body=b"<html>"),
        Order(is_lost=True),
    ],
)
def test_what_may_pass_is_asked_again(order: Order, member: Member, service: WhoopService) -> None:
    service.orders["api"].extend([order] * (ATTEMPTS - 1))
    assert member.get().status == 200
    assert 5 < member.clock.slept < 15
    service.orders["api"].extend([order] * ATTEMPTS)
    with pytest.raises(ServiceUnavailable, match=r"/v2/cycle/\{id\}"):
        member.get()
    assert len(service.seen) == 2 * ATTEMPTS


@pytest.mark.parametrize("refusal", [400, 301, 405])
def test_what_is_refused_is_not_asked_again(
    refusal: int, member: Member, service: WhoopService
) -> None:
    service.orders["api"].append(Order(status=refusal, headers={"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(RequestRefused, match=f"HTTP {refusal}"):
        member.get()
    assert len(service.seen) == 1


def test_a_429_waits_for_the_reset(member: Member, service: WhoopService) -> None:
    service.orders["api"].append(Order(status=429, headers={"X-RateLimit-Reset": "33"}))
    assert member.get().status == 200
    assert 33 <= (member.clock.now() - NOW).total_seconds() < 36
    service.orders["api"].append(Order(status=429, headers={"X-RateLimit-Reset": "70000"}))
    with pytest.raises(BudgetExhausted):
        member.get()


def test_a_token_that_ended_early_is_refreshed_once(member: Member, service: WhoopService) -> None:
    member.grant.access = "another"
    assert member.get().status == 200
    assert [seen.status for seen in service.seen] == [401, 200, 200]
    assert service.refreshes == 1


def test_a_fresh_token_that_is_not_known_yet(
    own: Settings, member: Member, service: WhoopService
) -> None:
    service.orders["api"].extend([Order(status=401), Order(status=401)])
    assert member.get().status == 200
    assert service.refreshes == 1
    assert status(own, member.connection_id) == ("active", None)


def test_access_that_was_withdrawn(own: Settings, member: Member, service: WhoopService) -> None:
    service.orders["api"].extend([Order(status=401)] * 3)
    with pytest.raises(AccessWithdrawn):
        member.get()
    assert status(own, member.connection_id) == ("reconnect", "access_withdrawn")
    asked = len(service.seen)
    with pytest.raises(ReconnectNeeded, match="ended the access in the app"):
        member.get()
    assert len(service.seen) == asked


def test_a_member_who_ended_the_grant(own: Settings, member: Member, service: WhoopService) -> None:
    member.grant.is_alive = False
    with pytest.raises(ReconnectNeeded):
        member.get()
    assert status(own, member.connection_id) == ("reconnect", "grant_refused")


@pytest.mark.parametrize("answer", [403, 401])
def test_a_scope_that_was_not_granted(answer: int, own: Settings, service: WhoopService) -> None:
    member = Member(own, service, scopes=("read:sleep", "offline"))
    service.orders["api"].append(Order(status=answer))
    with pytest.raises(MissingScope, match="read:cycles is missing"):
        member.get()
    assert service.seen == []  # known before asking
    service.orders["api"].clear()
    service.orders["api"].append(Order(status=403))
    with pytest.raises(MissingScope, match="read:sleep is missing"):
        member.get("/v2/activity/sleep/1")
    assert status(own, member.connection_id) == ("active", None)


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v2/cycle", "read:cycles"),
        ("/v2/cycle/93845", "read:cycles"),
        ("/v2/cycle/93845/recovery", "read:recovery"),
        ("/v2/cycle/93845/sleep", None),
        ("/v2/recovery", "read:recovery"),
        ("/v2/activity/sleep/ecfc6a15-4661-442f-a9a4-f160dd7afae8", "read:sleep"),
        ("/v2/activity/workout", "read:workout"),
        ("/v2/user/profile/basic", "read:profile"),
        ("/v2/user/measurement/body", "read:body_measurement"),
        ("/v2/user/access", None),
    ],
)
def test_scope_of_a_path(path: str, scope: str | None) -> None:
    assert scope_of(path) == scope


def test_moment() -> None:
    east = timezone(timedelta(hours=-5))
    assert moment(datetime(2026, 11, 22, 7, 0, 0, 123999, east)) == "2026-11-22T12:00:00.123Z"
    with pytest.raises(ValueError, match="without a zone"):
        moment(datetime(2026, 11, 22))  # noqa: DTZ001 - what is refused


def test_a_wait_for_the_budget_that_outlives_the_token(
    own: Settings, service: WhoopService
) -> None:
    member = Member(own, service, expires_in=330.0)
    service.orders["api"].append(Order(status=429, headers={"X-RateLimit-Reset": "400"}))
    assert member.get().status == 200
    assert service.refreshes == 1
    assert [seen.status for seen in service.seen] == [429, 200, 200]


def test_a_wrong_key_is_told_at_once(own: Settings, member: Member, service: WhoopService) -> None:
    other = (Fernet.generate_key().decode(),)
    with pytest.raises(SettingError, match="ENCRYPTION_KEY"):
        WhoopApi(own, whoop_settings(service, other))
    assert service.seen == []


def tokens_left(own: Settings) -> int:
    with connect(own, roles.INGEST) as connection:
        row = connection.execute("select count(*) from operations.wearable_tokens").fetchone()
    return 0 if row is None else row[0]


@pytest.mark.parametrize("has_ended", [False, True])
def test_revoke(has_ended: bool, own: Settings, service: WhoopService) -> None:
    member = Member(own, service, expires_in=0.0 if has_ended else 3600.0)
    assert member.api.revoke(member.connection_id)
    assert not member.grant.is_alive
    assert [(seen.method, seen.status) for seen in service.seen][-2:] == [
        ("DELETE", 204),
        ("DELETE", 401),
    ]
    assert service.refreshes == has_ended
    assert status(own, member.connection_id) == ("revoked", "revocation_confirmed")
    assert tokens_left(own) == 0
    with pytest.raises(ReconnectNeeded):
        member.get()
    asked = len(service.seen)
    assert member.api.revoke(member.connection_id)
    assert len(service.seen) == asked


def test_revoke_with_a_token_that_whoop_has_ended(member: Member, service: WhoopService) -> None:
    member.grant.access = "another"
    assert member.api.revoke(member.connection_id)
    assert service.refreshes == 1
    assert not member.grant.is_alive


def test_a_revocation_that_stumbles_is_finished_later(
    own: Settings, member: Member, service: WhoopService
) -> None:
    service.orders["api"].extend([Order(status=503)] * ATTEMPTS)
    with pytest.raises(ServiceUnavailable):
        member.api.revoke(member.connection_id)
    assert status(own, member.connection_id) == ("revoked", "revoking")
    assert member.api.revoke(member.connection_id)
    assert not member.grant.is_alive


def test_a_revocation_whose_answer_is_lost(member: Member, service: WhoopService) -> None:
    # carried out, but nobody heard: the token is dead, and so is the grant
    service.orders["api"].append(Order(is_lost=True, is_done=True))
    assert not member.api.revoke(member.connection_id)
    assert tokens_left_of(member) == 0


def tokens_left_of(member: Member) -> int:
    with member.api._sessions.session() as session:
        row = session.execute("select count(*) from operations.wearable_tokens").fetchone()
    return 0 if row is None else row[0]


def test_a_revocation_that_was_answered_and_not_confirmed(
    own: Settings, member: Member, service: WhoopService
) -> None:
    service.orders["api"].extend([Order(is_done=True), *[Order(status=500)] * ATTEMPTS])
    with pytest.raises(ServiceUnavailable):
        member.api.revoke(member.connection_id)
    assert status(own, member.connection_id) == ("revoked", "revocation_answered")
    assert member.api.revoke(member.connection_id)


def test_a_revocation_without_a_token_that_works(
    own: Settings, member: Member, service: WhoopService
) -> None:
    member.grant.is_alive = False
    assert not member.api.revoke(member.connection_id)
    assert status(own, member.connection_id) == ("revoked", "revocation_unconfirmed")
    asked = len(service.seen)
    assert not member.api.revoke(member.connection_id)
    assert len(service.seen) == asked
    with pytest.raises(ReconnectNeeded, match="no such connection"):
        member.api.revoke(uuid4())


def test_no_token_is_shown_anywhere(
    own: Settings, service: WhoopService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    member = Member(own, service, expires_in=0.0)
    shown = [repr(member.api), repr(whoop_settings(service))]
    member.get()
    member.pages()
    shown.append(repr(member.api.tokens.credentials(member.connection_id)))
    service.orders["api"].extend([Order(is_lost=True), Order(status=500)])
    member.get()
    member.grant.access = "another"
    member.get()
    shown.append(everything_stored(own))
    member.grant.is_alive = False
    with pytest.raises(ClutchError) as caught:
        member.get()
    shown += [str(caught.value), repr(caught.value), str(caught.getrepr(style="long", chain=True))]
    shown.append(caplog.text)
    assert "/developer/v2/cycle/1" in caplog.text
    text = "\n".join(shown)
    secrets = [*service.issued, "secret-of-the-app", KEY]
    assert len(secrets) >= 8
    for secret in secrets:
        assert secret not in text
        assert secret.encode().hex() not in text
