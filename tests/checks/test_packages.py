"""A planted vulnerable, yanked, missing, tampered or copyleft package fails the check."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from clutch import UV_VERSION
from tests.checks import packages
from tests.checks.packages import (
    Allowed,
    Index,
    Report,
    check_environment,
    check_files,
    check_index,
    check_licences,
    locked_requirements,
)

TODAY = date(2026, 11, 26)
NOTHING = Allowed({}, {}, {})
ADVISORY = {
    "id": "PYSEC-2026-7",
    "aliases": ["CVE-2026-7"],
    "fixed_in": ["1.1"],
    "withdrawn": None,
}


class LocalIndex:
    """A package index on this machine: two versions of ``sound``, and uv."""

    def __init__(self) -> None:
        uv = {"filename": f"uv-{UV_VERSION}-py3-none-any.whl", "yanked": False}
        self.files: dict[str, list[dict[str, Any]]] = {
            "sound": [
                {"filename": "sound-1.0-py3-none-any.whl", "yanked": False},
                {"filename": "sound-1.0.tar.gz", "yanked": False},
                {"filename": "sound-1.1-py3-none-any.whl", "yanked": False},
                {"filename": "sound-nonsense.exe"},
            ],
            "uv": [uv],
        }
        self.advisories: dict[str, list[dict[str, Any]]] = {"sound/1.0": [], f"uv/{UV_VERSION}": []}
        self.newest = {"sound": "1.1", "uv": UV_VERSION}
        self.of_versions = True  # mirrors know the newest alone
        self.is_broken = False
        self.answers = 0

    def answer(self, path: str) -> tuple[int, Any]:
        self.answers += 1
        parts = path.strip("/").split("/")
        if self.is_broken:
            return 503, None
        if parts[0] == "simple":
            files = self.files.get(parts[1])
            return (404, None) if files is None else (200, {"files": files})
        if parts[0] == "pypi" and self.advisories:
            version = parts[2] if len(parts) == 4 else self.newest.get(parts[1], "0")
            found = self.advisories.get(f"{parts[1]}/{version}", [])
            if len(parts) == 3 or self.of_versions:
                return 200, {"info": {"version": version}, "vulnerabilities": found}
        return 404, None


@pytest.fixture
def served() -> Iterator[tuple[LocalIndex, Index]]:
    local = LocalIndex()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, content = local.answer(self.path)
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield local, Index(f"http://127.0.0.1:{server.server_port}/simple")
        server.shutdown()


def asked(index: Index, *lines: str, allowed: Allowed = NOTHING) -> Report:
    return check_index(index, [Requirement(line) for line in lines], allowed, TODAY)


def test_sound_versions_pass(served: tuple[LocalIndex, Index]) -> None:
    report = asked(served[1], "sound==1.0")
    assert report.problems == []
    assert report.remarks == [
        "2 of 2 versions are held against the advisories that the package index tells"
    ]


def test_a_known_vulnerability_fails_where_a_version_ends_it(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.advisories["sound/1.0"] = [ADVISORY]
    (problem,) = asked(index, "sound==1.0").problems
    assert "sound==1.0 has a known vulnerability: PYSEC-2026-7, CVE-2026-7" in problem
    assert "fixed in 1.1" in problem
    assert asked(index, "sound==1.1").problems == []


def test_a_vulnerability_of_another_python_s_version_counts(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.advisories["sound/1.0"] = [ADVISORY]
    both = ("sound==1.0 ; python_version < '3.5'", "sound==1.1 ; python_version >= '3.5'")
    assert len(asked(index, *both).problems) == 1


def test_a_vulnerability_without_remedy_or_withdrawn_is_no_failure(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.advisories["sound/1.0"] = [ADVISORY | {"fixed_in": []}]
    report = asked(index, "sound==1.0")
    assert report.problems == []
    assert "no version is without it yet" in report.remarks[0]
    local.advisories["sound/1.0"] = [ADVISORY | {"withdrawn": "2026-11-01T00:00:00Z"}]
    assert len(asked(index, "sound==1.0").remarks) == 1


def test_an_allowance_holds_until_its_day(served: tuple[LocalIndex, Index]) -> None:
    local, index = served
    local.advisories["sound/1.0"] = [ADVISORY]
    entry = {"reason": "not called here", "until": date(2026, 11, 27)}
    report = asked(index, "sound==1.0", allowed=Allowed({"CVE-2026-7": entry}, {}, {}))
    assert report.problems == []
    assert "allowed until 2026-11-27: not called here" in report.remarks[0]
    entry["until"] = TODAY
    (problem,) = asked(index, "sound==1.0", allowed=Allowed({"CVE-2026-7": entry}, {}, {})).problems
    assert "the allowance ended on 2026-11-26" in problem


def test_versions_that_are_gone_or_taken_back_fail(served: tuple[LocalIndex, Index]) -> None:
    local, index = served
    problems = asked(index, "sound==1.2", "absent==1.0").problems
    assert [each.split(" is ")[0] for each in problems] == ["absent==1.0", "sound==1.2"]
    local.files["sound"][0]["yanked"] = "wrong wheel"
    assert asked(index, "sound==1.0").problems == []  # its source is still there
    local.files["sound"][1]["yanked"] = True
    (problem,) = asked(index, "sound==1.0").problems
    assert "sound==1.0 was taken back by its authors: wrong wheel" in problem
    entry = {"reason": "the next one is too new", "until": date(2026, 12, 1)}
    allowed = Allowed({}, {"sound==1.0": entry}, {})
    assert asked(index, "sound==1.0", allowed=allowed).problems == []


def test_a_mirror_that_tells_of_the_newest_versions_alone_is_named_as_such(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.of_versions = False
    local.advisories["sound/1.1"] = [ADVISORY | {"fixed_in": ["1.2"]}]
    report = asked(index, "sound==1.0", "sound==1.1")
    assert len(report.problems) == 1
    assert report.remarks[0].startswith("2 of 3 versions")
    assert report.remarks[1].startswith("NOT CHECKED")
    assert report.remarks[1].endswith(": sound==1.0")


def test_an_index_without_advisories_fails_nothing_and_a_line_says_so(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.advisories.clear()
    report = asked(index, "sound==1.0")
    assert report.problems == []
    assert report.remarks[0].startswith("0 of 2 versions")
    assert report.remarks[1].startswith("NOT CHECKED for known vulnerabilities")


def test_an_index_that_is_down_fails_nothing_and_a_line_says_so(
    served: tuple[LocalIndex, Index],
) -> None:
    local, index = served
    local.is_broken = True
    report = asked(index, "sound==1.0")
    assert report.problems == []
    assert report.remarks[0].startswith("NOT CHECKED against the package index")
    assert local.answers


# --- what is installed: a folder with packages made for the test


def install(
    directory: Path, name: str, version: str, metadata: str = "License-Expression: MIT"
) -> Path:
    """A package as a wheel would lay it: a module, METADATA and RECORD with hashes."""
    module = directory / f"{name}.py"
    module.write_text("ANSWER = 42\n")
    information = directory / f"{name}-{version}.dist-info"
    information.mkdir()
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    (information / "METADATA").write_text(f"{head}{metadata}\n")
    lines = [f"{information.name}/RECORD,,"]
    for file in (module, information / "METADATA"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()
        hashed = f"sha256={digest.rstrip('=')}"
        lines.append(f"{file.relative_to(directory)},{hashed},{file.stat().st_size}")
    (information / "RECORD").write_text("\n".join(lines) + "\n")
    return module


def test_an_environment_that_is_not_the_list_fails(tmp_path: Path) -> None:
    install(tmp_path, "sound", "1.0")
    install(tmp_path, "stowaway", "6.6")
    locked = ["sound==1.1", "absent==1.0", "other==1.0 ; sys_platform == 'win32'"]
    assert list(check_environment([Requirement(line) for line in locked], tmp_path)) == [
        "stowaway==6.6 is installed and not locked. Fix: lock it, or delete .venv",
        "absent==1.0 is locked and not installed. Fix: delete .venv",
        "sound is installed as 1.0 and locked as 1.1. Fix: delete .venv",
    ]


def test_files_that_were_tampered_with_fail(tmp_path: Path) -> None:
    changed = install(tmp_path, "changed", "1.0")
    gone = install(tmp_path, "gone", "1.0")
    assert list(check_files(tmp_path)) == []
    changed.write_text("ANSWER = 43\n")
    gone.unlink()
    (tmp_path / "startup.pth").write_text("import changed\n")
    problems = list(check_files(tmp_path))
    assert len(problems) == 3
    assert f"{changed} of changed is not as its wheel brought it" in problems[0]
    assert f"{gone} of gone is missing" in problems[1]
    assert "startup.pth belongs to no installed package" in problems[2]


@pytest.mark.parametrize(
    ("metadata", "is_allowed"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: GPL-3.0-or-later", False),
        ("License-Expression: AGPL-3.0-only", False),
        ("License-Expression: GPL-2.0-only OR Artistic-1.0", True),
        ("License-Expression: LGPL-3.0-only", True),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        (
            "Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)",
            True,
        ),
        (
            "Classifier: License :: OSI Approved :: Artistic License\n"
            "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
            True,
        ),
        ("License: GNU AGPL v3", False),
        ("Summary: says nothing", False),
    ],
)
def test_a_licence_that_binds_the_whole_fails_where_it_runs_in_production(
    tmp_path: Path, metadata: str, is_allowed: bool
) -> None:
    project = tmp_path / "project"
    installed = tmp_path / "installed"
    project.mkdir()
    installed.mkdir()
    (project / "pyproject.toml").write_text('[project]\ndependencies = ["needs[extra]"]\n')
    needs = 'License-Expression: MIT\nRequires-Dist: deeper ; extra == "extra"'
    install(installed, "needs", "1.0", needs)
    install(installed, "deeper", "1.0", metadata)
    install(installed, "tool", "1.0", "License-Expression: GPL-3.0-only")  # nothing needs it
    problems = list(check_licences(project, installed, NOTHING))
    assert [each.split(" has ")[0] for each in problems] == ([] if is_allowed else ["deeper"])
    listed = Allowed({}, {}, {"deeper": {"reason": "a program of its own"}})
    assert list(check_licences(project, installed, listed)) == []


@pytest.mark.parametrize(
    "entry",
    [
        "[advisories.CVE-1]\nuntil = 2026-12-31",
        '[advisories.CVE-1]\nreason = "not called"',
        '[yanked."a==1"]\nreason = "why"',
        '[licences.a]\nreason = " "',
    ],
)
def test_an_allowance_needs_a_reason_and_an_end(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "allowed.toml"
    file.write_text(entry)
    with pytest.raises(ValueError, match="has no"):
        Allowed.read(file)


def test_the_project_s_own_files_are_read() -> None:
    assert len(locked_requirements(packages.ROOT)) > 100
    Allowed.read(packages.ALLOWED)


def test_the_check_ends_with_1_and_says_what_was_found(
    served: tuple[LocalIndex, Index],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\ndependencies = ['sound']\noptional-dependencies.locked = ['sound==1.0']\n"
    )
    installed = tmp_path / "installed"
    installed.mkdir()
    module = install(installed, "sound", "1.0")
    address = served[1]._simple
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.setattr(packages, "index_of_pip", lambda: address)
    monkeypatch.setattr(packages.sysconfig, "get_paths", lambda: {"purelib": str(installed)})
    assert packages.main() == 0
    served[0].advisories["sound/1.0"] = [ADVISORY]
    module.write_text("import os\n")
    assert packages.main() == 1
    printed = capsys.readouterr().out
    assert "PYSEC-2026-7" in printed
    assert "sound.py" in printed


# --- imports: deptry does it, by the settings of pyproject.toml


@pytest.mark.parametrize(
    ("line", "declared", "problem"),
    [
        ("import requests\n", ["requests"], ""),
        ("import requests\n", [], "DEP004"),  # it comes with others, and a tool needs it
        ("", ["requests"], "DEP002"),
    ],
)
def test_an_undeclared_import_and_an_unused_declaration_fail(
    tmp_path: Path, line: str, declared: list[str], problem: str
) -> None:
    (tmp_path / "module.py").write_text(line)
    content = (packages.ROOT / "pyproject.toml").read_text()
    settings = content[content.index("[tool.deptry]\n") :].split("\n[tool.deptry.per")[0]
    (tmp_path / "pyproject.toml").write_text(
        f"[project]\nname = 'x'\nversion = '1'\ndependencies = {declared}\n"
        f"optional-dependencies.locked = ['requests==2.34.2']\n\n{settings}"
    )
    command = [sys.executable, "-m", "deptry", ".", "--no-ansi"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert problem in done.stderr
    assert done.returncode == (1 if problem else 0), done.stderr
