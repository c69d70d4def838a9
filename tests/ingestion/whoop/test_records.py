from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from ingestion.errors import ClutchError
from ingestion.settings import PROJECT_ROOT
from ingestion.whoop.allowlist import COLUMNS, SEED, AllowList
from ingestion.whoop.records import DamagedRecordError, Record, read_record

CONNECTION = UUID("00000000-0000-4000-8000-000000000001")
SLEEP = {
    "id": "3f0c2a4e-8d51-4c0e-9a77-0b6f3a1d5e01",
    "cycle_id": 700100002,
    "user_id": 990001,
    "created_at": "2025-11-04T13:21:40.115Z",
    "updated_at": "2025-11-04T13:21:40.115Z",
    "start": "2025-11-04T05:48:02.870Z",
    "end": "2025-11-04T13:13:22.870Z",
    "timezone_offset": "-05:00",
    "nap": False,
    "score_state": "SCORED",
    "score": {"stage_summary": {"total_awake_time_milli": 5}, "respiratory_rate": 14.5},
}


def read(resource: str, item: Any, user_id: int | None = 990001) -> Record:
    return read_record(
        resource,
        item,
        provider_user_id=user_id,
        connection_id=CONNECTION,
        allow_list=AllowList.load(),
    )


def test_null_is_absent_and_order_is_nothing() -> None:
    turned = dict(reversed(SLEEP.items())) | {"v1_id": None, "another": None}
    assert read("sleep", turned).content_hash == read("sleep", SLEEP).content_hash
    assert read("sleep", turned).left_out == ()


def test_fields_outside_the_allow_list_are_dropped_before_the_hash() -> None:
    more = SLEEP | {"x_future_field": {"deep": [1]}, "v1_id": 7}
    more["score"] = SLEEP["score"] | {"mood": "good", "stage_summary": {**_stages(), "naps": [1]}}  # type: ignore[operator]
    record = read("sleep", more)
    assert record.content_hash == read("sleep", SLEEP).content_hash
    assert set(record.left_out) == {
        "x_future_field",
        "v1_id",
        "score.mood",
        "score.stage_summary.naps",
    }
    assert b"future" not in record.content


def _stages() -> dict[str, Any]:
    return {"total_awake_time_milli": 5}


@pytest.mark.parametrize(
    ("resource", "item", "reason"),
    [
        ("sleep", [1], "not_an_object"),
        ("sleep", None, "not_an_object"),
        ("sleep", {**SLEEP, "id": None}, "no_key"),
        ("sleep", {**SLEEP, "id": "../../user/access"}, "no_key"),
        ("sleep", {**SLEEP, "id": 12}, "no_key"),
        ("cycle", {"id": "12"}, "no_key"),
        ("cycle", {"id": True}, "no_key"),
        ("cycle", {"id": 2**63}, "no_key"),
        ("recovery", {"cycle_id": -1}, "no_key"),
        ("sleep", {**SLEEP, "user_id": "990001"}, "no_user"),
        ("sleep", {**SLEEP, "user_id": 4}, "wrong_user"),
        ("sleep", {**SLEEP, "updated_at": "yesterday"}, "bad_time"),
        ("sleep", {**SLEEP, "start": "2025-11-04"}, "bad_time"),
        ("sleep", {**SLEEP, "end": "2025-11-04T13:13:22"}, "bad_time"),
        ("sleep", {**SLEEP, "start": 1730700000}, "bad_time"),
        ("sleep", {**SLEEP, "start": "0001-01-01T00:00:00+14:00"}, "bad_time"),
        ("sleep", {**SLEEP, "timezone_offset": "\0"}, "not_storable"),
        ("sleep", {**SLEEP, "timezone_offset": "\ud800"}, "not_storable"),
        ("sleep", {**SLEEP, "cycle_id": 2**70}, "not_storable"),
        ("profile", {"user_id": 4}, "wrong_user"),
    ],
)
def test_what_cannot_be_filed_is_told_by_reason(resource: str, item: Any, reason: str) -> None:
    with pytest.raises(DamagedRecordError) as damage:
        read(resource, item)
    assert damage.value.reason == reason
    if reason == "wrong_user":
        # nobody here has that person's consent
        assert damage.value.body is None


def test_a_state_that_whoop_adds_and_missing_scores_pass() -> None:
    assert read("sleep", {**SLEEP, "score_state": "NEW_STATE"}).score_state == "NEW_STATE"
    assert read("sleep", {**SLEEP, "score": None, "score_state": 4}).score_state is None
    assert read("body", {"height_meter": 2.01}).key == str(CONNECTION)


def test_the_seed_names_units_and_is_read_strictly(tmp_path: Path) -> None:
    assert "score.hrv_rmssd_milli" in AllowList.load().fields["recovery"]
    assert "email" not in AllowList.load().fields["profile"]
    head = ",".join(COLUMNS)
    for line, problem in (
        ("steps,id,any,true,,x", "line 2: no resource 'steps'"),
        ("sleep,id,any,yes,,x", "line 2: allowed is neither"),
    ):
        path = tmp_path / f"{abs(hash(line))}.csv"
        path.write_text(f"{head}\n{line}\n")
        with pytest.raises(ClutchError, match=problem):
            AllowList.load(path)
    with pytest.raises(ClutchError, match="cannot be read"):
        AllowList.load(tmp_path / "absent.csv")
    assert SEED.is_relative_to(PROJECT_ROOT)


SAMPLES = PROJECT_ROOT.parent / "shared" / "reference" / "whoop-samples"
KINDS = {"cycle": "cycle", "recovery": "recovery", "sleep": "sleep", "workout": "workout"}


def sample_records() -> list[tuple[str, str, Any]]:
    found = []
    for path in sorted(SAMPLES.glob("*.json")):
        kind = KINDS.get(path.name.split("-")[0])
        kind = {"user-profile-basic.json": "profile", "user-body-measurement.json": "body"}.get(
            path.name, kind
        )
        if kind is None:
            continue
        content = orjson.loads(path.read_bytes())
        for item in content.get("records", [content]):
            found.append((path.name, kind, item))
    return found


@pytest.mark.realdata
def test_all_samples_load_without_loss() -> None:
    records = sample_records()
    assert len(records) > 25
    for name, kind, item in records:
        record = read(kind, item)
        without = {"email", "v1_id"}
        expected = {key: value for key, value in item.items() if key not in without}
        assert orjson.loads(record.content) == expected, name
        assert set(record.left_out) <= without
