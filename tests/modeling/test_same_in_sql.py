"""The formula in Python and in SQL are one: the model's own SQL, run on states at random."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import jinja2
import numpy as np
import psycopg
import pytest
import yaml

from ingestion.database.connection import login_url
from ingestion.settings import PROJECT_ROOT, Settings
from modeling.win_probability.fit import START
from modeling.win_probability.invariants import random_states
from modeling.win_probability.model import Coefficients, States, probability
from modeling.win_probability.versions import read_versions

STATES = 6000
SECOND_VERSION_FROM = date(2022, 7, 1)


def rendered(name: str) -> str:
    """A model's SQL without dbt: refs are tables of the same name, all games have changed."""
    folder = PROJECT_ROOT / "dbt_project"
    variables = yaml.safe_load((PROJECT_ROOT / "dbt_project.yml").read_text())["vars"]
    macros = (folder / "macros/win_probability.sql").read_text()
    (path,) = (folder / "models").rglob(f"{name}.sql")
    context = {
        "ref": lambda table: table,
        "var": lambda name: variables[name],
        "incremental_by_game": lambda **_: "",
        "changed_games": lambda versions: f"select game_id from {versions}",
        "return": lambda value: value,
    }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    context["adapter"] = _Adapter(environment, macros, context)
    return environment.from_string(macros + path.read_text()).render(context)


class _Adapter:
    """Stands in for dbt's: gives Postgres's version of a macro."""

    def __init__(
        self, environment: jinja2.Environment, macros: str, context: dict[str, Any]
    ) -> None:
        self._module = environment.from_string(macros).make_module(context)

    def dispatch(self, name: str) -> Any:
        return getattr(self._module, f"postgres__{name}")


@pytest.fixture(scope="module")
def states() -> States:
    """Random ones, and by hand what is extreme."""
    states = random_states(STATES, seed=21)
    extreme = {
        "seconds_left": [0.0, 0.1, 0.01, 2880.0, 0.0, 0.1, 299.99, 2879.9],
        "is_overtime": [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0],
        "home_margin": [1.0, -1.0, 0.0, 0.0, 60.0, -60.0, 3.0, -60.0],
        "ball": [1.0, -1.0, 1.0, 0.0, -1.0, 1.0, 0.0, 1.0],
        "pending_free_throws": [3.0, -3.0, 2.0, 0.0, -1.0, 1.0, 0.0, 0.0],
        "rating_difference": [40.0, -40.0, 0.0, 99.9999, -99.9999, 0.0, 25.0, 40.0],
    }
    columns = states._asdict()
    for name, values in extreme.items():
        columns[name] = columns[name].copy()
        columns[name][: len(values)] = values
    return States(**columns)


@pytest.fixture(scope="module")
def scored(module_database: Settings, states: States) -> list[tuple[Any, ...]]:
    """Each state as the only action of a game, scored by win_probability.sql."""
    with psycopg.connect(login_url(module_database)) as connection:
        connection.execute("create schema same; set search_path = same")
        _fill(connection, states)
        rows = connection.execute(
            f"""
            select
                scored.game_id, home_win_probability, home_win_probability_before, leverage,
                away_win_probability, model_version
            from ({rendered("win_probability")}) as scored
            order by game_id::integer
            """
        ).fetchall()
    assert len(rows) == STATES
    return rows


def _fill(connection: psycopg.Connection[Any], states: States) -> None:
    columns = ", ".join(f"{name} float8" for name in Coefficients.names())
    connection.execute(
        f"""
        create table win_probability_coefficients (
            model_version integer, valid_from date, {columns}
        );
        create table int_games_described (
            game_id text, is_final boolean, home_score integer, away_score integer,
            playoff_game boolean, game_date date
        );
        create table int_game_strength_versions (game_id text);
        create table int_pregame_strengths (
            game_id text, home_rating numeric(7, 4), away_rating numeric(7, 4),
            home_edge_points numeric(6, 4), is_home_back_to_back boolean,
            is_away_back_to_back boolean
        );
        create table game_states (
            game_id text, order_number integer, action_number integer,
            action_timestamp timestamptz, period integer, seconds_remaining numeric(8, 2),
            seconds_left numeric(8, 2), is_overtime boolean, is_over boolean, is_clutch boolean,
            home_margin integer, ball_side integer, is_loose_after_shot boolean,
            is_loose_after_free_throw boolean, home_pending_free_throws integer
        );
        """
    )
    cursor = connection.cursor()
    for number, (since, coefficients) in enumerate(both_versions(), 1):
        cursor.execute(
            "insert into win_probability_coefficients values "
            f"(%s, %s{', %s' * len(Coefficients.names())})",
            [number, since, *coefficients],
        )
    with cursor.copy("copy int_games_described from stdin") as copy:
        for number in range(STATES):
            playoff = bool(states.is_playoff[number])
            copy.write_row((str(number), False, 0, 0, playoff, game_date(number)))
    with cursor.copy("copy int_game_strength_versions from stdin") as copy:
        for number in range(STATES):
            copy.write_row((str(number),))
    with cursor.copy("copy int_pregame_strengths from stdin") as copy:
        for number in range(STATES):
            copy.write_row(
                (
                    str(number),
                    f"{states.rating_difference[number]:.4f}",
                    "0",
                    f"{states.home_edge[number]:.4f}",
                    bool(states.home_back_to_back[number]),
                    bool(states.away_back_to_back[number]),
                )
            )
    with cursor.copy("copy game_states from stdin") as copy:
        for number in range(STATES):
            is_overtime = bool(states.is_overtime[number])
            left = f"{states.seconds_left[number]:.2f}"
            copy.write_row(
                (
                    *(str(number), 1, 1, None, 5 if is_overtime else 1, left, left, is_overtime),
                    *(False, False, int(states.home_margin[number]), int(states.ball[number])),
                    bool(states.is_loose_after_shot[number]),
                    bool(states.is_loose_after_free_throw[number]),
                    int(states.pending_free_throws[number]),
                )
            )


def both_versions() -> list[tuple[date, Coefficients]]:
    newest = read_versions()[-1].coefficients
    return [(date(1946, 1, 1), newest), (SECOND_VERSION_FROM, START)]


def game_date(number: int) -> date:
    """Odd games are of the day on which the second version begins, even ones of the day before."""
    return SECOND_VERSION_FROM - timedelta(days=1 - number % 2)


def by_version(states: States) -> np.ndarray:
    first, second = (probability(coefficients, states) for _, coefficients in both_versions())
    return np.where(np.arange(STATES) % 2 == 1, second, first)


def test_probabilities_are_equal(scored: list[tuple[Any, ...]], states: States) -> None:
    in_sql = np.array([row[1] for row in scored])
    assert np.abs(in_sql - by_version(states)).max() < 1e-12
    away = np.array([row[4] for row in scored])
    assert np.abs(in_sql + away - 1).max() < 1e-15
    # they are not all the same, and reach both ends
    assert in_sql.min() < 1e-6 < 0.4 < np.median(in_sql) < 0.6 < 1 - 1e-6 < in_sql.max()


def test_each_game_is_scored_with_the_version_of_its_day(scored: list[tuple[Any, ...]]) -> None:
    assert [row[5] for row in scored] == [1 + number % 2 for number in range(STATES)]


def test_the_state_before_tip_off_is_equal(scored: list[tuple[Any, ...]], states: States) -> None:
    """The probability before a game's only action, and what three points either way would move."""
    nothing = np.zeros(STATES)
    start = states._replace(
        seconds_left=np.full(STATES, 2880.0),
        is_overtime=nothing,
        home_margin=nothing,
        ball=nothing,
        is_loose_after_shot=nothing,
        is_loose_after_free_throw=nothing,
        pending_free_throws=nothing,
    )
    before = np.array([row[2] for row in scored])
    assert np.abs(before - by_version(start)).max() < 1e-12
    leverage = np.array([row[3] for row in scored])
    either_way = by_version(start._replace(home_margin=nothing + 3)) - by_version(
        start._replace(home_margin=nothing - 3)
    )
    assert np.abs(leverage - either_way).max() < 1e-12
