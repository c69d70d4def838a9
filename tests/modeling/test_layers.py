"""``ingestion`` and ``modeling`` never import each other; the linter says so."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from ingestion.settings import PROJECT_ROOT

PACKAGES = ("ingestion", "modeling")


@pytest.mark.parametrize(("package", "other"), [PACKAGES, PACKAGES[::-1]])
@pytest.mark.parametrize(
    "statement", ["import {}.errors", "from {}.errors import X", "import {} as y"]
)
def test_the_linter_refuses_it(package: str, other: str, statement: str) -> None:
    source = f'"""A module."""\n\n{statement.format(other)}\n'
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--select", "TID251"),
            *("--stdin-filename", f"{package}/deep/module.py", "-"),
        ],
        cwd=PROJECT_ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"`{other}" in done.stdout
    assert "is banned" in done.stdout


@pytest.mark.parametrize(("package", "other"), [PACKAGES, PACKAGES[::-1]])
def test_nobody_does_it(package: str, other: str) -> None:
    found = []
    for path in (PROJECT_ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] == other]
    assert found == []
