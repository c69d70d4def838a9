"""The read API on a real server and database: who gets what, what it equals, how it errs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import psycopg
import pytest
import requests

from clutch import reader_addresses
from dashboard import app as app_module
from dashboard.app import PREFIX, create_app
from dashboard.keys import AUDIENCES, KeyListError, new_key, read_keys
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.privacy import reads
from ingestion.serving import PortServer
from ingestion.settings import Settings
from tests.support import attacks
from tests.support.audiences import ATHLETES, World, allowed, build_world
from tests.support.model_output import PREDICTION, SKILL, insert

ROLE_OF = {
    "medical_staff": roles.MEDICAL,
    "performance_staff": roles.PERFORMANCE,
    "coaches": roles.COACHES,
}


@dataclass
class Api:
    """A served API, and a key of every audience."""

    world: World
    base_url: str
    keys: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, audience: str | None = "public", **headers: str) -> requests.Response:
        if audience is not None:
            headers["authorization"] = f"Bearer {self.keys[audience]}"
        return requests.get(f"{self.base_url}{PREFIX}{path}", headers=headers, timeout=20)

    def json(self, path: str, audience: str = "public") -> Any:
        answer = self.get(path, audience)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_constant=lambda name: pytest.fail(name))


def player(name: str) -> str:
    (found,) = (each.player_id for each in ATHLETES if each.name == name)
    return found


@pytest.fixture(scope="module")
def api(
    make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    settings = make_migrated()
    world = build_world(settings, tmp_path_factory.mktemp("api"))
    with connect(settings, roles.MODEL) as connection:
        insert(connection, "player_skills", SKILL | {"player_id": player("everybody")})
        for name in ("everybody", "models alone"):
            row = {
                "player_id": player(name),
                "game_id": "0022500099",
                "is_upcoming": True,
                "is_in_fit": False,
            }
            insert(connection, "predictions", PREDICTION | row | {"used_wearables": False})
    made = {audience: new_key(f"key_of_{audience}", audience) for audience in AUDIENCES}
    keys = read_keys([entry for _, entry in made.values()])
    with PortServer(create_app(reader_addresses(settings), keys), port=0) as server:
        yield Api(world, server.base_url, {name: key for name, (key, _) in made.items()})


ADDRESSES = (
    "/seasons",
    "/leaderboard?season=2025-26&min_games=1",
    f"/players/{player('everybody')}/clutch",
    f"/players/{player('everybody')}/wearables",
    "/predictions/upcoming",
    "/morning",
    "/alerts",
    "/data-health",
    "/restatements",
    "/freshness",
    "/me",
    "/teams",
    "/games",
    "/players?name=ar",
    "/model",
)


# --- who ---


@pytest.mark.parametrize("path", [*ADDRESSES, "/games/0022500021/win-probability"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic Y2x1dGNoOmNsdXRjaA=="},
        {"x-api-key": "clutch"},
    ],
)
def test_nobody_gets_anything_without_a_key(api: Api, path: str, headers: dict[str, str]) -> None:
    answer = api.get(path, audience=None, **headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {
        "type": "about:blank",
        "title": "No valid key",
        "status": 401,
        "detail": "Send the header Authorization: Bearer KEY; a key is made with clutch keys api.",
    }


@pytest.mark.parametrize("audience", AUDIENCES)
def test_p9_every_audience_sees_the_athletes_who_allow_it(api: Api, audience: str) -> None:
    may_see = allowed(ROLE_OF[audience], "readiness") if audience in ROLE_OF else set()
    seen: dict[str, set[str]] = {"wearables": set(), "games": set(), "leaderboard": set()}
    for each in ATHLETES:
        answer = api.json(f"/players/{each.player_id}/wearables", audience)
        assert answer["player"]["player_id"] == each.player_id
        if answer["summary"] is not None:
            assert answer["nights"]
            seen["wearables"].add(each.name)
        else:
            assert answer["nights"] == []
        answer = api.json(f"/players/{each.player_id}/clutch", audience)
        if any(game["has_wearables_data"] for game in answer["games"]):
            seen["games"].add(each.name)
        for game in answer["games"]:
            if not game["has_wearables_data"]:
                assert game["hrv_rmssd_pregame"] is None
    for row in api.json("/leaderboard?season=2025-26&min_games=1", audience)["items"]:
        if row["recovery_games"]:
            seen["leaderboard"].add(api.world.players[row["player_id"]])
    assert seen == dict.fromkeys(seen, may_see)


def test_a_withdrawal_shows_at_once_although_the_answer_was_kept(
    api: Api, copy_database: Callable[[Settings], Settings]
) -> None:
    settings = copy_database(api.world.settings)
    key, entry = new_key("doctor", "medical_staff")
    path = f"{PREFIX}/players/{player('everybody')}/wearables"
    headers = {"authorization": f"Bearer {key}"}
    with PortServer(create_app(reader_addresses(settings), read_keys([entry])), port=0) as server:
        before = requests.get(server.base_url + path, headers=headers)
        assert before.json()["summary"] is not None
        assert before.headers["cache-control"] == "private, no-cache"
        known = {**headers, "if-none-match": before.headers["etag"]}
        again = requests.get(server.base_url + path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        with connect(settings, roles.INGEST) as connection:
            connection.execute(
                "insert into operations.consents (player_id, decision, text_version, purposes,"
                " audience, scopes) values (%s, 'withdrawn', 'test', '{}', '{}', '{}')",
                [player("everybody")],
            )
        after = requests.get(server.base_url + path, headers=known)
        assert after.status_code == 200
        assert (after.json()["summary"], after.json()["nights"]) == (None, [])


def test_p8_reads_through_the_api_are_logged_by_key(api: Api) -> None:
    api.json(f"/players/{player('everybody')}/wearables", "coaches")
    reads.collect(api.world.settings)
    found = {
        (row["role_name"], row["application"], row["purpose"])
        for row in reads.newest(api.world.settings, 1)
    }
    assert (roles.COACHES, "api_key_of_coaches", "readiness") in found


# --- what ---


def rows(api: Api, query: str) -> list[dict[str, Any]]:
    with connect(api.world.settings, roles.MEDICAL, purpose="readiness") as connection:
        cursor = connection.execute(query.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def test_figures_equal_sql(api: Api) -> None:
    board = {row["player_id"]: row for row in rows(api, "select * from clutch_leaderboard")}
    luck = {row["player_id"]: row for row in rows(api, "select * from clutch_score_reliability")}
    items = api.json("/leaderboard?season=2025-26&min_games=1&limit=200", "medical_staff")["items"]
    assert {item["player_id"] for item in items} == board.keys()
    for item in items:
        for name in ("total_clutch_games", "points_scored", "recovery_games", "full_name"):
            assert item[name] == board[item["player_id"]][name]
        for name in ("avg_clutch_score", "points_over_expected", "avg_recovery_score"):
            expected = board[item["player_id"]][name]
            assert item[name] == (None if expected is None else pytest.approx(float(expected)))
        for name in ("lower_90", "upper_90", "reliability", "expected_clutch_score"):
            expected = luck[item["player_id"]][name]
            assert item[name] == (None if expected is None else pytest.approx(expected))
    [summary] = rows(
        api, f"select * from player_wearables_summary where player_id = '{player('everybody')}'"
    )
    told = api.json(f"/players/{player('everybody')}/wearables", "medical_staff")
    for name, value in told["summary"].items():
        expected = summary[name]
        assert value == (str(expected) if name in ("last_date", "latest_night") else expected)
    assert len(told["nights"]) == 10
    assert told["nights"][0]["hrv_rmssd_avg"] == summary["hrv_rmssd_latest"]


def test_ranks_leave_open_what_luck_leaves_open(api: Api) -> None:
    items = api.json("/leaderboard?season=2025-26&min_games=1&limit=200")["items"]
    assert len(items) > 10
    scores = np.array([item["avg_clutch_score"] for item in items])
    assert list(scores) == sorted(scores, reverse=True)
    halves = np.array([(item["upper_90"] - item["lower_90"]) / 2 for item in items])
    for place, item in enumerate(items):
        assert item["rank"] == 1 + int((scores > scores[place]).sum())
        margin = np.hypot(halves, halves[place])
        ahead = int((scores - scores[place] > margin).sum())
        behind = int((scores[place] - scores > margin).sum())
        assert (item["rank_lower_90"], item["rank_upper_90"]) == (1 + ahead, len(items) - behind)
        assert item["rank_lower_90"] <= item["rank"] <= item["rank_upper_90"]
    # a filter by team shows fewer rows and changes no rank
    team = items[0]["team_id"]
    of_team = api.json(f"/leaderboard?season=2025-26&min_games=1&limit=200&team_id={team}")
    assert of_team["items"] == [item for item in items if item["team_id"] == team]
    assert 0 < of_team["total"] < len(items)


def test_pages_follow_each_other_and_end(api: Api) -> None:
    whole = api.json("/leaderboard?season=2025-26&min_games=1&limit=200")
    assert whole["next"] is None
    path: str | None = "/leaderboard?season=2025-26&min_games=1&limit=7"
    gathered = []
    while path is not None:
        page = api.json(path)
        assert page["total"] == whole["total"]
        gathered += page["items"]
        path = page["next"] and page["next"].removeprefix(PREFIX)
    assert gathered == whole["items"]


def test_a_game_and_a_player_as_a_whole(api: Api) -> None:
    (each,) = (each for each in ATHLETES if each.name == "everybody")
    (game_id,) = each.games
    wave = api.json(f"/games/{game_id}/win-probability")
    assert wave["game"]["is_final"]
    orders = [moment["order_number"] for moment in wave["moments"]]
    assert len(orders) > 300
    assert orders == sorted(orders)
    assert all(0 <= moment["home_win_probability"] <= 1 for moment in wave["moments"])
    assert wave["windows"]
    assert {action["order_number"] for action in wave["actions"]} <= set(orders)
    told = api.json(f"/players/{each.player_id}/clutch?season=2025-26")
    assert [row["season"] for row in told["seasons"]] == ["2025-26"]
    assert told["model"]["statement"] == SKILL["statement"]
    assert told["total_games"] == len(told["games"]) > 0
    upcoming = api.json("/predictions/upcoming")
    assert {item["player_id"] for item in upcoming["items"]} == {
        player("everybody"),
        player("models alone"),
    }
    fresh = api.json("/freshness")
    assert datetime.fromisoformat(fresh["model_fitted_at"]) < datetime.now(UTC) + timedelta(days=1)


def test_games_and_who_played_them_equal_sql(api: Api) -> None:
    found = api.json("/games?season=2025-26&limit=200")
    games = {row["game_id"]: row for row in rows(api, "select * from games")}
    spells = rows(api, "select game_id, count(*) as spells from clutch_situations group by game_id")
    counts = {row["game_id"]: row["spells"] for row in spells}
    assert {item["game_id"] for item in found["items"]} == games.keys()
    for item in found["items"]:
        assert item["home_score"] == games[item["game_id"]]["home_score"]
        assert item["clutch_windows"] == counts.get(item["game_id"], 0)
    dates = [item["game_date"] for item in found["items"]]
    assert dates == sorted(dates, reverse=True)
    (each,) = (each for each in ATHLETES if each.name == "everybody")
    (game_id,) = each.games
    game = games[game_id]
    of_team = api.json(f"/games?team_id={game['home_team_id']}")["items"]
    assert game_id in {item["game_id"] for item in of_team}
    assert all(
        game["home_team_id"] in (item["home_team_id"], item["away_team_id"]) for item in of_team
    )
    told = api.json(f"/games/{game_id}/readiness", "medical_staff")
    [night] = [row for row in told["players"] if row["player_id"] == each.player_id]
    [stored] = rows(
        api,
        f"select * from pregame_baselines where game_id = '{game_id}'"
        f" and player_id = '{each.player_id}'",
    )
    assert night["hrv_rmssd_pregame"] == stored["hrv_rmssd_pregame"] is not None
    assert night["quality_score"] == float(stored["quality_score"])
    hidden = api.json(f"/games/{game_id}/readiness", "public")
    assert {row["hrv_rmssd_pregame"] for row in hidden["players"]} == {None}


def test_the_band_of_a_night_is_a_standard_deviation_either_way(api: Api) -> None:
    told = api.json(f"/players/{player('everybody')}/wearables", "medical_staff")
    stored = rows(
        api, f"select * from wearables_daily_summary where player_id = '{player('everybody')}'"
    )
    by_date = {str(row["summary_date"]): row for row in stored}
    known = [night for night in told["nights"] if night["hrv_baseline_lower"] is not None]
    assert known
    for night in known:
        row = by_date[night["summary_date"]]
        mean, sd = row["ln_hrv_baseline_mean"], row["ln_hrv_baseline_sd"]
        assert night["hrv_baseline_lower"] == pytest.approx(math.exp(mean - sd))
        assert night["hrv_baseline_upper"] == pytest.approx(math.exp(mean + sd))


def test_players_are_found_by_a_part_of_their_name(api: Api) -> None:
    [stored] = rows(api, f"select * from players where player_id = '{player('everybody')}'")
    part = stored["full_name"][1:-1].upper()
    found = api.json(f"/players?name={part}")["items"]
    assert player("everybody") in {item["player_id"] for item in found}
    for pattern in ("%25%25", "__", ".*"):
        assert api.json(f"/players?name={pattern}")["items"] == []


# --- a browser that signs in ---


def sign_in(api: Api, key: str, following: str = "", **headers: str) -> requests.Response:
    form = {"key": key, "next": following}
    return requests.post(
        f"{api.base_url}/sign-in", data=form, headers=headers, allow_redirects=False, timeout=20
    )


def test_a_browser_keeps_the_key_where_no_script_reads_it(api: Api) -> None:
    answer = sign_in(api, api.keys["coaches"], "/players/1?season=2025-26")
    assert (answer.status_code, answer.headers["location"]) == (303, "/players/1?season=2025-26")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert (
        "Secure"
        in sign_in(api, api.keys["coaches"], **{"x-forwarded-proto": "https"}).headers["set-cookie"]
    )
    kept = cookie.partition(";")[0]
    me = api.get("/me", audience=None, cookie=kept)
    assert me.json() == {"name": "key_of_coaches", "audience": "coaches", "sees_athletes": True}
    # a header that is there is the one that counts
    assert api.get("/me", audience=None, cookie=kept, authorization="Bearer x").status_code == 401
    out = requests.post(f"{api.base_url}/sign-out", headers={"cookie": kept}, allow_redirects=False)
    assert out.status_code == 303
    assert 'clutch_key=""' in out.headers["set-cookie"]
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_a_wrong_key_and_forms_from_elsewhere_are_refused(api: Api) -> None:
    wrong = sign_in(api, "clutch_x")
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    assert "not known here" in wrong.text
    for site in ("cross-site", "same-site"):
        refused = sign_in(api, api.keys["coaches"], **{"sec-fetch-site": site})
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
    assert sign_in(api, "x" * 5_000).status_code == 413


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "javascript:1",
        "/\r\nx:y",
        "/\t/x",
    ],
)
def test_nobody_is_sent_elsewhere(api: Api, elsewhere: str) -> None:
    assert sign_in(api, api.keys["coaches"], elsewhere).headers["location"] == "/"


def test_what_is_empty_is_empty(api: Api) -> None:
    board = api.json("/leaderboard?season=1999-00")
    assert board == {"items": [], "total": 0, "next": None}
    told = api.json(f"/players/{player('everybody')}/clutch?season=1999-00")
    assert (told["seasons"], told["games"], told["total_games"]) == ([], [], 0)
    assert api.json("/leaderboard?season=2025-26&min_games=200")["items"] == []


def test_what_holds_no_number_is_null_and_no_error(
    api: Api, copy_database: Callable[[Settings], Settings]
) -> None:
    settings = copy_database(api.world.settings)
    with connect(settings, roles.TRANSFORM) as connection:
        connection.execute(
            "update analytics.win_probability set leverage = 'NaN',"
            " home_win_probability = 'Infinity'"
        )
    key, entry = new_key("a", "public")
    (each,) = (each for each in ATHLETES if each.name == "everybody")
    (game_id,) = each.games
    with PortServer(create_app(reader_addresses(settings), read_keys([entry])), port=0) as server:
        answer = requests.get(
            f"{server.base_url}{PREFIX}/games/{game_id}/win-probability",
            headers={"authorization": f"Bearer {key}"},
        )
    assert answer.status_code == 200
    moments = json.loads(answer.text, parse_constant=lambda name: pytest.fail(name))["moments"]
    assert {moment["leverage"] for moment in moments} == {None}


# --- how it errs ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/players/0/clutch", 404),
        ("/players/0/wearables", 404),
        ("/games/0000000000/win-probability", 404),
        ("/nothing", 404),
        ("/games/0000000000/readiness", 404),
        ("/players/x/clutch", 422),
        ("/players?name=a", 422),
        ("/players/1%27%20or%201=1/clutch", 422),
        ("/games/22500021/win-probability", 422),
        ("/leaderboard", 422),
        ("/leaderboard?season=2025", 422),
        ("/leaderboard?season=2025-26&limit=0", 422),
        ("/leaderboard?season=2025-26&limit=201", 422),
        ("/leaderboard?season=2025-26&offset=-1", 422),
        ("/leaderboard?season=2025-26&min_games=x", 422),
        ("/leaderboard?season=2025-26&team_id=%00", 422),
    ],
)
def test_errors_are_problem_details(api: Api, path: str, status: int) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == status
    assert content["detail"]
    if status == 422:
        assert all(set(each) == {"parameter", "detail"} for each in content["errors"])


def test_only_reading(api: Api) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = requests.request(
            method,
            f"{api.base_url}{PREFIX}/seasons",
            headers={"authorization": f"Bearer {api.keys['public']}"},
        )
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_database_without_marts_and_one_that_is_gone(database: Settings) -> None:
    key, entry = new_key("a", "public")
    headers = {"authorization": f"Bearer {key}"}
    addresses = reader_addresses(database)
    for wrong, title in (
        (addresses, "Nothing to show yet"),
        (
            dict.fromkeys(addresses, "postgresql://a:b@127.0.0.1:9/none"),
            "Not available now",
        ),
    ):
        with PortServer(create_app(wrong, read_keys([entry])), port=0) as server:
            answer = requests.get(f"{server.base_url}{PREFIX}/seasons", headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["title"]) == (503, title)


def test_what_fails_says_nothing_of_why(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a value of a body: 63.5")

    monkeypatch.setattr(app_module, "_answer", fail)
    with attacks.listening() as log:
        answer = api.get("/seasons")
    assert (answer.status_code, answer.json()["title"]) == (500, "Failed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "63.5" not in answer.text + "".join(log.lines)
    assert any("RuntimeError" in line for line in log.faults)


def test_answers_are_as_the_description_says(api: Api) -> None:
    described = requests.get(f"{api.base_url}{PREFIX}/openapi.json").json()
    (each,) = (each for each in ATHLETES if each.name == "everybody")
    given = {"{player_id}": each.player_id, "{game_id}": next(iter(each.games))}
    assert len(described["paths"]) == 17
    for template, methods in described["paths"].items():
        assert set(methods) == {"get"}
        path = template.removeprefix(PREFIX)
        for name, value in given.items():
            path = path.replace(name, value)
        path += {"/leaderboard": "?season=2025-26&min_games=1", "/players": "?name=ar"}.get(
            path, ""
        )
        schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        content = api.json(path, "medical_staff")
        jsonschema.validate(content, {**schema, "components": described["components"]})
        assert all(math.isfinite(each) for each in _numbers(content))


def _numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for each in content.values() if isinstance(content, dict) else content:
            yield from _numbers(each)
    elif isinstance(content, float):
        yield content


# --- keys ---


def test_a_key_is_stored_nowhere_and_found_by_its_hash() -> None:
    key, entry = new_key("dr_smith", "medical_staff")
    assert key not in entry
    assert entry == f"dr_smith:medical_staff:{hashlib.sha256(key.encode()).hexdigest()}"
    found = read_keys([entry]).find(key)
    assert found is not None
    assert (found.name, found.audience) == ("dr_smith", "medical_staff")
    assert read_keys([entry]).find(key[:-1]) is None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["a:coaches:12"], "entry 1 is not NAME:AUDIENCE:HASH"),
        (["a:owner:" + "0" * 64], "entry 1 has the audience 'owner'; there are public, "),
        (["a:public:" + "0" * 64, "a:public:" + "1" * 64], "entry 2 has a name or key"),
        (["a:public:" + "0" * 64, "b:public:" + "0" * 64], "entry 2 has a name or key"),
        (["a b:public:" + "0" * 64], "entry 1 is not"),
    ],
)
def test_a_wrong_list_of_keys_is_refused(entries: list[str], said: str) -> None:
    with pytest.raises(KeyListError, match=said) as refused:
        read_keys(entries)
    assert "0" * 64 not in str(refused.value)


def test_a_reader_cannot_write_through_the_pool(api: Api) -> None:
    for address in reader_addresses(api.world.settings).values():
        with psycopg.connect(address) as connection:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("create table analytics.mine (id int)")
            connection.rollback()


# --- the catalogue of models ---


def test_the_catalogue_is_served_once_it_is_written(api: Api, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    app = create_app(reader_addresses(api.world.settings), read_keys([]), catalogue=page)
    with PortServer(app, port=0) as server:
        missing = requests.get(f"{server.base_url}/docs/")
        assert missing.status_code == 404
        assert "clutch docs" in missing.text
        page.write_text("<html>models</html>")
        served = requests.get(f"{server.base_url}/docs/")
    assert (served.status_code, served.text) == (200, "<html>models</html>")
    # it can ask nobody for anything
    assert "default-src 'none'" in served.headers["content-security-policy"]
    assert "connect-src" not in served.headers["content-security-policy"]
