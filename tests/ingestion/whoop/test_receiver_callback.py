from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import requests

from ingestion.consent import ledger
from ingestion.consent.settings import ConsentSettings
from ingestion.consent.vault import Vault
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST, OWNER
from ingestion.settings import Settings
from ingestion.whoop.receiver.app import Receiver
from ingestion.whoop.receiver.browser import Signer
from tests.ingestion.whoop.athletes import (
    KEY,
    Athlete,
    ImpatientClock,
    Page,
    new_code,
    whoop_settings,
)
from tests.ingestion.whoop.scripted_whoop import ScriptedWhoop


@pytest.fixture(scope="module")
def running(module_database: Settings) -> Iterator[tuple[ScriptedWhoop, Receiver]]:
    with (
        ScriptedWhoop() as service,
        Receiver(
            module_database,
            whoop_settings(service.base_url),
            ConsentSettings(),
            port=0,
            clock=ImpatientClock(),
        ) as receiver,
    ):
        yield service, receiver


@pytest.fixture
def service(running: tuple[ScriptedWhoop, Receiver]) -> ScriptedWhoop:
    running[0].reset()
    return running[0]


@pytest.fixture
def athlete(
    module_database: Settings, running: tuple[ScriptedWhoop, Receiver], service: ScriptedWhoop
) -> Athlete:
    return Athlete(module_database, running[1].base_url)


def connections(athlete: Athlete) -> list[tuple[Any, ...]]:
    return athlete.rows("wearable_connections", "provider_user_id, status, generation, scopes")


def outcomes(athlete: Athlete) -> list[str | None]:
    return [row[0] for row in athlete.rows("oauth_attempts", "outcome")]


def stored_tokens(athlete: Athlete) -> list[tuple[str, str | None, int]]:
    with connect(athlete.settings, INGEST) as connection:
        found = []
        for (connection_id,) in athlete.rows("wearable_connections", "connection_id"):
            stored = Vault([KEY]).load(connection, connection_id)
            if stored is not None:
                tokens = stored.tokens
                found.append((tokens.access_token, tokens.refresh_token, stored.token_version))
        return found


def test_a_walk_ends_connected(athlete: Athlete, service: ScriptedWhoop) -> None:
    answer = athlete.connect(account=1001)
    assert answer.status_code == 200
    assert "You are connected" in Page(answer.text).text
    scopes = ["read:cycles", "read:recovery", "read:sleep", "read:workout", "offline"]
    assert connections(athlete) == [(1001, "active", 1, scopes)]
    assert outcomes(athlete) == ["connected"]
    [(access, refresh, version)] = stored_tokens(athlete)
    assert access in service.live_tokens
    assert refresh == access.replace("access", "refresh")
    assert version == 1
    [(consent_id,)] = athlete.rows("consents", "consent_id")
    assert athlete.rows("wearable_connections", "consent_id") == [(consent_id,)]
    # what was asked counts in the budget
    with connect(athlete.settings, INGEST) as connection:
        asked = connection.execute(
            "select endpoint, http_status from operations.whoop_requests "
            "order by request_id desc limit 2"
        ).fetchall()
    assert asked == [("/v2/cycle", 200), ("token", 200)]


def test_a_state_is_good_once(athlete: Athlete, service: ScriptedWhoop) -> None:
    state = athlete.agree()
    assert athlete.come_back(state=state, code=new_code(1002)).status_code == 200
    again = athlete.come_back(state=state, code=new_code(1002))
    assert again.status_code == 410
    assert "is connected" in Page(again.text).text
    assert service.count("POST", "/oauth/oauth2/token") == 1
    assert len(connections(athlete)) == 1


def test_two_callbacks_at_once_are_one(athlete: Athlete, service: ScriptedWhoop) -> None:
    state, code = athlete.agree(), new_code(1003)
    at_service, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        at_service.set()
        go_on.wait(10)

    service.before_token = hold
    first: list[requests.Response] = []
    thread = threading.Thread(
        target=lambda: first.append(athlete.come_back(state=state, code=code))
    )
    thread.start()
    assert at_service.wait(10)
    second = athlete.come_back(state=state, code=code)
    go_on.set()
    thread.join()
    assert second.status_code == 409
    assert first[0].status_code == 200
    assert service.count("POST", "/oauth/oauth2/token") == 1
    assert len(connections(athlete)) == 1


def test_a_state_of_another_hand_does_nothing(athlete: Athlete, service: ScriptedWhoop) -> None:
    state = athlete.agree()
    code = new_code(1004)
    changed = [
        state[:-1] + ("A" if state[-1] != "A" else "B"),
        ("A" if state[0] != "A" else "B") + state[1:],
        state.partition(".")[0],
        state.partition(".")[0] + ".",
        "",
        # signed by us and never given out
        f"{'x' * 43}.{Signer([KEY], 'state').sign('x' * 43)}",
        # our signature, made for a form
        f"{'x' * 43}.{Signer([KEY], 'form').sign('x' * 43)}",
    ]
    for wrong in changed:
        assert athlete.come_back(state=wrong, code=code).status_code == 400
    assert athlete.come_back(code=code).status_code == 400
    assert athlete.come_back(error="access_denied").status_code == 400
    assert athlete.come_back(error="invalid_state", error_description="<script>").status_code == 400
    assert service.requests == []
    assert outcomes(athlete) == [None]
    assert athlete.come_back(state=state, code=code).status_code == 200


def test_another_browser_cannot_end_the_walk_nor_burn_its_state(athlete: Athlete) -> None:
    state, code = athlete.agree(), new_code(1005)
    other = Athlete(athlete.settings, athlete.base_url)
    assert other.come_back(state=state, code=code).status_code == 403  # no cookie at all
    other.open()
    assert other.come_back(state=state, code=code).status_code == 403
    assert other.come_back(state=state, error="access_denied").status_code == 403
    assert connections(athlete) == connections(other) == []
    assert athlete.come_back(state=state, code=code).status_code == 200


def test_a_state_ends_after_ten_minutes(athlete: Athlete, service: ScriptedWhoop) -> None:
    state = athlete.agree()
    with connect(athlete.settings, OWNER) as connection:
        connection.execute(
            "update operations.oauth_attempts set created_at = now() - interval '11 minutes', "
            "expires_at = now() - interval '1 second' where player_id = %s",
            [athlete.player_id],
        )
    assert athlete.come_back(state=state, code=new_code(1006)).status_code == 410
    assert service.requests == []
    # the link goes on in the same browser
    assert athlete.connect(1006).status_code == 200
    assert len(athlete.rows("consents")) == 1


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        ("access_denied", "access_denied", 200),
        ("invalid_state", "invalid_state", 502),
        ("request_forbidden", "request_forbidden", 502),
        ("invalid_scope", "invalid_scope", 502),
        ("drop table", "other_error", 502),
    ],
)
def test_what_whoop_says_instead_of_a_code(
    athlete: Athlete, service: ScriptedWhoop, error: str, outcome: str, status: int
) -> None:
    state = athlete.agree()
    answer = athlete.come_back(state=state, error=error, error_description="<b>secret</b>")
    assert answer.status_code == status
    assert "<b>" not in answer.text
    assert outcomes(athlete) == [outcome]
    assert athlete.come_back(state=state, code=new_code(1)).status_code == 410
    assert service.requests == []
    assert connections(athlete) == []


@pytest.mark.parametrize("code", [None, "", "x" * 3000, "line\nbreak"])
def test_an_answer_without_a_usable_code(
    athlete: Athlete, service: ScriptedWhoop, code: str | None
) -> None:
    query = {} if code is None else {"code": code}
    assert athlete.come_back(state=athlete.agree(), **query).status_code == 400
    assert outcomes(athlete) == ["missing_code"]
    assert service.requests == []


def test_a_code_that_whoop_refuses(athlete: Athlete) -> None:
    answer = athlete.come_back(state=athlete.agree(), code="stolen")
    assert answer.status_code == 502
    assert outcomes(athlete) == ["invalid_grant"]
    assert athlete.connect(1007).status_code == 200


def test_a_service_that_is_away_leaves_the_state_for_a_reload(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    state, code = athlete.agree(), new_code(1008)
    service.token_status = 503
    assert athlete.come_back(state=state, code=code).status_code == 503
    assert outcomes(athlete) == [None]
    service.token_status = 200
    assert athlete.come_back(state=state, code=code).status_code == 200
    assert [row[0] for row in connections(athlete)] == [1008]


def test_without_workouts_it_connects_and_says_what_is_missing(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    service.scope = "read:cycles read:recovery read:sleep offline"
    answer = athlete.connect(1009)
    assert answer.status_code == 200
    assert "Workouts: strain outside games" in Page(answer.text).text
    assert connections(athlete)[0][3] == service.scope.split()


def test_without_a_refresh_token_it_says_that_it_ends(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    service.scope, service.refresh_token = "read:cycles read:recovery read:sleep", False
    answer = athlete.connect(1010)
    assert answer.status_code == 200
    assert "within the hour" in Page(answer.text).text
    assert stored_tokens(athlete)[0][1] is None


@pytest.mark.parametrize("lacking", ["read:cycles", "read:recovery", "read:sleep"])
def test_without_an_essential_scope_the_grant_is_given_back(
    athlete: Athlete, service: ScriptedWhoop, lacking: str
) -> None:
    service.scope = " ".join(
        scope for scope in ("read:cycles", "read:recovery", "read:sleep") if scope != lacking
    )
    before = set(service.live_tokens)
    answer = athlete.connect(1011)
    assert answer.status_code == 403
    assert "given back" in Page(answer.text).text
    assert service.count("DELETE", "/developer/v2/user/access") == 1
    assert set(service.live_tokens) == before
    assert connections(athlete) == []
    assert outcomes(athlete) == ["scopes_missing"]


def test_an_answer_that_names_no_scope_granted_what_was_asked(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    service.scope = None
    assert athlete.connect(1012).status_code == 200
    assert connections(athlete)[0][3][0] == "read:cycles"


def test_the_same_account_again_is_a_new_generation(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    assert athlete.connect(1013).status_code == 200
    [before] = stored_tokens(athlete)
    athlete.secret = athlete.invite()
    athlete.browser = requests.Session()  # his other device
    assert athlete.connect(1013).status_code == 200
    assert [row[:3] for row in connections(athlete)] == [(1013, "active", 2)]
    [after] = stored_tokens(athlete)
    assert after[0] != before[0]
    assert after[2] == before[2] + 1


def test_another_athletes_account_is_refused_and_stays_connected(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    owner = Athlete(athlete.settings, athlete.base_url)
    assert owner.connect(1014).status_code == 200
    [(access, _, _)] = stored_tokens(owner)
    answer = athlete.connect(1014)
    assert answer.status_code == 409
    assert connections(athlete) == []
    assert outcomes(athlete) == ["account_taken"]
    assert [row[:3] for row in connections(owner)] == [(1014, "active", 1)]
    assert access in service.live_tokens  # DELETE would have ended the owner's grant too
    assert athlete.connect(1015).status_code == 200


def test_a_new_member_without_a_cycle_is_named_later(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    service.has_cycle = False
    assert athlete.connect(1016).status_code == 200
    assert connections(athlete)[0][:2] == (None, "active")


def test_a_permission_that_ended_meanwhile_connects_nothing(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    def withdraw() -> None:
        with connect(athlete.settings, INGEST) as connection:
            [(version,)] = athlete.rows("consents", "text_version")
            ledger.append(
                connection,
                player_id=athlete.player_id,
                decision=ledger.WITHDRAWN,
                text_version=version,
            )

    state = athlete.agree()
    service.before_token = withdraw  # in the very moment
    assert athlete.come_back(state=state, code=new_code(1017)).status_code == 409
    assert service.count("DELETE", "/developer/v2/user/access") == 1
    assert connections(athlete) == []
    assert outcomes(athlete) == ["consent_ended"]
    # and before: WHOOP is not even asked
    service.reset()
    athlete.secret = athlete.invite()
    state = athlete.agree()
    withdraw_again = [row[0] for row in athlete.rows("consents", "text_version")][-1]
    with connect(athlete.settings, INGEST) as connection:
        ledger.append(
            connection,
            player_id=athlete.player_id,
            decision=ledger.DECLINED,
            text_version=withdraw_again,
        )
    assert athlete.come_back(state=state, code=new_code(1017)).status_code == 409
    assert service.requests == []
    assert athlete.open().status_code == 410


def test_a_database_that_restarts_at_the_worst_moment_loses_nothing(
    athlete: Athlete, service: ScriptedWhoop
) -> None:
    def restart() -> None:
        with psycopg.connect(athlete.settings.database_url or "", autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )

    state, code = athlete.agree(), new_code(1019)
    service.before_token = restart
    answer = athlete.come_back(state=state, code=code)
    assert answer.status_code == 200, Page(answer.text).text
    assert [row[:3] for row in connections(athlete)] == [(1019, "active", 1)]
    assert outcomes(athlete) == ["connected"]
    assert len(stored_tokens(athlete)) == 1


def test_no_log_line_holds_a_secret(
    athlete: Athlete, service: ScriptedWhoop, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    state, code = athlete.agree(), new_code(1018)
    service.token_status = 500
    athlete.come_back(state=state, code=code)
    service.token_status = 200
    athlete.come_back(state=state, code=code)
    athlete.come_back(state=state, code=code)
    [(access, refresh, _)] = stored_tokens(athlete)
    cookie = next(iter(athlete.browser.cookies)).value
    out = capfd.readouterr()
    # urllib3 and requests in this very process log what the *test* asks for, at level DEBUG
    ours = [
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith("urllib3.") or record.threadName != "MainThread"
    ]
    written = "\n".join([*ours, out.out, out.err])
    for secret in (state, code, access, refresh, athlete.secret, cookie):
        assert secret is not None
        assert secret not in written
