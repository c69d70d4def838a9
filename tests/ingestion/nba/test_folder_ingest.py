"""``clutch ingest nba --from DIR`` into a real database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import orjson
import pytest

from ingestion.errors import ClutchError, UsageError
from ingestion.nba import IngestReport, ingest, run
from ingestion.settings import Settings
from tests.ingestion.nba.conftest import Query
from tests.ingestion.nba.wire import (
    FIRST,
    FOURTH,
    SEASON,
    SECOND,
    THIRD,
    box_score,
    play_by_play,
    schedule,
    write,
    write_game,
)

ROWS = """
    select 'playbyplay', game_id, content_hash, payload from raw_nba.playbyplay
    union all select 'boxscore', game_id, content_hash, payload from raw_nba.boxscore
    order by 1, 2, 3
"""
OPEN_QUARANTINE = """
    select resource, record_key, reason, seen_count, body, origin from operations.quarantine
    where resolved_at is null order by 1, 2, 3
"""


def _ingest(settings: Settings, folder: Path) -> IngestReport:
    return ingest(settings, directory=folder, show_progress=False)


def _counts(report: IngestReport) -> tuple[int, int, int, int]:
    return (report.games, report.versions_added, report.unchanged, len(report.quarantined))


def test_payloads_are_stored_as_sent(settings: Settings, folder: Path, query: Query) -> None:
    full, sparse = play_by_play(FIRST), play_by_play(THIRD, is_full=False)
    write(folder, f"playbyplay_{FIRST}.json", full)
    write(folder, f"boxscore_{FIRST}.json.gz", box_score(FIRST))
    write(folder, f"deeper/down/playbyplay_{THIRD}.json.gz", sparse)
    write(folder, f"boxscore_{THIRD}.json", box_score(THIRD))
    plan = schedule({FIRST: ("2039-11-01", 3)})
    write(folder, "scheduleLeagueV2_1.json", plan)
    write(folder, "notes.txt", b"not a payload")
    write(folder, f"playbyplay_{FIRST}.json.bak", b"neither")
    report = _ingest(settings, folder)
    assert _counts(report) == (2, 5, 0, 0)
    assert report.ignored_files == 2
    assert report.exit_code == 0
    rows = query(
        "select game_id, payload, source, origin, source_time from raw_nba.playbyplay order by 1"
    )
    deep = f"deeper/down/playbyplay_{THIRD}.json.gz"
    assert rows == [
        (FIRST, full, "file", f"playbyplay_{FIRST}.json", "2039-11-01 01:00:00.0"),
        (THIRD, sparse, "file", deep, None),
    ]
    assert query("select season, payload from raw_nba.schedule") == [(SEASON, plan)]
    types = query(
        """
        select column_name, data_type from information_schema.columns
        where table_schema = 'raw_nba' and table_name = 'playbyplay'
        """
    )
    assert dict(types) == {
        "game_id": "character varying",
        "content_hash": "character varying",
        "payload": "jsonb",
        "source": "character varying",
        "origin": "character varying",
        "source_time": "character varying",
        "fetched_at": "timestamp with time zone",
        "_dlt_load_id": "character varying",
        "_dlt_id": "character varying",
    }
    assert query(
        """
        select count(*) from raw_nba.playbyplay as row
        join raw_nba._dlt_loads as load on load.load_id = row._dlt_load_id and load.status = 0
        """
    ) == [(2,)]
    assert query("select count(*) from raw_nba_staging.playbyplay") == [(0,)]


def test_the_same_again_adds_nothing(settings: Settings, folder: Path, query: Query) -> None:
    write_game(folder, FIRST)
    assert _counts(_ingest(settings, folder)) == (1, 2, 0, 0)
    before = query("select game_id, fetched_at, _dlt_id from raw_nba.playbyplay")
    # another fetch of the same content: the envelope differs
    later = play_by_play(FIRST, time="2039-12-01 00:00:00.0")
    write(folder, f"playbyplay_{FIRST}.json", later)
    assert _counts(_ingest(settings, folder)) == (1, 0, 2, 0)
    assert query("select game_id, fetched_at, _dlt_id from raw_nba.playbyplay") == before


def test_two_halves_equal_one_whole(settings: Settings, folder: Path, query: Query) -> None:
    halves = (folder / "one", folder / "two")
    write_game(halves[0], FIRST)
    write_game(halves[1], SECOND)
    for half in halves:
        assert _counts(_ingest(settings, half)) == (1, 2, 0, 0)
    in_halves = query(ROWS)
    assert len(in_halves) == 4
    assert _counts(_ingest(settings, folder)) == (2, 0, 4, 0)
    assert query(ROWS) == in_halves


def test_content_that_returns_is_a_version_of_its_own(
    settings: Settings, folder: Path, query: Query
) -> None:
    for points in (2, 3, 2):
        write_game(folder, FIRST, points=points)
        assert _ingest(settings, folder).versions_added == 2
    versions = query(
        """
        select payload #>> '{game,actions,1,scoreHome}', content_hash
        from raw_nba.playbyplay order by fetched_at
        """
    )
    assert [points for points, _ in versions] == ["2", "3", "2"]
    assert versions[0][1] == versions[2][1] != versions[1][1]


def test_a_clock_that_was_set_back_does_not_hide_the_newest_version(
    settings: Settings, folder: Path, query: Query
) -> None:
    write_game(folder, FIRST, points=2)
    _ingest(settings, folder)
    query("update raw_nba.playbyplay set fetched_at = fetched_at + interval '1 day'")
    write_game(folder, FIRST, points=3)
    _ingest(settings, folder)
    newest = query(
        "select payload #>> '{game,actions,1,scoreHome}' from raw_nba.playbyplay "
        "order by fetched_at desc limit 1"
    )
    assert newest == [("3",)]
    assert _counts(_ingest(settings, folder)) == (1, 0, 2, 0)


def test_damage_is_kept_counted_and_resolved(
    settings: Settings, folder: Path, query: Query
) -> None:
    write_game(folder, FIRST)
    cut = orjson.dumps(play_by_play(SECOND))[:-7]
    write(folder, f"playbyplay_{SECOND}.json", cut)
    write(folder, f"boxscore_{SECOND}.json", box_score(SECOND))
    write(folder, "boxscore_12.json", b"{}")
    (folder / f"playbyplay_{FOURTH}.json").symlink_to(folder / "nowhere")
    report = _ingest(settings, folder)
    assert _counts(report) == (4, 3, 0, 3)
    assert report.exit_code == 3
    assert report.closing_line().startswith(
        "4 games: 3 versions added, 0 unchanged, 3 quarantined "
        "(malformed_game_id 1, truncated_json 1, unreadable_file 1) in "
    )
    expected = [
        ("boxscore", "12", "malformed_game_id", 1, b"{}", "boxscore_12.json"),
        ("playbyplay", SECOND, "truncated_json", 1, cut, f"playbyplay_{SECOND}.json"),
        ("playbyplay", FOURTH, "unreadable_file", 1, None, f"playbyplay_{FOURTH}.json"),
    ]
    assert query(OPEN_QUARANTINE) == expected
    assert [item[:3] for item in report.as_dict()["quarantined"] and report.quarantined] == [
        ("playbyplay", SECOND, "truncated_json"),
        ("playbyplay", FOURTH, "unreadable_file"),
        ("boxscore", "12", "malformed_game_id"),
    ]
    assert orjson.loads(orjson.dumps(report.as_dict()))["exit_code"] == 3
    # the same damage again: one row each, seen twice
    again = _ingest(settings, folder)
    assert _counts(again) == (4, 0, 3, 3)
    assert query(OPEN_QUARANTINE) == [(*row[:3], 2, *row[4:]) for row in expected]
    assert query(
        "select count(*) from operations.quarantine where last_seen_at > first_seen_at"
    ) == [(3,)]
    # a good payload of the key settles it; the rest stays open
    write(folder, f"playbyplay_{SECOND}.json", play_by_play(SECOND))
    repaired = _ingest(settings, folder)
    assert (repaired.versions_added, repaired.resolved) == (1, 1)
    assert [row[2] for row in query(OPEN_QUARANTINE)] == ["malformed_game_id", "unreadable_file"]
    # damage that comes back is open again
    write(folder, f"playbyplay_{SECOND}.json", cut)
    _ingest(settings, folder)
    assert (SECOND, "truncated_json", 3) in [row[1:4] for row in query(OPEN_QUARANTINE)]


def test_a_missing_half_of_a_game_is_noted_and_the_other_half_kept(
    settings: Settings, folder: Path, query: Query
) -> None:
    write(folder, f"playbyplay_{FIRST}.json", play_by_play(FIRST))
    write(folder, f"boxscore_{SECOND}.json", box_score(SECOND))
    write(folder, f"boxscore_{THIRD}.json", box_score(THIRD, status=1))
    write(folder, f"boxscore_{FOURTH}.json", box_score(FOURTH, status=2))
    assert _counts(_ingest(settings, folder)) == (4, 4, 0, 2)
    assert query(OPEN_QUARANTINE) == [
        ("boxscore", FIRST, "missing_box_score", 1, None, f"playbyplay_{FIRST}.json"),
        ("playbyplay", SECOND, "missing_play_by_play", 1, None, f"boxscore_{SECOND}.json"),
    ]
    # what is stored already counts as known, and what comes later settles the entry
    other = folder / "later"
    write(other, f"boxscore_{FIRST}.json", box_score(FIRST))
    write(other, f"playbyplay_{SECOND}.json", play_by_play(SECOND))
    report = _ingest(settings, other)
    assert _counts(report) == (2, 2, 0, 0)
    assert report.resolved == 2
    assert query(OPEN_QUARANTINE) == []


def test_of_two_copies_the_newer_is_stored_every_time(
    settings: Settings, folder: Path, query: Query
) -> None:
    write_game(folder, FIRST)
    write(folder, f"a/boxscore_{FIRST}.json.gz", box_score(FIRST))  # an equal copy
    newer = play_by_play(FIRST, points=3, time="2039-12-01 00:00:00.0")
    write(folder, f"a/playbyplay_{FIRST}.json", newer)
    for run_number in (1, 2):
        report = _ingest(settings, folder)
        assert [item.reason for item in report.quarantined] == ["conflicting_copy"]
        assert report.quarantined[0].origin == f"playbyplay_{FIRST}.json"
        assert report.resolved == 0
        assert query("select payload from raw_nba.playbyplay") == [(newer,)], run_number
    assert query("select count(*) from raw_nba.boxscore") == [(1,)]


def test_a_damaged_schedule_file_is_settled_by_a_good_one(
    settings: Settings, folder: Path, query: Query
) -> None:
    write(folder, "scheduleLeagueV2.json", b"<html>busy</html>")
    report = _ingest(settings, folder)
    assert [item[:3] for item in report.quarantined] == [
        ("schedule", "scheduleLeagueV2.json", "html_page")
    ]
    write(folder, "scheduleLeagueV2.json", schedule({}))
    assert _ingest(settings, folder).resolved == 1
    assert query("select season from raw_nba.schedule") == [(SEASON,)]


def test_more_games_than_one_chunk(
    settings: Settings, folder: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    # three chunks, and with more than one the checks run in a process of their own
    monkeypatch.setattr(run, "GAMES_PER_CHUNK", 2)
    games = [f"002239{number:04}" for number in range(5)]
    for game_id in games:
        write_game(folder, game_id)
    write(folder, f"boxscore_{games[3]}.json", b"[]")
    report = _ingest(settings, folder)
    assert _counts(report) == (5, 9, 0, 1)
    assert report.quarantined[0].detail == "the top level is a list, not an object"
    assert query("select count(distinct _dlt_load_id) from raw_nba.playbyplay") == [(3,)]
    assert query("select game_id from raw_nba.playbyplay order by 1") == [(g,) for g in games]


def test_runs_are_written_down(settings: Settings, folder: Path, query: Query) -> None:
    write_game(folder, FIRST)
    _ingest(settings, folder)
    query("update operations.ingest_runs set status = 'running', finished_at = null")  # killed
    write(folder, "boxscore_1.json", b"")
    _ingest(settings, folder)
    runs = query(
        "select command, status, counts ->> 'versions_added', finished_at is not null "
        "from operations.ingest_runs order by started_at"
    )
    command = f"ingest nba --from {folder}"
    assert runs == [(command, "failed", "2", True), (command, "partly_done", "0", True)]


def test_work_files_are_private_and_gone(
    settings: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    write_game(folder, FIRST)
    _ingest(settings, folder)
    work = settings.state_directory / "dlt"
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    left = [path for path in work.rglob("*") if path.is_file() and b"moonshot" in path.read_bytes()]
    assert left == []
    assert list(home.iterdir()) == []
    assert not Path(".dlt").exists()


@pytest.mark.parametrize("kind", ["missing", "empty", "a file", "no payloads"])
def test_a_folder_without_payloads_is_wrong_usage(
    settings: Settings, folder: Path, kind: str
) -> None:
    target = folder / "target"
    if kind == "empty":
        target.mkdir()
    elif kind == "a file":
        target.write_text("x")
    elif kind == "no payloads":
        write(target, "readme.txt", b"x")
    with pytest.raises(UsageError, match=r"--from: .*target.*Fix: ") as caught:
        _ingest(settings, target)
    assert caught.value.exit_code == 2


def test_a_full_disk_of_the_server_is_named(settings: Settings, folder: Path, query: Query) -> None:
    write_game(folder, FIRST)
    _ingest(settings, folder)
    # the server's own error, raised where the merge writes
    query(
        """
        create function raw_nba.full_disk() returns trigger language plpgsql as $$
        begin
            raise exception 'could not extend file "base/1/2": No space left on device'
                using errcode = 'disk_full';
        end $$
        """
    )
    query(
        "create trigger full_disk before insert on raw_nba.playbyplay "
        "for each row execute function raw_nba.full_disk()"
    )
    write_game(folder, SECOND)
    with pytest.raises(ClutchError, match=r"disk of the database server is full.*Fix: free"):
        _ingest(settings, folder)
    assert query("select status from operations.ingest_runs order by started_at desc limit 1") == [
        ("failed",)
    ]
    query("drop trigger full_disk on raw_nba.playbyplay")
    report = _ingest(settings, folder)
    assert report.games == 2
    assert query("select game_id from raw_nba.playbyplay order by 1") == [(FIRST,), (SECOND,)]


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full on this system")
def test_a_full_disk_of_this_machine_is_named(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the work file leads to the device that is always full
    opened = Path.open

    def open_full(path: Path, mode: str = "r", *rest: object, **named: object) -> object:
        target = Path("/dev/full") if path.name == "playbyplay.csv" and "w" in mode else path
        return opened(target, mode, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_full)
    write_game(folder, FIRST)
    with pytest.raises(ClutchError, match=r"disk that holds .*CLUTCH_STATE_DIR.*Fix: free"):
        _ingest(settings, folder)
