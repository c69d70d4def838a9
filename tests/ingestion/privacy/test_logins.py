"""Logins for BI tools and people: on a server that asks for passwords."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ingestion.database import roles
from ingestion.database.migrate import migrate
from ingestion.errors import ClutchError
from ingestion.privacy import access, logins
from ingestion.settings import Settings
from tests.end_to_end.test_win_probability_commands import clutch
from tests.support.external_server import ADMIN_PASSWORD, ExternalServer, running_server


@pytest.fixture(scope="module")
def external_server(external_server: ExternalServer) -> Iterator[ExternalServer]:
    """One of its own: other tests leave logins on theirs, and this one looks at all."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def settings(embedded_settings: Settings, external_server: ExternalServer) -> Settings:
    with external_server.administrator() as connection:
        connection.execute("create database of_logins")
    url = external_server.url("administrator", ADMIN_PASSWORD, "of_logins")
    at_server = replace(embedded_settings, database_url=url)
    migrate(at_server)
    return at_server


@pytest.fixture
def tool(settings: Settings) -> Iterator[logins.Login]:
    yield logins.make(settings, "a_tool", roles.BI, connections=2)
    logins.drop(settings, "a_tool")


def test_it_reads_as_its_role_with_limits(tool: logins.Login) -> None:
    with psycopg.connect(tool.address) as connection:
        shown = {
            name: connection.execute(f"show {name}".encode()).fetchone()
            for name in (
                *("session_authorization", "search_path", "default_transaction_read_only"),
                *("statement_timeout", "idle_in_transaction_session_timeout"),
            )
        }
        assert connection.execute("select pg_has_role('clutch_bi', 'member')").fetchone() == (True,)
    assert shown == {
        "session_authorization": ("a_tool",),
        "search_path": ("analytics",),
        "default_transaction_read_only": ("on",),
        "statement_timeout": ("1min",),
        "idle_in_transaction_session_timeout": ("1min",),
    }


@pytest.mark.parametrize("role", [role for role in roles.ALL_ROLES if role != roles.BI])
def test_it_may_become_no_other_role(tool: logins.Login, role: str) -> None:
    with (
        psycopg.connect(tool.address) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"set role {role}".encode())


def test_it_has_no_more_connections_than_it_was_given(tool: logins.Login) -> None:
    with ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(psycopg.connect(tool.address))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(tool.address)


def test_the_same_command_gives_another_password(settings: Settings, tool: logins.Login) -> None:
    assert tool.is_new
    again = logins.make(settings, "a_tool", roles.BI, connections=5)
    assert (again.is_new, again.password != tool.password) == (False, True)
    psycopg.connect(again.address).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(tool.address)


def test_what_the_server_keeps_is_no_password(settings: Settings, tool: logins.Login) -> None:
    with psycopg.connect(settings.database_url or "") as administrator:
        row = administrator.execute(
            "select rolpassword from pg_authid where rolname = 'a_tool'"
        ).fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")
    assert tool.password not in row[0]


def test_a_person_of_an_audience_says_what_for_in_the_address(settings: Settings) -> None:
    made = logins.make(settings, "dr_smith", roles.MEDICAL, purpose="readiness")
    try:
        with psycopg.connect(made.address) as connection:
            assert connection.execute("show clutch.purpose").fetchone() == ("readiness",)
        assert access.matrix(settings).people == {"dr_smith": [roles.MEDICAL]}
        assert access.matrix(settings).surprises == []
        with pytest.raises(ClutchError, match="no login of clutch_bi alone"):
            logins.make(settings, "dr_smith", roles.BI)
    finally:
        logins.drop(settings, "dr_smith")


@pytest.mark.parametrize("name", ["administrator", "clutch_bi", "pg_monitor", "A", "", "a b", '"'])
def test_no_other_role_is_changed(settings: Settings, name: str) -> None:
    with pytest.raises(ClutchError, match=r"Fix: (choose another name|up to 60 small letters)"):
        logins.make(settings, name, roles.BI)
    with pytest.raises(ClutchError, match="there is no login"):
        logins.drop(settings, name)


@pytest.mark.parametrize(
    ("statement", "surprise"),
    [
        ("grant pg_read_all_data to a_tool", "member of pg_read_all_data"),
        ("grant pg_execute_server_program to a_tool", "member of pg_execute_server_program"),
        ("alter role a_tool createrole", "CREATEROLE"),
        ("grant temporary on database of_logins to a_tool", "TEMPORARY on the database"),
    ],
)
def test_what_is_beyond_its_role_is_found(
    settings: Settings, tool: logins.Login, statement: str, surprise: str
) -> None:
    assert access.matrix(settings).surprises == []
    with psycopg.connect(settings.database_url or "") as administrator:
        administrator.execute(statement.encode())
    try:
        assert f"a_tool {surprise}: no login of readers needs it" in (
            access.matrix(settings).surprises
        )
    finally:
        with psycopg.connect(settings.database_url or "") as administrator:
            administrator.execute("revoke temporary on database of_logins from a_tool")


def test_other_databases_are_closed_as_the_command_says(
    settings: Settings, tool: logins.Login, external_server: ExternalServer
) -> None:
    assert {"postgres", "template1"} <= set(tool.other_databases)
    elsewhere = make_conninfo(tool.address, dbname="postgres")
    psycopg.connect(elsewhere).close()
    with external_server.administrator() as administrator:
        for name in tool.other_databases:
            administrator.execute(f'revoke connect, temporary on database "{name}" from public')
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(elsewhere)
            assert logins.make(settings, "a_tool", roles.BI).other_databases == []
        finally:
            for name in tool.other_databases:
                administrator.execute(f'grant connect, temporary on database "{name}" to public')


def test_the_command_prints_an_address_once_and_says_what_is_open(settings: Settings) -> None:
    made = clutch(settings, "access", "login", "--name", "metabase", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["role"] == "clutch_bi"
    # the server's own default: an administrator has to close them
    assert {"postgres", "template1"} <= set(told["other_databases"])
    psycopg.connect(make_conninfo(told["address"], connect_timeout=5)).close()
    listed = clutch(settings, "access", "check")
    assert "login metabase: clutch_bi" in listed.stdout
    again = clutch(settings, "access", "login", "--name", "metabase")
    assert again.stdout.startswith("postgresql://metabase:")
    assert "revoke connect, temporary on database NAME from public" in again.stderr
    gone = clutch(settings, "access", "login", "--name", "metabase", "--drop")
    assert (gone.returncode, gone.stdout) == (0, "metabase is no login any more\n")
    wrong = clutch(settings, "access", "login", "--name", "metabase", "--role", "clutch_model")
    assert wrong.returncode == 2
