"""Addresses that every client reads alike, and one clear sentence for each wrong one."""

from __future__ import annotations

import dataclasses
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import dlt
import psycopg
import psycopg2
import pytest
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from ingestion.database import connection as connection_module
from ingestion.database.connection import check, connect, role_url
from ingestion.database.migrate import ensure_ready, migrate
from ingestion.database.roles import ALL_ROLES, BI, INGEST, TRANSFORM
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from tests.support.external_server import ExternalServer

PASSWORD = "p@ss/w:rd#1 %41+é"


def at(settings: Settings, url: str) -> Settings:
    return dataclasses.replace(settings, database_url=url)


@pytest.fixture(scope="module")
def anywhere(embedded_settings: Settings) -> Settings:
    """Settings to put an address into."""
    return embedded_settings


@pytest.fixture(scope="module")
def external(external_server: ExternalServer, anywhere: Settings) -> Settings:
    """A migrated database on the external server, its login neither superuser nor owner."""
    with external_server.administrator() as connection:
        connection.execute(
            with_literal("create role league_login login createrole password {}", PASSWORD)
        )
        connection.execute("create database league")
        connection.execute("grant create on database league to league_login")
    settings = at(anywhere, external_server.url("league_login", PASSWORD, "league"))
    assert migrate(settings) != []
    assert migrate(settings) == []
    return settings


def with_literal(query: str, value: str) -> psycopg.sql.Composed:
    return psycopg.sql.SQL(query).format(psycopg.sql.Literal(value))


@pytest.fixture(params=["embedded", "embedded by address", "external"])
def reachable(request: pytest.FixtureRequest, embedded_settings: Settings) -> Settings:
    if request.param == "embedded":
        ensure_ready(embedded_settings)
        return embedded_settings
    name = "module_database" if request.param == "embedded by address" else "external"
    settings: Settings = request.getfixturevalue(name)
    return settings


@pytest.mark.parametrize("role", ALL_ROLES)
def test_every_client_acts_as_the_role(role: str, reachable: Settings) -> None:
    url = role_url(reachable, role)
    with psycopg.connect(url) as connection:
        assert connection.execute("select current_user").fetchone() == (role,)
    with psycopg2.connect(url) as other, other.cursor() as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone() == (role,)
    other.close()


def test_dlt_loads_as_the_ingest_role(reachable: Settings, tmp_path: object) -> None:
    pipeline = dlt.pipeline(
        "rights",
        pipelines_dir=str(tmp_path),
        destination=dlt.destinations.postgres(credentials=role_url(reachable, INGEST)),
        dataset_name="raw_nba",
    )
    for _ in range(2):  # the second merges, which goes through raw_nba_staging
        info = pipeline.run(
            [{"game_id": "1", "payload": {"a": 1}}],
            table_name="loaded_by_dlt",
            primary_key="game_id",
            write_disposition="merge",
        )
        info.raise_on_failed_jobs()
    with connect(reachable, TRANSFORM) as connection:
        rows = connection.execute(
            "select tableowner from pg_tables where tablename = 'loaded_by_dlt'"
        ).fetchall()
        assert (INGEST,) in rows
        count = connection.execute("select count(*) from raw_nba.loaded_by_dlt").fetchone()
    assert count == (1,)
    with connect(reachable, INGEST) as connection:
        connection.execute("drop table raw_nba.loaded_by_dlt")


def test_dlts_own_options_do_not_replace_the_role(reachable: Settings) -> None:
    credentials = PostgresCredentials(role_url(reachable, INGEST))
    client = Psycopg2SqlClient(
        "raw_nba", "raw_nba_staging", credentials, dlt.destinations.postgres().capabilities()
    )
    with client:
        assert client.execute_sql("select current_user::text") == [(INGEST,)]


def test_a_reader_begins_in_analytics_and_read_only(reachable: Settings) -> None:
    with connect(reachable, BI) as connection:
        assert connection.execute("show search_path").fetchone() == ("analytics",)
        assert connection.execute("show transaction_read_only").fetchone() == ("on",)


def test_parameters_and_options_of_the_address_are_kept(external: Settings) -> None:
    given = (
        "?application_name=a%26b&options=-c%20work_mem%3D3MB%20-c%20datestyle%3DSQL%5C%20,%5C%20DMY"
    )
    settings = at(external, f"{external.database_url}{given}")
    check(settings)
    with connect(settings, INGEST) as connection:
        shown = [
            connection.execute(f"show {name}").fetchone()
            for name in ("role", "work_mem", "application_name", "datestyle")
        ]
    assert shown == [(INGEST,), ("3MB",), ("a&b",), ("SQL, DMY",)]


def test_a_socket_named_by_parameter_is_the_same_address(
    module_database: Settings, embedded_settings: Settings
) -> None:
    database = psycopg.conninfo.conninfo_to_dict(str(module_database.database_url))["dbname"]
    url = f"postgresql://clutch_admin@/{database}?host={embedded_settings.socket_directory}"
    settings = at(module_database, url)
    check(settings)
    assert "?host=" not in role_url(settings, INGEST)
    with psycopg2.connect(role_url(settings, INGEST)) as other, other.cursor() as cursor:
        cursor.execute("select current_user, current_database()")
        assert cursor.fetchone() == (INGEST, database)
    other.close()


def test_an_unknown_role_is_a_mistake_in_the_code(anywhere: Settings) -> None:
    with pytest.raises(ValueError, match="no role 'clutch_bo'; the roles are clutch_owner"):
        role_url(anywhere, "clutch_bo")


@pytest.fixture(scope="module")
def web_server() -> Iterator[int]:
    class Refuse(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(100)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://u:{secret}@no-such-host.invalid:5432/d", "no host no-such-host.invalid"),
        ("postgresql://u:{secret}@127.0.0.1:{closed}/d", "no server listens at 127.0.0.1, port"),
        ("postgresql://u:{secret}@127.0.0.1:{web}/d", "is not a PostgreSQL server"),
        (
            "postgresql://league_login:{secret}@127.0.0.1:{port}/league",
            "refuses user 'league_login'",
        ),
        ("postgresql://nobody_here:{secret}@127.0.0.1:{port}/league", "refuses user 'nobody_here'"),
        ("postgresql://league_login:{good}@127.0.0.1:{port}/nowhere", "has no database 'nowhere'"),
        ("postgresql://league_login@127.0.0.1:{port}/league", "refuses user 'league_login'"),
        ("postgresql://:{secret}@127.0.0.1:{port}/league", "it names no user"),
        ("postgresql://u:{secret}@/league", "it names no host"),
        ("postgresql://u:{secret}@127.0.0.1:{port}", "it names no database"),
        ("postgresql://u:{secret}@127.0.0.1:{port}/", "it names no database"),
        ("postgresql://u:{secret}@127.0.0.1:fivefour/d", "it cannot be read"),
        ("postgresql://u:{secret}#{secret}@127.0.0.1:{port}/d", "DATABASE_URL: it"),
        ("postgresql://u:x@{secret}@127.0.0.1:{port}/d", "it cannot be read"),
        ("postgresql://u:{secret}@{secret}:1@127.0.0.1:{port}/d", "it cannot be read"),
        ("postgresql://u:{secret}/{secret}@127.0.0.1:{port}/d", "DATABASE_URL: it"),
        ("postgresql://u:{secret}%zz@127.0.0.1:{port}/d", "it cannot be read"),
        ("postgresql://u:{secret}@127.0.0.1:{port}/d?no_such={secret}", "it cannot be read"),
        ("postgresql://u:{secret}@127.0.0.1:{port}/d?sslmode=maybe", "sslmode"),
    ],
)
@pytest.mark.parametrize("look", [check, ensure_ready])
def test_a_wrong_address_gets_one_sentence_without_the_password(
    url: str,
    problem: str,
    look: Callable[[Settings], None],
    external: Settings,
    external_server: ExternalServer,
    web_server: int,
) -> None:
    good = str(external.database_url).split(":")[2].split("@")[0]
    url = url.format(
        secret=SECRET, good=good, port=external_server.port, web=web_server, closed=free_port()
    )
    with pytest.raises(SettingError, match=problem) as caught:
        look(at(external, url))
    text = str(caught.value)
    assert text.startswith("DATABASE_URL: ")
    assert "Fix: " in text
    assert "\n" not in text
    assert SECRET not in text
    assert PASSWORD not in text
    assert good not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_server_that_does_not_answer_is_named(external: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://u:{SECRET}@127.0.0.1:{port}/d?connect_timeout=2"
        with pytest.raises(SettingError, match=f"at 127.0.0.1, port {port} answers as"):
            check(at(external, url))


def test_a_server_that_is_too_old_is_named(
    external: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no older server is at hand: the demand is raised above the one that is
    monkeypatch.setattr(connection_module, "OLDEST_SERVER_VERSION", 990000)
    with pytest.raises(
        SettingError, match="server is PostgreSQL 15, the project needs 99 or later"
    ):
        check(external)


def test_a_password_from_elsewhere_is_asked_for(
    external: Settings, external_server: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = f"postgresql://league_login@127.0.0.1:{external_server.port}/league"
    with pytest.raises(SettingError) as caught:
        check(at(external, url))
    assert "password" in str(caught.value)


def test_a_database_without_roles_names_the_command(
    external: Settings, external_server: ExternalServer
) -> None:
    with external_server.administrator() as connection:
        connection.execute("create role newcomer login password 'x'")
    settings = at(external, external_server.url("newcomer", "x", "league"))
    for look in (check, ensure_ready, lambda s: connect(s, INGEST)):
        with pytest.raises(SettingError, match=r"may not act as clutch_.* run: grant clutch_"):
            look(settings)
    with external_server.administrator("league") as connection:
        connection.execute(f"grant {', '.join(ALL_ROLES)} to newcomer")
    check(settings)
    connect(settings, INGEST).close()
    assert migrate(settings) == []


def test_a_login_without_rights_is_told_which(
    external: Settings, external_server: ExternalServer
) -> None:
    with external_server.administrator() as connection:
        connection.execute("create role guest login password 'x'")
        connection.execute("create database guests")
    settings = at(external, external_server.url("guest", "x", "guests"))
    with pytest.raises(SettingError, match=r"may not do .* createrole; grant create on database"):
        migrate(settings)


def test_roles_that_are_missing_name_the_command(embedded_settings: Settings) -> None:
    message = 'connection failed: FATAL:  role "clutch_ingest" does not exist'
    error = connection_module._explained(embedded_settings, message)
    assert isinstance(error, ClutchError)
    assert str(error).endswith("Fix: run `clutch db migrate` first.")
