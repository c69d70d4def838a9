"""The simulated WHOOP service answers requests for data as WHOOP's API v2 does."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from ingestion.sandbox.whoop import (
    FaultScript,
    Kind,
    SandboxError,
    Scripted,
    Switches,
    WhoopSandbox,
    WhoopSandboxSettings,
)
from tests.support.whoop import SECONDS, Connected, connect, moment

PATHS = {
    "cycle": "/v2/cycle",
    "recovery": "/v2/recovery",
    "sleep": "/v2/activity/sleep",
    "workout": "/v2/activity/workout",
}
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
NOBODY = "00000000-0000-4000-8000-000000000000"
SETTINGS = WhoopSandboxSettings(roster_size=3, history_days=40)


@pytest.fixture
def sandbox() -> Iterator[WhoopSandbox]:
    with WhoopSandbox(SETTINGS) as running:
        yield running


@pytest.fixture
def client(sandbox: WhoopSandbox) -> Connected:
    return connect(sandbox)


def night(sandbox: WhoopSandbox, client: Connected) -> Any:
    """A plain night of the member: scored, not edited."""
    member = sandbox.member(client.user_id)
    for row in reversed([r for r in sandbox.truth() if r.user_id == client.user_id]):
        versions = member.sleeps[row.sleep_id].versions
        if row.is_scorable and len(versions) == 2 and versions[-1].at < sandbox.clock.milli():
            return row
    raise AssertionError("no plain night")


# --- collections -------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", PATHS)
def test_pages_hold_ten_and_join_to_the_whole(client: Connected, resource: str) -> None:
    first = client.get(PATHS[resource]).json()
    assert len(first["records"]) == 10
    assert first["next_token"]
    everything = client.rows(PATHS[resource], limit=25)
    by_three = client.rows(PATHS[resource], limit=3)
    assert everything == by_three
    assert first["records"] == everything[:10]
    keys = [row["cycle_id"] if resource == "recovery" else row["id"] for row in everything]
    assert len(set(keys)) == len(keys) > 10


def test_the_newest_comes_first(client: Connected) -> None:
    sleeps = {row["id"]: row for row in client.rows(PATHS["sleep"])}
    for resource in ("cycle", "sleep", "workout"):
        starts = [row["start"] for row in client.rows(PATHS[resource], limit=25)]
        assert starts == sorted(starts, reverse=True)
    starts = [sleeps[row["sleep_id"]]["start"] for row in client.rows(PATHS["recovery"])]
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "", "1.5", "26"])
def test_a_wrong_limit_is_refused(client: Connected, limit: str) -> None:
    assert client.get(PATHS["cycle"], limit=limit).status_code == 400


def test_a_limit_above_the_maximum_may_be_clamped(sandbox: WhoopSandbox, client: Connected) -> None:
    sandbox.switch(limit_above_maximum="clamp")
    assert len(client.get(PATHS["cycle"], limit=26).json()["records"]) == 25


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    "text", ["2025-11-01", "yesterday", "2025-11-01T00:00:00", "2025-13-01T00:00:00Z", ""]
)
def test_a_wrong_time_is_refused(client: Connected, name: str, text: str) -> None:
    assert client.get(PATHS["sleep"], **{name: text}).status_code == 400


def test_a_page_token_of_another_request_is_refused(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    token = client.get(PATHS["cycle"], limit=5).json()["next_token"]
    assert client.get(PATHS["cycle"], limit=5, nextToken=token).status_code == 200
    assert client.get(PATHS["cycle"], limit=6, nextToken=token).status_code == 400
    assert client.get(PATHS["sleep"], limit=5, nextToken=token).status_code == 400
    assert client.get(PATHS["cycle"], limit=5, nextToken="!").status_code == 400
    other = connect(sandbox, sandbox.members[1])
    assert other.get(PATHS["cycle"], limit=5, nextToken=token).status_code == 400


@pytest.mark.parametrize(("position", "expected"), [("null", None), ("empty", "")])
def test_the_last_page_may_say_so(
    sandbox: WhoopSandbox, client: Connected, position: str, expected: str | None
) -> None:
    newest = client.get(PATHS["cycle"]).json()["records"][0]["start"]
    assert "next_token" not in client.get(PATHS["cycle"], start=newest).json()
    sandbox.switch(last_page=position)
    last = client.get(PATHS["cycle"], start=newest).json()
    assert "next_token" in last
    assert last["next_token"] == expected


def test_start_is_inclusive_end_is_exclusive_and_intervals_meet(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    row = client.get(PATHS["sleep"]).json()["records"][3]
    start, end = moment(row["start"]), moment(row["end"])
    milli = timedelta(milliseconds=1)

    def is_found(**window: datetime) -> bool:
        texts = {name: at.isoformat() for name, at in window.items()}
        return any(one["id"] == row["id"] for one in client.rows(PATHS["sleep"], **texts))

    assert is_found(start=end)
    assert not is_found(start=end + milli)
    assert is_found(start=start + (end - start) / 2)
    assert not is_found(end=start)
    assert is_found(end=start + milli)
    assert is_found(start=start + 10 * milli, end=start + 20 * milli)


def test_recoveries_are_found_by_the_time_of_their_sleep(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    of_night = night(sandbox, client)
    sleep = client.get(f"{PATHS['sleep']}/{of_night.sleep_id}").json()
    window = {"start": sleep["start"], "end": sleep["end"]}
    found = client.rows(PATHS["recovery"], **window)
    assert of_night.cycle_id in [row["cycle_id"] for row in found]
    # scored after `end`: what counts is the sleep
    assert found[0]["created_at"] > sleep["end"]
    written = {"start": found[0]["created_at"], "end": found[0]["updated_at"]}
    assert of_night.cycle_id not in [
        row["cycle_id"] for row in client.rows("/v2/recovery", **written)
    ]


def test_an_end_is_now_when_it_is_left_out_and_offsets_count(client: Connected) -> None:
    rows = client.rows(PATHS["cycle"])
    assert rows == client.rows(PATHS["cycle"], end="2100-01-01T00:00:00Z")
    at = moment(rows[4]["start"])
    east = client.rows(PATHS["cycle"], start=(at.isoformat().replace("+00:00", "Z")))
    shifted = at.astimezone(moment("2025-01-01T00:00:00+05:30").tzinfo).isoformat()
    assert client.rows(PATHS["cycle"], start=shifted) == east
    assert client.rows(PATHS["cycle"], start="2100-01-01T00:00:00Z") == []


def test_only_the_newest_cycle_is_open_and_grows(sandbox: WhoopSandbox, client: Connected) -> None:
    cycles = client.rows(PATHS["cycle"])
    assert "end" not in cycles[0]
    assert all("end" in row for row in cycles[1:])
    for later, earlier in itertools.pairwise(cycles):
        assert earlier["end"] == later["start"]
    before = client.get(f"/v2/cycle/{cycles[0]['id']}").json()
    sandbox.advance(timedelta(minutes=59))
    after = client.get(f"/v2/cycle/{cycles[0]['id']}").json()
    assert after["score"]["strain"] > before["score"]["strain"]
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


# --- single records ----------------------------------------------------------------------------


def test_a_recovery_is_found_through_its_sleep(sandbox: WhoopSandbox, client: Connected) -> None:
    sleep = client.get(f"{PATHS['sleep']}/{night(sandbox, client).sleep_id}").json()
    recovery = client.get(f"/v2/cycle/{sleep['cycle_id']}/recovery")
    assert recovery.json()["sleep_id"] == sleep["id"]
    assert client.get(f"/v2/cycle/{sleep['cycle_id']}/sleep").json() == sleep
    assert client.get(f"/v2/cycle/{sleep['cycle_id']}").json()["start"] == sleep["start"]
    assert client.get(f"/v2/recovery/{sleep['id']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v2/activity/sleep/{NOBODY}", 404),
        ("/v2/activity/sleep/12345", 400),
        (f"/v2/activity/workout/{NOBODY}", 404),
        ("/v2/activity/workout/x", 400),
        ("/v2/cycle/1", 404),
        ("/v2/cycle/x", 400),
        (f"/v2/cycle/{2**63}", 400),
        ("/v2/cycle/1/recovery", 404),
        ("/v2/cycle/1/sleep", 404),
        ("/v1/activity/sleep", 404),
        ("/v1/recovery", 404),
        ("/v2/nothing", 404),
        ("/v1/activity-mapping/1", 404),
        ("/v1/activity-mapping/x", 400),
    ],
)
def test_what_is_not_there_is_said_so(client: Connected, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_a_member_sees_only_his_own(sandbox: WhoopSandbox, client: Connected) -> None:
    other = connect(sandbox, sandbox.members[1])
    for resource in ("cycle", "sleep", "workout"):
        mine = client.get(PATHS[resource]).json()["records"][0]
        assert mine["user_id"] == client.user_id
        assert other.get(f"{PATHS[resource]}/{mine['id']}").status_code == 404


def test_profile_body_and_old_ids(sandbox: WhoopSandbox, client: Connected) -> None:
    profile = client.get("/v2/user/profile/basic").json()
    assert profile["user_id"] == client.user_id
    assert profile["email"].endswith("@example.test")
    statuses = set()
    with WhoopSandbox(WhoopSandboxSettings(roster_size=30, history_days=1)) as many:
        for user_id in many.members:
            body = connect(many, user_id).get("/v2/user/measurement/body")
            statuses.add(body.status_code)
            if body.status_code == 200:
                assert 1.7 < body.json()["height_meter"] < 2.3
    assert statuses == {200, 404}
    v1_id, activity_id = next(iter(sandbox.member(client.user_id).v1_ids.items()))
    mapped = client.get(f"/v1/activity-mapping/{v1_id}").json()
    assert mapped == {"v2_activity_id": activity_id}


def test_old_records_carry_their_old_ids() -> None:
    now = datetime(2025, 8, 20, 17, tzinfo=UTC)
    with WhoopSandbox(WhoopSandboxSettings(roster_size=1, history_days=15, now=now)) as sandbox:
        client = connect(sandbox)
        for row in client.rows(PATHS["sleep"]):
            mapped = client.get(f"/v1/activity-mapping/{row['v1_id']}").json()
            assert mapped["v2_activity_id"] == row["id"]
        assert {row["sport_id"] for row in client.rows(PATHS["workout"])} >= {17}


def test_other_methods_are_refused(client: Connected) -> None:
    assert client.request("POST", "/v2/cycle").status_code == 405
    assert client.request("GET", "/v2/user/access").status_code == 405


# --- tokens and scopes -------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic x", "Bearer", ""])
def test_without_a_valid_token_the_answer_is_401(
    sandbox: WhoopSandbox, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = requests.get(sandbox.api_base_url + "/v2/cycle", headers=headers, timeout=SECONDS)
    assert (answer.status_code, answer.text) == (401, "Authorization was not valid")
    sandbox.switch(unauthorized_body="json")
    answer = requests.get(sandbox.api_base_url + "/v2/cycle", headers=headers, timeout=SECONDS)
    assert answer.status_code == 401
    assert answer.json()["message"] == "Authorization was not valid"


SCOPE_OF = {
    "/v2/cycle": "read:cycles",
    "/v2/cycle/1": "read:cycles",
    "/v2/recovery": "read:recovery",
    "/v2/cycle/1/recovery": "read:recovery",
    "/v2/activity/sleep": "read:sleep",
    f"/v2/activity/sleep/{NOBODY}": "read:sleep",
    "/v2/activity/workout": "read:workout",
    f"/v2/activity/workout/{NOBODY}": "read:workout",
    "/v2/user/profile/basic": "read:profile",
    "/v2/user/measurement/body": "read:body_measurement",
}


@pytest.mark.parametrize("scope", sorted(set(SCOPE_OF.values())))
def test_each_endpoint_needs_its_scope(sandbox: WhoopSandbox, scope: str) -> None:
    client = connect(sandbox, scope=scope)
    for path, needed in SCOPE_OF.items():
        sandbox.switch(missing_scope_status=403)
        assert (client.get(path).status_code == 403) == (needed != scope), path
        sandbox.switch(missing_scope_status=401)
        assert (client.get(path).status_code == 401) == (needed != scope), path
    both = {"read:sleep", "read:cycles"}
    assert (client.get("/v2/cycle/1/sleep").status_code == 404) == (scope in both)


# --- score states ------------------------------------------------------------------------------


def test_a_night_appears_pending_and_is_scored_minutes_later(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    # the next plain night of the future
    member = sandbox.member(client.user_id)
    member.ensure(sandbox.clock.milli() + 10 * 86_400_000)
    row = next(
        row for row in member.truth if row.sleep_start > sandbox.clock.milli() and row.is_scorable
    )
    created, scored = (version.at for version in member.sleeps[row.sleep_id].versions[:2])
    assert 20_000 < scored - created < 10 * 60_000
    sandbox.advance_to(datetime.fromtimestamp(created / 1000, UTC) - timedelta(milliseconds=1))
    client = connect(sandbox)
    path = f"/v2/activity/sleep/{row.sleep_id}"
    cycle_path = f"/v2/cycle/{row.cycle_id}"
    assert client.get(path).status_code == 404
    assert client.get(cycle_path).status_code == 404
    assert "end" not in client.get("/v2/cycle").json()["records"][0]
    sandbox.advance(1.001)
    pending = [client.get(url).json() for url in (path, cycle_path, f"{cycle_path}/recovery")]
    for record in pending:
        assert record["score_state"] == "PENDING_SCORE"
        assert "score" not in record
        assert record["created_at"] == record["updated_at"]
    sandbox.advance(timedelta(minutes=10))
    after = [client.get(url).json() for url in (path, cycle_path, f"{cycle_path}/recovery")]
    for before, record in zip(pending, after, strict=True):
        assert record["score_state"] == "SCORED"
        assert record["score"]
        assert record["created_at"] == before["created_at"]
        assert record["updated_at"] > before["updated_at"]


def test_an_unscorable_night_has_no_score(sandbox: WhoopSandbox) -> None:
    on = (SETTINGS.clock_start - timedelta(days=3)).date()
    script = FaultScript(scripted=(Scripted(Kind.UNSCORABLE, 0, on),))
    with WhoopSandbox(WhoopSandboxSettings(roster_size=1, faults=script)) as scripted:
        client = connect(scripted)
        row = next(r for r in scripted.truth() if r.night == on)
        for path in (f"/v2/activity/sleep/{row.sleep_id}", f"/v2/cycle/{row.cycle_id}/recovery"):
            answer = client.get(path).json()
            assert answer["score_state"] == "UNSCORABLE"
            assert "score" not in answer


def test_an_edit_moves_updated_at_and_keeps_created_at(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    of_night = night(sandbox, client)
    sleep_path = f"/v2/activity/sleep/{of_night.sleep_id}"
    recovery_path = f"/v2/cycle/{of_night.cycle_id}/recovery"
    sleep, recovery = client.get(sleep_path).json(), client.get(recovery_path).json()
    sandbox.edit_sleep(of_night.sleep_id, timedelta(minutes=-30))
    edited, again = client.get(sleep_path).json(), client.get(recovery_path).json()
    assert moment(sleep["start"]) - moment(edited["start"]) == timedelta(minutes=30)
    assert edited["created_at"] == sleep["created_at"]
    assert edited["updated_at"] > sleep["updated_at"]
    assert again["created_at"] == recovery["created_at"]
    assert again["updated_at"] > recovery["updated_at"]
    assert again["score"]["recovery_score"] != recovery["score"]["recovery_score"]
    sandbox.edit_sleep(of_night.sleep_id, timedelta(hours=2))
    for row in (edited, client.get(sleep_path).json()):
        parts = row["score"]["stage_summary"]
        in_bed = (moment(row["end"]) - moment(row["start"])) / timedelta(milliseconds=1)
        assert parts["total_in_bed_time_milli"] == in_bed
        assert in_bed == sum(
            parts[f"total_{name}_time_milli"]
            for name in ("awake", "no_data", "light_sleep", "slow_wave_sleep", "rem_sleep")
        )
    with pytest.raises(SandboxError, match="nothing would be left"):
        sandbox.edit_sleep(of_night.sleep_id, timedelta(hours=24))


def test_a_deleted_sleep_takes_its_recovery_with_it(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    of_night = night(sandbox, client)
    sandbox.delete_sleep(of_night.sleep_id)
    assert client.get(f"/v2/activity/sleep/{of_night.sleep_id}").status_code == 404
    assert client.get(f"/v2/cycle/{of_night.cycle_id}/recovery").status_code == 404
    assert client.get(f"/v2/cycle/{of_night.cycle_id}/sleep").status_code == 404
    assert client.get(f"/v2/cycle/{of_night.cycle_id}").status_code == 200
    assert of_night.sleep_id not in [row["id"] for row in client.rows(PATHS["sleep"])]
    with pytest.raises(SandboxError, match="cannot be read now"):
        sandbox.delete_sleep(of_night.sleep_id)


def test_workouts_are_edited_and_deleted(sandbox: WhoopSandbox, client: Connected) -> None:
    before = client.get(PATHS["workout"]).json()["records"][0]
    url = f"{sandbox.base_url}/__sim/workout/{before['id']}"
    assert requests.post(f"{url}/edit", json={"shift_seconds": 600}, timeout=SECONDS).ok
    after = client.get(f"{PATHS['workout']}/{before['id']}").json()
    assert moment(after["start"]) - moment(before["start"]) == timedelta(minutes=10)
    assert requests.delete(url, timeout=SECONDS).ok
    assert client.get(f"{PATHS['workout']}/{before['id']}").status_code == 404
    assert requests.delete(url, timeout=SECONDS).status_code == 400


# --- switches on records and answers -----------------------------------------------------------


def test_step_count_future_field_and_cache_control(
    sandbox: WhoopSandbox, client: Connected
) -> None:
    plain = client.get(PATHS["cycle"])
    assert "Cache-Control" not in plain.headers
    assert all("step_count" not in row for row in plain.json()["records"])
    sandbox.switch(step_count="present", future_field=True, cache_control="no-store")
    dressed = client.get(PATHS["cycle"])
    assert dressed.headers["Cache-Control"] == "no-store"
    assert all(row["step_count"] > 0 for row in dressed.json()["records"][1:])
    assert all("x_future_field" in row for row in dressed.json()["records"])
    sandbox.switch(step_count="null", cache_control="max-age=60")
    nulls = client.get(PATHS["cycle"])
    assert nulls.headers["Cache-Control"] == "max-age=60"
    assert [row["step_count"] for row in nulls.json()["records"]] == [None] * 10


def test_switches_are_checked(sandbox: WhoopSandbox) -> None:
    for wrong in (
        {"last_page": "maybe"},
        {"no_such_switch": 1},
        {"retry_after": "yes"},
        {"retry_offsets_seconds": [60, 30]},
        {"retry_offsets_seconds": 5},
        {"webhook_timeout_seconds": 0},
    ):
        answer = requests.post(f"{sandbox.base_url}/__sim/switches", json=wrong, timeout=SECONDS)
        assert answer.status_code == 400, wrong
        assert "switches" in answer.json()["error"]
    assert sandbox.switches == Switches()


# --- request limits ----------------------------------------------------------------------------


def limits(answer: requests.Response) -> tuple[str, int, int]:
    text, remaining, reset = (answer.headers[name] for name in HEADERS)
    return text, int(remaining), int(reset)


def test_the_limit_is_shared_by_all_members_and_said_on_every_answer(
    sandbox: WhoopSandbox,
) -> None:
    sandbox.advance_to(sandbox.now.replace(second=0) + timedelta(seconds=90))
    clients = [connect(sandbox, user_id) for user_id in sandbox.members]
    shown = []
    for number in range(100):
        shown.append(limits(clients[number % 3].get("/v2/user/profile/basic")))
    assert shown[0] == ("100, 100;window=60, 10000;window=86400", 99, 30)
    assert [remaining for _, remaining, _ in shown] == list(range(99, -1, -1))
    refused = clients[0].get("/v2/cycle")
    assert refused.status_code == 429
    assert limits(refused)[1:] == (0, 30)
    assert "Retry-After" not in refused.headers
    sandbox.switch(retry_after=True)
    assert clients[1].get("/v2/cycle").headers["Retry-After"] == "30"
    sandbox.advance(29)
    assert clients[0].get("/v2/cycle").status_code == 429
    sandbox.advance(1)
    assert limits(clients[0].get("/v2/cycle"))[1:] == (99, 60)
    assert sandbox.request_counts("status")[(429,)] == 3


def test_a_sliding_window_gives_room_request_by_request() -> None:
    settings = WhoopSandboxSettings(
        roster_size=1,
        history_days=3,
        requests_per_minute=3,
        switches=Switches(rate_window="sliding"),
    )
    with WhoopSandbox(settings) as sandbox:
        client = connect(sandbox)
        for _ in range(3):
            assert client.get("/v2/cycle").status_code == 200
            sandbox.advance(10)
        refused = client.get("/v2/cycle")
        assert (refused.status_code, limits(refused)[2]) == (429, 30)
        sandbox.advance(30)
        assert client.get("/v2/cycle").status_code == 200
        assert client.get("/v2/cycle").status_code == 429
        sandbox.advance(10)
        assert client.get("/v2/cycle").status_code == 200


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_the_day_has_its_own_limit(window: str) -> None:
    settings = WhoopSandboxSettings(
        roster_size=1,
        history_days=3,
        requests_per_day=5,
        access_token_seconds=10**6,
        switches=Switches(rate_window=window),
    )
    with WhoopSandbox(settings) as sandbox:
        client = connect(sandbox)
        for _ in range(5):
            assert client.get("/v2/cycle").status_code == 200
            sandbox.advance(60)
        refused = client.get("/v2/cycle")
        assert refused.status_code == 429
        text, remaining, reset = limits(refused)
        assert text == "5, 100;window=60, 5;window=86400"
        whole_day = 86_400 - 5 * 60
        to_midnight = 7 * 3600 - 5 * 60  # the clock starts at 17:00 UTC
        assert (remaining, reset) == (0, whole_day if window == "sliding" else to_midnight)
        sandbox.advance(reset)
        assert client.get("/v2/cycle").status_code == 200


def test_whether_errors_and_token_requests_count(sandbox: WhoopSandbox) -> None:
    client = connect(sandbox)
    assert limits(client.get("/v2/cycle/x"))[1] == 99
    sandbox.switch(errors_count=False, token_requests_count=True)
    client.get("/v2/cycle/x")
    assert limits(client.get("/v2/cycle"))[1] == 98
    client = connect(sandbox)
    assert limits(client.get("/v2/cycle"))[1] == 96


# --- faults and the log ------------------------------------------------------------------------


def test_errors_and_slow_answers_on_command(sandbox: WhoopSandbox, client: Connected) -> None:
    url = f"{sandbox.base_url}/__sim/faults"
    order = {"fault": "error", "count": 2, "match": "/v2/cycle"}
    assert requests.post(url, json=order, timeout=SECONDS).ok
    statuses = [client.get(path).status_code for path in ("/v2/recovery", *["/v2/cycle"] * 3)]
    assert statuses == [200, 500, 500, 200]
    assert HEADERS[0] in client.get("/v2/cycle").headers
    assert requests.post(url, json={"fault": "none"}, timeout=SECONDS).status_code == 400
    sandbox.faults.order("slow")
    began = time.monotonic()
    assert client.get("/v2/cycle").status_code == 200
    assert time.monotonic() - began > 1.9


def test_errors_at_a_rate_are_the_same_every_time() -> None:
    runs = []
    for _ in range(2):
        script = FaultScript(error_rate=0.3)
        settings = WhoopSandboxSettings(roster_size=1, history_days=2, faults=script)
        with WhoopSandbox(settings) as sandbox:
            client = connect(sandbox)
            runs.append([client.get("/v2/cycle").status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert 8 <= runs[0].count(500) <= 30


def test_the_clock_of_the_service_may_be_skewed() -> None:
    script = FaultScript(clock_skew_seconds=90)
    with WhoopSandbox(WhoopSandboxSettings(roster_size=1, faults=script)) as sandbox:
        answer = connect(sandbox).get("/v2/cycle")
        expected = sandbox.now + timedelta(seconds=90)
        assert answer.headers["Date"] == expected.strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_the_request_log_counts(sandbox: WhoopSandbox, client: Connected) -> None:
    client.get("/v2/cycle")
    client.get("/v2/cycle/1")
    sandbox.advance(60)
    client.get("/v2/cycle/2")
    counts = sandbox.request_counts("endpoint", "status", "user_id")
    assert counts[("/developer/v2/cycle/{id}", 404, client.user_id)] == 2
    assert counts[("/developer/v2/cycle", 200, client.user_id)] == 1
    assert len(sandbox.request_counts("minute")) == 2
    shown = requests.get(
        f"{sandbox.base_url}/__sim/requests", params={"by": "endpoint,status"}, timeout=SECONDS
    ).json()
    assert {"endpoint": "/developer/v2/cycle/{id}", "status": 404, "count": 2} in shown
    with pytest.raises(SandboxError, match="no 'colour'"):
        sandbox.request_counts("colour")
    text = requests.get(f"{sandbox.base_url}/__sim/requests", timeout=SECONDS).text
    assert client.access not in text


def test_control_over_http(sandbox: WhoopSandbox) -> None:
    def call(method: str, path: str, **body: Any) -> requests.Response:
        url = f"{sandbox.base_url}/__sim/{path}"
        return requests.request(method, url, json=body or None, timeout=SECONDS)

    before = sandbox.now
    assert call("POST", "clock", advance_seconds=90).status_code == 200
    assert sandbox.now - before == timedelta(seconds=90)
    target = before + timedelta(days=1)
    shown = call("POST", "clock", set=target.isoformat()).json()["now"]
    assert moment(shown) == target == sandbox.now
    for wrong in (
        {"advance_seconds": -1},
        {"advance_seconds": "1"},
        {"set": "soon"},
        {"set": before.isoformat()},
        {"set": "2030-01-01T00:00:00"},
    ):
        assert call("POST", "clock", **wrong).status_code == 400, wrong
    assert call("GET", "clock").json() == {"now": shown}
    members = call("GET", "members").json()
    assert {row["user_id"]: row["player_id"] for row in members} == sandbox.player_ids
    truth = call("GET", "truth").json()
    assert len(truth) == len(sandbox.truth()) > 100
    assert {"user_id", "night", "readiness"} <= set(truth[0])
    assert call("GET", "nothing").status_code == 404
    assert call("POST", "nothing").status_code == 404
    assert call("POST", "webhooks", urls=["ftp://x"]).status_code == 400
    assert call("DELETE", f"sleep/{NOBODY}").status_code == 400
    url = f"{sandbox.base_url}/__sim/clock"
    assert requests.post(url, data=b"[", timeout=SECONDS).status_code == 400
    assert requests.get(sandbox.base_url + "/", timeout=SECONDS).status_code == 404


def test_a_running_clock_runs() -> None:
    with WhoopSandbox(WhoopSandboxSettings(roster_size=1, history_days=1), speed=3600) as sandbox:
        client = connect(sandbox)
        before = sandbox.now
        deadline = time.monotonic() + 10
        while client.get("/v2/cycle").status_code != 401 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert sandbox.now - before >= timedelta(hours=1)
        assert client.get("/v2/cycle").status_code == 401
