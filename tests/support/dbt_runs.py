"""Run the project's dbt in this process, against any database."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.semantic_manifest import SemanticManifest
from psycopg.conninfo import conninfo_to_dict

from clutch import dbt_environment
from ingestion.database import embedded
from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.lean_dbt import lean_dbt

__all__ = [
    *("OF_OWN_WORK", "OF_THE_BODY", "OF_THE_BOARD", "OF_THE_MODEL"),
    *("PROJECT_ROOT", "WITHOUT_TESTS"),
    *("build", "failures", "invoke_dbt", "semantic_manifest"),
]

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
"""For :func:`build`: the tables alone, in half the time."""


OF_OWN_WORK = frozenset(
    {
        *("stg_operations__newest_runs", "stg_operations__quarantine_counts"),
        *("stg_operations__whoop_health", "data_health", "open_quarantine"),
    }
)
"""Models that say how ingestion goes at the moment of reading: no content of the database."""

OF_THE_BOARD = frozenset({"morning_board", "readiness_checks", "readiness_alerts"})
"""Models that are empty while no game comes up."""

OF_THE_BODY = frozenset(
    path.stem
    for folder in (
        *("staging/whoop", "staging/operations"),
        *("intermediate/wearables", "marts/wearables"),
    )
    for path in (PROJECT_ROOT / "dbt_project/models" / folder).glob("*.sql")
    if path.stem not in OF_OWN_WORK
)
"""Models that stand on records of wearables: without a connected athlete nearly all are empty."""

OF_THE_MODEL = frozenset(
    path.stem
    for folder in ("staging/model_output", "marts/model")
    for path in (PROJECT_ROOT / "dbt_project/models" / folder).glob("*.sql")
)
"""Models that stand on runs of the Bayesian model: without one they are empty."""

_AS_PARSED: dict[str, Manifest] = {}
"""The project by variables, read once for all databases: some 5 s, a copy 0.2 s. Never run."""

_PARSED: dict[tuple[str | None, str], Manifest] = {}
"""The copy of every database; runs leave their marks on it."""


def invoke_dbt(settings: Settings, arguments: Sequence[str], target: Path) -> dbtRunnerResult:
    """Run a dbt command.

    Args:
        settings: Database to run against.
        arguments: For example ``["build", "--full-refresh"]``.
        target: Folder for compiled SQL; dbt's artifacts are not written.
    """
    options = ["--quiet", "--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT)]
    options += ["--target-path", str(target), "--log-path", str(target)]
    # nobody reads dbt's log of a test: without it a build takes three quarters of the time
    options += ["--log-level-file", "none"]
    with dbt_environment(settings):
        if arguments[0] == "parse":
            return dbtRunner().invoke([*arguments, *options])
        parsed = _parsed(settings, _variables(arguments), options)
        if not isinstance(parsed, Manifest):
            return parsed
        # a parsed project is a million objects that stay; looking them through takes time
        gc.freeze()
        gc.disable()
        try:
            with lean_dbt():
                return dbtRunner(manifest=parsed).invoke([*arguments, "--no-write-json", *options])
        finally:
            gc.enable()


def semantic_manifest(settings: Settings, target: Path) -> str:
    """What MetricFlow reads: semantic models and metrics of the project, as JSON.

    Args:
        settings: Database that the metrics are asked of.
        target: Folder for what dbt writes.
    """
    options = ["--quiet", "--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(PROJECT_ROOT)]
    options += ["--target-path", str(target), "--log-path", str(target)]
    with dbt_environment(settings):
        parsed = _parsed(settings, (), options)
    assert isinstance(parsed, Manifest), parsed.exception
    file = target / "semantic_manifest.json"
    SemanticManifest(parsed).write_json_to_file(str(file))
    return file.read_text()


def _parsed(
    settings: Settings, variables: Sequence[str], options: Sequence[str]
) -> Manifest | dbtRunnerResult:
    of_database = (settings.database_url, " ".join(variables))
    if of_database not in _PARSED:
        if of_database[1] not in _AS_PARSED:
            parsed = dbtRunner().invoke(["parse", *variables, *options])
            if not isinstance(parsed.result, Manifest):
                return parsed
            _AS_PARSED[of_database[1]] = parsed.result
        as_parsed = _AS_PARSED[of_database[1]]
        _PARSED[of_database] = _at_database(as_parsed, _database_name(settings))
    return _PARSED[of_database]


def _variables(arguments: Sequence[str]) -> Sequence[str]:
    """The option ``--vars`` with its value, which tells on what is parsed; nothing without it."""
    if "--vars" not in arguments:
        return ()
    place = arguments.index("--vars")
    return arguments[place : place + 2]


def _database_name(settings: Settings) -> str:
    if settings.database_url is None:
        return embedded.DATABASE
    return str(conninfo_to_dict(settings.database_url)["dbname"])


def _at_database(parsed: Manifest, name: str) -> Manifest:
    """A copy of a parsed project: of the database nothing but its name is in it."""
    copy = parsed.deepcopy()
    for node in (*copy.nodes.values(), *copy.sources.values(), *copy.unit_tests.values()):
        before = getattr(node, "database", None)
        if before is None:
            continue
        node.database = name
        if getattr(node, "relation_name", None):
            node.relation_name = node.relation_name.replace(f'"{before}".', f'"{name}".', 1)
    for model in copy.semantic_models.values():
        if (relation := model.node_relation) is not None:
            place = f'"{name}"."{relation.schema_name}"."{relation.alias}"'
            model.node_relation = replace(relation, database=name, relation_name=place)
    return copy


def build(settings: Settings, target: Path, *arguments: str) -> None:
    """``dbt build``, which must succeed.

    Without unit tests: they know nothing of the database and take most of a small build.
    test_ways_to_load.py runs them once.

    Args:
        settings: Database to build.
        target: Folder for compiled SQL.
        *arguments: Further arguments of dbt.

    Raises:
        AssertionError: If a node failed; names every one with its message.
    """
    without = ("--exclude-resource-type", "unit_test")
    done = invoke_dbt(settings, ["build", *arguments, *without], target)
    assert done.exception is None, done.exception
    assert done.success, "\n".join(failures(done.result))


def failures(result: Any) -> list[str]:
    """``name: message`` of every node that did not succeed."""
    bad = [item for item in result.results if item.status in ("error", "fail", "runtime error")]
    return [f"{item.node.name}: {item.message}" for item in bad]
