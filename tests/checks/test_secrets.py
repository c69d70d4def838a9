"""Planted secrets are found in files and in the history; no report says them."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.checks import secrets
from tests.checks.secrets import HISTORY, Line, judge, read_allowed, scan, scan_repository

# Made when the tests run: written down here they would be findings themselves.
HEX = hashlib.sha256(b"not a secret").hexdigest()
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"athlete-7"}', bytes(range(32)))
)
OPAQUE = base64.urlsafe_b64encode(hashlib.sha512(b"token").digest()).decode().rstrip("=")
KEY = Fernet.generate_key().decode()
PLANTED = {
    "Fernet key in .env": ("deploy/.env", f"ENCRYPTION_KEY={KEY}", KEY),
    "Fernet key in Python": ("a.py", f'cipher = Fernet("{KEY}")', KEY),
    "Fernet keys in a list": ("a.sh", f"export ENCRYPTION_KEY={KEY},{KEY}", KEY),
    "WHOOP client secret in .env": (".env", f"WHOOP_CLIENT_SECRET={HEX}", HEX),
    "WHOOP client secret in Python": ("a.py", f'WhoopSettings(client_secret="{HEX}")', HEX),
    "WHOOP client secret on a page": ("a.md", f"    WHOOP_CLIENT_SECRET={HEX} clutch serve", HEX),
    "WHOOP client secret in YAML": ("a.yml", f"whoop_client_secret: {HEX}", HEX),
    "short password in Python": ("a.py", 'password = "hunter3-' + 'and-more"', "hunter3-"),
    "address with a password": (
        "a.yml",
        "url: postgresql://clutch_ingest:" + "Tr0ub4dor" + "@db.internal:5432/clutch",
        "Tr0ub4dor",
    ),
    "private key": ("key.pem", "-----BEGIN RSA " + "PRIVATE KEY-----", "PRIVATE KEY-----"),
    "JWT": ("a.json", f'{{"id": "{JWT}"}}', JWT),
    "JWT in a command": ("a.md", f'curl -H "Authorization: Bearer {JWT}"', JWT),
    "bearer token": ("a.txt", f"Authorization: Bearer {OPAQUE}", OPAQUE),
    "access token in JSON": ("a.json", f'{{"access_token": "{OPAQUE}"}}', OPAQUE),
    "refresh token in SQL": ("a.sql", f"-- refresh_token = {OPAQUE}", OPAQUE),
    "key of AWS": ("a.cfg", "id: AKIA" + "IOSFODNN7EXAMPLQ", "IOSFODNN7EXAMPLQ"),
    "token of GitHub": ("a.txt", "ghp_" + HEX[:36], HEX[:36]),
    "token of the package index": (
        "a.txt",
        "pypi-" + "AgEIcHlwaS5vcmc" + OPAQUE[:80],
        OPAQUE[:80],
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_each_kind_is_found_and_not_said(planted: str) -> None:
    file, line, secret = PLANTED[planted]
    findings = scan([Line(file, 7, line)])
    assert findings
    said = "\n".join(judge(findings, set()))
    assert f"{file}:7" in said
    assert secret not in said


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("a.py", "password = settings.password"),
        ("a.py", 'token = os.environ["WHOOP_TOKEN"]'),
        ("a.md", "#ENCRYPTION_KEY="),
        ("a.py", 'sandbox(token_lifetime_seconds=3600, secret_names=("a", "b"))'),
        ("a.sql", "select token_generation from operations.wearable_connections"),
        ("a.yml", "password: \"{{ env_var('PGPASSWORD') }}\""),
        ("a.json", '"exact.py": "' + HEX[:12] + '"'),
    ],
)
def test_what_only_speaks_of_secrets_is_none(file: str, line: str) -> None:
    assert scan([Line(file, 1, line)]) == set()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q")
    (tmp_path / "page.md").write_text("nothing to see\n")
    _commit(tmp_path)
    return tmp_path


def test_a_tracked_file_is_read_and_an_untracked_one_is_not(clone: Path) -> None:
    (clone / "notes.txt").write_text(f"first\nENCRYPTION_KEY={KEY}\n")
    assert scan_repository(clone) == set()
    _git(clone, "add", "notes.txt")
    assert {(found.file, found.number) for found in scan_repository(clone)} == {("notes.txt", 2)}


def test_what_was_committed_and_removed_is_found_in_the_history(clone: Path) -> None:
    (clone / "page.md").write_text(f"first\nENCRYPTION_KEY={KEY}\n")
    _commit(clone)
    commit = _git(clone, "rev-parse", "HEAD").strip()
    (clone / "page.md").write_text("first\n")
    _commit(clone)
    found = scan_repository(clone)
    assert {(each.file, each.number, each.commit) for each in found} == {("page.md", 2, commit)}
    hashes = {each.hash for each in found}
    assert list(judge(found, {(HISTORY, each) for each in hashes})) == []


def test_what_only_a_merge_added_is_found(clone: Path) -> None:
    _git(clone, "checkout", "-q", "-b", "other")
    (clone / "other.md").write_text("other\n")
    _commit(clone)
    _git(clone, "checkout", "-q", "-")
    _git(clone, "merge", "-q", "--no-ff", "--no-commit", "other")
    (clone / "other.md").write_text(f"WHOOP_CLIENT_SECRET={HEX}\n")
    _commit(clone)
    (clone / "other.md").write_text("other\n")
    _commit(clone)
    assert {each.file for each in scan_repository(clone)} == {"other.md"}


def test_an_allowance_covers_one_value_in_one_file_and_goes_with_it() -> None:
    findings = scan([Line("a.py", 1, f'cipher = Fernet("{KEY}")')])
    allowed = {(each.file, each.hash) for each in findings}
    assert list(judge(findings, allowed)) == []
    assert list(judge(scan([Line("b.py", 1, f'cipher = Fernet("{KEY}")')]), allowed))
    other = Fernet.generate_key().decode()
    assert list(judge(scan([Line("a.py", 1, f'cipher = Fernet("{other}")')]), allowed))
    (unneeded,) = judge(set(), allowed)
    assert "remove the line" in unneeded


def test_an_allowance_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "allowed.csv"
    file.write_text("file,hash,reason\na.py,0123,\n")
    with pytest.raises(ValueError, match=r"no reason for: a\.py"):
        read_allowed(file)


def test_the_check_fails_on_a_planted_secret(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = clone / "allowed.csv"
    allowed.write_text("file,hash,reason\n")
    monkeypatch.setattr(secrets, "ROOT", clone)
    monkeypatch.setattr(secrets, "ALLOWED", allowed)
    assert secrets.main() == 0
    (clone / "page.md").write_text(f"ENCRYPTION_KEY={KEY}\n")
    assert secrets.main() == 1
    printed = capsys.readouterr().out
    assert "page.md:1: Fernet key" in printed
    assert KEY not in printed


def _commit(clone: Path) -> None:
    _git(clone, "add", "-A")
    _git(clone, "commit", "-q", "-m", "change")


def _git(clone: Path, *arguments: str) -> str:
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", "-C", str(clone), *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
