"""A simulated league with nights, built and fitted once for all tests that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.sandbox.whoop import WhoopSandboxSettings
from ingestion.settings import Settings
from modeling.clutch_skill import run
from modeling.clutch_skill.data import read_observations
from modeling.clutch_skill.fit import Fit, Sampler
from modeling.clutch_skill.observations import Observations
from modeling.clutch_skill.priors import Priors
from modeling.clutch_skill.statistics import Statistics
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.whoop_records import load_records

GAMES = 122
# two are to come this night, one of them of the team with straps
LEAGUE = LeagueSettings(seed=5, team_count=8, game_count=GAMES + 2)
ATHLETES = 15


class Kept(Sampler):
    """The product's own; what was compiled once serves every fit of the same shape."""

    compiled: Kept | None = None

    def __new__(cls, statistics: Statistics, *_: object) -> Kept:
        known = cls.compiled
        return known if known and known.suits(statistics) else super().__new__(cls)

    def __init__(
        self, statistics: Statistics, priors: Priors, say: run.Say = lambda _: None
    ) -> None:
        if self is not Kept.compiled:
            super().__init__(statistics, priors, say)
            self.fits: list[Fit] = []
            Kept.compiled = self

    def sample(self, statistics: Statistics, **options: Any) -> Fit:
        self.fits.append(super().sample(statistics, **options))
        return self.fits[-1]


@dataclass
class Fitted:
    """A league and its first run."""

    settings: Settings
    outcome: run.Outcome
    sampler: Sampler
    fit: Fit
    observations: Observations


def fit_league(settings: Settings, working_directory: Path) -> Fitted:
    """Load, build and fit it in a migrated database (a minute)."""
    folder = working_directory / "games"
    folder.mkdir()
    league = League(LEAGUE)
    for game_id in league.game_ids[:GAMES]:
        (folder / f"playbyplay_{game_id}.json").write_bytes(league.play_by_play_json(game_id))
        (folder / f"boxscore_{game_id}.json").write_bytes(league.box_score_json(game_id))
    now = league.fixtures[GAMES].tip_off_utc - timedelta(hours=5)
    (folder / "scheduleLeagueV2.json").write_bytes(league.schedule_json(now))
    assert nba.ingest(settings, directory=folder, show_progress=False).exit_code == 0
    _as_if_read_at(settings, now)
    days = (now - league.fixtures[0].tip_off_utc).days + 35
    load_records(
        settings,
        WhoopSandboxSettings(roster_size=ATHLETES, history_days=days, now=now, league=LEAGUE),
        until=now,
    )
    build(settings, working_directory / "target", *WITHOUT_TESTS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Sampler", Kept)
        with connect(settings, roles.MODEL) as connection:
            outcome = run.fit(connection, say=print)
            observations = read_observations(connection, [LEAGUE.season])
    print("\n".join(outcome.lines()), outcome.seconds)
    assert outcome.exit_code == 0, outcome.lines()
    sampler = Kept.compiled
    assert sampler is not None
    return Fitted(settings, outcome, sampler, sampler.fits[-1], observations)


def _as_if_read_at(settings: Settings, now: datetime) -> None:
    """The models take the newest read for the present: it shall be the same on every day."""
    with connect(settings, roles.INGEST) as connection:
        tables = connection.execute(
            "select table_name from information_schema.columns"
            " where table_schema = 'raw_nba' and column_name = 'fetched_at'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"update raw_nba.{table} set fetched_at = %s", [now])
        connection.execute("update operations.nba_reads set read_at = %s", [now])
