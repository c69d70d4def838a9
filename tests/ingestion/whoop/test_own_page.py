"""The athlete's own page: what he allowed, his data, and one click that stops it all."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from ingestion.consent import ledger, links
from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST, OWNER
from ingestion.errors import ClutchError, UsageError
from ingestion.privacy import erasure, export, withdrawal
from ingestion.sandbox import whoop as sandbox
from ingestion.sandbox.demo import SandboxClock
from ingestion.settings import Settings
from ingestion.whoop import sync
from ingestion.whoop.receiver import own as own_module
from ingestion.whoop.receiver.app import Receiver
from ingestion.whoop.receiver.own import DATA, STOP
from tests.ingestion.whoop.athletes import (
    CLIENT_SECRET,
    Athlete,
    ImpatientClock,
    Page,
    new_code,
    whoop_settings,
)
from tests.ingestion.whoop.scripted_whoop import ScriptedWhoop
from tests.ingestion.whoop.test_receiver_commands import clutch

CONSENT = ConsentSettings(organisation="Fictional City", contact="Dr. Example, room 3")
LINK = re.compile(r'href="http://127\.0\.0\.1:8080(/mine/[A-Za-z0-9_-]{43})"')
RECEIPT = re.compile(r"[0-9]+:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedWhoop]:
    with ScriptedWhoop() as running:
        yield running


@pytest.fixture(scope="module")
def receiver(module_database: Settings, service: ScriptedWhoop) -> Iterator[Receiver]:
    with Receiver(
        module_database, whoop_settings(service.base_url), CONSENT, port=0, clock=ImpatientClock()
    ) as running:
        yield running


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on with withdrawals in the background does not."""
    monkeypatch.setattr(own_module.Finisher, "wake", lambda _: None)


class Owner(Athlete):
    """An athlete who is connected and has kept the link to his own page."""

    def __init__(self, settings: Settings, base_url: str, **fields: str) -> None:
        super().__init__(settings, base_url)
        self.account = int(self.player_id)
        back = self.come_back(state=self.agree(**fields), code=new_code(self.account))
        assert back.status_code == 200
        self.answer = back
        found = LINK.search(back.text)
        assert found is not None, back.text
        self.own = base_url + found[1]
        self.own_secret = found[1].rpartition("/")[2]

    def see(self) -> requests.Response:
        """Open the page as from a bookmark, in a browser that knows nothing."""
        return requests.get(self.own, allow_redirects=False)

    def click(self, deed: str, html: str | None = None) -> requests.Response:
        """One of the page's two buttons."""
        html = html or self.see().text
        token = forms(html)[deed]
        return requests.post(self.own, data={"token": token, "do": deed}, allow_redirects=False)


def forms(html: str) -> dict[str, str]:
    """The token of each form, by what its button does."""
    found = re.findall(
        r'<form method="post"><input type="hidden" name="token" value="([^"]+)">'
        r'<button name="do" value="([a-z]+)">',
        html,
    )
    return {deed: token for token, deed in found}


@pytest.fixture
def owner(module_database: Settings, receiver: Receiver) -> Owner:
    return Owner(module_database, receiver.base_url, audience_coaches="yes")


def until_over(address: str) -> Page:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        answer = requests.get(address)
        assert answer.status_code == 200
        page = Page(answer.text)
        if "forgot whose this withdrawal was" in page.text and not page.buttons:
            return page
        time.sleep(0.1)
    raise AssertionError(page.text)


def fingerprint(athlete: Athlete) -> list[Any]:
    """All that a look must not change."""
    return [
        athlete.rows(table)
        for table in ("consents", "consent_invitations", "oauth_attempts", "personal_links")
    ] + [athlete.rows("wearable_connections"), count(athlete.settings, "withdrawals")]


def count(settings: Settings, table: str) -> int:
    with connect(settings, INGEST) as connection:
        row = connection.execute(f"select count(*) from operations.{table}").fetchone()
    assert row is not None
    return int(row[0])


def test_p8_the_page_says_what_is_allowed_in_plain_words(owner: Owner) -> None:
    assert "Keep this link" in Page(owner.answer.text).text
    answer = owner.see()
    assert answer.status_code == 200
    page = Page(answer.text)
    for words in (
        *("To judge how ready you are", "You", "The medical staff of the team", "The coaches"),
        *("Your WHOOP account is connected since", "Nothing was read yet", "2026-11b."),
    ):
        assert words in page.text, words
    assert "strength and conditioning" not in page.text.split("The text that you agreed to")[0]
    # the words that he agreed to, and the receipt of that very entry
    [(version, expires_at, entry_hash, number)] = owner.rows(
        "consents", "text_version, expires_at, entry_hash, consent_id"
    )
    assert f"{expires_at.astimezone(UTC):%H:%M} UTC" in page.text
    assert version in page.text
    assert f"May {CONSENT.organisation} read your WHOOP records?" in page.text
    assert f"{number}:{entry_hash}" in page.text
    with connect(owner.settings, INGEST) as connection:
        found = ledger.verify(connection, [(number, entry_hash)])
    assert found.problems == []
    # nothing of a body, nothing to click by mistake, and no way out for the address
    assert [(each["name"], each["value"]) for each in page.buttons] == [("do", DATA), ("do", STOP)]
    assert page.boxes == []
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert not {"script", "img", "link", "iframe"} & set(page.tags)


def test_p8_the_page_says_who_looked(owner: Owner) -> None:
    assert "Nobody." in Page(owner.see().text).text
    with connect(owner.settings, INGEST) as connection:
        for login, audience, purpose, ago in (
            ("dr_smith", "medical_staff", "readiness", "0"),
            ("dr_smith", "medical_staff", "readiness", "0"),
            ("a_coach", "coaches", "readiness", "0"),
            # he did not allow these, or not yet, or it was long ago
            ("a_trainer", "performance_staff", "readiness", "0"),
            ("clutch_model", "clutch_model", "modeling", "0"),
            ("a_coach_before", "coaches", "readiness", "1 hour"),
        ):
            connection.execute(
                "insert into operations.wearable_reads (read_id, read_at, relation, login_name,"
                " role_name, audiences, purpose, application) values (gen_random_uuid(),"
                " now() - %s::interval, 'pregame_baselines', %s, %s, %s, %s, '-')",
                [ago, login, login, [audience], purpose],
            )
    text = Page(owner.see().text).text
    assert "The medical staff of the team, as dr_smith" in text
    assert "2 times, last" in text
    assert "The coaches, as a_coach" in text
    for nobody in ("a_trainer", "model, as", "a_coach_before", "Nobody."):
        assert nobody not in text, nobody


def test_the_links_secret_is_nowhere(owner: Owner) -> None:
    [(link_hash, player_id, _, expires_at)] = owner.rows("personal_links")
    assert link_hash == links.hashed(owner.own_secret)
    assert player_id == owner.player_id
    assert timedelta(days=394) < expires_at - datetime.now(UTC) <= timedelta(days=395)
    # a reload of the way back shows it to nobody
    again = owner.browser.get(owner.answer.url)
    assert again.status_code == 410
    assert "/mine/" not in again.text


def test_p3_to_stop_takes_no_more_clicks_than_to_agree(
    module_database: Settings, receiver: Receiver
) -> None:
    """Counted from the open page, at WHOOP nothing: its own click makes agreeing one more."""
    athlete = Athlete(module_database, receiver.base_url)
    consent_page = Page(athlete.open().text)
    clicks_to_agree = 1  # nothing has to be ticked
    assert {each["value"] for each in consent_page.buttons} == {"agree", "decline"}
    owner = Owner(module_database, receiver.base_url)
    html = owner.see().text
    answer = owner.click(STOP, html)
    clicks_to_stop = 1
    assert clicks_to_stop <= clicks_to_agree
    # that was all: no question comes in between
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/withdrawal/")
    assert owner.player_id not in answer.headers["location"]
    page = Page(requests.get(owner.base_url + answer.headers["location"]).text)
    assert "You have stopped" in page.text
    until_over(owner.base_url + answer.headers["location"])


@pytest.mark.usefixtures("asleep")
def test_p3_p7_the_click_itself_fences_and_gives_a_receipt(owner: Owner) -> None:
    before = datetime.now(UTC)
    answer = owner.click(STOP)
    # at once, whatever becomes of the background
    entry = owner.rows("consents", "decision, recorded_at, consent_id, entry_hash")[-1]
    assert entry[0] == "withdrawn"
    assert before <= entry[1] <= datetime.now(UTC)
    [(status, reason, generation)] = owner.rows(
        "wearable_connections", "status, status_reason, generation"
    )
    assert (status, reason, generation) == ("revoked", "revoking", 2)
    # P7: a receipt that the ledger holds, on a page that names nobody
    state = requests.get(owner.base_url + answer.headers["location"])
    page = Page(state.text)
    assert RECEIPT.findall(page.text) == [f"{entry[2]}:{entry[3]}"]
    assert owner.player_id not in state.text
    assert str(owner.account) not in state.text
    assert owner.own_secret not in state.text
    assert state.headers["cache-control"] == "no-store"
    assert "Not yet. It is at work" in page.text


@pytest.mark.usefixtures("asleep")
def test_p3_a_double_click_is_one_withdrawal(owner: Owner) -> None:
    html = owner.see().text
    gate = threading.Barrier(8)

    def press(_: int) -> requests.Response:
        gate.wait()
        return owner.click(STOP, html)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, range(8)))
    assert {answer.status_code for answer in answers} == {303}
    (location,) = {answer.headers["location"] for answer in answers}
    assert [row[0] for row in owner.rows("consents", "decision")] == ["granted", "withdrawn"]
    assert len(owner.rows("withdrawals", "requested_at as created_at")) == 1
    # whose answer got lost finds it with his link, which opens nothing else any more
    lost = owner.see()
    assert (lost.status_code, lost.headers["location"]) == (303, location)
    assert owner.click(DATA, html).status_code == 404


def test_p3_also_while_whoop_is_down(owner: Owner, service: ScriptedWhoop) -> None:
    html = owner.see().text
    up = service._api
    down = threading.Event()

    def answers(method: str, path: str, account: int | None) -> tuple[int, Any]:
        down.set()
        return 503, {}

    service._api = answers  # type: ignore[method-assign]
    try:
        began = time.monotonic()
        answer = owner.click(STOP, html)
        assert time.monotonic() - began < 5
        assert answer.status_code == 303
        address = owner.base_url + answer.headers["location"]
        give_up = time.monotonic() + 60
        while "Yes, since" not in requests.get(address).text and time.monotonic() < give_up:
            time.sleep(0.1)
        assert down.wait(60)
        page = Page(requests.get(address).text)
        # his rows are gone, WHOOP is asked again
        assert "Yes, since" in page.text
        assert "Not yet. WHOOP is asked again" in page.text
        assert owner.rows("oauth_attempts") == []
    finally:
        service._api = up  # type: ignore[method-assign]
    # what every clutch ingest whoop does as well
    done = clutch(
        owner.settings,
        ["consent", "withdraw", "--finish"],
        WHOOP_API_BASE_URL=f"{service.base_url}/developer",
        WHOOP_OAUTH_BASE_URL=f"{service.base_url}/oauth/oauth2",
    )
    assert done.returncode == 0, done.stderr
    assert "Yes. WHOOP lets us read nothing any more." in until_over(address).text


def test_p3_the_background_finishes_and_the_link_is_dead(
    owner: Owner, service: ScriptedWhoop
) -> None:
    html = owner.see().text
    address = owner.base_url + owner.click(STOP, html).headers["location"]
    page = until_over(address)
    assert "Yes. WHOOP lets us read nothing any more." in page.text
    assert owner.account not in service.live_tokens.values()
    (receipt,) = RECEIPT.findall(page.text)
    # of an erased athlete the entry still stands
    with connect(owner.settings, INGEST) as connection:
        assert ledger.verify(connection, [ledger.parse_receipt(receipt)]).problems == []
    wrong = requests.get(f"{owner.base_url}/mine/{'x' * 43}")
    for answer in (owner.see(), owner.click(STOP, html), owner.click(DATA, html)):
        assert (answer.status_code, answer.text) == (404, wrong.text)
    assert owner.rows("personal_links") == []


def test_what_an_earlier_receiver_left_is_taken_up(owner: Owner, service: ScriptedWhoop) -> None:
    begun = withdrawal.begin(owner.settings, owner.player_id)
    with Receiver(
        owner.settings, whoop_settings(service.base_url), CONSENT, port=0, clock=ImpatientClock()
    ) as newer:
        until_over(f"{newer.base_url}/withdrawal/{begun.withdrawal_id}")


@pytest.mark.usefixtures("asleep")
def test_who_goes_on_at_once_neither_counts_nor_confirms_twice(owner: Owner) -> None:
    begun = withdrawal.begin(owner.settings, owner.player_id)
    confirmed: list[Any] = []

    def revoke(connection_id: Any) -> bool:
        confirmed.append(connection_id)
        time.sleep(0.3)
        return True

    def go_on(_: int) -> withdrawal.Withdrawal:
        return withdrawal.proceed(owner.settings, begun, revoke)

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(go_on, range(3))
    assert len(confirmed) == 1
    assert first.revocation == withdrawal.CONFIRMED
    assert first.is_over
    assert [each.receipt() for each in others] == [first.receipt()] * 2


def test_what_fails_behind_the_page_is_said_and_tried_again(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: Any) -> Any:
        raise ClutchError("role refused")

    html = owner.see().text
    with monkeypatch.context() as broken:
        broken.setattr(own_module, "gather", refused)
        answer = owner.click(DATA, html)
        assert answer.status_code == 503
        assert "Your data cannot be put together just now" in Page(answer.text).text
        broken.setattr(withdrawal, "proceed", refused)
        broken.setattr(own_module, "AGAIN_SECONDS", 0.05)
        # the click holds whatever fails behind it
        address = owner.base_url + owner.click(STOP, html).headers["location"]
        give_up = time.monotonic() + 20
        while caplog.text.count("role refused") < 4 and time.monotonic() < give_up:
            time.sleep(0.02)
        assert "Not yet. It is at work" in Page(requests.get(address).text).text
        assert owner.rows("consents", "decision")[-1] == ("withdrawn",)
    until_over(address)
    assert owner.own_secret not in caplog.text
    assert owner.player_id not in caplog.text


def test_looking_changes_nothing(owner: Owner) -> None:
    """A mail filter or a preview that opens every link must not withdraw anybody."""
    before = fingerprint(owner)
    html = owner.see().text
    tokens = forms(html)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for query in ("", f"?do=stop&token={tokens[STOP]}"):
            answer = requests.request(method, owner.own + query)
            assert answer.status_code in (200, 405), method
            assert "wearable_connections" not in answer.text
    assert fingerprint(owner) == before


@pytest.mark.usefixtures("asleep")
def test_nothing_is_done_without_the_pages_own_form(
    owner: Owner, module_database: Settings, receiver: Receiver
) -> None:
    other = Owner(module_database, receiver.base_url)
    mine, foreign = forms(owner.see().text), forms(other.see().text)
    before = fingerprint(owner)
    for fields in (
        *({}, {"do": STOP}, {"do": STOP, "token": ""}, {"do": STOP, "token": "x" * 43}),
        {"do": STOP, "token": foreign[STOP]},
        {"do": STOP, "token": mine[DATA]},  # each form does one thing
        {"do": DATA, "token": mine[STOP]},
        {"do": "everything", "token": mine[STOP]},
        {"do": [STOP, DATA], "token": mine[STOP]},
    ):
        answer = requests.post(owner.own, data=fields, allow_redirects=False)
        assert answer.status_code == 403, fields
        assert "Nothing was changed" in answer.text
    assert fingerprint(owner) == before


def test_wrong_expired_and_replaced_links_look_alike(owner: Owner) -> None:
    html = owner.see().text
    wrong = requests.get(f"{owner.base_url}/mine/{'x' * 43}")
    with connect(owner.settings, INGEST) as connection:
        newer, _ = links.issue(connection, owner.player_id)
    assert owner.see().status_code == 200  # another device
    with connect(owner.settings, INGEST) as connection:
        newest, _ = links.issue(connection, owner.player_id, replaces=True)
    replaced = [owner.see(), requests.get(f"{owner.base_url}/mine/{newer}")]
    owner.own = f"{owner.base_url}/mine/{newest}"
    html = owner.see().text
    with connect(owner.settings, OWNER) as connection:
        connection.execute(
            "update operations.personal_links set created_at = now() - interval '9 days', "
            "expires_at = now() - interval '1 second' where player_id = %s",
            [owner.player_id],
        )
    expired = [owner.see(), owner.click(STOP, html), owner.click(DATA, html)]
    short = requests.get(f"{owner.base_url}/mine/x")
    for answer in (*replaced, *expired, short):
        assert (answer.status_code, answer.text) == (404, wrong.text)
    assert len(owner.rows("consents")) == 1
    # an invitation is no such link, nor the other way round
    assert requests.get(f"{owner.base_url}/mine/{owner.secret}").text == wrong.text
    assert requests.get(f"{owner.base_url}/consent/{newest}").status_code == 404
    assert requests.get(f"{owner.base_url}/withdrawal/{'0' * 36}").status_code == 404
    nobody = "00000000-0000-4000-8000-000000000000"
    assert requests.get(f"{owner.base_url}/withdrawal/{nobody}").status_code == 404


def test_p20_after_a_trade_he_can_still_look_and_stop(owner: Owner) -> None:
    with connect(owner.settings, INGEST) as connection:
        ledger.end(connection, owner.player_id, "trade")
    text = Page(owner.see().text).text
    assert "Nothing at the moment" in text
    assert "because you play for another team" in text
    assert len(RECEIPT.findall(text)) == 2
    until_over(owner.base_url + owner.click(STOP).headers["location"])


def test_whom_no_link_is_made(module_database: Settings, receiver: Receiver) -> None:
    with (
        connect(module_database, INGEST) as connection,
        pytest.raises(UsageError, match="has decided nothing"),
    ):
        links.issue(connection, "4711")
    owner = Owner(module_database, receiver.base_url)
    made = clutch(module_database, ["consent", "link", "--player", owner.player_id, "--json"])
    assert made.returncode == 0, made.stderr
    address = json.loads(made.stdout)["link"]
    owner.own = receiver.base_url + urlsplit(address).path
    assert owner.see().status_code == 200
    withdrawal.begin(module_database, owner.player_id)
    with (
        connect(module_database, INGEST) as connection,
        pytest.raises(UsageError, match="has decided nothing"),
    ):
        links.issue(connection, owner.player_id)


def test_p8_the_file_holds_every_stored_row(database: Settings, tmp_path: Path) -> None:
    service_settings = sandbox.WhoopSandboxSettings(
        client_id="clutch-in-tests",
        client_secret=CLIENT_SECRET,
        redirect_uris=("http://127.0.0.1:8080/oauth/callback",),
        roster_size=2,
    )
    with sandbox.WhoopSandbox(service_settings) as service:
        whoop = whoop_settings(service.base_url)
        clock = SandboxClock(service)
        with Receiver(database, whoop, CONSENT, port=0, clock=clock) as receiver:
            found = {}
            for member, player_id in service.player_ids.items():
                athlete = Athlete(database, receiver.base_url, str(player_id))
                back = service.approve(athlete.press("agree").headers["location"], member)
                answer = athlete.come_back(**dict(parse_qsl(urlsplit(back).query)))
                match = LINK.search(answer.text)
                assert match is not None
                found[athlete.player_id] = receiver.base_url + match[1]
            sync.ingest(database, whoop, show_progress=False, clock=clock)
            (player_id, address), (other, _) = found.items()
            html = requests.get(address).text
            assert "Last read" in html
            assert "Nothing was read yet" not in html
            data = requests.post(address, data={"do": DATA, "token": forms(html)[DATA]})
    assert data.status_code == 200
    assert data.headers["content-type"] == "application/json"
    assert data.headers["content-disposition"] == 'attachment; filename="my-records.json"'
    assert data.headers["cache-control"] == "no-store"
    written = data.json()
    # row for row what the register finds, and what the command writes
    stored = erasure.left_of(database, export.person(database, player_id))
    shown = {name: len(place["rows"]) for name, place in written["places"].items()}
    assert {name: shown[name] for name in stored} == stored
    assert shown["raw_whoop.sleep"] > 20
    path = tmp_path / "his.json"
    export.export(database, player_id, path)
    by_command = json.loads(path.read_text())
    assert {**by_command, "exported_at": ""} == {**written, "exported_at": ""}
    others = export.person(database, other)
    assert not any(each in data.text for each in (*others.connection_ids, f'"{other}"'))
    assert "operations.wearable_tokens" not in written["places"]
