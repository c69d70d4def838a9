"""A BI tool with its own login: what it sends on the wire, and that nothing else works."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ingestion.database import roles
from ingestion.privacy import access, logins
from tests.bi_clients.statements import (
    BEFORE_A_QUERY,
    CHART,
    FORBIDDEN,
    REWRITTEN,
    SCHEMAS,
)
from tests.support.audiences import OF_A_PERSON, World
from tests.support.contract_queries import LEADERBOARD, PLAYER_SEASON


@pytest.fixture(scope="module")
def tool(world: World) -> Iterator[Engine]:
    """As Superset connects: a connection for each click."""
    made = logins.make(world.settings, "a_bi_tool", roles.BI)
    yield create_engine(
        "postgresql+psycopg2://",
        # SQLAlchemy does not take the folder of a socket for a host
        creator=lambda: psycopg2.connect(made.address),
        poolclass=NullPool,
    )
    logins.drop(world.settings, "a_bi_tool")


def ask(tool: Engine, query: str) -> list[tuple[object, ...]]:
    with tool.connect() as connection:
        for statement in BEFORE_A_QUERY:
            connection.execute(text(statement))
        return [tuple(row) for row in connection.exec_driver_sql(query.replace("%", "%%"))]


def test_it_finds_the_relations_and_their_columns(tool: Engine, world: World) -> None:
    assert ("analytics",) in ask(tool, SCHEMAS)
    found = inspect(tool)
    named = set(found.get_table_names("analytics")) | set(found.get_view_names("analytics"))
    assert named >= {"clutch_leaderboard", "clutch_performance_scores", "games", *OF_A_PERSON}
    for relation in sorted(named):
        columns = found.get_columns(relation, "analytics")
        assert columns, relation
        # what a dataset is made of
        found.get_pk_constraint(relation, "analytics")
        found.get_foreign_keys(relation, "analytics")
        found.get_indexes(relation, "analytics")
        found.get_unique_constraints(relation, "analytics")
        found.get_check_constraints(relation, "analytics")
        found.get_table_comment(relation, "analytics")
    assert found.get_pk_constraint("games", "analytics")["constrained_columns"] == ["game_id"]


def test_it_draws_a_chart(tool: Engine) -> None:
    points = [row[1] for row in ask(tool, CHART)]
    assert len(points) == 5
    assert points == sorted(points, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("query", [LEADERBOARD, PLAYER_SEASON])
def test_the_contract_queries_answer_word_for_word_and_as_the_tool_writes_them(
    tool: Engine, world: World, query: str
) -> None:
    rewritten = REWRITTEN[query]
    # players and seasons of this world
    player = next(player for player, name in world.players.items() if name == "everybody")
    as_here = [
        each.replace("'201939'", f"'{player}'").replace("'2023-24'", "'2025-26'")
        for each in (query, rewritten)
    ]
    assert ask(tool, query) == ask(tool, rewritten)
    word_for_word, written_anew = (ask(tool, each) for each in as_here)
    assert word_for_word == written_anew
    assert len(word_for_word) > 0


@pytest.mark.parametrize("statement", FORBIDDEN)
@pytest.mark.parametrize(
    ("before", "codes"),
    [
        # a transaction that only reads refuses a write before it looks at rights
        ("set transaction read only", {"42501", "25006"}),
        # which is its own choice: then rights alone stand in the way
        ("set transaction read write", {"42501"}),
    ],
)
def test_nothing_else_works(tool: Engine, statement: str, before: str, codes: set[str]) -> None:
    with tool.connect() as connection:
        connection.exec_driver_sql(before)
        with pytest.raises(DBAPIError) as refused:
            connection.exec_driver_sql(statement)
    assert isinstance(refused.value.orig, psycopg2.Error)
    assert refused.value.orig.pgcode in codes, refused.value.orig


@pytest.mark.parametrize("relation", OF_A_PERSON)
def test_p10_no_row_of_an_athlete_is_there(tool: Engine, world: World, relation: str) -> None:
    assert ask(tool, f"select * from {relation} where {OF_A_PERSON[relation]}") == []
    assert world.seen(roles.MEDICAL, "readiness", relation) != set()


def test_a_purpose_changes_nothing_for_it(tool: Engine) -> None:
    with tool.connect() as connection:
        connection.execute(text("set clutch.purpose = 'readiness'"))
        rows = connection.execute(text("select * from wearables_daily_summary")).fetchall()
    assert rows == []


def test_it_has_no_right_of_its_own(tool: Engine, world: World) -> None:
    matrix = access.matrix(world.settings)
    assert matrix.people == {"a_bi_tool": [roles.BI]}
    assert matrix.surprises == []
