"""P20: a box score of another team ends what an athlete permitted his team."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion import nba
from ingestion.consent import ledger, rosters, texts
from ingestion.consent.rosters import Move
from ingestion.consent.settings import ConsentSettings
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.errors import SettingError
from ingestion.nba.games import season_of
from ingestion.sandbox.nba import League, LeagueSettings, NbaSandbox
from ingestion.settings import Settings
from tests.ingestion.whoop.test_receiver_commands import clutch

TEXT = texts.consent_text(ConsentSettings(), ("cycle", "recovery", "sleep"))
HOME, OTHER, THIRD = "1610612701", "1610612702", "1610612703"
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
AGREED = datetime(2026, 1, 5, 15, 30, 12, 345678, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = itertools.count(1)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def play(
    settings: Settings,
    tipoff_at: datetime,
    teams: dict[str, list[str]],
    *,
    source: str = "cdn",
    status: int = 3,
    kind: str = "2",
    season: str = "25",
    game_id: str | None = None,
) -> str:
    """Store a box score as the league sends it; one of the stats service needs the schedule."""
    game_id = game_id or f"00{kind}{season}{next(_numbers):05d}"
    # the league's numbers are numbers, and who is not dressed is listed as well
    home, away = (
        {
            "teamId": int(team),
            "players": [{"personId": int(each), "status": "INACTIVE"} for each in players],
        }
        for team, players in teams.items()
    )
    game: dict[str, Any] = {"gameId": game_id, "homeTeam": home, "awayTeam": away}
    if source == "cdn":
        table, payload = "boxscore", {"game": {**game, "gameStatus": status}}
        payload["game"]["gameTimeUTC"] = stamp(tipoff_at)
    else:
        table, payload = "boxscoretraditionalv3", {"boxScoreTraditional": game}
    put(settings, table, "game_id", game_id, payload)
    return game_id


def put(settings: Settings, table: str, key: str, value: str, payload: Any) -> None:
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            f"""
            insert into raw_nba.{table} (
                {key}, content_hash, payload, source, origin, fetched_at, _dlt_load_id, _dlt_id
            )
            values (%s, %s, %s, 'cdn', 'test', clock_timestamp(), 'test', %s)
            """,
            [value, str(next(_numbers)), json.dumps(payload), str(next(_numbers))],
        )


def decide(
    settings: Settings, player_id: str, when: datetime, decision: str = ledger.GRANTED
) -> int:
    with connect(settings, roles.INGEST) as connection:
        texts.register(connection, TEXT)
        row = connection.execute(
            """
            insert into operations.consents
                (player_id, decision, text_version, purposes, audience, scopes, recorded_at,
                expires_at)
            values (%(player)s, %(decision)s, %(version)s, '{readiness}', '{athlete}', '{}',
                %(when)s, case when %(decision)s = 'granted' then %(when)s + interval '1 year' end)
            returning consent_id
            """,
            {
                "player": player_id,
                "decision": decision,
                "version": TEXT.version,
                "when": when,
            },
        ).fetchone()
    assert row is not None
    return int(row[0])


def check(settings: Settings, team_id: str | None = None, now: datetime = NOW) -> list[Move]:
    with connect(settings, roles.INGEST) as connection:
        return rosters.end_for_moved(connection, team_id, now)


def decisions(settings: Settings, player_id: str) -> list[tuple[str, str | None]]:
    with connect(settings, roles.INGEST) as connection:
        return connection.execute(
            "select decision, reason from operations.consents where player_id = %s"
            " order by consent_id",
            [player_id],
        ).fetchall()


@pytest.mark.parametrize("team_id", [None, HOME])
@pytest.mark.parametrize("source", ["cdn", "stats"])
def test_p20_a_game_for_another_team_ends_the_permission_once(
    database: Settings, source: str, team_id: str | None
) -> None:
    before, after = AGREED - 3 * DAY, AGREED + 2 * DAY
    given = decide(database, "1", AGREED)
    decide(database, "2", AGREED)  # stays with his team
    decide(database, "3", AGREED)  # nobody ever listed
    first = play(database, before, {HOME: ["1", "2"], THIRD: []}, source=source)
    second = play(database, after, {OTHER: ["1"], HOME: ["2"]}, source=source)
    later = play(database, after + DAY, {OTHER: ["1"], THIRD: []}, source=source)
    listing = [
        {"gameId": game_id, "gameDateTimeUTC": stamp(when)}
        for game_id, when in ((first, before), (second, after), (later, after + DAY))
    ]
    schedule = {"leagueSchedule": {"gameDates": [{"games": listing}]}}
    put(database, "schedule", "season", "2025-26", schedule)
    (move,) = check(database, team_id)
    assert move == Move("1", given, HOME, OTHER, second, stamp(after))
    assert str(move) == (
        f"player 1: permission {given}, given to team {HOME}, ended (trade): team {OTHER} lists "
        f"him in game {second} of 2026-01-07"
    )
    assert decisions(database, "1") == [("granted", None), ("ended", "trade")]
    assert check(database, team_id) == []
    assert [decisions(database, player) for player in "23"] == [[("granted", None)]] * 2


def test_p20_what_is_permitted_after_the_trade_stays(database: Settings) -> None:
    play(database, AGREED - 9 * DAY, {HOME: ["1"], THIRD: []})
    decide(database, "1", AGREED - 8 * DAY)
    play(database, AGREED - DAY, {OTHER: ["1"], THIRD: []})
    # given anew before anybody looked, and his new team goes on playing
    decide(database, "1", AGREED)
    play(database, AGREED + DAY, {OTHER: ["1"], HOME: []})
    assert check(database) == []
    assert check(database, OTHER) == []
    # and the next trade ends it as well
    play(database, AGREED + 2 * DAY, {THIRD: ["1"], HOME: []})
    assert [(move.team_id, move.other_team_id) for move in check(database)] == [(OTHER, THIRD)]


def test_p20_the_setting_tells_the_team_between_a_trade_and_the_first_game(
    database: Settings,
) -> None:
    play(database, AGREED - DAY, {OTHER: ["1"], THIRD: []})
    decide(database, "1", AGREED)  # traded the day before, asked by his new team
    play(database, AGREED + DAY, {HOME: ["1"], OTHER: []})
    assert check(database, HOME) == []
    # without it nobody can know, and he is asked once more
    assert [move.other_team_id for move in check(database)] == [HOME]


def test_p20_who_had_no_game_before_is_of_the_first_team_that_lists_him(
    database: Settings,
) -> None:
    decide(database, "1", AGREED)
    play(database, AGREED + DAY, {HOME: ["1"], THIRD: []})
    play(database, AGREED + 2 * DAY, {HOME: ["1"], OTHER: []})
    assert check(database) == []
    assert [move.other_team_id for move in check(database, THIRD)] == [HOME]


def test_p20_what_is_no_trade_ends_nothing(database: Settings) -> None:
    decide(database, "1", AGREED)
    play(database, AGREED - 2 * DAY, {HOME: ["1"], THIRD: []})
    # under way when he agreed; not over yet; all-stars; later than now; a time that is none
    play(database, AGREED - timedelta(seconds=13), {HOME: ["1"], OTHER: []})
    play(database, AGREED + DAY, {OTHER: ["1"], THIRD: []}, status=2)
    play(database, AGREED + DAY, {OTHER: ["1"], THIRD: []}, kind="3")
    play(database, NOW + DAY, {OTHER: ["1"], THIRD: []})
    odd = play(database, AGREED + DAY, {OTHER: [], THIRD: []})
    put(
        database,
        "boxscore",
        "game_id",
        odd,
        {"game": {"gameTimeUTC": "tonight", "gameStatus": 3, "homeTeam": {"players": "?"}}},
    )
    # the league took it back: the newest version counts
    restated = play(database, AGREED + DAY, {OTHER: ["1"], THIRD: []})
    play(database, AGREED + DAY, {OTHER: [], THIRD: []}, game_id=restated)
    assert check(database) == []
    assert check(database, HOME) == []
    # and a permission that is over anyway is left as it is
    play(database, AGREED + DAY, {OTHER: ["1", "2"], THIRD: []})
    assert check(database, HOME, AGREED + 370 * DAY) == []
    decide(database, "1", AGREED + DAY, ledger.DECLINED)
    assert check(database, HOME) == []
    assert decisions(database, "1") == [("granted", None), ("declined", None)]


def test_p20_across_an_off_season(database: Settings) -> None:
    summer = datetime(2025, 9, 25, tzinfo=UTC)
    play(database, datetime(2025, 4, 13, 17, tzinfo=UTC), {HOME: ["1"], THIRD: []}, season="24")
    decide(database, "1", summer)
    play(database, datetime(2025, 10, 22, tzinfo=UTC), {OTHER: ["1"], THIRD: []})
    assert [(move.team_id, move.other_team_id) for move in check(database)] == [(HOME, OTHER)]


def test_p20_in_a_league_as_the_league_sends_it(database: Settings) -> None:
    league = League(LeagueSettings(seed=5, team_count=4, game_count=24))
    with NbaSandbox(league) as sandbox:
        at_sandbox = replace(
            database, nba_cdn_base_url=sandbox.base_url, nba_stats_base_url=sandbox.base_url
        )
        nba.ingest(at_sandbox, seasons=[league.settings.season], show_progress=False)
    with connect(database, roles.INGEST) as connection:
        games = [
            payload["game"]
            for (payload,) in connection.execute(
                "select payload from raw_nba.boxscore order by payload #>> '{game,gameTimeUTC}'"
            )
        ]
    last = games[-1]
    everybody = {
        str(each["personId"])
        for game in games
        for side in ("homeTeam", "awayTeam")
        for each in game[side]["players"]
    }
    agreed_at = league.fixtures[0].tip_off_utc + timedelta(hours=1)
    for player_id in everybody:
        decide(database, player_id, agreed_at)
    now = league.fixtures[-1].tip_off_utc + DAY
    assert len(everybody) > 50
    assert check(database, now=now) == []
    # in the last game one of them has changed sides
    leaver = last["homeTeam"]["players"].pop()
    last["awayTeam"]["players"].append(leaver)
    put(database, "boxscore", "game_id", last["gameId"], {"game": last})
    (move,) = check(database, now=now)
    assert (move.player_id, move.game_id) == (str(leaver["personId"]), last["gameId"])
    assert (move.team_id, move.other_team_id) == (
        str(last["homeTeam"]["teamId"]),
        str(last["awayTeam"]["teamId"]),
    )


def test_p20_who_reads_and_who_sweeps_looks_first(database: Settings) -> None:
    now = datetime.now(UTC)
    season = season_of(now.date())[2:4]
    for player_id, command in (
        ("1", ["consent", "check-rosters"]),
        ("2", ["ingest", "whoop"]),
        ("3", ["retention"]),
    ):
        decide(database, player_id, now - 5 * DAY)
        play(database, now - 6 * DAY, {HOME: [player_id], THIRD: []}, season=season)
        play(database, now - DAY, {OTHER: [player_id], THIRD: []}, season=season)
        done = clutch(database, command)
        assert done.returncode == 0, done.stderr
        assert f"player {player_id}: " in done.stderr
        assert decisions(database, player_id)[-1] == ("ended", "trade")
    again = clutch(database, ["consent", "check-rosters", "--json"])
    assert (again.returncode, again.stdout) == (0, "[]\n")


def test_a_wrong_team_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_TEAM_ID", "GSW")
    with pytest.raises(SettingError, match=r"CONSENT_TEAM_ID: 'GSW' is no NBA team id"):
        ConsentSettings.load()
    monkeypatch.setenv("CONSENT_TEAM_ID", HOME)
    assert ConsentSettings.load().team_id == HOME
