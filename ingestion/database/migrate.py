"""Bring a database to the newest revision: roles, schemas and operational tables.

Everything happens in one transaction: a process that is killed leaves the revision that was there
before. Revisions and how to add one: :mod:`ingestion.database.migrations`.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path

import psycopg
from psycopg import errors, sql

from ingestion.database.connection import check, login_url, open_session, role_refused
from ingestion.database.roles import ALL_ROLES, OWNER
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings

VERSIONS_DIRECTORY = Path(__file__).parent / "migrations" / "versions"
VERSION_SCHEMA = "operations"

# Any number serves, as long as nothing else in the database takes it: "clutch" in ASCII.
_LOCK_KEY = 0x636C75746368
_LOCK_PATIENCE = "10min"

# Two databases of one server share its roles, and no lock reaches from one to the other. What the
# loser of such a race gets is one of these; everything is rolled back, and the next attempt finds
# the roles as they should be.
_RACES = (errors.UniqueViolation, errors.DuplicateObject, errors.DeadlockDetected)
_CONCURRENT_UPDATE = "tuple concurrently updated"
_ATTEMPTS = 5

# Alembic's `context` and `op` are one per process, not one per thread.
_ALEMBIC_LOCK = threading.Lock()


def migrate(settings: Settings, target: str | None = None) -> list[str]:
    """Apply the revisions that a database lacks. Any number of processes may do so at once.

    Args:
        settings: Settings of this process; the embedded server is started if it is the one.
        target: Revision to stop at, e.g. ``"0001"``; the newest by default.

    Returns:
        Names of the revisions applied now, oldest first; empty when there was nothing to do.

    Raises:
        SettingError: If the user of ``DATABASE_URL`` lacks a right.
        ClutchError: If the database is newer than this code, or holds a schema of ours that is not
            ours.
    """
    target = target or max(revisions())
    if target not in revisions():
        raise ClutchError(
            f"There is no migration {target}. Fix: name one of {', '.join(revisions())}."
        )
    address = login_url(settings)
    for attempt in range(1, _ATTEMPTS + 1):
        with open_session(settings, address) as connection:
            try:
                return _migrate_session(settings, connection, target)
            except _RACES as error:
                if attempt == _ATTEMPTS:
                    raise _explained(connection, error) from error
            except errors.InternalError_ as error:
                if attempt == _ATTEMPTS or _CONCURRENT_UPDATE not in str(error):
                    raise _explained(connection, error) from error
            except psycopg.Error as error:
                raise _explained(connection, error) from error
        time.sleep(0.1 * attempt)
    raise AssertionError("the last attempt returns or raises")


def current(settings: Settings) -> str | None:
    """The revision a database is at, e.g. ``"0002"``; None before the first migration.

    Raises:
        ClutchError: If the database cannot be reached or read.
    """
    with open_session(settings, login_url(settings)) as connection:
        try:
            return _current(connection)
        except psycopg.Error as error:
            raise _explained(connection, error) from error


def ensure_ready(settings: Settings) -> None:
    """Make the database usable: start the embedded server, check the address, migrate.

    Fast when there is nothing to do, so every command calls it.

    Raises:
        ClutchError: As :func:`ingestion.database.connection.check` and :func:`migrate`.
    """
    check(settings)
    if current(settings) != max(revisions()):
        migrate(settings)


@cache
def revisions() -> dict[str, str]:
    """Name of every revision by its number, in order: ``{"0001": "0001_roles_and_schemas", ...}``.

    Read from the file names, since loading Alembic takes longer than all else a command does here.
    """
    names = sorted(path.stem for path in VERSIONS_DIRECTORY.glob("[0-9]*.sql"))
    return {name.partition("_")[0]: name for name in names}


def _current(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    """Read the revision; from then on the session acts as the owner, if there is one."""
    table = f"{VERSION_SCHEMA}.alembic_version"
    exists = connection.execute(
        "select from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = %s and relname = 'alembic_version'",
        [VERSION_SCHEMA],
    ).fetchone()
    if exists is None:
        return None
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(OWNER)))
    row = connection.execute(f"select version_num from {table}").fetchone()
    return None if row is None else str(row[0])


def _migrate_session(
    settings: Settings, connection: psycopg.Connection[tuple[object, ...]], target: str
) -> list[str]:
    if _is_reached(_current(connection), target):
        return []
    connection.rollback()
    # slow to load, and most commands have nothing to migrate
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS_DIRECTORY.parent).replace("%", "%%"))
    # a folder's name may hold the characters that separate several of them
    config.set_main_option("path_separator", "newline")
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=sqlalchemy.pool.StaticPool
    )
    # Connecting rolls back, so it comes before the first statement of the one transaction.
    with engine.connect() as bound, bound.begin():
        connection.execute(f"set local lock_timeout = '{_LOCK_PATIENCE}'")
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK_KEY])
        before = _current(connection)
        if _is_reached(before, target):
            return []
        if before is None:
            # for Alembic's own table, which revision 0001 hands over to the owner
            connection.execute(f"create schema {VERSION_SCHEMA}")
        config.attributes |= {
            "connection": bound,
            "version_table_schema": VERSION_SCHEMA,
            "roles_log_in": settings.database_url is None,
        }
        try:
            with _ALEMBIC_LOCK:
                command.upgrade(config, target)
        except sqlalchemy.exc.DBAPIError as error:
            # Alembic's own statements come wrapped, those of our SQL files do not
            raise error.orig if isinstance(error.orig, psycopg.Error) else error from None
    names = revisions()
    return [names[number] for number in names if (before or "") < number <= target]


def _is_reached(revision: str | None, target: str) -> bool:
    if revision is not None and revision not in revisions():
        raise ClutchError(
            f"The database is at migration {revision}, which this code does not know (newest: "
            f"{max(revisions())}). Fix: update the code."
        )
    return revision is not None and revision >= target


def _explained(
    connection: psycopg.Connection[tuple[object, ...]], error: psycopg.Error
) -> ClutchError:
    user, database = connection.info.user, connection.info.dbname
    text = (error.diag.message_primary or str(error)).strip()
    if isinstance(error, errors.DuplicateSchema):
        return ClutchError(
            f"The database {database!r} is in use by something else: {text}. Fix: give the project "
            "a database of its own."
        )
    if isinstance(error, errors.InsufficientPrivilege):
        if "set role" in text:
            return role_refused(list(ALL_ROLES), user)
        return SettingError(
            "DATABASE_URL",
            f"its user {user!r} may not do what a migration does: {text}",
            f'as an administrator of the server run: alter role "{user}" createrole; '
            f'grant create on database "{database}" to "{user}" '
            f'(if the clutch roles exist already: grant {", ".join(ALL_ROLES)} to "{user}")',
        )
    if isinstance(error, errors.LockNotAvailable):
        return ClutchError(
            f"Another process has been migrating the database for {_LOCK_PATIENCE}. Fix: end it "
            "(see pg_stat_activity), then run this again."
        )
    if isinstance(error, errors.DiskFull):
        return ClutchError(
            f"The disk of the database server is full: {text}. Fix: free space there."
        )
    return ClutchError(f"A migration failed: {text}. Fix: see the cause (nothing was changed).")
