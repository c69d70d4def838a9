"""Migrations: from every state to the newest, raced, killed midway, and refused with a reason."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from ingestion.database import embedded
from ingestion.database.connection import check, connect, login_url
from ingestion.database.migrate import (
    VERSIONS_DIRECTORY,
    current,
    ensure_ready,
    migrate,
    revisions,
)
from ingestion.database.roles import INGEST
from ingestion.errors import ClutchError
from ingestion.settings import PROJECT_ROOT, Settings

NAMES = ["0001_roles_and_schemas", "0002_quarantine_and_runs"]


def administrator(settings: Settings) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(login_url(settings), autocommit=True)


def test_the_numbers_in_the_file_names_are_alembics_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS_DIRECTORY.parent))
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == max(revisions())
    in_order = [script.revision for script in scripts.walk_revisions()]
    assert list(reversed(in_order)) == list(revisions())
    assert list(revisions().values())[:2] == NAMES


def test_a_second_upgrade_applies_nothing(empty_database: Settings) -> None:
    assert current(empty_database) is None
    assert migrate(empty_database) == list(revisions().values())
    assert current(empty_database) == max(revisions())
    assert migrate(empty_database) == []


@pytest.mark.parametrize("start", list(revisions())[:-1])
def test_every_earlier_revision_reaches_the_newest(start: str, empty_database: Settings) -> None:
    migrate(empty_database, start)
    assert current(empty_database) == start
    assert migrate(empty_database) == [name for n, name in revisions().items() if n > start]
    assert current(empty_database) == max(revisions())


def test_the_embedded_servers_own_database_is_made_ready(embedded_settings: Settings) -> None:
    ensure_ready(embedded_settings)
    began = time.perf_counter()
    ensure_ready(embedded_settings)
    assert time.perf_counter() - began < 0.3
    with connect(embedded_settings, INGEST) as connection:
        row = connection.execute(
            "select session_user, count(*) from operations.quarantine"
        ).fetchone()
    assert row == (INGEST, 0)


def test_two_migrators_at_once_share_the_work(empty_database: Settings) -> None:
    barrier = threading.Barrier(4)

    def run() -> list[str]:
        barrier.wait()
        return migrate(empty_database)

    with ThreadPoolExecutor(4) as pool:
        applied = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    assert sorted(applied) == [[], [], [], list(revisions().values())]
    assert current(empty_database) == max(revisions())


def test_threads_can_migrate_different_databases(make_database: Callable[[], Settings]) -> None:
    databases = [make_database() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(migrate, databases)) == [list(revisions().values())] * 4


MIGRATE = """
from ingestion.database.migrate import migrate
from ingestion.settings import Settings
migrate(Settings.load())
"""


def migrator(settings: Settings) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATE],
        env=os.environ
        | {"DATABASE_URL": str(settings.database_url), "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_databases_of_one_new_server_can_be_migrated_at_once(
    tmp_path: Path, new_state_directory: Callable[[Path], Settings]
) -> None:
    # the roles are the server's: here all four processes find none and make them
    server = new_state_directory(tmp_path / "state")
    databases = []
    with administrator(server) as connection:
        for number in range(4):
            connection.execute(f"create database racing_{number}")
            url = embedded.url(server, embedded.ADMIN, f"racing_{number}")
            databases.append(dataclasses.replace(server, database_url=url))
    processes = [migrator(settings) for settings in databases]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    for settings in databases:
        check(settings)
        assert current(settings) == max(revisions())


@pytest.mark.parametrize(
    ("before", "blocking_statement"),
    [
        (None, "create schema analytics"),
        ("0001", "create table operations.ingest_runs ()"),
    ],
)
def test_a_migrator_killed_midway_leaves_the_revision_before(
    before: str | None, blocking_statement: str, empty_database: Settings
) -> None:
    if before is not None:
        migrate(empty_database, before)
    with (
        psycopg.connect(login_url(empty_database)) as blocker,
        administrator(empty_database) as see,
    ):
        # an object of the same name, not yet committed, stops the migrator in the midst of its work
        blocker.execute(blocking_statement)
        process = migrator(empty_database)
        waiting = (
            "select pid from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 30
        while see.execute(waiting).fetchone() is None:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
        blocker.rollback()
        others = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and pid not in (pg_backend_pid(), %s)"
        )
        while see.execute(others, [blocker.info.backend_pid]).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        schemas = see.execute("select to_regnamespace('raw_nba')::text").fetchone()
        table = see.execute("select to_regclass('operations.quarantine')").fetchone()
    assert current(empty_database) == before
    assert schemas == (None if before is None else "raw_nba",)
    assert table == (None,)
    migrate(empty_database)
    assert current(empty_database) == max(revisions())


def test_a_database_in_use_by_something_else_is_refused(empty_database: Settings) -> None:
    with administrator(empty_database) as connection:
        connection.execute("create schema analytics")
        connection.execute("create table analytics.theirs ()")
    with pytest.raises(ClutchError, match=r'in use by something else: schema "analytics" already'):
        migrate(empty_database)
    assert current(empty_database) is None
    with administrator(empty_database) as connection:
        assert connection.execute("select to_regnamespace('raw_nba')").fetchone() == (None,)


def test_a_database_newer_than_the_code_is_refused(database: Settings) -> None:
    with administrator(database) as connection:
        connection.execute("update operations.alembic_version set version_num = '9999'")
    with pytest.raises(ClutchError, match=r"at migration 9999, .* Fix: update the code"):
        migrate(database)


def test_an_unknown_target_is_refused(database: Settings) -> None:
    with pytest.raises(ClutchError, match=r"no migration 0099\. Fix: name one of 0001"):
        migrate(database, "0099")


def test_every_operational_table_and_column_is_described(database: Settings) -> None:
    with administrator(database) as connection:
        nameless = connection.execute(
            """
            select attrelid::regclass::text, attname from pg_attribute
            join pg_class on pg_class.oid = attrelid and relkind = 'r'
            where relnamespace in ('operations'::regnamespace, 'model_output'::regnamespace)
                and attnum >= 0 and not attisdropped
                and (col_description(attrelid, attnum) is null
                    or obj_description(attrelid, 'pg_class') is null)
            """
        ).fetchall()
    assert nameless == []


def test_the_same_refusal_counts_up_even_without_a_key(database: Settings) -> None:
    refuse = """
        insert into operations.quarantine (source, resource, reason) values ('nba', 'x', 'not_json')
        on conflict (source, resource, record_key, reason, content_hash)
        do update set seen_count = quarantine.seen_count + 1, last_seen_at = now()
    """
    with connect(database, INGEST) as connection:
        connection.execute(refuse)
        connection.execute(refuse)
        rows = connection.execute("select seen_count from operations.quarantine").fetchall()
    assert rows == [(2,)]


@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'finished', finished_at = now()",
        "status = 'done'",
        "finished_at = now()",
        "status = 'done', finished_at = started_at - interval '1 second'",
    ],
)
def test_a_run_cannot_contradict_itself(assignment: str, module_database: Settings) -> None:
    with connect(module_database, INGEST) as connection:
        run = "insert into operations.ingest_runs (run_id, command) values (gen_random_uuid(), 'x')"
        connection.execute(run)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(f"update operations.ingest_runs set {assignment}")
        connection.rollback()
