"""Databases for tests: one embedded server for the run, a fresh migrated database per test."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from xdist.scheduler import LoadFileScheduling

from ingestion.database import embedded
from ingestion.database.migrate import migrate
from ingestion.settings import Settings
from tests.replay import shared_nba_directory
from tests.support.external_server import external_server
from tests.support.states import settings_at, temporary_state

if TYPE_CHECKING:
    from tests.support.fitted_league import Fitted

__all__ = ["external_server"]


# Of the server that tests share, which nobody kills: nothing of it has to survive. Tables that dbt
# makes anew then write no log. Tests that kill a server, or look into its files, start their own.
WITHOUT_DURABILITY = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_init_zero": "off",
}

# They stand on the same four seasons, which take minutes to load and build.
OF_FOUR_SEASONS = {
    "test_four_seasons.py",
    "test_real_pages.py",
    "test_real_seasons.py",
    "test_win_probability_unseen.py",
}

# They ask one database of athletes who allow different things (tests/dbt/conftest.py).
OF_AUDIENCES = {"test_bi_clients.py", "test_catalogue.py", "test_readers.py"}

# One league that is fitted once (tests/support/fitted_league.py); the pages are asked before a test
# of the fit lets an athlete withdraw.
OF_A_FIT = {"test_fit.py", "test_pages.py"}

# the tests of a file take seconds here
SHORT_FILES = Path(__file__).parent / "ingestion"


class OneProcessForAFile(LoadFileScheduling):
    """Tests of a file share what is costly to make: one process runs them, and some files."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::")[0])
        if file.name in OF_AUDIENCES:
            return "audiences"
        if file.name in OF_A_FIT:
            return "a fit"
        return "four seasons" if file.name in OF_FOUR_SEASONS else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Instead of ``--dist loadfile``."""
    return OneProcessForAFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put short files last; skip what needs real data that do not lie beside the checkout.

    A long file that comes last is run by one process while the other has nothing to do.
    """
    items.sort(key=lambda item: SHORT_FILES in item.path.parents)
    if shared_nba_directory() is None:
        absent = pytest.mark.skip(reason="real NBA data: ../shared/data/nba is not here")
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(absent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the real data are, a skipped test of them is a failure: it would look like a pass."""
    report = yield
    if report.skipped and item.get_closest_marker("realdata") and shared_nba_directory():
        report.outcome = "failed"
        report.longrepr = f"the real NBA data are here, and {item.nodeid} was skipped"
    return report


@pytest.fixture(scope="session")
def shared_nba() -> Path:
    """The real NBA data beside the checkout; tests that ask for it are marked ``realdata``."""
    directory = shared_nba_directory()
    assert directory is not None, "this test lacks the marker realdata"
    return directory


@pytest.fixture
def new_state_directory() -> Iterator[Callable[[Path], Settings]]:
    """A function that gives settings for a state directory; its server is stopped afterwards."""
    given: list[Settings] = []

    def settings(state_directory: Path) -> Settings:
        given.append(settings_at(state_directory))
        return given[-1]

    yield settings
    for used in given:
        home = used.state_directory / "postgres"
        fallback = home.readlink() if home.is_symlink() else None
        embedded.stop(used)
        # a test that kills a server leaves its socket behind
        shutil.rmtree(used.socket_directory, ignore_errors=True)
        if fallback is not None:
            shutil.rmtree(fallback, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_settings() -> Iterator[Settings]:
    """Settings of the test run's own embedded server, started; its database is not migrated."""
    with temporary_state() as settings:
        embedded.start(settings)
        with _administrator(settings) as connection:
            for name, value in WITHOUT_DURABILITY.items():
                connection.execute(f"alter system set {name} = '{value}'")
        embedded.stop(settings)  # the level of the log is read at the start
        embedded.start(settings)
        yield settings


@pytest.fixture(scope="session")
def make_database(embedded_settings: Settings) -> Callable[[], Settings]:
    """A function that makes an empty database on that server and gives settings that name it.

    They go with the server in the end: dropping each would write all that others changed to disk.
    """
    numbers = itertools.count(1)

    def make() -> Settings:
        name = f"test_{next(numbers)}"
        with _administrator(embedded_settings) as connection:
            connection.execute(f"create database {name}")
        url = embedded.url(embedded_settings, embedded.ADMIN, name)
        return dataclasses.replace(embedded_settings, database_url=url)

    return make


@pytest.fixture(scope="session")
def make_migrated(make_database: Callable[[], Settings]) -> Callable[[], Settings]:
    """A function that makes a migrated database and gives settings that name it."""

    def make() -> Settings:
        settings = make_database()
        migrate(settings)
        return settings

    return make


@pytest.fixture(scope="session")
def copy_database(
    make_database: Callable[[], Settings], embedded_settings: Settings
) -> Callable[[Settings], Settings]:
    """A function that copies a database of that server: in a second what a build took to make.

    Rights and settings of the database itself are those of a new one.
    """

    def copy(original: Settings) -> Settings:
        of = conninfo_to_dict(original.database_url or "")["dbname"]
        settings = make_database()
        name = conninfo_to_dict(settings.database_url or "")["dbname"]
        with _administrator(embedded_settings) as connection:
            # a template must have no visitor
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [of]
            )
            connection.execute(f"drop database {name}")
            connection.execute(f"create database {name} template {of} strategy file_copy")
        return settings

    return copy


@pytest.fixture(scope="session")
def fitted(
    make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory
) -> Fitted:
    """A simulated league with nights, built and fitted."""
    # whoever asks for less does not wait for PyMC
    from tests.support.fitted_league import fit_league

    return fit_league(make_migrated(), tmp_path_factory.mktemp("fitted"))


@pytest.fixture
def empty_database(make_database: Callable[[], Settings]) -> Settings:
    """Settings that name a database of this test's own, without any migration."""
    return make_database()


@pytest.fixture
def database(make_database: Callable[[], Settings]) -> Settings:
    """Settings that name a migrated database of this test's own (about 0.1 s)."""
    settings = make_database()
    migrate(settings)
    return settings


@pytest.fixture(scope="module")
def module_database(make_database: Callable[[], Settings]) -> Settings:
    """As ``database``, shared by the tests of one module."""
    settings = make_database()
    migrate(settings)
    return settings


def _administrator(settings: Settings) -> psycopg.Connection[tuple[object, ...]]:
    url = embedded.url(settings, embedded.ADMIN, "postgres")
    return psycopg.connect(url, autocommit=True)
