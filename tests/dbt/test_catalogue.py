"""The catalogue of the models as one page: all of the models, nothing of anybody or any machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from ingestion.database import roles
from ingestion.settings import PROJECT_ROOT
from tests.end_to_end.test_win_probability_commands import clutch
from tests.support.audiences import ATHLETES, World


@pytest.fixture(scope="module")
def page(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("docs") / "new" / "index.html"
    done = clutch(world.settings, "docs", "--output", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == str(file)
    assert [each.name for each in file.parent.iterdir()] == ["index.html"]
    return file.read_text()


def test_every_mart_metric_and_exposure_is_on_it(page: str) -> None:
    folder = PROJECT_ROOT / "dbt_project/models"
    names = {f"model.clutch.{path.stem}" for path in folder.rglob("*.sql")}
    names |= {"exposure.clutch.api_leaderboard", "metric.clutch.clutch_points"}
    assert {name for name in names if f'"{name}"' not in page} == set()
    assert "Filter by total_clutch_games before ranking" in page
    # types come from the database
    assert '"type": "numeric(5,2)"' in page


def test_it_holds_nothing_of_anybody(page: str, world: World) -> None:
    private = {str(each.connection_id) for each in ATHLETES} | set(world.players)
    private |= {game for each in ATHLETES for game in each.games}
    private |= {full_name for (full_name,) in world.ask(roles.BI, "select full_name from players")}
    assert len(private) > 30
    assert {each for each in private if each in page} == set()
    assert set(re.findall(r'"stats": (\{[^}]*\})', page)) == {"{}"}


def test_it_holds_nothing_of_the_machine(page: str, world: World, tmp_path: Path) -> None:
    address = conninfo_to_dict(world.settings.database_url or "")
    name = str(address["dbname"])
    for each in (
        *(str(PROJECT_ROOT), str(world.settings.state_directory), str(Path.home())),
        *(str(address["host"]), f"user={address['user']}", str(tmp_path.parent), "postgresql://"),
        *(f'"database": "{name}"', json.dumps(f'"{name}".')[1:-1]),
    ):
        assert each not in page, each


def test_it_loads_nothing(page: str) -> None:
    # links that a reader clicks are none, nor are tags that a script is about to put together
    tags = re.findall(r"<(?:script|link|img|iframe|use|object|source)\b[^>]*>", page)
    outside = re.compile(r"""\s(src|href)=["'](?!data:|#|'\+)""")
    loads = [tag for tag in tags if outside.search(tag) and 'rel="canonical"' not in tag]
    assert loads == []
    assert "cloudfront" not in page
    assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", page)
