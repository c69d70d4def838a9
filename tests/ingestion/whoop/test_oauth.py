from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion.errors import SettingError
from ingestion.whoop.errors import InvalidGrant, ServiceUnavailable
from ingestion.whoop.oauth import OAuthClient
from tests.ingestion.whoop.clocks import ManualClock
from tests.ingestion.whoop.members import whoop_settings
from tests.ingestion.whoop.service import SCOPES, Order, WhoopService

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def client(service: WhoopService) -> OAuthClient:
    service.codes = {"code-1"}
    return OAuthClient(whoop_settings(service), ManualClock(NOW))


def test_authorize_url(client: OAuthClient, service: WhoopService) -> None:
    parts = urlsplit(client.authorize_url("state-of-8", ["read:sleep", "offline"]))
    assert f"{parts.scheme}://{parts.netloc}" == service.base_url
    assert parts.path == "/oauth/oauth2/auth"
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": ["client"],
        "redirect_uri": ["http://127.0.0.1:8080/oauth/callback"],
        "scope": ["read:sleep offline"],
        "state": ["state-of-8"],
    }
    with pytest.raises(ValueError, match="at least 8"):
        client.authorize_url("short", [])


def test_exchange(client: OAuthClient, service: WhoopService) -> None:
    tokens = client.exchange("code-1")
    assert tokens.access_token == service.grants[0].access
    assert tokens.refresh_token == service.grants[0].refresh
    assert tokens.expires_at == NOW + timedelta(hours=1)
    assert tokens.scopes == SCOPES
    assert not [secret for secret in service.issued if secret in repr(tokens)]
    with pytest.raises(InvalidGrant, match="authorization code") as caught:
        client.exchange("code-1")
    assert "code-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "life", "refresh", "scopes"),
    [
        (b'{"access_token":"a"}', 3600, "old", ()),
        (b'{"access_token":"a","refresh_token":null,"expires_in":"60"}', 3600, "old", ()),
        (b'{"access_token":"a","refresh_token":"r","expires_in":60.5}', 60.5, "r", ()),
        (b'{"access_token":"a","expires_in":-1,"scope":"x y"}', 3600, "old", ("x", "y")),
        (b'{"access_token":"a","expires_in":true,"scope":["x"]}', 3600, "old", ()),
    ],
)
def test_answers_that_leave_something_out(
    body: bytes,
    life: float,
    refresh: str,
    scopes: tuple[str, ...],
    client: OAuthClient,
    service: WhoopService,
) -> None:
    service.orders["token"].append(Order(status=200, body=body))
    tokens = client.refresh("old")
    assert tokens.access_token == "a"
    assert tokens.refresh_token == refresh
    assert tokens.expires_at == NOW + timedelta(seconds=life)
    assert tokens.scopes == scopes


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"access_token":""}', b'{"access_token":7}', b"\xff"]
)
def test_answers_without_tokens(body: bytes, client: OAuthClient, service: WhoopService) -> None:
    service.orders["token"].extend([Order(status=200, body=body)] * 4)
    with pytest.raises(ServiceUnavailable, match="HTTP 200 without tokens") as caught:
        client.refresh("old")
    assert caught.value.may_be_done


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        ("invalid_client", "WHOOP_CLIENT_SECRET"),
        ("unauthorized_client", "WHOOP_CLIENT_ID"),
        ("invalid_scope", "WHOOP_RESOURCES"),
    ],
)
def test_a_refused_app(
    error: str, setting: str, client: OAuthClient, service: WhoopService
) -> None:
    service.orders["token"].append(Order(status=401, body=b'{"error":"%s"}' % error.encode()))
    with pytest.raises(SettingError, match=error) as caught:
        client.refresh("old")
    assert caught.value.name == setting


def test_an_error_code_is_shown_only_if_it_is_one(
    client: OAuthClient, service: WhoopService
) -> None:
    service.orders["token"].extend([Order(status=400, body=b'{"error":"refresh-1 is spent"}')] * 4)
    with pytest.raises(ServiceUnavailable, match="HTTP 400") as caught:
        client.refresh("refresh-1")
    assert "refresh-1" not in str(caught.value)
