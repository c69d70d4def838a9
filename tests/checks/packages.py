"""Checks the packages of ``pyproject.toml`` and what is installed of them.

``python -m tests.checks.packages`` looks for

- known vulnerabilities that another version ends, as the package index tells them;
- versions that the index does not have, or that their authors took back;
- an environment that is not the list ``locked``, or whose files are not those of the wheels;
- licences of what runs in production that bind whoever uses the whole (GPL, AGPL).

Ends with 1 if it finds one. What is allowed stands in ``allowed_packages.toml`` with its reason. An
index that cannot be reached, or that tells no vulnerabilities, fails nothing; a line says so.
"""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from clutch import UV_VERSION

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("allowed_packages.toml")
# Not of the list: the project, what makes the environment, what a Python may bring along.
BESIDE_LOCKED = {"clutch", "pip", "uv"}
SECONDS = 20  # that an answer of the index may take
# Asked of pip itself: its settings may stand in files, in variables, or be its own defaults.
ASK_PIP = """
from pip._internal.commands import create_command
options, _ = create_command("download").parse_args([])
print(options.index_url)
"""


@dataclass
class Report:
    """What was found: problems fail the check, remarks are only said."""

    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Allowed:
    """``allowed_packages.toml``."""

    advisories: dict[str, dict[str, Any]]
    yanked: dict[str, dict[str, Any]]
    licences: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Allowed:
        """Read the file; an entry without reason, or without end where one is due, is an error."""
        content = tomllib.loads(path.read_text())
        tables = [content.get(name, {}) for name in ("advisories", "yanked", "licences")]
        for table, has_end in zip(tables, (True, True, False), strict=True):
            for name, entry in table.items():
                if not str(entry.get("reason", "")).strip():
                    raise ValueError(f"{path.name}: {name} has no reason")
                if has_end and not isinstance(entry.get("until"), date):
                    raise ValueError(f"{path.name}: {name} has no day `until`")
        return cls(*tables)


def locked_requirements(root: Path) -> list[Requirement]:
    """Every line of ``locked``, for all interpreters and systems."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["optional-dependencies"]["locked"]]


# --- what the index says ---------------------------------------------------------------------


class Index:
    """The package index that pip is set up with.

    Args:
        address: Of its simple API, as in pip's settings.
    """

    def __init__(self, address: str) -> None:
        self._simple = address.rstrip("/")
        self._root = self._simple.removesuffix("/simple")
        self._session = requests.Session()

    def advisories(self, name: str, version: str) -> list[dict[str, Any]] | None:
        """Known vulnerabilities of a version; None where the index does not tell.

        Some mirrors tell of the newest version of a package alone.
        """
        content = self._json(f"{name}/{version}") or self._json(name)
        if content is None or Version(content["info"]["version"]) != Version(version):
            return None
        found: list[dict[str, Any]] = content["vulnerabilities"]
        return [each for each in found if not each.get("withdrawn")]

    def _json(self, path: str) -> dict[str, Any] | None:
        answer = self._session.get(f"{self._root}/pypi/{path}/json", timeout=SECONDS)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content if "vulnerabilities" in content else None

    def files(self, name: str) -> list[dict[str, Any]]:
        """Every file of a package; none where the index does not know it."""
        wanted = {"Accept": "application/vnd.pypi.simple.v1+json"}
        answer = self._session.get(f"{self._simple}/{name}/", headers=wanted, timeout=SECONDS)
        if answer.status_code == requests.codes.not_found:
            return []
        answer.raise_for_status()
        files: list[dict[str, Any]] = answer.json()["files"]
        return files


def index_of_pip() -> str | None:
    """Address of the index that pip uses; None where there is none over HTTP."""
    # in the environment itself there is no pip: it was made by the interpreter below it
    python = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([python, "-c", ASK_PIP], check=False, capture_output=True, text=True)
    address = done.stdout.strip()
    return address if urlsplit(address).scheme in ("http", "https") else None


def check_index(index: Index, locked: list[Requirement], allowed: Allowed, today: date) -> Report:
    """Known vulnerabilities, versions taken back, versions that are not there."""
    report = Report()
    versions = sorted({(canonicalize_name(each.name), _version(each)) for each in locked})
    versions.append(("uv", UV_VERSION))
    with ThreadPoolExecutor(16) as pool:
        try:
            listed = list(pool.map(index.files, [name for name, _ in versions]))
        except requests.RequestException as error:
            report.remarks.append(
                "NOT CHECKED against the package index, neither for vulnerabilities nor for "
                f"versions taken back: it cannot be read ({type(error).__name__})"
            )
            return report
        for (name, version), files in zip(versions, listed, strict=True):
            _check_listed(report, f"{name}=={version}", version, files, allowed, today)
        try:
            told = list(pool.map(lambda each: index.advisories(*each), versions))
        except requests.RequestException as error:
            report.remarks.append(
                "NOT CHECKED for known vulnerabilities: the package index failed "
                f"({type(error).__name__})"
            )
            return report
    for (name, version), advisories in zip(versions, told, strict=True):
        for advisory in advisories or []:
            _check_advisory(report, f"{name}=={version}", advisory, allowed, today)
    untold = [
        f"{name}=={version}"
        for (name, version), advisories in zip(versions, told, strict=True)
        if advisories is None
    ]
    report.remarks.append(
        f"{len(versions) - len(untold)} of {len(versions)} versions are held against the "
        "advisories that the package index tells"
    )
    if untold:
        report.remarks.append(
            "NOT CHECKED for known vulnerabilities, because the index in use tells nothing of "
            f"these versions: {', '.join(untold)}"
        )
    return report


def _check_listed(
    report: Report,
    package: str,
    version: str,
    files: list[dict[str, Any]],
    allowed: Allowed,
    today: date,
) -> None:
    of_version = [each for each in files if _version_of_file(each["filename"]) == Version(version)]
    if not of_version:
        report.problems.append(f"{package} is not on the package index. Fix: lock another version")
    # one file taken back is a wheel that failed; all of them are the version
    elif all(each.get("yanked") for each in of_version):
        entry = allowed.yanked.get(package)
        if entry is None or entry["until"] <= today:
            why = of_version[0]["yanked"]
            report.problems.append(
                f"{package} was taken back by its authors"
                f"{f': {why}' if isinstance(why, str) else ''}{_over(entry)}. "
                "Fix: lock another version"
            )


def _check_advisory(
    report: Report, package: str, advisory: dict[str, Any], allowed: Allowed, today: date
) -> None:
    names = [advisory["id"], *advisory.get("aliases", [])]
    entry = next((allowed.advisories[name] for name in names if name in allowed.advisories), None)
    called = f"{package} has a known vulnerability: {', '.join(names)}"
    fixed = ", ".join(advisory.get("fixed_in") or [])
    if entry is not None and entry["until"] > today:
        report.remarks.append(f"{called}; allowed until {entry['until']}: {entry['reason']}")
    elif fixed:
        report.problems.append(f"{called}; fixed in {fixed}{_over(entry)}. Fix: lock that version")
    else:
        report.remarks.append(f"{called}; no version is without it yet")


def _over(entry: dict[str, Any] | None) -> str:
    return "" if entry is None else f" (the allowance ended on {entry['until']})"


def _version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    return specifier.version


def _version_of_file(name: str) -> Version | None:
    try:
        if name.endswith(".whl"):
            return parse_wheel_filename(name)[1]
        return parse_sdist_filename(name)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


# --- what is installed -----------------------------------------------------------------------


def check_environment(locked: list[Requirement], directory: Path) -> Iterator[str]:
    """What is installed there and not locked, or the other way round, or in another version."""
    wanted = {
        canonicalize_name(each.name): _version(each)
        for each in locked
        if each.marker is None or each.marker.evaluate()
    }
    found = {canonicalize_name(each.name): each.version for each in _installed(directory)}
    for name, version in sorted(found.items()):
        if name not in wanted and name not in BESIDE_LOCKED:
            yield f"{name}=={version} is installed and not locked. Fix: lock it, or delete .venv"
    for name, version in sorted(wanted.items()):
        if name not in found:
            yield f"{name}=={version} is locked and not installed. Fix: delete .venv"
        elif Version(found[name]) != Version(version):
            yield f"{name} is installed as {found[name]} and locked as {version}. Fix: delete .venv"


def check_files(directory: Path) -> Iterator[str]:
    """Files that are not as their wheel brought them, and code that no wheel brought."""
    brought: dict[str, str] = {}  # which package has the file
    digests: dict[str, str] = {}
    for distribution in _installed(directory):
        for name, digest, _ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
            path = os.path.normpath(directory / name)
            brought[path] = distribution.name
            if digest.startswith("sha256="):
                digests[path] = digest.removeprefix("sha256=")
    with ThreadPoolExecutor() as pool:
        actual = pool.map(_digest, digests)
    for (path, digest), found in zip(digests.items(), actual, strict=True):
        if found != digest:
            what = "is missing" if found is None else "is not as its wheel brought it"
            yield f"{path} of {brought[path]} {what}. Fix: delete .venv"
    # .pth files run when Python starts
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - of 60,000 files
            if name.endswith((".py", ".so", ".pth")) and path not in brought:
                yield f"{path} belongs to no installed package. Fix: delete .venv"


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as opened:  # noqa: PTH123
            digest = hashlib.file_digest(opened, "sha256").digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_licences(root: Path, directory: Path, allowed: Allowed) -> Iterator[str]:
    """Licences of what runs in production that are GPL or AGPL and nothing else."""
    installed = {canonicalize_name(each.name): each for each in _installed(directory)}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for name in sorted(_needed(project["dependencies"], installed)):
        licences = _licences(installed[name])
        if not licences:
            told = "no licence"
        elif all(_binds(each) for each in licences):
            told = " or ".join(sorted(licences))
        else:
            continue
        if name not in allowed.licences:
            yield f"{name} has {told}. Fix: do without it, or allow it in {ALLOWED.name}"


def _needed(
    lines: Iterable[str], installed: dict[str, importlib.metadata.Distribution]
) -> set[str]:
    """Names of all that these requirements bring, as far as it is installed."""
    needed: set[str] = set()
    ahead = [Requirement(line) for line in lines]
    while ahead:
        wanted = ahead.pop()
        name = canonicalize_name(wanted.name)
        if name not in installed:
            continue
        key = f"{name}[{','.join(sorted(wanted.extras))}]"
        if key in needed:
            continue
        needed.add(key)
        for line in installed[name].requires or []:
            requirement = Requirement(line)
            extras = wanted.extras or {""}
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                ahead.append(requirement)
    return {key.partition("[")[0] for key in needed}


def _licences(distribution: importlib.metadata.Distribution) -> set[str]:
    """The licences among which one may choose."""
    metadata = distribution.metadata
    if expression := metadata.get("License-Expression"):
        return {part.strip("() ") for part in re.split(r"\bOR\b", expression)}
    classifiers = metadata.get_all("Classifier") or []
    named = {each for each in classifiers if each.startswith("License :: OSI Approved :: ")}
    if named:
        return {each.split(" :: ")[-1] for each in named}
    lines = (metadata.get("License") or "").strip().splitlines()
    if lines:
        return {lines[0]}
    # older packages bring the text alone
    for file in distribution.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            text = Path(str(file.locate())).read_text(errors="replace").split("\n\n")[0].split()
            return {" ".join(text)[:60]}
    return set()


def _binds(licence: str) -> bool:
    weaker = re.search(r"LGPL|Lesser|Library", licence)
    return not weaker and bool(re.search(r"GPL|GNU (Affero )?General Public", licence, re.I))


@functools.cache
def _installed(directory: Path) -> list[importlib.metadata.Distribution]:
    return list(importlib.metadata.distributions(path=[str(directory)]))


def main() -> int:
    """Exit code of the check."""
    allowed = Allowed.read(ALLOWED)
    locked = locked_requirements(ROOT)
    installed = Path(sysconfig.get_paths()["purelib"])
    address = index_of_pip()
    if address is None:
        report = Report(remarks=["NOT CHECKED against a package index: pip has none"])
    else:
        report = check_index(Index(address), locked, allowed, datetime.now(UTC).date())
    report.problems += check_environment(locked, installed)
    report.problems += check_files(installed)
    report.problems += check_licences(ROOT, installed, allowed)
    for line in (*report.remarks, *report.problems):
        print(f"packages: {line}")
    print(f"packages: {len(report.problems)} findings")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
