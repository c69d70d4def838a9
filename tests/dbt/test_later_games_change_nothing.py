"""Nothing in later games changes what an earlier action was worth, not by one bit.

A simulated season, most of it loaded; then random additions, edits and deletions of later games,
built again after each. Games that tip off within the lag of a changed game must keep every value of
their shots, and those before it every win probability, what of it is credited to whom, ratings, and
what a model of players reads of them. Then two games come up: they are told of, and nothing else is
told in another way.
The control: the same kinds of edit in an early game do show in later ones.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.schedules import tip_off_at

SEED = int(os.environ.get("CLUTCH_TEST_SEED", "20251210"))
ROUNDS = 3
GAME_COUNT = 60
CHAIN = (
    "--select",
    "+expected_points",
    "+game_win_probability",
    "+player_game_contexts",
    "pregame_strengths",
    *WITHOUT_TESTS,
)
LAG = timedelta(days=2)

Values = dict[str, dict[str, tuple[str | None, ...]]]

# what earlier games say of a game beyond its shots: a digest of all of its rows, to the last digit
OF_WIN_PROBABILITY = (
    "pregame_strengths",
    "win_probability",
    "win_probability_credits",
    "game_win_probability",
    "player_game_shots",
    "player_game_contexts",
)


class Season:
    """Files of a season's games, and which of them are loaded."""

    def __init__(self, directory: Path) -> None:
        self.league = League(LeagueSettings(seed=11, team_count=8, game_count=GAME_COUNT))
        self.directory = directory
        self.dates: dict[str, date] = {}
        self._payloads: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        for game_id in self.league.game_ids:
            box_score = orjson.loads(self.league.box_score_json(game_id))
            play_by_play = orjson.loads(self.league.play_by_play_json(game_id))
            tipoff = datetime.fromisoformat(box_score["game"]["gameTimeUTC"])
            self.dates[game_id] = tipoff.date()
            self._payloads[game_id] = play_by_play, box_score

    def load(self, settings: Settings, game_ids: list[str]) -> None:
        folder = self.directory / str(len(list(self.directory.iterdir())))
        folder.mkdir()
        for game_id in game_ids:
            play_by_play, box_score = self._payloads[game_id]
            (folder / f"playbyplay_{game_id}.json").write_bytes(orjson.dumps(play_by_play))
            (folder / f"boxscore_{game_id}.json").write_bytes(orjson.dumps(box_score))
        report = nba.ingest(settings, directory=folder, show_progress=False)
        assert report.exit_code == 0, report.closing_line()
        assert report.versions_added >= len(game_ids)

    def announce(self, settings: Settings, tip_offs: dict[str, datetime]) -> None:
        """Store a schedule in which these games are still to come."""
        schedule = self.league.schedule()
        for day in schedule["leagueSchedule"]["gameDates"]:
            for game in day["games"]:
                if game["gameId"] in tip_offs:
                    game["gameStatus"] = 1
                    tip_off_at(game, tip_offs[game["gameId"]])
        with connect(settings, roles.INGEST) as connection:
            connection.execute(
                """
                insert into raw_nba.schedule
                values (%s, 'hash', %s, 'cdn', 'test', null, now(), 'load', 'row')
                """,
                [schedule["leagueSchedule"]["seasonYear"], orjson.dumps(schedule).decode()],
            )

    def edit(self, game_id: str, chance: random.Random) -> None:
        """Move shots, hand them over, take their place, drop them; the other side wins."""
        game = self._payloads[game_id][0]["game"]
        shots = [row for row in game["actions"] if row.get("isFieldGoal") == 1]
        shooters = [row["personId"] for row in shots]
        for row in chance.sample(shots, len(shots) // 3):
            kind = chance.choice(["move", "hand over", "without a place", "into the last second"])
            if kind == "move":
                row["shotDistance"] = round(chance.uniform(0, 60), 2)
            elif kind == "hand over":
                row["personId"] = chance.choice(shooters)
            elif kind == "without a place":
                row["xLegacy"] = row["yLegacy"] = None
            else:
                row["clock"] = "PT00M00.30S"
        missed = [row for row in shots if row["shotResult"] == "Missed"]
        dropped = {row["actionNumber"] for row in chance.sample(missed, 5)}
        game["actions"] = [row for row in game["actions"] if row["actionNumber"] not in dropped]
        last = game["actions"][-1]
        lead = int(last["scoreHome"]) - int(last["scoreAway"])
        loser = "scoreAway" if lead > 0 else "scoreHome"
        for row in game["actions"][len(game["actions"]) // 2 :]:
            row[loser] = str(int(row[loser]) + abs(lead) + 7)


def delete(settings: Settings, game_id: str) -> None:
    """As if the game had never been loaded."""
    with connect(settings, roles.INGEST) as connection:
        for table in ("playbyplay", "boxscore"):
            connection.execute(f"delete from raw_nba.{table} where game_id = %s", [game_id])


def values(settings: Settings) -> Values:
    """By game and shot all that is told of it, to the last digit."""
    found: Values = {}
    with connect(settings, roles.BI) as connection:
        rows = connection.execute(
            "select game_id, shot_id, make_probability::text, expected_points::text "
            "from expected_points"
        )
        for game_id, shot_id, *told in rows:
            found.setdefault(game_id, {})[shot_id] = tuple(told)
    return found


def win_probabilities(settings: Settings) -> dict[str, dict[str, str]]:
    """By table and game a digest of its rows."""
    with connect(settings, roles.TRANSFORM) as connection:
        return {
            table: dict(
                connection.execute(
                    f"select game_id, md5(string_agg(rows::text, ',' order by rows::text)) "
                    f"from analytics.{table} as rows group by game_id"
                ).fetchall()
            )
            for table in OF_WIN_PROBABILITY
        }


def adjustments(settings: Settings, before: date) -> dict[str, list[tuple[Any, ...]]]:
    """What games up to a date may know, in full precision: the marts round."""
    queries = {
        table: f"select * from intermediate.{table} where utc_date < %s order by 1, 2, 3"
        for table in (
            *("int_shot_make_rates", "int_shot_place_adjustments", "int_shot_moment_adjustments"),
        )
    }
    for table in ("int_shot_shooter_adjustments", "int_free_throw_rates"):
        queries[table] = (
            f"select known.* from intermediate.{table} as known "
            "inner join intermediate.int_games_described as games using (game_id) "
            "where games.utc_date < %s order by 1, 2, 3, 4"
        )
    with connect(settings, roles.TRANSFORM) as connection:
        return {
            table: connection.execute(query, [before]).fetchall()  # type: ignore[arg-type]
            for table, query in queries.items()
        }


@pytest.mark.slow
def test_no_later_game_changes_an_earlier_value(database: Settings, tmp_path: Path) -> None:
    print(f"\nseed {SEED}")
    chance = random.Random(SEED)
    files = tmp_path / "files"
    files.mkdir()
    season = Season(files)
    dates = season.dates
    middle = sorted(dates.values())[GAME_COUNT // 2]
    later = [game_id for game_id in dates if dates[game_id] >= middle]
    withheld = chance.sample(later, len(later) // 3)
    loaded = [game_id for game_id in dates if game_id not in withheld]
    season.load(database, loaded)
    build(database, tmp_path / "target", *CHAIN)
    before, chances_before = values(database), win_probabilities(database)
    compared = changed_later = chances_compared = chances_changed = 0

    for number in range(ROUNDS):
        added = [withheld.pop() for _ in range(min(3, len(withheld)))]
        edited = chance.sample([game for game in later if game in loaded], 3)
        deleted = chance.sample(
            [game for game in later if game in loaded and game not in edited], 2
        )
        touched = {*added, *edited}
        # a game that is gone stays in incremental tables until they are made anew
        anew = number == ROUNDS - 1
        if anew:
            touched |= set(deleted)
        # whoever tips off before this date may know none of them
        untouched_before = min(dates[game_id] for game_id in touched) + LAG
        earlier = adjustments(database, min(dates[game_id] for game_id in touched))

        for game_id in edited:
            season.edit(game_id, chance)
        season.load(database, [*added, *edited])
        loaded += added
        if anew:
            for game_id in deleted:
                delete(database, game_id)
                loaded.remove(game_id)
        build(database, tmp_path / "target", *CHAIN, *(["--full-refresh"] if anew else []))

        after = values(database)
        assert set(after) == set(loaded)
        safe = {game for game in before if dates[game] < untouched_before} - touched
        assert {game: after[game] for game in safe} == {game: before[game] for game in safe}
        assert adjustments(database, min(dates[game] for game in touched)) == earlier
        chances = win_probabilities(database)
        first = min(dates[game] for game in touched)
        for table, of_games in chances.items():
            assert set(of_games) == set(loaded)
            ahead = [game for game in chances_before[table] if dates[game] < first]
            assert [of_games[game] for game in ahead] == [
                chances_before[table][game] for game in ahead
            ]
            chances_compared += len(ahead)
        chances_changed += sum(
            chances["win_probability"][game] != chances_before["win_probability"][game]
            for game in {*chances_before["win_probability"]} & {*loaded} - touched
        )
        chances_before = chances
        compared += sum(len(before[game]) for game in safe)
        changed_later += sum(after[game] != before[game] for game in {*before} & {*after} - safe)
        before = after

    print(f"{compared} values compared, {changed_later} later games changed")
    print(f"{chances_compared} games' win probabilities, {chances_changed} of later games changed")
    assert compared > 3000
    assert chances_compared > len(OF_WIN_PROBABILITY) * 3 * 10
    assert chances_changed > ROUNDS
    # the changes were such that those who may know them do
    assert changed_later > ROUNDS

    early = min(dates, key=lambda game_id: (dates[game_id], game_id))
    season.edit(early, chance)
    season.load(database, [early])
    build(database, tmp_path / "target", *CHAIN)
    after = values(database)
    knowing = {game for game in before if dates[game] >= dates[early] + LAG}
    unknowing = {*before} - knowing - {early}
    assert knowing
    assert unknowing
    assert all(after[game] != before[game] for game in knowing)
    assert all(after[game] == before[game] for game in unknowing)
    # of its two sides, who play next with another rating, and of all through the home edge
    chances = win_probabilities(database)["win_probability"]
    assert any(chances[game] != chances_before["win_probability"][game] for game in knowing)
    assert all(
        chances[game] == chances_before["win_probability"][game]
        for game in unknowing
        if dates[game] < dates[early]
    )

    values_before, chances_before = after, win_probabilities(database)
    tonight, tomorrow = sorted(dates.keys() - set(loaded))[:2]
    now = datetime.now(UTC).replace(microsecond=0)
    coming = {tonight: now + timedelta(hours=8), tomorrow: now + timedelta(hours=30)}
    season.announce(database, coming)
    build(database, tmp_path / "target", *CHAIN)
    assert values(database) == values_before
    chances = win_probabilities(database)
    told = {game: chances["player_game_contexts"].pop(game) for game in coming}
    assert len(told) == len(coming)
    assert chances == chances_before
    with connect(database, roles.BI) as connection:
        contexts = connection.execute(
            """
            select
                game_id, tipoff_at, count(distinct team_id), count(*) > 10,
                bool_and(rest_days > 0), bool_or(team_rating <> 0)
            from player_game_contexts where is_upcoming
            group by 1, 2 order by 2
            """
        ).fetchall()
    assert contexts == [(game, tip_off, 2, True, True, True) for game, tip_off in coming.items()]
