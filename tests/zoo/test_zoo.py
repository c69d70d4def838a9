"""Every kind of damage is caught, repaired or flagged, and harms no other game."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.nba.report import IngestReport
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.tables import TIMES_OF_LOADING
from tests.zoo.catalogue import KINDS
from tests.zoo.kinds import Game, Kind, Row
from tests.zoo.report import table

pytestmark = pytest.mark.slow

CLUTCH_ACTIONS = 25
UNDAMAGED = 4
COMPARED = (
    "analytics.games",
    "analytics.clutch_situations",
    "analytics.clutch_player_actions",
    "intermediate.int_clutch_player_games",
)

QUARANTINED = [kind for kind in KINDS if kind.outcome.quarantined is not None]
LOADED = [kind for kind in KINDS if kind.outcome.quarantined is None]
SAME = [kind for kind in LOADED if kind.outcome.is_same]
BENT = [kind for kind in LOADED if not kind.outcome.is_same]


@dataclass(frozen=True)
class Loaded:
    """A database built from all games, and what ingestion said of it."""

    settings: Settings
    report: IngestReport

    def rows(self, relation: str, columns: str = "*") -> list[Row]:
        role = roles.INGEST if relation.startswith(("operations.", "raw_")) else roles.TRANSFORM
        with connect(self.settings, role) as connection:
            query = sql.SQL(f"select {columns} from {relation}")
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return cursor.execute(query).fetchall()


@dataclass(frozen=True)
class Zoo:
    """The same games twice: as they were, and each with the damage of one kind.

    Attributes:
        game_of: Id of the damaged game, by name of the kind.
        undamaged: Ids of games that have no damage.
        bodies: The damaged file, by name of the kind; None for one that was taken away.
    """

    clean: Loaded
    damaged: Loaded
    game_of: dict[str, str]
    undamaged: list[str]
    bodies: dict[str, bytes | None] = field(repr=False)

    def compared(self, loaded: Loaded, relation: str, game_id: str, unlike: frozenset[str]) -> Any:
        """Rows of a game, without the columns that may differ."""
        left_out = TIMES_OF_LOADING | unlike
        return sorted(
            (
                {name: str(value) for name, value in row.items() if name not in left_out}
                for row in loaded.rows(relation)
                if row["game_id"] == game_id
            ),
            key=repr,
        )


def play(league: League) -> Iterator[Game]:
    """The games of the league, in the order of tip-off."""
    for game_id in league.game_ids:
        yield Game(game_id, league.play_by_play(game_id), league.box_score(game_id))


@pytest.fixture(scope="module")
def zoo(make_database: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    league = League(LeagueSettings(seed=7, team_count=8, game_count=320))
    games = play(league)
    folders = {name: tmp_path_factory.mktemp(name) for name in ("clean", "damaged")}
    first = next(games)
    undamaged: list[str] = []
    game_of: dict[str, str] = {}
    bodies: dict[str, bytes | None] = {}
    # Expected points know the games before: damage that bends them comes last, so that the rows of
    # the others can be compared to the last digit.
    bending = [kind for kind in SAME if "expected_points" in kind.outcome.unlike]
    first_kinds = [kind for kind in SAME if kind not in bending]
    for kind in [*first_kinds, *[None] * UNDAMAGED, *bending, *BENT, *QUARANTINED]:
        game = next(
            game for game in games if kind in QUARANTINED or len(game.clutch) >= CLUTCH_ACTIONS
        )
        write(folders["clean"], game.game_id, game.files())
        if kind is None:
            undamaged.append(game.game_id)
            write(folders["damaged"], game.game_id, game.files())
            continue
        game_of[kind.name] = game.game_id
        files = kind.damage(copy.deepcopy(game), first)
        bodies[kind.name] = files.get(kind.resource)
        write(folders["damaged"], game.game_id, files)
    # dbt's tests run on the damaged games; sound ones of a league pass them in `undisturbed`
    loaded = {
        "clean": load(make_database(), folders["clean"], *WITHOUT_TESTS),
        "damaged": load(make_database(), folders["damaged"]),
    }
    return Zoo(loaded["clean"], loaded["damaged"], game_of, undamaged, bodies)


def write(folder: Path, game_id: str, files: dict[Any, bytes]) -> None:
    for resource, body in files.items():
        (folder / f"{resource}_{game_id}.json").write_bytes(body)


def load(settings: Settings, folder: Path, *options: str) -> Loaded:
    report = nba.ingest(settings, directory=folder, show_progress=False)
    # unit tests need no data; data tests have to pass whatever is in the payloads
    build(settings, folder / "target", *options)
    return Loaded(settings, report)


def test_the_undamaged_games_raise_no_alarm(zoo: Zoo) -> None:
    assert zoo.clean.report.exit_code == 0
    assert zoo.clean.rows("operations.quarantine", "record_key") == []
    suspects = zoo.clean.rows("analytics.game_quality", "game_id, is_suspect, suspect_reasons")
    assert len(suspects) == len(KINDS) + UNDAMAGED
    assert [row for row in suspects if row["is_suspect"]] == []


@pytest.mark.parametrize("kind", QUARANTINED, ids=lambda kind: kind.name)
def test_what_cannot_be_read_is_in_quarantine_and_not_stored(zoo: Zoo, kind: Kind) -> None:
    game_id = zoo.game_of[kind.name]
    entries = [
        (row["resource"], row["reason"], row["body"])
        for row in zoo.damaged.rows("operations.quarantine")
        if row["record_key"] == game_id
    ]
    assert entries == [(kind.resource, kind.outcome.quarantined, zoo.bodies[kind.name])]
    stored = zoo.damaged.rows(f"raw_nba.{kind.resource}", "game_id")
    assert game_id not in {row["game_id"] for row in stored}
    other = {"playbyplay": "boxscore", "boxscore": "playbyplay"}[kind.resource]
    assert game_id in {row["game_id"] for row in zoo.damaged.rows(f"raw_nba.{other}", "game_id")}


def test_nothing_else_is_in_quarantine(zoo: Zoo) -> None:
    keys = {row["record_key"] for row in zoo.damaged.rows("operations.quarantine", "record_key")}
    assert keys == {zoo.game_of[kind.name] for kind in QUARANTINED}
    assert zoo.damaged.report.exit_code == 3


@pytest.mark.parametrize("kind", SAME, ids=lambda kind: kind.name)
def test_what_is_harmless_or_repaired_changes_no_row(zoo: Zoo, kind: Kind) -> None:
    game_id = zoo.game_of[kind.name]
    for relation in COMPARED:
        unlike = kind.outcome.unlike
        expected = zoo.compared(zoo.clean, relation, game_id, unlike)
        assert expected, relation
        assert zoo.compared(zoo.damaged, relation, game_id, unlike) == expected, relation


def test_damage_of_one_game_changes_no_other(zoo: Zoo) -> None:
    for relation in COMPARED:
        for game_id in zoo.undamaged:
            expected = zoo.compared(zoo.clean, relation, game_id, frozenset())
            assert expected
            assert zoo.compared(zoo.damaged, relation, game_id, frozenset()) == expected


@pytest.mark.parametrize("kind", LOADED, ids=lambda kind: kind.name)
def test_game_quality_names_the_damage_and_nothing_else_is_suspect(zoo: Zoo, kind: Kind) -> None:
    rows = zoo.damaged.rows("analytics.game_quality", "game_id, is_suspect, suspect_reasons")
    (row,) = [row for row in rows if row["game_id"] == zoo.game_of[kind.name]]
    reasons = set(filter(None, (row["suspect_reasons"] or "").split(",")))
    assert row["is_suspect"] == bool(kind.outcome.flagged)
    if kind.outcome.flagged:
        assert reasons >= set(kind.outcome.flagged)
    else:
        assert reasons == set()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in SAME if kind.outcome.wall_clock_seconds is not None],
    ids=lambda kind: kind.name,
)
def test_a_repaired_wall_clock_is_near_the_true_one(zoo: Zoo, kind: Kind) -> None:
    def times(loaded: Loaded) -> dict[str, Any]:
        return {
            row["action_id"]: row["action_timestamp"]
            for row in loaded.rows("analytics.clutch_player_actions")
            if row["game_id"] == zoo.game_of[kind.name]
        }

    true, repaired = times(zoo.clean), times(zoo.damaged)
    off = {
        action_id: abs((repaired[action_id] - moment).total_seconds())
        for action_id, moment in true.items()
    }
    assert max(off.values()) <= (kind.outcome.wall_clock_seconds or 0)
    flagged = [
        row
        for row in zoo.damaged.rows("analytics.clutch_player_actions")
        if row["game_id"] == zoo.game_of[kind.name] and row["is_action_timestamp_repaired"]
    ]
    assert flagged
    assert len(flagged) < len(true) / 2


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.outcome.differences], ids=lambda kind: kind.name
)
def test_a_correction_is_a_difference(zoo: Zoo, kind: Kind) -> None:
    rows = [
        row
        for row in zoo.damaged.rows("analytics.game_reconciliation")
        if row["game_id"] == zoo.game_of[kind.name]
    ]
    different = {
        name.removesuffix("_difference")
        for row in rows
        for name, value in row.items()
        if name.endswith("_difference") and value
    }
    assert different == set(kind.outcome.differences)


def test_the_catalogue_is_complete_and_documented() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert sum(kind.is_seen for kind in KINDS) >= 40
    documented = (PROJECT_ROOT / "docs/methods/damage.md").read_text(encoding="utf-8")
    missing = [line for line in table(KINDS).splitlines() if line not in documented]
    assert missing == [], "python -m tests.zoo prints the table"
