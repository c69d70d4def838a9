"""Run the project's dbt in this process, against any database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from clutch import dbt_environment
from ingestion.settings import PROJECT_ROOT, Settings

__all__ = ["PROJECT_ROOT", "WITHOUT_TESTS", "build", "failures", "invoke_dbt"]

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
"""For :func:`build`: the tables alone, in half the time."""


_PARSED: dict[tuple[Path, str | None], Manifest] = {}
"""Projects as parsed: the second run in the same place saves seconds."""


def invoke_dbt(settings: Settings, arguments: Sequence[str], target: Path) -> dbtRunnerResult:
    """Run a dbt command.

    Args:
        settings: Database to run against.
        arguments: For example ``["build", "--full-refresh"]``.
        target: Folder for compiled SQL, artifacts and the parsed project. Give each database its
            own and use it again: the database's name is in it, and parsing takes some 4 s.
    """
    options = ["--quiet", "--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT)]
    options += ["--target-path", str(target), "--log-path", str(target)]
    place = (target, settings.database_url)
    with dbt_environment(settings):
        if "--vars" in arguments:  # they are part of what is parsed
            return dbtRunner().invoke([*arguments, *options])
        if place not in _PARSED:
            parsed = dbtRunner().invoke(["parse", *options])
            if not isinstance(parsed.result, Manifest):
                return parsed
            _PARSED[place] = parsed.result
        return dbtRunner(manifest=_PARSED[place]).invoke([*arguments, *options])


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
