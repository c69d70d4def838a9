"""Looks for secrets in every tracked file and in every line that the history ever had.

``python -m tests.checks.secrets`` prints a line per finding, never the secret itself, and ends with
1 if there is one. What is no secret stands in ``allowed_secrets.csv`` with its reason.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.plugins import initialize
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("allowed_secrets.csv")
HISTORY = "(history)"  # in the place of a file: a line that is in no tracked file any more
LINES_AT_ONCE = 4000
# Shorter ones are fingerprints of files; WHOOP's secret has 64 digits, keys of other services 32.
SHORTEST_HEX_SECRET = 20


class FernetKey(RegexBasedDetector):
    """What encrypts tokens: 32 bytes in URL-safe base64, quoted or not."""

    secret_type = "Fernet key"
    denylist = (re.compile(r"(?<![\w/+-])([\w-]{43}=)(?![\w=])", re.ASCII),)


class BearerToken(RegexBasedDetector):
    """An access token as it stands in a header."""

    secret_type = "Bearer token"
    denylist = (re.compile(r"(?i:bearer)[ \t:\"']+([A-Za-z0-9._~+/-]{20,}=*)"),)


class AssignedSecret(RegexBasedDetector):
    """A long value under a name that says secret: .env, YAML, shell and pages need no quotes."""

    secret_type = "Assigned secret"
    denylist = (
        re.compile(
            r"(?i:secret|token|passw(?:or)?d|api_?key|encryption_?key|private_?key)\w*[\"']?"
            r"[ \t]*(?:=|:)[ \t]*[\"']?((?=[\w+/=-]*\d)[\w+/-]{20,}=*)"
        ),
    )


OWN = (FernetKey, BearerToken, AssignedSecret)
# What detect-secrets takes for no secret; its rules about whole files are left out.
HARMLESS = (
    heuristic.is_sequential_string,
    heuristic.is_potential_uuid,
    heuristic.is_templated_secret,
    heuristic.is_not_alphanumeric_string,
)


@dataclass(frozen=True, order=True)
class Line:
    """A line and where it stands."""

    file: str
    number: int
    text: str
    commit: str = ""


@dataclass(frozen=True, order=True)
class Finding:
    """What looks like a secret; the hash names it without telling it."""

    file: str
    number: int
    kind: str
    hash: str
    commit: str = ""

    def __str__(self) -> str:
        at = f" in commit {self.commit[:10]}, in no file any more" if self.commit else ""
        return f"{self.file}:{self.number}{at}: {self.kind} ({self.hash})"


def scan(lines: Iterable[Line]) -> set[Finding]:
    """What looks like a secret in these lines. Asks no service whether it is one."""
    found = set()
    names = [each.__name__ for each in get_mapping_from_secret_type_to_class().values()]
    used = [{"name": name} for name in names]
    with transient_settings({"plugins_used": used, "filters_used": []}):
        plugins: list[BasePlugin] = [initialize.from_plugin_classname(name) for name in names]
        plugins += [own() for own in OWN]
        for line in lines:
            for plugin in plugins:
                for secret in plugin.analyze_line(line.file, line.text, line.number):
                    if not _is_harmless(secret, line.text):
                        at = (line.file, line.number, secret.type, secret.secret_hash, line.commit)
                        found.add(Finding(*at))
    return found


def _is_harmless(secret: PotentialSecret, line: str) -> bool:
    value = secret.secret_value or ""
    if secret.type == "Secret Keyword" and heuristic.is_indirect_reference(line):
        return True
    if secret.type == "Hex High Entropy String" and len(value) < SHORTEST_HEX_SECRET:
        return True
    return any(rule(value) for rule in HARMLESS)


def tracked_lines(root: Path) -> list[Line]:
    """Every line of every tracked file, as it is on disk; what is said twice in a file once."""
    lines = []
    for name in _git(root, "ls-files", "-z").split("\0")[:-1]:
        path = root / name
        if not path.is_file():  # deleted and not yet committed
            continue
        seen = set()
        for number, text in enumerate(path.read_text(errors="replace").split("\n"), start=1):
            if text.strip() and text not in seen:
                seen.add(text)
                lines.append(Line(name, number, text))
    return lines


def past_lines(root: Path, known: set[str]) -> list[Line]:
    """Every other line of the history that this clone has, with the newest commit that added it."""
    lines: dict[str, Line] = {}
    commit = file = ""
    number = 0
    log = _git(
        root,
        "log",
        "-p",
        "-m",
        "-U0",
        "--no-color",
        "--no-renames",
        "--no-ext-diff",
        "--format=%x00%H",
    )
    for text in log.split("\n"):
        if text.startswith("\0"):
            commit = text[1:]
        elif text.startswith(("+++ b/", "+++ /dev/null")):
            file = text[6:]
        elif start := re.match(r"@@ -\S+ \+(\d+)", text):
            number = int(start[1])
        elif text.startswith("+"):
            added = text[1:]
            if added.strip() and added not in known:
                lines.setdefault(added, Line(file, number, added, commit))
            number += 1
    return list(lines.values())


def scan_repository(root: Path) -> set[Finding]:
    """Scan tracked files and history of a clone, in two processes."""
    tracked = tracked_lines(root)
    lines = tracked + past_lines(root, {line.text for line in tracked})
    parts = [lines[start : start + LINES_AT_ONCE] for start in range(0, len(lines), LINES_AT_ONCE)]
    with ProcessPoolExecutor(2) as pool:
        return set().union(*pool.map(scan, parts))


def judge(findings: set[Finding], allowed: set[tuple[str, str]]) -> Iterator[str]:
    """A line per finding that is not allowed, and per allowance that nothing needs any more."""
    used = set()
    for finding in sorted(findings):
        file = HISTORY if finding.commit else finding.file
        # a test vector that was committed once stays in the history of whatever file had it
        covering = {entry for entry in allowed if entry[1] == finding.hash}
        if not finding.commit:
            covering &= {(file, finding.hash)}
        if covering:
            used |= covering
        else:
            yield f"{finding}; to allow it: {file},{finding.hash},why it is no secret"
    for file, secret_hash in sorted(allowed - used):
        if file != HISTORY:  # a shallow clone lacks it
            yield f"{ALLOWED.name}: {file},{secret_hash} is not found any more: remove the line"


def read_allowed(path: Path) -> set[tuple[str, str]]:
    """File and hash of everything that is allowed; each has to have a reason."""
    with path.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    bare = [row["file"] for row in rows if not (row["reason"] or "").strip()]
    if bare:
        raise ValueError(f"{path.name} has no reason for: {', '.join(bare)}")
    return {(row["file"], row["hash"]) for row in rows}


def _git(root: Path, *arguments: str) -> str:
    as_expected = ["-c", "core.quotePath=off", "-c", "diff.noprefix=false"]
    as_expected += ["-c", "diff.mnemonicPrefix=false"]
    command = ["git", "-C", str(root), *as_expected, *arguments]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stdout.decode(errors="replace")


def main() -> int:
    """Exit code of the check."""
    problems = list(judge(scan_repository(ROOT), read_allowed(ALLOWED)))
    for problem in problems:
        print(problem)
    print(f"secrets: {len(problems)} findings in tracked files and history")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
