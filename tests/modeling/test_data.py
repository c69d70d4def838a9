"""Reading the marts: what comes back, and what is said when something is missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect, login_url
from ingestion.settings import Settings
from modeling.errors import ModelError
from modeling.expected_points import read_shot_groups
from modeling.win_probability.data import (
    finished_seasons,
    read_played_states,
    read_published,
)

# marts by hand: the columns that are read, of the types that the contracts give them
MARTS = """
    create table analytics.games (
        game_id text primary key, season text, game_date date, home_score integer,
        away_score integer, playoff_game boolean, is_final boolean
    );
    create table analytics.pregame_strengths (
        game_id text primary key, home_rating numeric(7, 4), away_rating numeric(7, 4),
        home_edge_points numeric(6, 4), is_home_back_to_back boolean,
        is_away_back_to_back boolean
    );
    create table analytics.game_states (
        game_id text, order_number integer, period integer, seconds_left numeric(8, 2),
        is_overtime boolean, is_over boolean, is_clutch boolean, home_margin integer,
        ball_side integer, is_loose_after_shot boolean, is_loose_after_free_throw boolean,
        home_pending_free_throws integer
    );
    create table analytics.win_probability (
        game_id text, order_number integer, home_win_probability float8
    );
    create table analytics.expected_points (
        game_id text, shot_type text, points_scored integer, expected_points numeric(6, 4),
        is_clutch boolean
    );
    grant select on all tables in schema analytics to clutch_model;
"""


@pytest.fixture
def owner(database: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(login_url(database), autocommit=True)


@pytest.fixture
def marts(owner: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    owner.execute(MARTS)
    return owner


@pytest.fixture
def reader(database: Settings) -> psycopg.Connection[Any]:
    return connect(database, roles.MODEL)


def add_game(
    connection: psycopg.Connection[Any],
    game_id: str,
    season: str,
    game_date: date,
    *,
    is_final: bool = True,
    states: int = 3,
) -> None:
    connection.execute(
        "insert into analytics.games values (%s, %s, %s, 101, 99, true, %s)",
        [game_id, season, game_date, is_final],
    )
    connection.execute(
        "insert into analytics.pregame_strengths values (%s, 3.5, -1.25, 2.3, false, true)",
        [game_id],
    )
    for number in range(states):
        is_over = number == states - 1
        connection.execute(
            """
            insert into analytics.game_states
            values (%s, %s, 4, %s, false, %s, true, %s, -1, true, false, -2)
            """,
            [game_id, number, "12.34", is_over, number],
        )
        connection.execute(
            "insert into analytics.win_probability values (%s, %s, %s)",
            [game_id, number, 0.25 + number / 100],
        )


def test_states_of_finished_games_come_in_order(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    add_game(marts, "0002", "2022-23", date(2022, 11, 2))
    add_game(marts, "0001", "2022-23", date(2022, 11, 1), states=4)
    add_game(marts, "0003", "2022-23", date(2022, 11, 3), is_final=False)
    add_game(marts, "0004", "2021-22", date(2021, 11, 3))
    played = read_played_states(reader, ["2022-23"])
    assert played.game_ids == ["0001", "0002"]
    assert played.dates == [date(2022, 11, 1), date(2022, 11, 2)]
    # what is over is known and not judged
    assert list(played.game) == [0, 0, 0, 1, 1]
    assert list(played.order_number) == [0, 1, 2, 0, 1]
    assert list(played.states.home_margin) == [0, 1, 2, 0, 1]
    first = {name: float(column[0]) for name, column in played.states._asdict().items()}
    assert first == {
        "seconds_left": 12.34,
        "is_overtime": 0,
        "home_margin": 0,
        "ball": -1,
        "is_loose_after_shot": 1,
        "is_loose_after_free_throw": 0,
        "pending_free_throws": -2,
        "rating_difference": 4.75,
        "home_edge": 2.3,
        "home_back_to_back": 0,
        "away_back_to_back": 1,
        "is_playoff": 1,
    }
    assert played.home_won.all()
    assert played.is_clutch.all()
    assert list(read_published(reader, ["2022-23"])) == pytest.approx(
        [0.25, 0.26, 0.27, 0.25, 0.26]
    )
    assert played.of_games(np.array([False, True])).game_count == 1


def test_a_season_is_finished_when_nothing_is_left(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    today = marts.execute("select current_date").fetchone()[0]  # type: ignore[index]
    add_game(marts, "0001", "2018-19", date(2019, 1, 1))
    marts.execute("delete from analytics.pregame_strengths where game_id = '0001'")
    add_game(marts, "0002", "2020-21", date(2021, 1, 1))
    add_game(marts, "0003", "2021-22", date(2022, 1, 1), is_final=False)
    add_game(marts, "0004", "2022-23", today - timedelta(days=30))
    assert finished_seasons(reader) == ["2020-21"]
    marts.execute("update analytics.games set game_date = game_date - 1 where game_id = '0004'")
    reader.rollback()
    assert finished_seasons(reader) == ["2020-21", "2022-23"]


def test_a_season_that_is_not_there_is_named(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    add_game(marts, "0001", "2022-23", date(2022, 11, 1))
    with pytest.raises(ModelError, match=r"season 2019-20, 2021-22: .* Fix: clutch ingest nba"):
        read_played_states(reader, ["2022-23", "2021-22", "2019-20"])


@pytest.mark.parametrize(
    "damage",
    [
        "update analytics.game_states set ball_side = null where order_number = 1",
        "update analytics.pregame_strengths set home_rating = null",
    ],
)
def test_a_missing_value_is_said(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any], damage: str
) -> None:
    add_game(marts, "0001", "2022-23", date(2022, 11, 1))
    marts.execute(damage)
    with pytest.raises(ModelError, match=r"a value is missing .* Fix: run dbt build"):
        read_played_states(reader, ["2022-23"])


def test_a_game_without_probability_is_said(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    add_game(marts, "0001", "2022-23", date(2022, 11, 1))
    marts.execute("delete from analytics.win_probability where order_number = 1")
    with pytest.raises(ModelError, match="a value is missing"):
        read_published(reader, ["2022-23"])


def test_before_the_first_build_there_is_nothing_to_read(reader: psycopg.Connection[Any]) -> None:
    for read in (
        finished_seasons,
        lambda connection: read_played_states(connection, ["2022-23"]),
        lambda connection: read_published(connection, ["2022-23"]),
        lambda connection: read_shot_groups(connection, "2022-23"),
    ):
        with pytest.raises(ModelError, match=r"analytics\.\w+ cannot be read .* Fix: dbt build\."):
            read(reader)
        reader.rollback()


def test_shots_come_in_groups_of_equally_many(
    marts: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    add_game(marts, "0001", "2022-23", date(2022, 11, 1))
    add_game(marts, "0002", "2021-22", date(2021, 11, 1))
    for number in range(400):
        marts.execute(
            "insert into analytics.expected_points values ('0001', '2pt', %s, %s, %s)",
            [2 * (number % 2), 0.5 + number / 400, number < 40],
        )
    marts.execute("insert into analytics.expected_points values ('0001', '2pt', 2, null, false)")
    marts.execute("insert into analytics.expected_points values ('0001', 'heave', 0, 0.1, true)")
    marts.execute("insert into analytics.expected_points values ('0002', '3pt', 3, 1.1, true)")
    twos, clutch = read_shot_groups(reader, "2022-23")
    assert (twos.title, clutch.title) == ("Two-pointers", "All shots of clutch time")
    assert list(twos.shots) == [20] * 20
    assert list(twos.expected) == sorted(twos.expected)
    assert twos.total_scored == 400
    assert twos.total_expected == pytest.approx(400 * (0.5 + 399 / 800))
    assert list(twos.spread) == [1.0] * 20
    assert clutch.shots.sum() == 41
    with pytest.raises(ModelError, match=r"no shot of 2020-21\. Fix: clutch ingest nba"):
        read_shot_groups(reader, "2020-21")
