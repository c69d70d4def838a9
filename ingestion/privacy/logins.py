"""Logins of people and tools: each in one role of readers, with a password of its own.

A login has no right of its own. What it may is what its role may, so that ``access.csv`` says
nothing of logins and :mod:`ingestion.privacy.access` lists them with what is wrong with them. Whom
a read is logged as is the login's name.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ingestion.database.connection import (
    PURPOSE_SETTING,
    address_as,
    login_url,
    open_session,
)
from ingestion.database.roles import ALL_ROLES, BI, READERS, SESSION_SETTINGS
from ingestion.errors import ClutchError
from ingestion.settings import Settings

MAY_HAVE_LOGINS = (BI, *READERS)

_NAME = re.compile(r"(?!clutch_|pg_)[a-z_][a-z0-9_]{0,59}")

# A tool that forgets a transaction holds up builds, and the lock under which an athlete is erased.
_LIMITS = {"statement_timeout": "60s", "idle_in_transaction_session_timeout": "60s"}

# Otherwise the server lets everybody store them, whatever else he may not write; nothing here does.
_NO_LARGE_OBJECTS = """
    revoke execute on function
        pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer),
        pg_catalog.lo_from_bytea(oid, bytea)
    from public
"""


@dataclass(frozen=True)
class Login:
    """A login as it was made.

    Attributes:
        name: Its name.
        role: The role that it is in.
        password: Stored nowhere; the server keeps a hash that it cannot be told from.
        address: For a client, with the password.
        is_new: Whether it was not there before.
        other_databases: Of the same server, to which the server lets every login.
    """

    name: str
    role: str
    password: str
    address: str
    is_new: bool
    other_databases: list[str]


def make(
    settings: Settings, name: str, role: str, *, purpose: str | None = None, connections: int = 10
) -> Login:
    """Make a login, or give the one of that name another password.

    Args:
        settings: The database; its login user must be allowed to make roles.
        name: Small letters, digits and ``_``.
        role: One of :data:`MAY_HAVE_LOGINS`.
        purpose: What its sessions read athletes' values for, unless they say something else.
        connections: How many it may have at once.

    Raises:
        ClutchError: If the name is none, belongs to somebody else, or the server refuses.
        ValueError: If the role is none of readers.
    """
    if role not in MAY_HAVE_LOGINS:
        raise ValueError(f"no login acts as {role!r}; roles are {', '.join(MAY_HAVE_LOGINS)}")
    if _NAME.fullmatch(name) is None:
        raise ClutchError(
            f"{name!r} is no name of a login. Fix: up to 60 small letters, digits and _, the first "
            "none of the digits, and neither clutch_ nor pg_ before them."
        )
    password = secrets.token_urlsafe(24)
    with open_session(settings, login_url(settings)) as connection:
        is_new = _check_name(connection, name, role)
        # never in clear: the statement may stand in the server's log
        verifier = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        ).decode()
        try:
            if is_new:
                connection.execute(
                    sql.SQL("create role {} in role {}").format(
                        sql.Identifier(name), sql.Identifier(role)
                    )
                )
            connection.execute(
                sql.SQL(
                    "alter role {} login inherit nocreatedb nocreaterole"
                    " connection limit {} password {}"
                ).format(sql.Identifier(name), connections, verifier)
            )
            for key, value in {**SESSION_SETTINGS[role], **_LIMITS}.items():
                connection.execute(
                    sql.SQL("alter role {} in database {} set {} = {}").format(
                        sql.Identifier(name),
                        sql.Identifier(connection.info.dbname),
                        sql.Identifier(key),
                        value,
                    )
                )
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                # only a superuser may: on a server that somebody else runs they stay open
                connection.execute(_NO_LARGE_OBJECTS)
            others = connection.execute(
                """
                select datname from pg_database
                where datallowconn and datname <> current_database()
                    and has_database_privilege(%s, datname, 'CONNECT')
                order by datname
                """,
                [name],
            ).fetchall()
        except psycopg.errors.InsufficientPrivilege as error:
            raise ClutchError(
                f"The login user of the database may not do that: {error.diag.message_primary}. "
                "Fix: give it CREATEROLE, or let an administrator run the same command."
            ) from None
    # the purpose goes with the address: only a superuser may tie such a setting to a login
    declared = {} if purpose is None else {PURPOSE_SETTING: purpose}
    address = address_as(settings, name, password, declared)
    return Login(name, role, password, address, is_new, [other for (other,) in others])


def drop(settings: Settings, name: str) -> None:
    """Take a login away; sessions that it has go on until they end.

    Raises:
        ClutchError: If there is no login of readers of that name.
    """
    with open_session(settings, login_url(settings)) as connection:
        if any(name in _logins(connection, role) for role in MAY_HAVE_LOGINS):
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
            return
    raise ClutchError(
        f"there is no login {name!r} of readers. Fix: clutch access check lists them."
    )


def _check_name(connection: psycopg.Connection[tuple[object, ...]], name: str, role: str) -> bool:
    """Whether the name is free.

    Raises:
        ClutchError: If somebody else has it.
    """
    row = connection.execute("select from pg_roles where rolname = %s", [name]).fetchone()
    if row is None:
        return True
    if name in _logins(connection, role):
        return False
    raise ClutchError(
        f"The server has a role {name!r} already that is no login of {role} alone. Fix: choose "
        "another name."
    )


def _logins(connection: psycopg.Connection[tuple[object, ...]], role: str) -> set[object]:
    """Logins that are members of one role of the project and of no other."""
    rows = connection.execute(
        """
        select member.rolname
        from pg_roles as member
        inner join pg_auth_members as held on held.member = member.oid
        where member.rolcanlogin and not member.rolsuper and held.roleid::regrole::text = any(%s)
        group by member.rolname
        having array_agg(distinct held.roleid::regrole::text) = array[%s::text]
        """,
        [list(ALL_ROLES), role],
    ).fetchall()
    return {name for (name,) in rows}
