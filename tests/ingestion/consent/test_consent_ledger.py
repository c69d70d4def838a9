from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingestion.consent import invitations, ledger, texts
from ingestion.consent.settings import ConsentSettings
from ingestion.database.connection import connect
from ingestion.database.roles import INGEST
from ingestion.errors import ClutchError, SettingError, UsageError
from ingestion.settings import Settings

TEXT = texts.consent_text(ConsentSettings(), ("cycle", "recovery", "sleep", "workout"))


@pytest.fixture
def registered(module_database: Settings) -> Settings:
    with connect(module_database, INGEST) as connection:
        texts.register(connection, TEXT)
    return module_database


def test_new_words_need_a_new_version() -> None:
    # the words that athletes see: changed ones need a new texts.WORDING, and their hash here
    assert (TEXT.version, TEXT.sha256) == (
        "2026-11b.1f42f970",
        "1a6a8f6e73be701c6c445112d3600f740dd7d88fa1141b311c450a941d413860",
    )


def test_the_version_follows_what_the_text_depends_on() -> None:
    resources = ("cycle", "recovery", "sleep")
    versions = {
        texts.consent_text(settings, names).version
        for settings in (
            ConsentSettings(),
            ConsentSettings(days=30),
            ConsentSettings(organisation="the Fictional City team"),
            ConsentSettings(contact="room 3"),
        )
        for names in (resources, (*resources, "workout"))
    }
    assert len(versions) == 8
    turned = texts.consent_text(ConsentSettings(), ("sleep", "recovery", "cycle"))
    assert turned == texts.consent_text(ConsentSettings(), resources)


def test_other_words_under_a_known_version_are_refused(registered: Settings) -> None:
    with connect(registered, INGEST) as connection:
        texts.register(connection, TEXT)
        with pytest.raises(ClutchError, match="new WORDING"):
            texts.register(connection, replace(TEXT, title="May we read everything?"))


def test_the_newest_entry_counts_until_it_expires(registered: Settings) -> None:
    now = datetime.now(UTC)
    with connect(registered, INGEST) as connection:

        def decide(decision: str, days: int | None = None) -> int:
            return ledger.append(
                connection,
                player_id="1",
                decision=decision,
                text_version=TEXT.version,
                purposes=["readiness"] if decision == ledger.GRANTED else [],
                days=days,
            )

        assert ledger.newest(connection, "1") is None
        first = decide(ledger.GRANTED, 10)
        entry = ledger.live(connection, "1", now)
        assert entry is not None
        assert entry.consent_id == first
        assert ledger.live(connection, "1", now + timedelta(days=9, hours=23)) is not None
        assert ledger.live(connection, "1", now + timedelta(days=10, hours=1)) is None
        assert decide(ledger.WITHDRAWN) > first
        assert ledger.live(connection, "1", now) is None
        decide(ledger.GRANTED, 10)
        assert ledger.live(connection, "1", now) is not None
        decide(ledger.DECLINED)
        assert ledger.live(connection, "1", now) is None


@pytest.mark.parametrize(
    "wrong", [{"purposes": []}, {"days": None}, {"days": 0}, {"text_version": "none"}]
)
def test_a_grant_needs_purpose_end_and_text(registered: Settings, wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "player_id": "2",
        "decision": ledger.GRANTED,
        "text_version": TEXT.version,
        "purposes": ["readiness"],
        "days": 10,
    }
    with connect(registered, INGEST) as connection, pytest.raises(psycopg.IntegrityError):
        ledger.append(connection, **{**good, **wrong})


@pytest.mark.parametrize(
    "statement",
    [
        "update operations.consents set decision = 'granted'",
        "delete from operations.consents",
        "update operations.consent_ledger set decision = 'granted'",
        "insert into operations.consent_ledger select * from operations.consent_ledger",
        "update operations.consent_texts set body = ''",
    ],
)
def test_entries_can_neither_be_changed_nor_deleted(registered: Settings, statement: str) -> None:
    with connect(registered, INGEST) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)


def test_decisions_of_one_athlete_take_turns(registered: Settings) -> None:
    done = threading.Event()

    def decide(connection: psycopg.Connection[Any], decision: str) -> None:
        ledger.append(connection, player_id="4", decision=decision, text_version=TEXT.version)

    def second() -> None:
        with connect(registered, INGEST) as other:
            decide(other, ledger.WITHDRAWN)
        done.set()

    with connect(registered, INGEST) as connection:
        decide(connection, ledger.DECLINED)
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3), "it did not wait for the decision that is being written"
    thread.join()
    with connect(registered, INGEST) as connection:
        entry = ledger.newest(connection, "4")
    assert entry is not None
    assert entry.decision == ledger.WITHDRAWN


def test_only_the_hash_of_a_link_is_stored(registered: Settings) -> None:
    with connect(registered, INGEST) as connection:
        secret, expires_at = invitations.invite(connection, "201939", 7)
        found = invitations.find(connection, secret)
        rows = connection.execute("select * from operations.consent_invitations").fetchall()
    assert len(secret) == 43
    assert secret not in str(rows)
    assert found is not None
    assert found.invitation_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert found.expires_at == expires_at
    assert timedelta(days=6, hours=23) < expires_at - datetime.now(UTC) <= timedelta(days=7)


@pytest.mark.parametrize("player_id", ["", "LeBron", "2019-39", "1" * 13, "²"])
def test_who_cannot_be_invited(registered: Settings, player_id: str) -> None:
    with connect(registered, INGEST) as connection, pytest.raises(UsageError, match="Fix: "):
        invitations.invite(connection, player_id, 7)


@pytest.mark.parametrize("days", [0, -1, 61])
def test_how_long_a_link_cannot_live(registered: Settings, days: int) -> None:
    with connect(registered, INGEST) as connection, pytest.raises(UsageError, match="Fix: "):
        invitations.invite(connection, "1", days)


def test_the_link_has_the_receivers_address() -> None:
    link = invitations.link("https://clutch.example.org/team/oauth/callback", "s")
    assert link == "https://clutch.example.org/team/consent/s"
    for wrong in ("https://clutch.example.org/", "https://c.example/oauth/callback?x=1"):
        with pytest.raises(SettingError) as caught:
            invitations.link(wrong, "s")
        assert caught.value.name == "WHOOP_REDIRECT_URI"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_DAYS", "0"),
        ("CONSENT_DAYS", "1096"),
        ("CONSENT_DAYS", "a year"),
        ("CONSENT_DAYS", "²"),
        ("CONSENT_ORGANISATION", "two\nlines"),
        ("CONSENT_CONTACT", "x" * 201),
    ],
)
def test_settings_that_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match="Fix: ") as caught:
        ConsentSettings.load()
    assert caught.value.name == name
