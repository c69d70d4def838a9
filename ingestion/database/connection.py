"""Connections, each as one of the roles, on the embedded server or on that of ``DATABASE_URL``.

On the embedded server a session logs in as its role. On any other it logs in as the user of the
address and takes the role as it starts, so that one secret serves every process and each still has
only its role's rights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ingestion.database import embedded
from ingestion.database.roles import ALL_ROLES, SESSION_SETTINGS
from ingestion.errors import ClutchError, SettingError
from ingestion.settings import Settings

OLDEST_SERVER_VERSION = 150000
CONNECT_TIMEOUT_SECONDS = 10
PURPOSE_SETTING = "clutch.purpose"

_URL_FIX = "write postgresql://user:password@host:port/database"
_ENCODING_FIX = (
    f"{_URL_FIX}, with each special character of the password percent-encoded "
    "(@ as %40, / as %2F, # as %23)"
)


def role_url(settings: Settings, role: str, purpose: str | None = None) -> str:
    """The address for a session that acts as a role; starts the embedded server if that is the one.

    Works unchanged in psycopg 3, psycopg2 and dlt's postgres destination.

    Args:
        settings: Settings of this process.
        role: One of :data:`ingestion.database.roles.ALL_ROLES`.
        purpose: What an audience reads athletes' values for, e.g. ``readiness``; without it such
            a read is refused.

    Raises:
        ClutchError: If the embedded server cannot run.
        SettingError: If ``DATABASE_URL`` is not a complete address.
        ValueError: If there is no such role.
    """
    if role not in ALL_ROLES:
        raise ValueError(f"no role {role!r}; the roles are {', '.join(ALL_ROLES)}")
    declared = {} if purpose is None else {PURPOSE_SETTING: purpose}
    if settings.database_url is None:
        embedded.start(settings)
        return _write_url(
            _read_url(embedded.url(settings, role)),
            [f"-c{key}={value}" for key, value in declared.items()],
        )
    startup = {"role": role, **SESSION_SETTINGS.get(role, {}), **declared}
    return _write_url(
        _read_url(settings.database_url), [f"-c{key}={value}" for key, value in startup.items()]
    )


def login_url(settings: Settings) -> str:
    """The address for a session of the administrator or login user; starts the embedded server.

    Raises:
        ClutchError: If the embedded server cannot run.
        SettingError: If ``DATABASE_URL`` is not a complete address.
    """
    if settings.database_url is None:
        embedded.start(settings)
        return embedded.url(settings, embedded.ADMIN)
    return _write_url(_read_url(settings.database_url), [])


def address_as(settings: Settings, user: str, password: str, declared: Mapping[str, str]) -> str:
    """The address of the database for another login.

    Args:
        settings: Settings of this process.
        user: Its name.
        password: Its password.
        declared: Server settings that its sessions start with.

    Raises:
        ClutchError: If the embedded server cannot run.
        SettingError: If ``DATABASE_URL`` is not a complete address.
    """
    parts = _read_url(login_url(settings))
    parts.pop("options", None)
    startup = [f"-c{key}={value}" for key, value in declared.items()]
    return _write_url(parts | {"user": user, "password": password}, startup)


def connect(
    settings: Settings, role: str, *, purpose: str | None = None, **kw: Any
) -> psycopg.Connection[Any]:
    """Open a session as a role.

    Args:
        settings: Settings of this process.
        role: One of :data:`ingestion.database.roles.ALL_ROLES`.
        purpose: As in :func:`role_url`.
        **kw: Passed to :func:`psycopg.connect`, e.g. ``autocommit`` or ``row_factory``.

    Raises:
        ClutchError: If the server cannot be reached or has no such role.
        ValueError: If there is no such role.
    """
    return open_session(settings, role_url(settings, role, purpose), **kw)


def open_session(settings: Settings, address: str, **kw: Any) -> psycopg.Connection[Any]:
    """Open a session at an address of this module, with failures explained.

    Raises:
        ClutchError: If the server refuses; a :class:`SettingError` where ``DATABASE_URL`` is the
            cause.
    """
    if "connect_timeout" not in conninfo_to_dict(address):
        kw.setdefault("connect_timeout", CONNECT_TIMEOUT_SECONDS)
    try:
        return psycopg.connect(address, **kw)
    except psycopg.OperationalError as error:
        raise _explained(settings, str(error)) from None


def check(settings: Settings) -> None:
    """Connect once as the login user and look at what is there.

    Raises:
        SettingError: If ``DATABASE_URL`` is incomplete, leads to no server or to one that is too
            old, or if its user or password is refused. The password is never in the text.
        ClutchError: If the embedded server cannot run.
    """
    address = login_url(settings)
    with open_session(settings, address) as connection:
        if settings.database_url is None:
            return
        server = connection.info.server_version
        if server < OLDEST_SERVER_VERSION:
            raise SettingError(
                "DATABASE_URL",
                f"the server is PostgreSQL {server // 10000}, the project needs "
                f"{OLDEST_SERVER_VERSION // 10000} or later",
                "name a newer server, or unset it for the embedded one",
            )
        if connection.pgconn.used_password and "password" not in _read_url(settings.database_url):
            raise SettingError(
                "DATABASE_URL",
                "the server asks for a password and the address has none (a password file is not "
                "read by every tool of this project)",
                _URL_FIX,
            )
        _check_roles(connection)


def _check_roles(connection: psycopg.Connection[Any]) -> None:
    # PostgreSQL 16 tells being a member of a role from being allowed to take it.
    privilege = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    rows = connection.execute(
        """
        select rolname from pg_roles
        where rolname = any(%s) and not pg_has_role(session_user, oid, %s)
            and to_regnamespace('operations') is not null
        order by rolname
        """,
        [list(ALL_ROLES), privilege],
    ).fetchall()
    if rows:
        raise role_refused([row[0] for row in rows], connection.info.user)


def role_refused(roles: list[str], user: str) -> SettingError:
    """The error for a login user that may not act as roles which exist already."""
    names = ", ".join(roles)
    return SettingError(
        "DATABASE_URL",
        f"its user {user!r} may not act as {names}",
        f'as an administrator of the server run: grant {names} to "{user}"',
    )


def _read_url(address: str) -> dict[str, str]:
    """Take an address apart the way libpq does.

    Raises:
        SettingError: If it cannot be read or names no user, host or database. libpq's own message
            is not repeated: it quotes what it stumbled over, which with an unencoded ``@`` is part
            of the password.
    """
    try:
        parts = {key: str(value) for key, value in conninfo_to_dict(address).items()}
    except psycopg.ProgrammingError:
        raise SettingError("DATABASE_URL", "it cannot be read", _ENCODING_FIX) from None
    ports = parts.get("port", "").split(",")
    if "@" in parts.get("host", "") or not all(port.isdecimal() or not port for port in ports):
        # what libpq takes for the place is the rest of a password
        raise SettingError("DATABASE_URL", "it cannot be read", _ENCODING_FIX)
    if urlsplit(address).fragment:
        # libpq reads "#" as part of the database's name; everybody else's parser cuts there
        raise SettingError("DATABASE_URL", "it holds a bare #", _ENCODING_FIX)
    for key, name in (("user", "user"), ("host", "host"), ("dbname", "database")):
        if not parts.get(key) and not (key == "host" and parts.get("hostaddr")):
            raise SettingError("DATABASE_URL", f"it names no {name}", _URL_FIX)
    return parts


def _write_url(parts: dict[str, str], startup: list[str]) -> str:
    """Write an address in the one form that libpq and dlt read alike.

    That means: a socket's folder as percent-encoded host, always a password (dlt insists on one;
    where the server asks for none it is not looked at), and options without a blank, which
    SQLAlchemy would turn into the ``+`` that libpq takes literally. A tab separates as well and
    survives.
    """
    rest = dict(parts)
    user = quote(rest.pop("user"), safe="")
    password = quote(rest.pop("password", "x"), safe="")
    hosts = rest.pop("host", "").split(",")
    ports = rest.pop("port", "5432").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    places = (
        f"[{host}]:{port or 5432}" if ":" in host else f"{quote(host, safe='')}:{port or 5432}"
        for host, port in zip(hosts, ports, strict=False)
    )
    database = quote(rest.pop("dbname"), safe="")
    # a blank with a backslash before it is part of a value
    given = re.sub(r"(?<!\\) +", "\t", rest.pop("options", "").strip())
    if given or startup:
        rest["options"] = "\t".join([given, *startup] if given else startup)
    query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
    return f"postgresql://{user}:{password}@{','.join(places)}/{database}{query}"


def _explained(settings: Settings, message: str) -> ClutchError:
    """Turn what libpq says about a failed connection into one line with the fix."""
    role = re.search(r'role "(clutch_\w+)" does not exist', message)
    if role and role[1] in ALL_ROLES:
        return ClutchError(
            f"The database has no role {role[1]} yet. Fix: run `clutch db migrate` first."
        )
    if settings.database_url is None:
        return ClutchError(
            f"The embedded database refuses a connection: {_one_line(message)}. Fix: run `clutch "
            "db stop` and `clutch db start`."
        )
    parts = _read_url(settings.database_url)
    refused = re.search(r'permission denied to set role "(\w+)"', message)
    if refused:
        return role_refused([refused[1]], parts["user"])
    place = f"{parts.get('host', parts.get('hostaddr', ''))}, port {parts.get('port', '5432')}"
    for pattern, problem, fix in _CONNECTION_FAILURES:
        if re.search(pattern, message, re.IGNORECASE):
            return SettingError(
                "DATABASE_URL",
                problem.format(place=place, user=parts["user"], database=parts["dbname"]),
                fix.format(user=parts["user"], database=parts["dbname"]),
            )
    text = _one_line(message)
    password = parts.get("password", "")
    for secret in sorted({password, quote(password, safe=""), unquote(password)}, key=len):
        text = text.replace(secret, "***") if secret else text
    return SettingError("DATABASE_URL", f"no connection to {place}: {text}", _URL_FIX)


def _one_line(message: str) -> str:
    return " ".join(message.split()).rstrip(".")


# What libpq and the server say (their English; another language falls through to the text itself),
# the problem in our words, and the fix. The first that fits counts.
_CONNECTION_FAILURES = (
    (
        r"could not translate host name|name or service not known|failed to resolve",
        "there is no host {place}",
        "correct the host name",
    ),
    (
        r"password authentication failed|no password supplied",
        "the server at {place} refuses user {user!r} with this password",
        "correct user and password; a special character in the password is written percent-encoded",
    ),
    (
        r'database ".*" does not exist',
        "the server at {place} has no database {database!r}",
        'correct the name, or make it: create database "{database}"',
    ),
    (
        r"connection refused|no such file or directory",
        "no server listens at {place}",
        "correct host and port, or start the server",
    ),
    (
        r"timeout expired|timed out|no route to host|network is unreachable",
        "nothing at {place} answers as a PostgreSQL server",
        "correct host and port, or open the firewall between",
    ),
    (
        r"no pg_hba\.conf entry|peer authentication failed|ident authentication failed",
        "the server at {place} does not let user {user!r} in from here",
        "allow it in the server's pg_hba.conf, or name another user",
    ),
    (
        r'role ".*" does not exist|role ".*" is not permitted to log in',
        "the server at {place} knows no login {user!r}",
        'correct the user, or make it: create role "{user}" login createrole password ...',
    ),
    (
        r"invalid response to SSL negotiation|server closed the connection unexpectedly"
        r"|expected authentication",
        "what listens at {place} is not a PostgreSQL server",
        "correct the port (PostgreSQL's own is 5432)",
    ),
    (
        r"too many clients|remaining connection slots",
        "the server at {place} has no free connection",
        "close other connections, or raise max_connections",
    ),
)
