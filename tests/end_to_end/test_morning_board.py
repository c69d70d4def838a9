"""A morning before a game: who sees which athlete, what fires, what is told to whom, and when."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
import requests
from psycopg.rows import dict_row

import clutch
from clutch import reader_addresses
from dashboard.app import PREFIX, create_app
from dashboard.keys import AUDIENCES, new_key, read_keys
from ingestion import alerts as announcing
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.privacy import access, erasure, reads
from ingestion.serving import PortServer
from ingestion.settings import Settings
from tests.support.audiences import ATHLETES, TONIGHT, World, allowed, build_evening

ROLE_OF = {audience: role for role, audience in roles.AUDIENCES.items()}
WITHOUT_ANY = (roles.BI, roles.FRONT_OFFICE)
BODY = (
    *("woke_at", "hrv_rmssd_pregame", "hrv_baseline_deviation", "hrv_normal_range"),
    *("hrv_normal_lower", "hrv_normal_upper", "recovery_score_pregame"),
    *("resting_heart_rate_pregame", "resting_heart_rate_deviation", "sleep_performance_pregame"),
    *("asleep_minutes_pregame", "asleep_deviation", "day_strain_pregame", "quality_score"),
    *("quality_reasons", "missing_reason", "known_at"),
)
OF_A_BODY = {
    "morning_board": " or ".join(f"{column} is not null" for column in BODY),
    "readiness_checks": "true",
    "readiness_alerts": "true",
}
"""Views of athletes' values, and the condition under which a row is of a body."""

FIRED = {("hrv_low_act", "act"), ("recovery_red", "watch")}
"""What the night of every athlete gives rise to."""


@dataclass
class Evening:
    """The world, its game, and how it is asked."""

    world: World
    game_id: str

    @property
    def settings(self) -> Settings:
        return self.world.settings

    def rows(self, role: str, query: str) -> list[dict[str, Any]]:
        purpose = "readiness" if role in roles.AUDIENCES else None
        with connect(self.settings, role, purpose=purpose, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def seen(self, role: str) -> dict[str, set[str]]:
        return {
            relation: {
                self.world.players[row["player_id"]]
                for row in self.rows(role, f"select * from {relation} where {condition}")
            }
            for relation, condition in OF_A_BODY.items()
        }


@pytest.fixture(scope="module")
def evening(
    make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Evening:
    return Evening(*build_evening(make_migrated(), tmp_path_factory.mktemp("evening")))


@pytest.fixture
def changed(evening: Evening, copy_database: Callable[[Settings], Settings]) -> Evening:
    """A copy that a test may change."""
    copy = copy_database(evening.settings)
    return Evening(World(copy, evening.world.players), evening.game_id)


def player(name: str) -> str:
    (found,) = (each.player_id for each in ATHLETES if each.name == name)
    return found


def withdraw(settings: Settings, name: str) -> None:
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            "insert into operations.consents (player_id, decision, text_version, purposes,"
            " audience, scopes) values (%s, 'withdrawn', 'test', '{}', '{}', '{}')",
            [player(name)],
        )


# --- who ---


@pytest.mark.parametrize("role", [*roles.AUDIENCES, *WITHOUT_ANY])
def test_p9_every_role_sees_the_bodies_of_whom_the_ledger_allows_it(
    evening: Evening, role: str
) -> None:
    may_see = allowed(role, "readiness")
    assert bool(may_see) == (role in roles.AUDIENCES)
    assert evening.seen(role) == dict.fromkeys(OF_A_BODY, may_see)


def test_who_may_not_be_seen_looks_like_one_who_wears_nothing(evening: Evening) -> None:
    """Every role has a row of each player with the same prediction; the rest of it is null."""
    everybody = {
        role: {
            row["player_id"]: row
            for row in evening.rows(role, "select * from morning_board where model_run_id = 'r1'")
        }
        for role in (*roles.AUDIENCES, *WITHOUT_ANY)
    }
    (listed,) = {frozenset(found) for found in everybody.values()}
    assert listed & evening.world.players.keys() == {each.player_id for each in ATHLETES[:5]}
    assert len(listed) > 15
    for role, found in everybody.items():
        for player_id, row in found.items():
            name = evening.world.players.get(player_id)
            if name not in allowed(role, "readiness"):
                assert {row[column] for column in BODY} == {None}, (role, name)
            assert row["predicted_clutch_score"] == 52.0
            assert row["tipoff_at"] == TONIGHT
            assert {row["team_tricode"], row["opponent_tricode"]} == {"ASH", "CSB"}
            assert row["is_home"] == (row["team_tricode"] == "ASH")


@pytest.mark.parametrize("relation", OF_A_BODY)
@pytest.mark.parametrize("purpose", [None, "contract", "readiness,modeling"])
def test_p9_a_read_without_an_allowed_purpose_fails(
    evening: Evening, relation: str, purpose: str | None
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"clutch\.purpose"):
        evening.world.ask(roles.COACHES, f"select * from {relation}", purpose)


def test_a_withdrawal_shows_at_once(changed: Evening) -> None:
    withdraw(changed.settings, "everybody")
    for role in roles.AUDIENCES:
        expected = allowed(role, "readiness") - {"everybody"}
        assert changed.seen(role) == dict.fromkeys(OF_A_BODY, expected)
    [row] = changed.rows(
        roles.MEDICAL, f"select * from morning_board where player_id = '{player('everybody')}'"
    )
    assert {row[column] for column in BODY} == {None}


def test_no_error_tells_a_hidden_row(evening: Evening) -> None:
    trick = "select * from morning_board where (hrv_rmssd_pregame::text || 'x')::integer > 0"
    assert evening.world.ask(roles.BI, trick) == []
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        evening.world.ask(roles.MEDICAL, trick, "readiness")


def test_p8_reads_are_logged(changed: Evening) -> None:
    changed.rows(roles.COACHES, "select * from readiness_alerts")
    changed.rows(roles.BI, "select * from morning_board")
    changed.rows(roles.BI, "select * from data_health")
    reads.collect(changed.settings)
    found = {(row["role_name"], row["relation"]) for row in reads.newest(changed.settings, 1)}
    assert (roles.COACHES, "pregame_baselines") in found
    assert {role for role, _ in found} == {roles.COACHES}


def test_rights_are_those_that_are_meant(evening: Evening) -> None:
    assert access.matrix(evening.settings).surprises == []


# --- what ---


def test_a_bad_night_gives_rise_to_its_alerts(evening: Evening) -> None:
    found = evening.rows(roles.MEDICAL, "select * from readiness_alerts")
    by_player: dict[str, set[tuple[str, str]]] = {}
    for row in found:
        by_player.setdefault(row["player_id"], set()).add((row["rule_id"], row["severity"]))
        # no verdict on who plays
        assert not {"sit", "rest", "bench", "out"} & set(row["words"].lower().split())
    names = allowed(roles.MEDICAL, "readiness")
    assert by_player == {player(name): FIRED for name in names}


def test_a_night_that_is_not_good_enough_gives_rise_to_none_and_says_why(
    changed: Evening,
) -> None:
    of = f"where player_id = '{player('everybody')}'"
    with connect(changed.settings, roles.TRANSFORM) as connection:
        connection.execute(
            "update analytics.pregame_baselines set quality_score = 0.55,"
            f" quality_reasons = 'sleep_gaps' {of}".encode()
        )
    checks = changed.rows(roles.MEDICAL, f"select * from readiness_checks {of}")
    assert {(row["rule_id"], row["outcome"]) for row in checks} == {
        ("hrv_low_act", "quality_too_low"),
        ("hrv_low_watch", "quality_too_low"),
        # stands on no baseline and demands less
        ("recovery_red", "alert"),
        ("sleep_short_act", "within"),
        ("sleep_short_watch", "within"),
    }
    assert {row["quality_reasons"] for row in checks} == {"sleep_gaps"}


# --- the read API ---


@dataclass
class Api:
    base_url: str
    keys: dict[str, str]

    def json(self, path: str, audience: str) -> Any:
        answer = requests.get(
            f"{self.base_url}{PREFIX}{path}",
            headers={"authorization": f"Bearer {self.keys[audience]}"},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_constant=lambda name: pytest.fail(name))


@pytest.fixture(scope="module")
def api(evening: Evening) -> Iterator[Api]:
    made = {audience: new_key(f"key_of_{audience}", audience) for audience in AUDIENCES}
    keys = read_keys([entry for _, entry in made.values()])
    with PortServer(create_app(reader_addresses(evening.settings), keys), port=0) as server:
        yield Api(server.base_url, {audience: key for audience, (key, _) in made.items()})


def same(told: Any, stored: Any) -> bool:
    if isinstance(stored, datetime):
        return datetime.fromisoformat(told) == stored
    if isinstance(stored, float):
        return math.isclose(told, stored, rel_tol=1e-12)
    return bool(told == stored)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_api_says_what_the_database_says(evening: Evening, api: Api, audience: str) -> None:
    role = {**ROLE_OF, "public": roles.BI, "front_office": roles.FRONT_OFFICE}[audience]
    for path, relation, key in (
        ("/morning", "morning_board", ("player_id", "game_id")),
        ("/alerts", "readiness_alerts", ("player_id", "game_id", "rule_id")),
    ):
        stored = {
            tuple(row[name] for name in key): row
            for row in evening.rows(role, f"select * from {relation}")
        }
        answer = api.json(path, audience)
        assert answer["total"] == len(answer["items"]) == len(stored)
        assert answer["next"] is None
        for item in answer["items"]:
            row = stored.pop(tuple(item[name] for name in key))
            row["quality_reasons"] = (row["quality_reasons"] or "").split(",")
            item["quality_reasons"] = item["quality_reasons"] or [""]
            counted = {
                name: item.pop(name) for name in ("alerts", "rules_withheld") if name in item
            }
            if counted:
                fires = evening.world.players.get(item["player_id"]) in allowed(role, "readiness")
                assert counted == {"alerts": 2 if fires else 0, "rules_withheld": 0}
                assert item.pop("severity") == ("act" if fires else None)
            assert item.keys() == row.keys()
            assert {name for name in item if not same(item[name], row[name])} == set()
        assert stored == {}
    page = api.json("/morning?limit=5&offset=5", audience)
    assert page["items"] == api.json("/morning", audience)["items"][5:10]
    assert page["next"] == f"{PREFIX}/morning?limit=5&offset=10"


def test_data_health_tells_everybody_and_the_worst_first(evening: Evening, api: Api) -> None:
    answers = [api.json("/data-health", audience) for audience in ("public", "medical_staff")]
    stored = {
        (row["subject"], row["metric"]): row
        for row in evening.rows(roles.BI, "select * from data_health")
    }
    for answer in answers:
        assert {(item["subject"], item["metric"]) for item in answer["items"]} == stored.keys()
        states = [item["state"] for item in answer["items"]]
        assert states == sorted(states, key=["bad", "late", "good"].index)
        assert answer["state"] == states[0] == "bad"
        for item in answer["items"]:
            row = stored[item["subject"], item["metric"]]
            assert (item["state"], item["explanation"]) == (row["state"], row["explanation"])
            assert (item["what_to_do"] is None) == (item["state"] == "good")
    # seven accounts of athletes who permit them: figures are told
    (budget,) = (item for item in answers[0]["items"] if item["metric"] == "percent_of_day")
    assert budget["value"] == 0
    # the schedule of the league names games that nobody loaded
    (missing,) = (item for item in answers[0]["items"] if item["metric"] == "games_missing")
    assert missing["value"] > 5


def test_data_health_of_few_accounts_tells_no_figure_of_them(changed: Evening) -> None:
    with connect(changed.settings, roles.INGEST) as connection:
        connection.execute(
            "insert into operations.quarantine (source, resource, record_key, reason, origin)"
            " values ('whoop', 'sleep', 'a', 'not_json', 'x'),"
            " ('nba', 'boxscore', 'b', 'empty', 'y')"
        )
    of_accounts = (
        "select metric from data_health where explanation like '%connected accounts or more'"
    )
    told = "select source, resource, reason, entries from open_quarantine order by source"
    assert changed.world.ask(roles.BI, of_accounts) == []
    assert changed.world.ask(roles.BI, told) == [
        ("nba", "boxscore", "empty", 1),
        ("whoop", "sleep", "not_json", 1),
    ]
    for name in ("everybody", "coaches too", "performance too", "models alone"):
        withdraw(changed.settings, name)
    assert changed.world.ask(roles.BI, told) == [("nba", "boxscore", "empty", 1)]
    hidden = {metric for (metric,) in changed.world.ask(roles.BI, of_accounts)}
    assert {"whoop_entries", "newest_sync_hours", "percent_of_day"} <= hidden
    values = changed.world.ask(roles.BI, "select metric, value, state from data_health")
    assert {value for metric, value, _ in values if metric in hidden} == {None}
    assert ("whoop_entries", None, "late") in values


def test_data_health_names_no_option_of_a_command(changed: Evening) -> None:
    with connect(changed.settings, roles.INGEST) as connection:
        connection.execute(
            "insert into operations.ingest_runs (run_id, command, finished_at, status) values"
            " (gen_random_uuid(), 'ingest whoop --player 9100001', now(), 'failed')"
        )
    with connect(changed.settings, roles.TRANSFORM) as connection:
        told = connection.execute("select * from operations.newest_runs").fetchall()
    assert "9100001" not in repr(told)
    values = changed.world.ask(roles.BI, "select metric, value, state from data_health")
    assert ("whoop_last_run_failed", 1.0, "late") in values


# --- push ---


@dataclass
class Chat:
    """A service that takes messages, or refuses them."""

    address: str = ""
    is_up: bool = True
    taken: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def chats() -> Iterator[list[Chat]]:
    """Two of them, served on ports of this machine."""
    found = [Chat(), Chat()]
    servers = []
    for chat in found:

        class Handler(BaseHTTPRequestHandler):
            told: Chat = chat

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.told.is_up:
                    self.told.taken.append(json.loads(body))
                self.send_response(200 if self.told.is_up else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        servers.append(server)
        chat.address = f"json://127.0.0.1:{server.server_address[1]}/hook/s3cr3t"
    yield found
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def push(
    changed: Evening,
    chats: list[Chat],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """``clutch alerts push`` on a copy of the database; gives exit code and what was said."""
    monkeypatch.setenv("DATABASE_URL", changed.settings.database_url or "")
    monkeypatch.setenv("CLUTCH_STATE_DIR", str(changed.settings.state_directory))
    monkeypatch.setenv("ALERT_ADDRESSES", " ".join(chat.address for chat in chats))
    monkeypatch.setenv("DASHBOARD_ADDRESS", "https://board.example.org/")

    def run(*options: str) -> tuple[int, str]:
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["clutch", "alerts", "push", *options])
        code = 0
        try:
            clutch.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = "".join(capfd.readouterr())
        # what is said may go into a log, and the addresses hold secrets
        assert "s3cr3t" not in said
        return code, said

    return run


def test_each_service_is_told_once_and_of_nobody(
    changed: Evening, chats: list[Chat], push: Callable[..., tuple[int, str]]
) -> None:
    first, second = chats
    assert push("--dry-run")[0] == 0
    assert first.taken == second.taken == []
    code, said = push()
    assert code == 0
    count = 2 * len(allowed(roles.MEDICAL, "readiness"))
    assert f"{count} new alerts told to 2 of 2 services" in said
    [message] = first.taken
    assert second.taken == [message]
    assert message["title"] == f"Clutch: {count} new readiness alerts"
    assert message["message"].splitlines() == [
        f"{TONIGHT:%Y-%m-%d %H:%M} UTC, CSB at ASH: {count // 2} act, {count // 2} watch",
        "Whom and why: https://board.example.org",
    ]
    told = json.dumps(message) + said
    for row in changed.rows(roles.MEDICAL, "select * from readiness_alerts"):
        for private in (row["player_id"], row["full_name"], f"{row['value']:.1f}", row["rule_id"]):
            assert private not in told
    code, said = push()
    assert (code, len(first.taken)) == (0, 1)
    assert f"nothing new: {count} alerts" in said


def test_what_a_service_did_not_take_is_told_it_the_next_time(
    chats: list[Chat], push: Callable[..., tuple[int, str]]
) -> None:
    first, second = chats
    second.is_up = False
    code, said = push()
    assert code == 3
    assert "not taken by service 2 of 2 (json). Fix:" in said
    first.is_up, second.is_up = False, True
    # the first has it: it is not asked
    code, _ = push()
    assert (code, len(first.taken), len(second.taken)) == (0, 1, 1)


def test_without_any_service_that_takes_it_it_fails(
    changed: Evening, chats: list[Chat], push: Callable[..., tuple[int, str]]
) -> None:
    for chat in chats:
        chat.is_up = False
    code, said = push("--json")
    assert code == 1
    assert "not taken by service 1 of 2 (json), service 2 of 2 (json)" in said
    noted = changed.world.ask(roles.OWNER, "select * from operations.alert_announcements")
    assert noted == []


def test_another_audience_is_told_what_it_sees(
    chats: list[Chat], push: Callable[..., tuple[int, str]]
) -> None:
    assert push()[0] == 0
    code, said = push("--audience", "coaches", "--board-address", "https://coaches.example.org")
    assert code == 0
    count = 2 * len(allowed(roles.COACHES, "readiness"))
    assert chats[0].taken[1]["title"] == f"Clutch: {count} new readiness alerts"
    assert "https://coaches.example.org" in chats[0].taken[1]["message"]
    code, said = push("--audience", "public")
    assert code == 2
    assert "medical_staff" in said


def test_a_withdrawal_takes_what_was_announced(
    changed: Evening, push: Callable[..., tuple[int, str]]
) -> None:
    assert push()[0] == 0
    person = erasure.Person(player("everybody"))
    left = erasure.left_of(changed.settings, person)
    assert left["operations.alert_announcements"] == 4
    # two services, two rules; nobody writes them again for one who withdrew
    withdraw(changed.settings, "everybody")
    erasure.erase(changed.settings, person)
    found = [
        announcing.Alert((player("everybody"), changed.game_id, "recovery_red"), "act", TONIGHT, "")
    ]
    with connect(changed.settings, roles.INGEST) as connection:
        assert announcing._noted(connection, found, "coaches", "json://x") == []
    assert erasure.left_of(changed.settings, person) == {}


def test_wrong_settings_are_explained_without_their_value(
    push: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_ADDRESSES", "json://localhost/s3cr3t nonsense://s3cr3t")
    code, said = push()
    assert code == 1
    assert "ALERT_ADDRESSES: address 2 of 2 is none that Apprise knows" in said
    monkeypatch.setenv("ALERT_ADDRESSES", "")
    code, said = push()
    assert code == 1
    assert "ALERT_ADDRESSES: it names no service" in said
    assert push("--dry-run")[0] == 0
    assert "s3cr3t" not in repr(announcing.AlertSettings(("json://localhost/s3cr3t",)))


def test_a_game_that_has_begun_is_announced_no_more(
    changed: Evening, chats: list[Chat], push: Callable[..., tuple[int, str]]
) -> None:
    with connect(changed.settings, roles.TRANSFORM) as connection:
        for relation in ("game_schedule", "pregame_baselines", "player_game_contexts"):
            connection.execute(
                f"update analytics.{relation} set tipoff_at = now() - interval '1 minute'"
                f" where game_id = '{changed.game_id}'".encode()
            )
    code, said = push()
    assert (code, chats[0].taken) == (0, [])
    assert "nothing new: 0 alerts" in said
