"""Athletes who allow different things, in a database that is built once for all who ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from ingestion.database.connection import login_url
from ingestion.settings import Settings
from tests.support.audiences import World, build_world


@pytest.fixture(scope="session")
def world(make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(make_migrated(), tmp_path_factory.mktemp("readers"))


@pytest.fixture
def changed(world: World, copy_database: Callable[[Settings], Settings]) -> World:
    """A copy that a test may change."""
    return World(copy_database(world.settings), world.players)


@pytest.fixture
def login(world: World) -> Iterator[Callable[..., str]]:
    """A function that makes a login in roles and gives its address."""
    made: list[str] = []

    def make(name: str, *held: str, purpose: str = "readiness") -> str:
        with psycopg.connect(login_url(world.settings), autocommit=True) as administrator:
            administrator.execute(
                sql.SQL("create role {} login in role {}").format(
                    sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, held))
                )
            )
            database = administrator.info.dbname
            host = administrator.info.host
        made.append(name)
        return (
            f"host={host} dbname={database} user={name} password=x"
            f" options='-c clutch.purpose={purpose} -c search_path=analytics'"
        )

    yield make
    with psycopg.connect(login_url(world.settings), autocommit=True) as administrator:
        for name in made:
            administrator.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
