"""The ledger's chain of hashes: who changes it is found out, be it the administrator."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ingestion.consent import ledger, texts
from ingestion.consent.settings import ConsentSettings
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import UsageError
from ingestion.settings import Settings
from tests.end_to_end.test_win_probability_commands import clutch

RESOURCES = ("cycle", "recovery", "sleep")
TEXT = texts.consent_text(ConsentSettings(), RESOURCES)
ATHLETES = ("11", "12", "13")


@pytest.fixture
def kept(database: Settings) -> Settings:
    """A ledger of six decisions."""
    with connect(database, roles.INGEST) as connection:
        texts.register(connection, TEXT)
        for player_id in ATHLETES:
            grant(connection, player_id)
        decide(connection, "12", ledger.WITHDRAWN)
        decide(connection, "14", ledger.DECLINED)
        ledger.end(connection, "13", "trade")
    return database


def decide(connection: psycopg.Connection[Any], player_id: str, decision: str) -> int:
    return ledger.append(
        connection, player_id=player_id, decision=decision, text_version=TEXT.version
    )


def grant(connection: psycopg.Connection[Any], player_id: str) -> int:
    return ledger.append(
        connection,
        player_id=player_id,
        decision=ledger.GRANTED,
        text_version=TEXT.version,
        purposes=["readiness", "modeling"],
        audience=["athlete"],
        scopes=["read:sleep", "offline"],
        days=30,
    )


@pytest.fixture
def tampering(kept: Settings) -> Iterator[Callable[..., None]]:
    """A function that runs statements as the administrator, past every trigger."""
    assert kept.database_url is not None
    with psycopg.connect(kept.database_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")

        def run(*statements: str) -> None:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

        yield run


def problems(settings: Settings, *receipts: tuple[int, str]) -> list[tuple[int, str]]:
    with connect(settings, roles.INGEST) as connection:
        return ledger.verify(connection, receipts).problems


def test_an_untouched_ledger_holds_and_names_nobody(kept: Settings) -> None:
    with connect(kept, roles.INGEST) as connection:
        found = ledger.verify(connection)
        rows = connection.execute("select * from operations.consent_ledger").fetchall()
        newest = ledger.newest(connection, "13")
    assert (found.entries, found.problems) == (6, [])
    assert newest is not None
    assert found.head == newest.receipt
    assert len({row[0] for row in rows}) == 6
    assert not any(player_id in map(str, row) for row in rows for player_id in ATHLETES)


def test_p7_the_hash_can_be_recomputed_without_the_database(kept: Settings) -> None:
    """By what the function's comment says; who has the salt can show that an entry is his."""
    with connect(kept, roles.INGEST) as connection:
        cursor = connection.execute(
            "select ledger.*, texts.text_sha256 from operations.consent_ledger as ledger"
            " inner join operations.consent_texts as texts using (text_version)"
            " order by consent_id"
        )
        names = [column.name for column in cursor.description or []]
        entries = [dict(zip(names, row, strict=True)) for row in cursor]

    def told(moment: datetime | None) -> str:
        return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    before = "0" * 64
    for entry in entries:
        lines = [
            "clutch consent 1",
            str(entry["consent_id"]),
            *(entry["subject_hash"], entry["decision"], entry["reason"] or ""),
            *(entry["text_version"], entry["text_sha256"]),
            *(",".join(entry[name]) for name in ("purposes", "audience", "scopes", "devices")),
            *(told(entry["recorded_at"]), told(entry["expires_at"]), before),
        ]
        before = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        assert entry["entry_hash"] == before
    assert kept.database_url is not None
    with psycopg.connect(kept.database_url) as connection:
        subjects = connection.execute(
            "select player_id, salt, subject_hash from operations.consent_subjects"
        ).fetchall()
    for player_id, salt, subject_hash in subjects:
        assert hashlib.sha256(salt + player_id.encode()).hexdigest() == subject_hash
    assert {subject_hash for *_, subject_hash in subjects} == {
        entry["subject_hash"] for entry in entries
    }


@pytest.mark.parametrize(
    ("statement", "first", "words"),
    [
        (
            "update operations.consent_ledger set audience = '{athlete,coaches}'"
            " where consent_id = 2",
            2,
            "changed",
        ),
        (
            "update operations.consent_ledger set expires_at = expires_at + interval '1 year'"
            " where consent_id = 6 or consent_id = 3",
            3,
            "changed",
        ),
        ("delete from operations.consent_ledger where consent_id = 4", 5, "deleted"),
        ("delete from operations.consent_ledger where consent_id = 1", 2, "deleted"),
        (
            "update operations.consent_texts set body = body || ' and everything else'",
            1,
            "words",
        ),
    ],
)
def test_tampering_is_found(
    kept: Settings, tampering: Callable[..., None], statement: str, first: int, words: str
) -> None:
    assert problems(kept) == []
    tampering(statement)
    found = problems(kept)
    assert found[0][0] == first
    assert words in found[0][1]


def test_a_changed_entry_with_a_new_hash_breaks_the_next_one(
    kept: Settings, tampering: Callable[..., None]
) -> None:
    tampering(
        "update operations.consent_ledger set decision = 'granted', expires_at = 'infinity',"
        " purposes = '{readiness}' where consent_id = 4",
        "update operations.consent_ledger as ledger"
        " set entry_hash = operations.consent_entry_hash(ledger) where consent_id = 4",
    )
    assert [number for number, _ in problems(kept)] == [5]


def test_an_entry_put_in_between_is_found(kept: Settings, tampering: Callable[..., None]) -> None:
    tampering(
        "update operations.consent_ledger set consent_id = consent_id + 10 where consent_id > 3",
        "insert into operations.consent_ledger (consent_id, subject_hash, decision, text_version,"
        " purposes, audience, scopes, expires_at, previous_hash, entry_hash)"
        " select 4, subject_hash, decision, text_version, purposes, '{coaches}', scopes,"
        " expires_at, repeat('1', 64), repeat('2', 64) from operations.consent_ledger"
        " where consent_id = 1",
    )
    assert {number for number, _ in problems(kept)} >= {4, 14}


def test_what_was_cut_off_is_told_by_a_receipt(
    kept: Settings, tampering: Callable[..., None]
) -> None:
    with connect(kept, roles.INGEST) as connection:
        head = ledger.verify(connection).head
    assert head is not None
    receipt = ledger.parse_receipt(head)
    assert problems(kept, receipt) == []
    tampering("delete from operations.consent_ledger where consent_id > 4")
    assert problems(kept) == []
    assert problems(kept, receipt) == [(6, "a receipt names it and it is gone")]
    assert problems(kept, (4, receipt[1])) == [(4, "a receipt names another hash")]


@pytest.mark.parametrize("text", ["", "12", "0:" + "a" * 64, "1:" + "A" * 64, "1:" + "a" * 63])
def test_what_is_no_receipt(text: str) -> None:
    with pytest.raises(UsageError, match="--receipt"):
        ledger.parse_receipt(text)


def test_entries_that_are_written_at_once_make_one_chain(kept: Settings) -> None:
    def several(player_id: str) -> None:
        for _ in range(5):
            with connect(kept, roles.INGEST) as connection:
                decide(connection, player_id, ledger.DECLINED)

    threads = [threading.Thread(target=several, args=(str(100 + n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(kept, roles.INGEST) as connection:
        found = ledger.verify(connection)
    assert (found.entries, found.problems) == (36, [])


def test_p19_other_words_suspend_what_was_permitted_until_the_athlete_is_asked_anew(
    kept: Settings,
) -> None:
    other = texts.consent_text(ConsentSettings(days=100), RESOURCES)

    def live(player_id: str) -> bool:
        with connect(kept, roles.INGEST) as connection:
            entry = ledger.live(connection, player_id, datetime.now(UTC))
            (in_sql,) = connection.execute(
                "select bool_or(is_live) from operations.consents where player_id = %s",
                [player_id],
            ).fetchone() or (None,)
        assert (entry is not None) == in_sql
        # what readers are held against is the same, made another way
        with connect(kept, roles.OWNER) as connection:
            columns = "player_id, consent_id, decision, text_version, has_words_in_force, is_live"
            one_by_one = connection.execute(
                f"select distinct on (player_id) {columns} from operations.consents"  # type: ignore[arg-type]
                " order by player_id, consent_id desc"
            ).fetchall()
            at_once = connection.execute(
                f"select {columns} from operations.newest_consents order by player_id"  # type: ignore[arg-type]
            ).fetchall()
        assert len(at_once) == 4
        assert at_once == one_by_one
        return bool(in_sql)

    assert [live(player_id) for player_id in ATHLETES] == [True, False, False]
    with connect(kept, roles.INGEST) as connection:
        texts.register(connection, other)
    assert not live("11")
    with connect(kept, roles.INGEST) as connection:
        ledger.append(
            connection,
            player_id="11",
            decision=ledger.GRANTED,
            text_version=other.version,
            purposes=["readiness"],
            days=100,
        )
    assert live("11")
    # the words of before are in force again: so is nothing that was given under the others
    with connect(kept, roles.INGEST) as connection:
        texts.register(connection, TEXT)
        texts.register(connection, TEXT)
        changes = connection.execute(
            "select text_version from operations.consent_texts_in_force order by number"
        ).fetchall()
    assert not live("11")
    assert [version for (version,) in changes] == [TEXT.version, other.version, TEXT.version]


def test_p20_an_end_closes_what_was_permitted(kept: Settings) -> None:
    done = clutch(kept, "consent", "end", "--player", "11", "--reason", "waiver")
    assert done.returncode == 0, done.stderr
    with connect(kept, roles.INGEST) as connection:
        entry = ledger.newest(connection, "11")
        (reason,) = connection.execute(
            "select reason from operations.consents where player_id = '11'"
            " order by consent_id desc limit 1"
        ).fetchone() or (None,)
    assert entry is not None
    assert (entry.decision, reason) == (ledger.ENDED, "waiver")
    assert not entry.is_live(datetime.now(UTC))
    again = clutch(kept, "consent", "end", "--player", "11", "--reason", "trade")
    assert again.returncode == 1
    assert "permits nothing" in again.stderr


def test_the_command_verifies(kept: Settings, tampering: Callable[..., None]) -> None:
    done = clutch(kept, "consent", "verify", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["entries"], found["problems"]) == (6, [])
    tampering("delete from operations.consent_ledger where consent_id in (2, 6)")
    done = clutch(kept, "consent", "verify", "--receipt", found["head"])
    assert done.returncode == 1
    assert "entry 3: " in done.stdout
    assert "entry 6: a receipt names it and it is gone" in done.stdout
    assert "Fix:" in done.stderr


def test_an_athlete_who_is_erased_leaves_a_chain_that_holds(
    kept: Settings, tampering: Callable[..., None]
) -> None:
    tampering("delete from operations.consent_subjects where player_id = '12'")
    assert problems(kept) == []
    with connect(kept, roles.INGEST) as connection:
        assert ledger.newest(connection, "12") is None
        # asked again he is somebody else to the ledger
        grant(connection, "12")
        assert ledger.verify(connection).problems == []
        (hashes,) = connection.execute(
            "select count(distinct subject_hash) from operations.consent_ledger"
        ).fetchone() or (None,)
    assert hashes == 5
