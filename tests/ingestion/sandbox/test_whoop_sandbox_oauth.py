"""The simulated WHOOP service gives and takes consent as WHOOP's OAuth server does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from ingestion.sandbox.whoop import SandboxError, WhoopSandbox, WhoopSandboxSettings
from tests.support.whoop import (
    ALL_SCOPES,
    SECONDS,
    STATE,
    ask_token,
    authorize_url,
    connect,
    exchange,
    fields_of,
    refresh,
)

CYCLES = "/v2/cycle"


@pytest.fixture
def sandbox() -> Iterator[WhoopSandbox]:
    with WhoopSandbox(WhoopSandboxSettings(roster_size=3, history_days=5)) as running:
        yield running


def visit(url: str) -> requests.Response:
    return requests.get(url, timeout=SECONDS, allow_redirects=False)


# --- consent -----------------------------------------------------------------------------------


def test_the_page_names_the_scopes_and_its_buttons_decide(sandbox: WhoopSandbox) -> None:
    page = visit(authorize_url(sandbox, scope="offline read:sleep"))
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<code>read:sleep</code>" in page.text
    assert "read:workout" not in page.text
    challenge = re.search(r'name="challenge" value="(\w+)"', page.text)
    assert challenge is not None
    form = {"challenge": challenge[1], "member": sandbox.members[1], "decision": "approve"}
    url = f"{sandbox.base_url}/__sim/consent"
    sent = requests.post(url, data=form, timeout=SECONDS, allow_redirects=False)
    assert sent.status_code == 302
    assert sent.headers["Location"].startswith(sandbox.settings.redirect_uris[0] + "?")
    fields = fields_of(sent.headers["Location"])
    assert fields["state"] == STATE
    assert exchange(sandbox, fields["code"]).json()["scope"] == "offline read:sleep"
    again = requests.post(url, data=form, timeout=SECONDS, allow_redirects=False)
    assert again.status_code == 400


def test_a_page_does_not_repeat_what_it_was_sent_as_markup(sandbox: WhoopSandbox) -> None:
    page = visit(authorize_url(sandbox, state='"><script>alert(1)</script>'))
    assert "<script>" not in page.text


@pytest.mark.parametrize("how", ["page", "at once"])
def test_a_denial_goes_back_as_access_denied(sandbox: WhoopSandbox, how: str) -> None:
    url = authorize_url(sandbox)
    if how == "at once":
        sent = visit(f"{sandbox.base_url}/__sim/consent?{url.partition('?')[2]}&auto=deny")
    else:
        name = re.search(r'value="(sim_challenge_\w+)"', visit(url).text)
        assert name is not None
        form = {"challenge": name[1], "decision": "deny"}
        address = f"{sandbox.base_url}/__sim/consent"
        sent = requests.post(address, data=form, timeout=SECONDS, allow_redirects=False)
    fields = fields_of(sent.headers["Location"])
    assert (fields["error"], fields["state"]) == ("access_denied", STATE)
    assert "code" not in fields


def test_control_approves_without_a_page(sandbox: WhoopSandbox) -> None:
    query = authorize_url(sandbox).partition("?")[2]
    url = f"{sandbox.base_url}/__sim/consent?{query}&auto=approve&member={sandbox.members[2]}"
    code = fields_of(visit(url).headers["Location"])["code"]
    assert exchange(sandbox, code).status_code == 200
    unknown = visit(f"{sandbox.base_url}/__sim/consent?{query}&auto=approve&member=1")
    assert unknown.status_code == 400
    with pytest.raises(SandboxError, match="there is no member 1"):
        sandbox.approve(authorize_url(sandbox), 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"state": "seven77"}, "invalid_state"),
        ({"state": None}, "invalid_state"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "read:everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_a_wrong_request_goes_back_as_an_error(
    sandbox: WhoopSandbox, change: dict[str, str | None], error: str
) -> None:
    sent = visit(authorize_url(sandbox, **change))
    assert sent.status_code == 302
    assert fields_of(sent.headers["Location"])["error"] == error


@pytest.mark.parametrize(
    "change", [{"client_id": "another"}, {"redirect_uri": "https://evil.example.test/"}]
)
def test_a_stranger_is_not_redirected(sandbox: WhoopSandbox, change: dict[str, str]) -> None:
    sent = visit(authorize_url(sandbox, **change))
    assert sent.status_code in (400, 401)
    assert "Location" not in sent.headers


# --- tokens ------------------------------------------------------------------------------------


def test_a_code_gives_tokens_once_and_in_time(sandbox: WhoopSandbox) -> None:
    url = authorize_url(sandbox)
    code = fields_of(sandbox.approve(url, sandbox.members[0]))["code"]
    first = exchange(sandbox, code)
    assert set(first.json()) == {
        "access_token",
        "refresh_token",
        "expires_in",
        "scope",
        "token_type",
    }
    assert first.json()["expires_in"] == 3600
    assert first.json()["token_type"] == "bearer"
    assert set(first.json()["scope"].split()) == set(ALL_SCOPES.split())
    assert first.headers["Cache-Control"] == "no-store"
    again = exchange(sandbox, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    late = fields_of(sandbox.approve(url, sandbox.members[0]))["code"]
    sandbox.advance(601)
    assert exchange(sandbox, late).json()["error"] == "invalid_grant"


def test_a_code_used_twice_ends_what_it_gave(sandbox: WhoopSandbox) -> None:
    code = fields_of(sandbox.approve(authorize_url(sandbox), sandbox.members[0]))["code"]
    access = exchange(sandbox, code).json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    url = sandbox.api_base_url + CYCLES
    assert requests.get(url, headers=headers, timeout=SECONDS).status_code == 200
    exchange(sandbox, code)
    assert requests.get(url, headers=headers, timeout=SECONDS).status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "authorization_code", "code": "none"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "wrong"}, 401, "invalid_client"),
    ],
)
def test_wrong_token_requests_are_refused(
    sandbox: WhoopSandbox, form: dict[str, str], status: int, error: str
) -> None:
    answer = ask_token(sandbox, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_redirect_address_must_be_repeated(sandbox: WhoopSandbox) -> None:
    code = fields_of(sandbox.approve(authorize_url(sandbox), sandbox.members[0]))["code"]
    answer = ask_token(sandbox, grant_type="authorization_code", code=code, redirect_uri="other")
    assert answer.json()["error"] == "invalid_grant"
    assert exchange(sandbox, code).status_code == 200


def test_a_token_request_must_be_a_form(sandbox: WhoopSandbox) -> None:
    url = f"{sandbox.oauth_base_url}/token"
    answer = requests.post(url, json={"grant_type": "refresh_token"}, timeout=SECONDS)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert requests.get(url, timeout=SECONDS).status_code == 405


def test_without_offline_there_is_no_refresh_token(sandbox: WhoopSandbox) -> None:
    assert connect(sandbox, scope="read:cycles").refresh_token is None


def test_an_access_token_ends_after_its_hour(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    sandbox.advance(3599)
    assert client.get(CYCLES).status_code == 200
    sandbox.advance(1)
    assert client.get(CYCLES).status_code == 401


def test_a_refresh_replaces_both_tokens_at_once(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    assert client.refresh_token is not None
    new = refresh(sandbox, client.refresh_token).json()
    assert new["refresh_token"] != client.refresh_token
    assert set(new["scope"].split()) == set(ALL_SCOPES.split())
    assert client.get(CYCLES).status_code == 401
    client.access = new["access_token"]
    assert client.get(CYCLES).status_code == 200
    sandbox.advance(timedelta(days=60))
    assert refresh(sandbox, new["refresh_token"]).status_code == 200


def test_a_refresh_without_offline_ends_the_chain(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    assert "refresh_token" not in refresh(sandbox, client.refresh_token or "", scope="").json()
    other = connect(sandbox, scope="offline read:cycles")
    wider = refresh(sandbox, other.refresh_token or "", scope="offline read:sleep")
    assert wider.json()["error"] == "invalid_scope"


@pytest.mark.parametrize("position", ["fails_alone", "revokes_grant"])
@pytest.mark.parametrize(("error", "status"), [("invalid_grant", 400), ("token_inactive", 401)])
def test_a_spent_refresh_token_fails(
    sandbox: WhoopSandbox, position: str, error: str, status: int
) -> None:
    sandbox.switch(spent_refresh_token=position, refresh_error=error)
    client = connect(sandbox)
    spent = client.refresh_token or ""
    new = refresh(sandbox, spent).json()
    loser = refresh(sandbox, spent)
    assert (loser.status_code, loser.json()["error"]) == (status, error)
    client.access = new["access_token"]
    survives = position == "fails_alone"
    assert client.get(CYCLES).status_code == (200 if survives else 401)
    assert refresh(sandbox, new["refresh_token"]).status_code == (200 if survives else status)


def test_of_many_refreshes_at_once_one_wins(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refresh(sandbox, client.refresh_token or ""), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


# --- the end -----------------------------------------------------------------------------------


def test_a_revocation_by_the_client_ends_everything(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    other = connect(sandbox, sandbox.members[1])
    gone = client.request("DELETE", "/v2/user/access")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(CYCLES).status_code == 401
    assert refresh(sandbox, client.refresh_token or "").status_code == 400
    assert other.get(CYCLES).status_code == 200


def test_an_expired_token_cannot_revoke_and_the_grant_survives(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    sandbox.advance(3600)
    assert client.request("DELETE", "/v2/user/access").status_code == 401
    new = refresh(sandbox, client.refresh_token or "")
    assert new.status_code == 200
    client.access = new.json()["access_token"]
    assert client.request("DELETE", "/v2/user/access").status_code == 204


@pytest.mark.parametrize("over_http", [False, True])
def test_a_revocation_in_the_app_shows_only_in_failing_calls(
    sandbox: WhoopSandbox, over_http: bool
) -> None:
    client = connect(sandbox)
    if over_http:
        url = f"{sandbox.base_url}/__sim/members/{client.user_id}/revoke"
        assert requests.post(url, timeout=SECONDS).json() == {"was_connected": True}
    else:
        assert sandbox.revoke_in_app(client.user_id)
    assert client.get(CYCLES).status_code == 401
    assert refresh(sandbox, client.refresh_token or "").status_code == 400
    assert not sandbox.deliveries()
    assert connect(sandbox).get(CYCLES).status_code == 200
