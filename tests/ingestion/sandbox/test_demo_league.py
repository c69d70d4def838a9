"""The league of the demo: in mid-season on whatever day it is begun, and the same one every day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion.sandbox.demo import league_of_today, this_morning
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop import WhoopSandboxSettings, nights_before_games

# through a year, with the days of summer time, of new seasons and of leap days
DAYS = [date(2026, 1, 3) + timedelta(days=19 * number) for number in range(40)]
DAYS += [date(2027, 3, 14), date(2027, 11, 7), date(2028, 2, 29), date(2028, 12, 31)]


@pytest.mark.parametrize("game_count", [160, 240])
def test_on_every_day_so_many_games_are_over_and_the_first_team_plays_tonight(
    game_count: int,
) -> None:
    for day in DAYS:
        league, now = league_of_today(1, game_count, day), this_morning(day)
        fixtures = league.fixtures
        assert [each.tip_off_utc for each in fixtures] == sorted(
            each.tip_off_utc for each in fixtures
        )
        played = [each for each in fixtures if each.tip_off_utc < now]
        # and those until the day on which the first team plays again
        assert game_count <= len(played) <= game_count + 12
        # none is in play, and what was played is over
        assert played[-1].tip_off_utc < now - timedelta(hours=6)
        team = league.teams[0].team_id
        assert any(
            now < each.tip_off_utc < now + timedelta(hours=12)
            and team in (each.home.team_id, each.away.team_id)
            for each in fixtures
        ), day
        year = fixtures[0].tip_off.year - (fixtures[0].tip_off.month < 8)
        assert league.settings.season == f"{year}-{(year + 1) % 100:02d}"


def test_a_season_that_is_moved_is_the_same_season() -> None:
    settings = LeagueSettings(seed=4, team_count=4, game_count=20)
    moved = replace(settings, days_later=-37)
    first, second = League(settings), League(moved)
    by_id = {each.game_id: each for each in second.fixtures}
    for fixture in first.fixtures:
        other = by_id[fixture.game_id]
        assert (fixture.home.team_id, fixture.away.team_id) == (
            other.home.team_id,
            other.away.team_id,
        )
        assert fixture.tip_off.replace(tzinfo=None) - timedelta(days=37) == other.tip_off.replace(
            tzinfo=None
        )
    of_game = first.fixtures[3].game_id
    scores = [
        [
            (row["scoreHome"], row["scoreAway"])
            for row in league.play_by_play(of_game)["game"]["actions"]
        ]
        for league in (first, second)
    ]
    assert scores[0] == scores[1]


def test_its_nights_are_the_same_nights() -> None:
    settings = LeagueSettings(seed=4, team_count=4, game_count=20)
    now = datetime(2025, 11, 20, 18, tzinfo=UTC)
    nights = [
        nights_before_games(
            WhoopSandboxSettings(
                roster_size=3,
                history_days=40,
                now=now + timedelta(days=days),
                league=replace(settings, days_later=days),
            )
        )
        # without a change to or from summer time
        for days in (28, 56)
    ]
    assert len(nights[0]) > 10
    first, second = (
        {key: (night.readiness, night.recovery_score) for key, night in each.items()}
        for each in nights
    )
    assert first == second


def test_a_season_has_no_more_games() -> None:
    with pytest.raises(SandboxError, match="game_count"):
        league_of_today(1, 493, date(2026, 11, 26))
