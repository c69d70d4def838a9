"""A sync and a worker that die at every step: what follows ends in the same tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT, Settings
from tests.ingestion.whoop.sandboxed import environment, held, stored
from tests.ingestion.whoop.test_sync import World, world_of
from tests.ingestion.whoop.test_webhook_worker import newest, tell

PROGRAM = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from ingestion.settings import Settings
from ingestion.whoop import api, raw_tables, reads, store, sync, watch, webhook_worker
from ingestion.whoop.report import WhoopReport
from ingestion.whoop.settings import WhoopSettings

PLACES = {
    "asked": (api.WhoopApi, "get", "after"),
    "read": (store.Store, "write", "before"),
    "fenced": (store, "_is_permitted", "after"),
    "loaded": (raw_tables, "load", "after"),
    "inserted": (raw_tables, "insert", "after"),
    "watched": (store, "_watch", "after"),
    "moved": (store, "_move", "after"),
    "written": (store.Store, "write", "after"),
    "claimed": (webhook_worker.Worker, "_claim", "after"),
    "finishing": (webhook_worker.Worker, "_finish", "before"),
    "finished": (webhook_worker.Worker, "_finish", "after"),
}
what, step, turn, now = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
owner, name, when = PLACES[step]
original = getattr(owner, name)
left = [turn]

def dying(*args, **kw):
    left[0] -= 1
    if when == "before" and left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*args, **kw)
    if when == "after" and left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, dying)

class Clock:
    def now(self):
        return datetime.fromisoformat(now)
    def sleep(self, seconds):
        pass

settings, whoop = Settings.load(), WhoopSettings.load()
if what == "sync":
    sync.ingest(settings, whoop, clock=Clock(), show_progress=False, settling=timedelta(0))
else:
    with sync.opened(settings, whoop, Clock(), WhoopReport(), settling=timedelta(0)) as parts:
        parts.worker.work_off()
"""

SYNC_STEPS = [
    ("asked", 3),
    # only a first reading has enough rows for dlt
    ("loaded", 0),
    ("read", 1),
    ("fenced", 1),
    ("watched", 1),
    ("moved", 2),
    ("written", 0),
]
WORKER_STEPS = [
    ("claimed", 0),
    ("asked", 0),
    ("asked", 1),
    ("fenced", 0),
    ("inserted", 0),
    ("watched", 0),
    ("written", 0),
    ("finishing", 0),
    ("finished", 0),
]
VERSIONS = """
    select resource, record_key, count(*), count(distinct content_hash)
    from raw_whoop.record_versions group by 1, 2
"""


def kill(world: World, what: str, step: str, turn: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what, step, str(turn), world.clock.now().isoformat()],
        env={
            **os.environ,
            **environment(world.whoop, world.settings),
            "PYTHONPATH": str(PROJECT_ROOT),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, (done.returncode, done.stderr)


@pytest.mark.slow
def test_a_sync_killed_at_any_step_is_finished_by_the_next(
    make_migrated: Callable[[], Settings], tmp_path: Path
) -> None:
    sandbox, world = world_of(make_migrated(), tmp_path, roster=2)
    with sandbox:
        world.join(2)
        for step, turn in SYNC_STEPS:
            kill(world, "sync", step, turn)
            # a later step dies in a sync that has something to store again
            sandbox.advance(timedelta(seconds=1))
            if step != "loaded":
                continue
            [(left,)] = world.query("select count(*) from operations.whoop_sync_positions")
            assert left in (0, 4)
        report = world.sync()
        assert report.exit_code == 0
        assert stored(world.settings) == held(sandbox, sandbox.members)
        # nothing doubled: as many versions as contents
        assert [row for row in world.query(VERSIONS) if row[2] != row[3]] == []
        runs = world.query("select status, count(*) from operations.ingest_runs group by 1")
        assert dict(runs) == {"failed": len(SYNC_STEPS), "done": 1}


@pytest.mark.slow
@pytest.mark.parametrize(("step", "turn"), WORKER_STEPS)
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
    database: Settings, tmp_path: Path, step: str, turn: int
) -> None:
    sandbox, world = world_of(database, tmp_path, roster=1)
    with sandbox:
        world.join(1)
        world.sync()
        changed, deleted = newest(world, "sleep"), newest(world, "sleep", 3)
        sandbox.edit_sleep(changed, timedelta(minutes=-20))
        sandbox.delete_sleep(deleted)
        for kind in ("sleep.updated", "recovery.updated"):
            tell(world, kind, changed)
        for kind in ("sleep.deleted", "recovery.deleted"):
            tell(world, kind, deleted)
        kill(world, "worker", step, turn)
        [(before,)] = world.query(
            "select count(*) from operations.webhook_inbox where status = 'waiting'"
        )
        assert before >= 2
        # the lease of the dead one ends
        world.query("update operations.webhook_inbox set claimed_until = now(), not_before = now()")
        world.sync()
        assert stored(world.settings) == held(sandbox, sandbox.members)
        assert [row for row in world.query(VERSIONS) if row[2] != row[3]] == []
        assert world.query("select distinct status from operations.webhook_inbox") == [("done",)]
