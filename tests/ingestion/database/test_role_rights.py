"""Each role can do what it is for, and nothing else: a table of cases, on both servers' rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import psycopg
import pytest

from ingestion.database import embedded
from ingestion.database.connection import connect, login_url
from ingestion.database.migrate import migrate
from ingestion.database.roles import (
    ALL_ROLES,
    BI,
    INGEST,
    MODEL,
    OWNER,
    SESSION_SETTINGS,
    TRANSFORM,
)
from ingestion.settings import Settings


@pytest.fixture(scope="module", params=["embedded", "external"])
def peopled(request: pytest.FixtureRequest, make_database: Callable[[], Settings]) -> Settings:
    """A migrated database in which each writing role has made its tables."""
    if request.param == "embedded":
        settings = make_database()
    else:
        server = request.getfixturevalue("external_server")
        with server.administrator() as connection:
            connection.execute("create role rights_login login createrole password 'secret'")
            connection.execute("create database rights")
            connection.execute("grant create on database rights to rights_login")
        url = server.url("rights_login", "secret", "rights")
        settings = dataclasses.replace(make_database(), database_url=url)
    migrate(settings)
    for role, schemas in {
        INGEST: ("raw_nba", "raw_nba_staging", "raw_whoop", "raw_whoop_staging"),
        TRANSFORM: ("staging", "intermediate", "analytics"),
        MODEL: ("model_output",),
    }.items():
        with connect(settings, role) as connection:
            for schema in schemas:
                connection.execute(f"create table {schema}.things as select 1 as thing")
    with connect(settings, TRANSFORM) as connection:
        connection.execute("create view analytics.seen as select * from staging.things")
    return settings


ALLOWED = [
    *[
        (INGEST, f"{verb} {schema}.things {rest}")
        for schema in ("raw_nba", "raw_nba_staging", "raw_whoop", "raw_whoop_staging")
        for verb, rest in (("insert into", "values (2)"), ("truncate", ""), ("drop table", ""))
    ],
    (INGEST, "create table raw_nba._dlt_loads (load_id text)"),
    (INGEST, "create temporary table merging (id int)"),
    (INGEST, "insert into operations.quarantine (source, resource, reason) values ('a', 'b', 'c')"),
    (INGEST, "delete from operations.quarantine"),
    (INGEST, "update operations.ingest_runs set counts = '{}'"),
    (TRANSFORM, "select * from raw_nba.things, raw_whoop.things as whoop"),
    (TRANSFORM, "select * from model_output.things"),
    (TRANSFORM, "create table staging.new as select * from raw_nba.things"),
    (TRANSFORM, "create view intermediate.new as select * from staging.things"),
    (TRANSFORM, "alter table analytics.things rename to things_before"),
    (TRANSFORM, "create temporary table merging (id int)"),
    (MODEL, "select * from analytics.things"),
    (MODEL, "create table model_output.scratch (id text)"),
    (MODEL, "delete from model_output.things"),
    (BI, "select * from things, seen"),
    (BI, "select * from analytics.things"),
    (OWNER, "create table operations.new (id int)"),
]

FORBIDDEN = [
    *[(role, "create table public.mine (id int)") for role in (INGEST, TRANSFORM, MODEL)],
    *[(role, "create schema mine") for role in (INGEST, TRANSFORM, MODEL)],
    *[(role, "create table operations.mine (id int)") for role in (INGEST, TRANSFORM, MODEL)],
    *[
        (role, f"update operations.alembic_version set version_num = '{role}'")
        for role in (INGEST, TRANSFORM, MODEL)
    ],
    *[(role, "select * from operations.quarantine") for role in (TRANSFORM, MODEL, BI)],
    (INGEST, "delete from operations.ingest_runs"),
    (INGEST, "create table analytics.mine (id int)"),
    (INGEST, "select * from analytics.things"),
    (INGEST, "select * from model_output.things"),
    (TRANSFORM, "create table raw_nba.mine (id int)"),
    (TRANSFORM, "insert into raw_nba.things values (2)"),
    (TRANSFORM, "drop table raw_nba.things"),
    (TRANSFORM, "select * from raw_nba_staging.things"),
    (TRANSFORM, "select * from raw_whoop_staging.things"),
    (TRANSFORM, "insert into model_output.things values (2)"),
    (TRANSFORM, "create table model_output.mine (id int)"),
    (MODEL, "select * from raw_nba.things"),
    (MODEL, "select * from raw_whoop.things"),
    (MODEL, "select * from staging.things"),
    (MODEL, "select * from intermediate.things"),
    (MODEL, "insert into analytics.things values (2)"),
    (MODEL, "create table analytics.mine (id int)"),
    *[
        (BI, f"select * from {schema}.things")
        for schema in ("raw_nba", "raw_whoop", "staging", "intermediate", "model_output")
    ],
]

# A reader stays a reader even after it has switched its session to writing.
FORBIDDEN_TO_A_WRITING_READER = [
    "insert into analytics.things values (2)",
    "create table analytics.mine (id int)",
    "create table public.mine (id int)",
    "create schema mine",
]


@pytest.mark.parametrize(("role", "statement"), ALLOWED)
def test_a_role_can_do_what_it_is_for(role: str, statement: str, peopled: Settings) -> None:
    with connect(peopled, role) as connection:
        connection.execute(statement)
        connection.rollback()


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
def test_a_role_cannot_do_anything_else(role: str, statement: str, peopled: Settings) -> None:
    with connect(peopled, role) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        connection.rollback()


@pytest.mark.parametrize("statement", FORBIDDEN_TO_A_WRITING_READER)
def test_a_reader_cannot_write_in_any_way(statement: str, peopled: Settings) -> None:
    with connect(peopled, BI) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(statement)
        connection.rollback()
        connection.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        connection.rollback()


@pytest.mark.parametrize("role", ALL_ROLES)
def test_a_session_acts_as_its_role(role: str, peopled: Settings) -> None:
    with connect(peopled, role) as connection:
        assert connection.execute("select current_user").fetchone() == (role,)


def test_a_new_table_of_dbt_is_readable_at_once(peopled: Settings) -> None:
    with connect(peopled, TRANSFORM) as connection:
        connection.execute("create table if not exists analytics.later as select 1 as thing")
    for role in (BI, MODEL):
        with connect(peopled, role) as connection:
            assert connection.execute("select thing from analytics.later").fetchone() == (1,)


def test_nobody_else_may_create_anything(peopled: Settings) -> None:
    with connect(peopled, OWNER) as connection:
        schemas = connection.execute(
            """
            select nspname from pg_namespace, aclexplode(nspacl) as granted
            where granted.grantee = 0 and granted.privilege_type = 'CREATE'
            """
        ).fetchall()
        on_database = connection.execute(
            """
            select 1 from pg_database, aclexplode(datacl) as granted
            where datname = current_database() and granted.grantee = 0
                and granted.privilege_type = 'CREATE'
            """
        ).fetchall()
    assert schemas == []
    assert on_database == []


def test_a_bi_tool_that_logs_in_as_the_role_gets_its_settings_from_the_server(
    database: Settings, embedded_settings: Settings
) -> None:
    with psycopg.connect(login_url(database), autocommit=True) as administrator:
        administrator.execute(f"alter role {BI} login")
        name = administrator.info.dbname
    # the plain address, as a person would type it: nothing in it sets a search path
    with psycopg.connect(embedded.url(embedded_settings, BI, name)) as connection:
        for setting, value in SESSION_SETTINGS[BI].items():
            assert connection.execute(f"show {setting}").fetchone() == (value,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set transaction read write; create temporary table mine ()")
