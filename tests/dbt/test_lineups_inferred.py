"""How well the five are inferred: real games without what tells who was on the floor."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.replay import ReplaySeason, write_files
from tests.support.dbt_runs import build

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

# the five a side, as one text, before each action of clutch time and after the start of each period
FIVES = """
    create table {name} as
    with moments as (
        select game_id, order_number, period, 'clutch' as kind
        from intermediate.int_clutch_actions where action_type <> 'substitution'
        union all
        select game_id, min(order_number), period, 'start'
        from staging.stg_nba__actions
        where action_type not in ('substitution', 'period') group by game_id, period
    )
    select moments.*, stints.team_id,
        string_agg(stints.player_id, ',' order by stints.player_id) as five
    from moments
    inner join intermediate.int_player_stints as stints
        on moments.game_id = stints.game_id
        and moments.order_number > stints.order_number_in
        and moments.order_number <= stints.order_number_out
    group by moments.game_id, moments.order_number, moments.period, moments.kind, stints.team_id
"""

# the stats service tells no substitution between periods; its newer form not who was fouled either
FORGET = """
    delete from staging.stg_nba__actions_cdn as actions
    using (
        select game_id, period, min(order_number) as first_play
        from staging.stg_nba__actions_cdn
        where action_type not in ('substitution', 'period') group by game_id, period
    ) as periods
    where actions.game_id = periods.game_id and actions.period = periods.period
        and actions.period > 1 and actions.action_type = 'substitution'
        and actions.order_number < periods.first_play;
    update staging.stg_nba__actions_cdn set foul_drawn_player_id = null;
    delete from staging.stg_nba__box_score_players;
    update staging.stg_nba__game_versions
    set playbyplay_resource = 'playbyplayv3', boxscore_resource = null,
        game_version = game_version || ' without lineups';
"""

COMPARE = """
    select truth.kind, count(*) as fives,
        count(*) filter (where inferred.five is distinct from truth.five) as wrong,
        count(distinct truth.game_id) as games,
        count(distinct truth.game_id) filter (where inferred.five is distinct from truth.five)
            as wrong_games
    from truth left join inferred using (game_id, order_number, kind, team_id)
    group by truth.kind order by truth.kind
"""


def test_inferred_fives_are_the_true_ones(database: Settings, tmp_path: Path) -> None:
    ids = ReplaySeason("2021-22").game_ids[::25]
    write_files(["2021-22"], tmp_path / "files", ids)
    measured = measure(database, tmp_path)
    print(measured)
    clutch, start = measured
    assert start["fives"] > 400
    assert clutch["fives"] > 1500
    assert start["wrong"] <= 0.005 * start["fives"]
    assert clutch["wrong"] <= 0.005 * clutch["fives"]


def measure(settings: Settings, directory: Path) -> list[dict[str, int]]:
    """Build the games of ``files``, forget who was on the floor, infer it, and compare."""
    nba.ingest(settings, directory=directory / "files", show_progress=False)
    without_tests = ("--exclude", "resource_type:unit_test", "resource_type:test")
    build(
        settings,
        directory / "target",
        "--select",
        "+int_clutch_actions",
        "+int_player_stints",
        *without_tests,
    )
    with connect(settings, roles.TRANSFORM) as connection:
        connection.execute("set search_path = intermediate")
        connection.execute(FIVES.format(name="truth"))
        connection.execute(FORGET)
        connection.commit()
    build(
        settings,
        directory / "target",
        "--select",
        "int_period_starters",
        "int_player_stints",
        *without_tests,
    )
    with connect(settings, roles.TRANSFORM) as connection:
        connection.execute("set search_path = intermediate")
        connection.execute(FIVES.format(name="inferred"))
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(COMPARE).fetchall()
