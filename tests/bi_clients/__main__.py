"""Drive a real BI tool at a built database: ``python -m tests.bi_clients [--screenshot FILE]``.

Installs Apache Superset from the package index into an environment of its own (0.7 GB, kept with
``--environment``), starts it with a metadata database of its own beside a
PostgreSQL that asks for passwords, connects it with a login of ``clutch access login``, and prints
as JSON what its own interface answered and how long it took. By hand: the tests send the same
statements (``tests/dbt/test_bi_clients.py``).
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import requests
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from ingestion.database import roles
from ingestion.database.migrate import migrate
from ingestion.privacy import access, logins
from ingestion.settings import Settings
from tests.bi_clients.statements import FORBIDDEN
from tests.support.audiences import OF_A_PERSON, build_world
from tests.support.contract_queries import LEADERBOARD, PLAYER_SEASON
from tests.support.external_server import ADMIN_PASSWORD, running_server
from tests.support.states import settings_at

PACKAGES = (
    "apache-superset==6.1.0",
    "psycopg2-binary==2.9.13",
    # it imports these and names them not, or in a version with which it does not start
    "cachetools<7",
    "flask-caching==2.3.1",
    "rich",
)
USER = "admin"

CONFIG = """
SECRET_KEY = {secret!r}
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
"""


class Superset:
    """A running Superset.

    Args:
        base_url: Where it answers.
        password: Of its administrator.
    """

    def __init__(self, base_url: str, password: str) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        asked = {"username": USER, "password": password, "provider": "db", "refresh": True}
        token = self.call("POST", "security/login", json=asked)["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **more: Any) -> Any:
        """What its API answers; an error of the database is an answer too."""
        return self._session.request(
            method, f"{self.base_url}/api/v1/{path}", timeout=120, **more
        ).json()


def main(environment: Path, screenshot: Path | None) -> dict[str, Any]:
    """Install, start, connect, ask; the report."""
    report: dict[str, Any] = {"packages": PACKAGES, "seconds": {}}
    with tempfile.TemporaryDirectory(prefix="clutch-bi-") as name, running_server() as server:
        folder = Path(name)
        with server.administrator() as connection:
            connection.execute("create database clutch_of_superset")
            # as clutch access login says
            for other in ("postgres", "template1"):
                connection.execute(f"revoke connect, temporary on database {other} from public")
        settings = dataclasses.replace(
            settings_at(folder / "state"),
            database_url=server.url("administrator", ADMIN_PASSWORD, "clutch_of_superset"),
        )
        with _timed(report, "migrate and build"):
            migrate(settings)
            world = build_world(settings, folder)
        login = logins.make(settings, "superset", roles.BI)
        with _timed(report, "install"):
            _install(environment)
        with _running(environment, folder, report) as superset:
            player = next(player for player, name in world.players.items() if name == "everybody")
            _ask(superset, settings, login, report, player)
            if screenshot is not None:
                try:
                    _photograph(superset.base_url, folder, screenshot)
                except PlaywrightError as error:
                    # what was found before is worth more than the picture
                    report["screenshot"] = str(error).splitlines()[0]
        report["access check"] = access.matrix(settings).surprises
    return report


@contextmanager
def _timed(report: dict[str, Any], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    report["seconds"][name] = round(time.perf_counter() - began, 2)


def _install(environment: Path) -> None:
    if (environment / "bin" / "superset").exists():
        return
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)


@contextmanager
def _running(environment: Path, folder: Path, report: dict[str, Any]) -> Iterator[Superset]:
    secret = os.urandom(24).hex()
    config = folder / "superset_config.py"
    config.write_text(CONFIG.format(secret=secret, folder=folder))
    (folder / "password").write_text(secret)
    program = str(environment / "bin" / "superset")
    variables = {
        **os.environ,
        "SUPERSET_CONFIG_PATH": str(config),
        "SUPERSET_HOME": str(folder),
        "FLASK_APP": "superset",
    }
    admin = ["--username", USER, "--password", secret, "--email", "admin@example.test"]
    names = ["--firstname", "a", "--lastname", "b"]
    for command in (["db", "upgrade"], ["fab", "create-admin", *admin, *names], ["init"]):
        with _timed(report, f"superset {' '.join(command[:2])}"):
            done = subprocess.run(
                [program, *command], env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "superset.log").open("w") as log:
        process = subprocess.Popen(
            [program, "run", "-p", str(port), "--with-threads"],
            env=variables,
            stdout=log,
            stderr=log,
        )
        try:
            with _timed(report, "start"):
                _wait(f"http://127.0.0.1:{port}/health", process)
            yield Superset(f"http://127.0.0.1:{port}", secret)
        finally:
            process.terminate()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, "superset has ended"
        try:
            requests.get(address, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("superset does not answer")


def _ask(
    superset: Superset, settings: Settings, login: logins.Login, report: dict[str, Any], player: str
) -> None:
    address = login.address.replace("postgresql://", "postgresql+psycopg2://")
    with _timed(report, "connect"):
        made = superset.call(
            "POST",
            "database/",
            # all that it can do, so that the database is what refuses
            json={
                "database_name": "clutch",
                "sqlalchemy_uri": address,
                "expose_in_sqllab": True,
                **dict.fromkeys(("allow_dml", "allow_ctas", "allow_cvas"), True),
            },
        )
    database = made["id"]
    schemas = superset.call("GET", f"database/{database}/schemas/")["result"]
    report["schemas it lists"] = sorted(schemas)
    with _timed(report, "list relations"):
        listed = superset.call(
            "GET", f"database/{database}/tables/?q=(schema_name:analytics,force:!t)"
        )
    report["relations of analytics"] = listed["count"]
    with _timed(report, "dataset"):
        dataset = superset.call(
            "POST",
            "dataset/",
            json={
                "database": database,
                "schema": "analytics",
                "table_name": "clutch_leaderboard",
            },
        )
    points = {
        "expressionType": "SIMPLE",
        "column": {"column_name": "points_scored"},
        "aggregate": "SUM",
        "label": "points",
    }
    query = {
        "columns": ["full_name"],
        "metrics": [points],
        "orderby": [["points", False]],
        "row_limit": 5,
    }
    with _timed(report, "chart"):
        chart = superset.call(
            "POST",
            "chart/data",
            json={
                "datasource": {"id": dataset["id"], "type": "table"},
                "force": True,
                "queries": [query],
                "result_format": "json",
                "result_type": "full",
            },
        )
    report["chart"] = chart["result"][0]["data"]
    _ask_the_contract(superset, database, report, player)
    report["not refused"] = [
        statement for statement in FORBIDDEN if "errors" not in _lab(superset, database, statement)
    ]
    report["refused"] = len(FORBIDDEN) - len(report["not refused"])
    report["rows of athletes"] = {
        relation: len(rows)
        for relation, condition in OF_A_PERSON.items()
        if (rows := _lab(superset, database, f"select * from {relation} where {condition}")["data"])
    }
    elsewhere = superset.call(
        "POST",
        "database/test_connection/",
        json={"sqlalchemy_uri": address.replace("/clutch_of_superset", "/postgres")},
    )
    report["another database"] = str(elsewhere)[:200]


def _ask_the_contract(
    superset: Superset, database: int, report: dict[str, Any], player: str
) -> None:
    for name, asked in (("leaderboard", LEADERBOARD), ("player's season", PLAYER_SEASON)):
        with _timed(report, name):
            word_for_word = _lab(superset, database, asked)
        here = asked.replace("'201939'", f"'{player}'").replace("'2023-24'", "'2025-26'")
        answer = _lab(superset, database, here)
        report[name] = {
            "status": word_for_word["status"],
            "columns": len(word_for_word["columns"]),
            "rows, of a player and season that are here": len(answer["data"]),
            "sent": word_for_word["query"]["executedSql"],
        }


def _lab(superset: Superset, database: int, query: str) -> Any:
    return superset.call(
        "POST",
        "sqllab/execute/",
        json={
            "database_id": database,
            "sql": query,
            "schema": "analytics",
            "runAsync": False,
            "client_id": os.urandom(5).hex(),
        },
    )


def _photograph(base_url: str, folder: Path, file: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.goto(f"{base_url}/login/")
        # the page is drawn by a script
        page.locator("input#password").wait_for(state="visible", timeout=60_000)
        page.locator("input#username").fill(USER)
        page.locator("input#password").fill((folder / "password").read_text())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{base_url}/superset/welcome/**", timeout=60_000)
        page.goto(f"{base_url}/explore/?datasource_type=table&datasource_id=1&viz_type=table")
        page.wait_for_timeout(8000)
        page.screenshot(path=str(file))
        browser.close()


@click.command(help=__doc__)
@click.option("--environment", type=click.Path(path_type=Path), help="Default: one that goes.")
@click.option("--screenshot", type=click.Path(path_type=Path), help="Of the dataset, as PNG.")
def _cli(environment: Path | None, screenshot: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="clutch-superset-") as folder:
        report = main(environment or Path(folder) / "environment", screenshot)
    click.echo(json.dumps(report, indent=2))
    if report["not refused"] or report["rows of athletes"] or report["access check"]:
        sys.exit(1)


if __name__ == "__main__":
    _cli()
