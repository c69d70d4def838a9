"""The short way of macros/incremental_materialization.sql, in a project of one model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from dbt.cli.main import dbtRunner

from clutch import dbt_environment
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import PROJECT_ROOT, Settings

PROJECT = """
name: small
profile: clutch
model-paths: [models]
macro-paths: [macros]
flags: {send_anonymous_usage_stats: false}
on-run-start: ["{{ create_built_definitions() }}"]
models:
  small: {+schema: intermediate}
"""

CONFIG = """
{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='sync_all_columns',
    post_hook="delete from {{ this }} where number < 0"
) }}
"""

FIRST = "select number, 'a' as letter from staging.numbers"


class Small:
    """A project with the model ``copied``, in a database of its own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        (folder / "models").mkdir()
        (folder / "macros").mkdir()
        (folder / "dbt_project.yml").write_text(PROJECT)
        for name in ("incremental_materialization", "generate_schema_name"):
            shutil.copy(PROJECT_ROOT / "dbt_project" / "macros" / f"{name}.sql", folder / "macros")
        self.execute("create table staging.numbers (number integer)")

    def execute(self, statement: str) -> None:
        with connect(self._settings, roles.TRANSFORM) as connection:
            connection.execute(statement.encode())

    def run(self, sql: str, *options: str) -> bool:
        (self._folder / "models" / "copied.sql").write_text(CONFIG + sql)
        places = ["--project-dir", str(self._folder), "--profiles-dir", str(PROJECT_ROOT)]
        target = str(self._folder / "target")
        places += ["--target-path", target, "--log-path", target]
        with dbt_environment(self._settings):
            return dbtRunner().invoke(["--quiet", "run", *places, *options]).success

    def add(self, number: int) -> None:
        self.execute(f"truncate staging.numbers; insert into staging.numbers values ({number})")

    def rows(self) -> list[dict[str, object]]:
        with connect(self._settings, roles.TRANSFORM) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return cursor.execute("select * from intermediate.copied order by number").fetchall()

    def went_the_short_way(self) -> bool:
        """Whether the last run took no temporary table; read from the statement that it ran."""
        path = self._folder / "target" / "run" / "small" / "models" / "copied.sql"
        return "as built" in path.read_text()


@pytest.fixture
def small(tmp_path: Path, make_migrated: Callable[[], Settings]) -> Small:
    return Small(tmp_path, make_migrated())


def test_the_same_sql_goes_straight_into_the_table(small: Small) -> None:
    for number in (1, 2, 3, -4):
        small.add(number)
        assert small.run(FIRST)
        assert small.went_the_short_way() == (number != 1)
    assert [row["number"] for row in small.rows()] == [1, 2, 3]


def test_other_columns_are_followed_and_back_again(small: Small) -> None:
    definitions = {
        FIRST: {"letter": "a"},
        "select 'b' as letter, 7 as extra, number from staging.numbers": {
            "letter": "b",
            "extra": 7,
        },
        "select 'b' as letter, number from staging.numbers": {"letter": "b"},
        "select number from staging.numbers": {},
        "select number, 'a' as renamed from staging.numbers": {"renamed": "a"},
    }
    number = 0
    for sql, others in [*definitions.items(), (FIRST, definitions[FIRST])]:
        # the second time it goes the short way
        for is_short in (False, True):
            number += 1
            small.add(number)
            assert small.run(sql)
            assert small.went_the_short_way() == is_short
            assert small.rows()[-1] == {"number": number, **others}
    assert len(small.rows()) == number


def test_a_full_refresh_between_is_noticed(small: Small) -> None:
    small.add(1)
    for _ in range(2):
        assert small.run(FIRST)
    other = "select 'b' as letter, number from staging.numbers"
    assert small.run(other, "--full-refresh")
    assert small.run(FIRST)
    assert sorted(map(repr, small.rows())) == sorted(
        map(repr, [{"letter": "b", "number": 1}, {"letter": "a", "number": 1}])
    )


def test_a_run_that_fails_leaves_everything_and_the_next_one_succeeds(small: Small) -> None:
    small.add(1)
    for _ in range(2):
        assert small.run(FIRST)
    before = small.rows()
    assert not small.run("select number / 0 as number, 'a' as letter from staging.numbers")
    assert small.rows() == before
    assert small.run(FIRST)
    assert len(small.rows()) == len(before) + 1
