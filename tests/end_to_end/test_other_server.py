"""DATABASE_URL points everything at another server: ingestion, a bare dbt build, the readers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT
from tests.support.external_server import ADMIN_PASSWORD, ExternalServer
from tests.support.tables import table_hashes

DATABASE = "wörld & co"


def test_a_bare_dbt_build_at_a_server_with_password(
    external_server: ExternalServer,
    undisturbed: Settings,
    season_directory: Path,
    tmp_path: Path,
) -> None:
    with external_server.administrator() as connection:
        connection.execute(f'create database "{DATABASE}"')
    url = external_server.url("administrator", ADMIN_PASSWORD, quote(DATABASE))
    settings = replace(undisturbed, database_url=url, state_directory=tmp_path / "state")
    assert nba.ingest(settings, directory=season_directory, show_progress=False).exit_code == 0
    done = subprocess.run(
        # unit tests do not read a table, and have run at the embedded server
        [Path(sys.executable).with_name("dbt"), "build", "--exclude-resource-type", "unit_test"],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "DBT_TARGET_PATH": str(tmp_path / "target"),
            "DBT_LOG_PATH": str(tmp_path / "target"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert table_hashes(settings) == table_hashes(undisturbed)

    with connect(settings, roles.TRANSFORM) as connection:
        owners = connection.execute(
            "select distinct tableowner from pg_tables where schemaname = any(%s)",
            [["staging", "intermediate", "analytics"]],
        ).fetchall()
    assert owners == [("clutch_transform",)]
    with connect(settings, roles.BI) as connection:
        assert connection.execute("select count(*) > 0 from clutch_leaderboard").fetchone() == (
            True,
        )
