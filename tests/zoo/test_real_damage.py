"""Games of the real seasons that are known to be damaged or odd, each with what must become of it.

The damage is shown in the payload first, so that no test passes because the oddity is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.nba.report import IngestReport
from ingestion.settings import Settings
from tests.replay import write_files
from tests.support.dbt_runs import build

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

Row = dict[str, Any]

OFF_BY_HOURS = ("0022000416", "0022100042", "0022200745")
CLOCK_STEPS_BACK = "0022000216"
MEMO_AFTER_THE_END = "0022000044"
SAVED_BEFORE_THE_FINAL = "0022301104"
OF_SEASON = {
    "2020-21": ["0022000416", CLOCK_STEPS_BACK, MEMO_AFTER_THE_END],
    "2021-22": ["0022100042"],
    "2022-23": ["0022200745"],
    "2023-24": [SAVED_BEFORE_THE_FINAL],
}
WITHOUT_BOX_SCORE = "0052100101"
V2_OUT_OF_ORDER = "0021800924"
V2_REPEATED_ROWS = "0021800209"
V3 = "0022200552"


class Real:
    """The database of these games, and their files."""

    def __init__(self, settings: Settings, report: IngestReport, folder: Path) -> None:
        self.settings = settings
        self.report = report
        self._folder = folder

    def actions(self, game_id: str) -> list[Row]:
        payload = orjson.loads((self._folder / f"playbyplay_{game_id}.json").read_bytes())
        actions: list[Row] = payload["game"]["actions"]
        return actions

    def events(self, game_id: str) -> list[Row]:
        payload = orjson.loads((self._folder / f"stats_playbyplayv2_{game_id}.json").read_bytes())
        table = payload["resultSets"][0]
        return [dict(zip(table["headers"], row, strict=True)) for row in table["rowSet"]]

    def rows(self, query: str, *parameters: object) -> list[Row]:
        with connect(self.settings, roles.TRANSFORM) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return cursor.execute(query, parameters).fetchall()

    def quality(self, game_id: str) -> Row:
        (row,) = self.rows("select * from analytics.game_quality where game_id = %s", game_id)
        return row

    def game(self, game_id: str) -> Row:
        (row,) = self.rows("select * from analytics.games where game_id = %s", game_id)
        return row


@pytest.fixture(scope="module")
def real(
    make_database: Callable[[], Settings],
    shared_nba: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Real:
    folder = tmp_path_factory.mktemp("real")
    for season, games in OF_SEASON.items():
        write_files([season], folder, games)
    write_files(["2021-22"], folder, [WITHOUT_BOX_SCORE])
    frame = pl.read_parquet(shared_nba / "legacy" / "stats_pbp_v2_2018-19.parquet")
    for game_id in (V2_OUT_OF_ORDER, V2_REPEATED_ROWS):
        events = frame.filter(pl.col("GAME_ID") == game_id)
        table = {"name": "PlayByPlay", "headers": events.columns, "rowSet": events.rows()}
        payload = {"parameters": {"GameID": game_id}, "resultSets": [table]}
        (folder / f"stats_playbyplayv2_{game_id}.json").write_bytes(orjson.dumps(payload))
    for resource in ("playbyplayv3", "boxscoretraditionalv3"):
        name = f"stats_{resource}_{V3}.json.gz"
        (folder / name).write_bytes((shared_nba / "wire" / "stats" / name).read_bytes())
    settings = make_database()
    report = nba.ingest(settings, directory=folder, show_progress=False)
    build(settings, tmp_path_factory.mktemp("target"))
    return Real(settings, report, folder)


def test_only_missing_box_scores_are_in_quarantine(real: Real) -> None:
    """The legacy seasons are given without any box score, and one play-in game as well."""
    assert {(item.record_key, item.reason) for item in real.report.quarantined} == {
        (game_id, "missing_box_score")
        for game_id in (WITHOUT_BOX_SCORE, V2_OUT_OF_ORDER, V2_REPEATED_ROWS)
    }
    assert len(real.report.quarantined) == 3


def test_nothing_is_suspect_but_the_score_of_a_box_score_from_before_the_final(real: Real) -> None:
    suspects = real.rows(
        "select game_id, suspect_reasons from analytics.game_quality where is_suspect"
    )
    assert [row["game_id"] for row in suspects] == [SAVED_BEFORE_THE_FINAL]
    assert "score_mismatch" in suspects[0]["suspect_reasons"].split(",")
    # the play-by-play is the newer of the two
    last = real.actions(SAVED_BEFORE_THE_FINAL)[-1]
    game = real.game(SAVED_BEFORE_THE_FINAL)
    assert (game["home_score"], game["away_score"]) == (last["scoreHome"], last["scoreAway"])
    assert game["is_final"]


@pytest.mark.parametrize("game_id", OFF_BY_HOURS)
def test_a_wall_clock_hours_off_is_repaired(real: Real, game_id: str) -> None:
    rows = real.rows(
        """
        select action_timestamp, recorded_at, is_action_timestamp_repaired
        from intermediate.int_actions_sequenced where game_id = %s order by order_number
        """,
        game_id,
    )
    off = [abs((row["action_timestamp"] - row["recorded_at"]).total_seconds()) for row in rows]
    assert max(off) > 3600
    times = [row["action_timestamp"] for row in rows]
    assert times == sorted(times)
    assert (times[-1] - times[0]).total_seconds() < 4 * 3600
    repaired = [row["is_action_timestamp_repaired"] for row in rows]
    assert repaired == [seconds > 0 for seconds in off]
    assert sum(repaired) < len(rows) / 20


def test_a_clock_that_steps_back_passes(real: Real) -> None:
    steps = [
        before["clock"] < after["clock"]
        for before, after in itertools.pairwise(real.actions(CLOCK_STEPS_BACK))
        if before["period"] == after["period"]
    ]
    assert real.quality(CLOCK_STEPS_BACK)["clock_steps_back"] == sum(steps) == 3


def test_rows_after_the_closing_row_pass(real: Real) -> None:
    assert real.actions(MEMO_AFTER_THE_END)[-1]["actionType"] == "memo"
    assert real.quality(MEMO_AFTER_THE_END)["has_closing_action"]
    assert real.game(MEMO_AFTER_THE_END)["is_final"]


def test_a_game_without_box_score_is_there(real: Real) -> None:
    assert not real.quality(WITHOUT_BOX_SCORE)["has_box_score"]
    last = real.actions(WITHOUT_BOX_SCORE)[-1]
    game = real.game(WITHOUT_BOX_SCORE)
    assert (game["home_score"], game["away_score"]) == (last["scoreHome"], last["scoreAway"])
    assert game["is_final"]


def test_v2_order_is_that_of_the_rows(real: Real) -> None:
    events = real.events(V2_OUT_OF_ORDER)
    numbers = [event["EVENTNUM"] for event in events]
    assert sum(before > after for before, after in itertools.pairwise(numbers)) == 28
    clocks = real.rows(
        """
        select period, seconds_remaining from intermediate.int_actions_sequenced
        where game_id = %s order by order_number
        """,
        V2_OUT_OF_ORDER,
    )
    moments = [(row["period"], -row["seconds_remaining"]) for row in clocks]
    assert moments == sorted(moments)


def test_v2_rows_told_twice_count_once_and_text_on_both_sides_is_two_actions(real: Real) -> None:
    events = real.events(V2_REPEATED_ROWS)
    told_once = {
        (event["EVENTNUM"], event["EVENTMSGTYPE"], event["PLAYER1_ID"]): event for event in events
    }
    assert len(events) - len(told_once) == 3  # a miss, a made shot and a steal
    sentences = [
        event["HOMEDESCRIPTION"] + event["VISITORDESCRIPTION"]
        for event in told_once.values()
        if event["HOMEDESCRIPTION"] and event["VISITORDESCRIPTION"]
    ]
    expected = sum(word in sentence for sentence in sentences for word in (" STEAL (", " BLOCK ("))
    (found,) = real.rows(
        """
        select count(*) as actions from intermediate.int_actions_sequenced
        where game_id = %s and action_type in ('steal', 'block')
        """,
        V2_REPEATED_ROWS,
    )
    assert found["actions"] == expected > 10


@pytest.mark.parametrize("game_id", [V2_OUT_OF_ORDER, V2_REPEATED_ROWS])
def test_v2_scores_on_a_quarter_of_the_rows_are_enough(real: Real, game_id: str) -> None:
    events = real.events(game_id)
    scores = [event["SCORE"] for event in events if event["SCORE"]]
    assert 0.2 < len(scores) / len(events) < 0.35
    away, home = map(int, scores[-1].split(" - "))
    game = real.game(game_id)
    assert (game["home_score"], game["away_score"]) == (home, away)


def test_v3_scores_on_a_third_of_the_rows_are_enough(real: Real) -> None:
    game = real.game(V3)
    assert (game["home_score"], game["away_score"]) == (145, 134)
    assert real.quality(V3)["points_missing"] == 0
