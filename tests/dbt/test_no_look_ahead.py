"""Nothing that is dated after tip-off changes a value before the game, not by one bit.

Athletes with a month of records and games; then thousands of random insertions, edits and deletions
dated after the last tip-off, in rounds, the wearable models built again after each. The control:
the same kinds of change, dated before tip-off, do show.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from ingestion.whoop import raw_tables
from ingestion.whoop.raw_tables import Version
from tests.support.dbt_runs import build
from tests.support.wearables import Athlete, Night, store, utc, wire

CHANGES = int(os.environ.get("CLUTCH_TEST_LOOKAHEAD", "10000"))
ROUNDS = 4
SEED = int(os.environ.get("CLUTCH_TEST_SEED", "20251210"))
ATHLETES = 12
TIP_OFF = utc("2025-12-11 00:30")
EARLIER = TIP_OFF - timedelta(days=2)
KINDS = ("insertion", "edit", "deletion", "return")

STEP = (
    *("--select", "path:dbt_project/models/staging/whoop"),
    *("path:dbt_project/models/intermediate/wearables", "pregame_baselines"),
    *("--exclude-resource-type", "unit_test"),
    *("--indirect-selection", "cautious"),
)
WHAT_IT_NEEDS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")


class Changes:
    """Draws changes of athletes' records.

    Args:
        athletes: Whose.
        chance: Source of randomness.
        first: Nothing is dated before.
        last: Nor after.
    """

    def __init__(
        self, athletes: list[Athlete], chance: random.Random, first: datetime, last: datetime
    ) -> None:
        self._chance = chance
        self._first = first
        self._last = last
        self._records = [
            (athlete, version)
            for athlete in athletes
            for version in athlete.versions
            if not version.is_deleted
        ]
        self._athletes = athletes
        self._place = 0

    def draw(self, kind: str) -> list[Version]:
        """The versions that one change of a kind adds."""
        chance = self._chance
        at = self._moment()
        athlete, known = chance.choice(self._records)
        if kind == "insertion":
            return self._insertion(chance.choice(self._athletes), at)
        if kind == "deletion":
            return [_version(athlete, known.resource, known.key, None, None, self._arrival(at))]
        if kind == "return":
            # gone, and read again as it was: by its date it is old, by its arrival it is not
            gone = _version(athlete, known.resource, known.key, None, None, self._arrival(at))
            back = self._arrival(at + timedelta(minutes=5))
            assert known.content is not None
            row = orjson.loads(known.content)
            updated = known.source_updated_at
            return [gone, _version(athlete, known.resource, known.key, row, updated, back)]
        assert known.content is not None
        row = self._edited(known.resource, orjson.loads(known.content), at)
        return [_version(athlete, known.resource, known.key, row, at, self._arrival(at))]

    def _moment(self) -> datetime:
        span = (self._last - self._first).total_seconds()
        at = self._first + timedelta(seconds=self._chance.random() * span)
        return at.replace(microsecond=0)

    def _arrival(self, at: datetime) -> datetime:
        """No two versions arrive at the same microsecond."""
        self._place += 1
        return at + timedelta(seconds=1, microseconds=self._place)

    def _insertion(self, athlete: Athlete, at: datetime) -> list[Version]:
        """A night, nap or workout of any time of the last weeks, stored at WHOOP only now."""
        chance = self._chance
        made = Athlete("drawn", player_id=athlete.player_id, connection_id=athlete.connection_id)
        # mostly near the games, where it would matter
        back = chance.choice([chance.uniform(0, 24), chance.uniform(0, 24 * 40)])
        end = (TIP_OFF - timedelta(hours=back)).replace(microsecond=0)
        if chance.random() < 0.2:
            made.workout(end - timedelta(hours=2), end, updated=at)
        else:
            night = made.sleep(
                end,
                hours=chance.uniform(1, 10),
                nap=chance.random() < 0.3,
                created=at,
                updated=at,
                no_data_share=chance.random() * 0.5,
            )
            made.recovery(night, hrv=chance.uniform(5, 300), updated=at)
            closed = chance.random() < 0.5
            made.cycle(
                night,
                end=end + timedelta(hours=chance.uniform(1, 20)) if closed else None,
                strain=chance.uniform(0, 21),
                updated=at,
            )
        return [
            _version(
                athlete,
                version.resource,
                version.key,
                orjson.loads(version.content or b"{}"),
                at,
                self._arrival(at),
            )
            for version in made.versions
        ]

    def _edited(self, resource: str, row: dict[str, Any], at: datetime) -> dict[str, Any]:
        chance = self._chance
        row["updated_at"] = wire(at)
        if "start" in row and chance.random() < 0.6:
            shift = timedelta(minutes=chance.uniform(-600, 600))
            for name in ("start", "end"):
                if name in row:
                    row[name] = wire(datetime.fromisoformat(row[name]) + shift)
        if resource == "cycle" and chance.random() < 0.5:
            row["end"] = wire(
                datetime.fromisoformat(row["start"]) + timedelta(hours=chance.uniform(5, 40))
            )
        if resource == "sleep":
            row["nap"] = chance.random() < 0.3
            row["timezone_offset"] = chance.choice(["-05:00", "-08:00", "+01:00", "Z"])
        if chance.random() < 0.2:
            row["score_state"] = chance.choice(["PENDING_SCORE", "UNSCORABLE"])
            row.pop("score", None)
        elif "score" in row:
            for name, value in row["score"].items():
                if isinstance(value, float):
                    row["score"][name] = value * chance.uniform(0.2, 3)
        return row


def _version(
    athlete: Athlete,
    resource: str,
    key: str,
    row: dict[str, Any] | None,
    updated: datetime | None,
    fetched: datetime,
) -> Version:
    content = None if row is None else orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    return Version(
        resource,
        key,
        athlete.connection_id,
        None,
        secrets.token_hex(32),
        content,
        "sync",
        None if row is None else updated,
        fetched,
    )


def values(settings: Settings) -> dict[str, str]:
    """Every column of every game before it, to the last digit, by player and game."""
    with connect(settings, roles.TRANSFORM) as connection:
        connection.execute("set extra_float_digits = 3")
        rows = connection.execute(
            "select player_id || ' ' || game_id, row(pregame.*)::text "
            "from analytics.pregame_baselines as pregame"
        ).fetchall()
    return dict(rows)


def add(settings: Settings, versions: list[Version]) -> None:
    with connect(settings, roles.INGEST) as connection:
        raw_tables.insert(connection, versions)


@pytest.fixture
def athletes() -> list[Athlete]:
    chance = random.Random(SEED)
    made = []
    for number in range(ATHLETES):
        athlete = Athlete(f"athlete {number}")
        waking = TIP_OFF.replace(hour=13, minute=0) - timedelta(days=1)
        last: Night | None = None
        for days in range(40, -1, -1):
            if chance.random() < 0.1:
                continue
            end = waking - timedelta(days=days, minutes=chance.uniform(-60, 60))
            end = end.replace(microsecond=0)
            night = athlete.night(
                end,
                hours=7.5,
                hrv=chance.uniform(40, 90),
                heart_rate=chance.uniform(42, 60),
                score=chance.uniform(5, 95),
            )
            if last is not None:
                athlete.cycle(last, end=night.start, strain=chance.uniform(5, 18))
            last = night
            if chance.random() < 0.5:
                noon = end + timedelta(hours=4)
                athlete.workout(noon, noon + timedelta(hours=1))
        athlete.game(EARLIER)
        athlete.game(TIP_OFF)
        made.append(athlete)
    return made


@pytest.mark.slow
def test_what_is_dated_after_tip_off_changes_nothing(
    make_migrated: Callable[[], Settings], athletes: list[Athlete], tmp_path: Path
) -> None:
    settings = make_migrated()
    store(settings, athletes, tmp_path / "games")
    build(settings, tmp_path / "target", *WHAT_IT_NEEDS)
    before = values(settings)
    assert len(before) == 2 * ATHLETES
    chance = random.Random(SEED + 1)
    after_tip_off = Changes(
        athletes, chance, TIP_OFF + timedelta(seconds=1), TIP_OFF + timedelta(days=5)
    )
    made = 0
    for number in range(1, ROUNDS + 1):
        drawn: list[Version] = []
        while made < CHANGES * number // ROUNDS:
            drawn += after_tip_off.draw(KINDS[made % len(KINDS)])
            made += 1
        add(settings, drawn)
        build(settings, tmp_path / "target", *STEP)
        assert values(settings) == before, f"after {made} changes, seed {SEED}"
    with connect(settings, roles.INGEST) as connection:
        counted = connection.execute(
            """
            select count(*), count(*) filter (where is_deleted)
            from raw_whoop.record_versions where fetched_at > %s
            """,
            [TIP_OFF],
        ).fetchone()
    assert counted is not None
    # "return" adds two versions, an inserted night three
    assert counted[0] > 1.4 * CHANGES
    assert counted[1] >= CHANGES // 2 - 2


@pytest.mark.parametrize("kind", ["insertion", "edit", "deletion"])
def test_what_is_dated_before_it_does(
    make_migrated: Callable[[], Settings], athletes: list[Athlete], tmp_path: Path, kind: str
) -> None:
    """The control: were dates not looked at, the test above would see it."""
    settings = make_migrated()
    store(settings, athletes, tmp_path / "games")
    build(settings, tmp_path / "target", *WHAT_IT_NEEDS)
    before = values(settings)
    drawer = Changes(
        athletes,
        random.Random(SEED + 2),
        EARLIER - timedelta(hours=9),
        EARLIER - timedelta(hours=1),
    )
    add(settings, [version for _ in range(300) for version in drawer.draw(kind)])
    build(settings, tmp_path / "target", *STEP)
    after = values(settings)
    assert after.keys() == before.keys()
    changed = sum(after[key] != before[key] for key in before)
    assert changed >= len(before) // 2
