from __future__ import annotations

import dataclasses
import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingestion import dlt_settings
from ingestion.database import roles
from ingestion.database.connection import connect, role_url
from ingestion.settings import Settings
from ingestion.whoop import raw_tables
from ingestion.whoop.raw_tables import Version

T0 = datetime(2025, 11, 1, tzinfo=UTC)
CONNECTION = uuid4()
keys = itertools.count(1)


def version(key: str, content: str | None, updated: int, fetched: int) -> Version:
    at = T0 + timedelta(minutes=fetched)
    if content is None:
        return Version.deletion("sleep", key, CONNECTION, None, "webhook", at)
    body = orjson.dumps({"v": content})
    return Version(
        "sleep",
        key,
        CONNECTION,
        990001,
        hashlib.sha256(body).hexdigest(),
        body,
        "sync",
        T0 + timedelta(minutes=updated),
        at,
    )


def arrive(connection: psycopg.Connection[Any], new: Version) -> str:
    stored = raw_tables.stored_versions(connection, CONNECTION, "sleep", [new.key])
    verdict, to_add = raw_tables.judge(new, stored.get(new.key, []))
    if to_add is not None:
        raw_tables.insert(connection, [to_add])
        again = raw_tables.stored_versions(connection, CONNECTION, "sleep", [new.key])[new.key]
        assert sum(each.is_newest for each in again) == 1
        newest = next(each for each in again if each.is_newest)
        # the view and the judgement are one rule
        assert (newest.fetched_at == to_add.fetched_at) == (verdict == "new")
    return verdict


def newest(connection: psycopg.Connection[Any], key: str) -> str | None:
    row = connection.execute(
        "select payload ->> 'v' from raw_whoop.record_versions where record_key = %s and is_newest",
        [key],
    ).fetchone()
    assert row is not None
    return row[0]


def play(settings: Settings, *arrivals: tuple[str | None, int, int]) -> tuple[list[str], Any, int]:
    key = f"key-{next(keys)}"
    with connect(settings, roles.INGEST, autocommit=True) as connection:
        verdicts = [arrive(connection, version(key, *each)) for each in arrivals]
        count = connection.execute(
            "select count(*) from raw_whoop.sleep where record_key = %s", [key]
        ).fetchone()
        assert count is not None
        return verdicts, newest(connection, key), count[0]


def test_the_same_again_adds_nothing(module_database: Settings) -> None:
    assert play(module_database, ("a", 1, 1), ("a", 1, 5)) == (["new", "unchanged"], "a", 1)


def test_content_that_comes_back_is_a_third_version(module_database: Settings) -> None:
    arrivals = [("a", 1, 1), ("b", 2, 2), ("a", 3, 3)]
    assert play(module_database, *arrivals) == (["new", "new", "new"], "a", 3)


def test_an_older_version_never_becomes_the_newest(module_database: Settings) -> None:
    arrivals = [("b", 2, 2), ("a", 1, 3), ("a", 1, 4)]
    assert play(module_database, *arrivals) == (["new", "stale", "stale"], "b", 2)


def test_a_late_answer_does_not_bring_a_deleted_record_back(module_database: Settings) -> None:
    arrivals = [("a", 1, 1), (None, 0, 10), ("b", 9, 8)]
    assert play(module_database, *arrivals) == (["new", "new", "stale"], None, 3)


def test_an_answer_read_after_the_deletion_does(module_database: Settings) -> None:
    arrivals = [("a", 5, 1), (None, 0, 10), ("a", 5, 11), (None, 0, 11), ("a", 5, 11)]
    assert play(module_database, *arrivals) == (["new"] * 5, "a", 5)


def test_a_deletion_that_was_seen_before_the_last_answer_is_late(module_database: Settings) -> None:
    assert play(module_database, ("a", 1, 5), (None, 0, 3)) == (["new", "stale"], "a", 1)


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 4), st.integers(0, 6)),
        min_size=1,
        max_size=8,
    )
)
def test_view_and_judgement_agree_in_every_order(
    module_database: Settings, arrivals: list[tuple[str | None, int, int]]
) -> None:
    play(module_database, *arrivals)


def test_both_ways_in_leave_equal_rows(database: Settings, tmp_path: Path) -> None:
    settings = dataclasses.replace(database, state_directory=tmp_path / "state")
    pipeline = dlt_settings.new_pipeline(
        settings,
        name=raw_tables.PIPELINE,
        dataset=raw_tables.SCHEMA,
        url=role_url(settings, roles.INGEST),
    )
    directory = dlt_settings.working_directory(settings) / raw_tables.PIPELINE
    directory.mkdir(exist_ok=True)
    odd = 'a"b, \n \t \\ \\u00e9 é '
    rows = [version("x", odd, 1, 1), version("y", None, 0, 2), version("z", "", 3, 3)]
    raw_tables.load(pipeline, rows, directory)
    with connect(settings, roles.INGEST, autocommit=True) as connection:
        every = """
            select record_key, connection_id, provider_user_id, content_hash, payload, is_deleted,
                source, source_updated_at, fetched_at
            from raw_whoop.sleep order by 1
        """
        by_dlt = connection.execute(every).fetchall()
        raw_tables.load(pipeline, rows, directory)  # the same package again
        assert connection.execute(every).fetchall() == by_dlt
        connection.execute("delete from raw_whoop.sleep")
        raw_tables.insert(connection, rows)
        assert connection.execute(every).fetchall() == by_dlt
    assert len(by_dlt) == 3
