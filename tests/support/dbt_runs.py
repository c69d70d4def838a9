"""Run the project's dbt in this process, against any database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from ingestion.settings import Settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent

_parsed: list[Manifest] = []


def invoke_dbt(settings: Settings, arguments: Sequence[str], target: Path) -> dbtRunnerResult:
    """Run a dbt command; the project is parsed once per test run.

    Args:
        settings: Database to run against.
        arguments: For example ``["build", "--full-refresh"]``.
        target: Folder for compiled SQL and artifacts, so that runs do not meet.
    """
    before = dict(os.environ)
    os.environ["CLUTCH_STATE_DIR"] = str(settings.state_directory)
    os.environ["DATABASE_URL"] = settings.database_url or ""
    options = ["--quiet", "--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT)]
    options += ["--target-path", str(target), "--log-path", str(target)]
    try:
        if not _parsed:
            _parsed.append(dbtRunner().invoke(["parse", "--no-partial-parse", *options]).result)
        # dbt writes what it learns about a database into the manifest: give each run its own
        manifest = _parsed[0].deepcopy()
        return dbtRunner(manifest=manifest).invoke([*arguments, *options])
    finally:
        os.environ.clear()
        os.environ.update(before)


def build(settings: Settings, target: Path, *arguments: str) -> None:
    """``dbt build``, which must succeed.

    Raises:
        AssertionError: If a node failed; names every one with its message.
    """
    done = invoke_dbt(settings, ["build", *arguments], target)
    assert done.exception is None, done.exception
    assert done.success, "\n".join(failures(done.result))


def failures(result: Any) -> list[str]:
    """``name: message`` of every node that did not succeed."""
    bad = [item for item in result.results if item.status in ("error", "fail", "runtime error")]
    return [f"{item.node.name}: {item.message}" for item in bad]
