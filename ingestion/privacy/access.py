"""Who may do what: rights that are meant (``access.csv``) against rights that the server gives.

Every role, relation, column, function, sequence and schema of the database is looked at; whatever
is not in the file is a surprise, and so is what is in the file and not given. Columns of the file:

============== =================================================================================
``role``       one of :data:`ingestion.database.roles.ALL_ROLES`
``kind``       ``schema``, ``relation``, ``column``, ``sequence`` or ``function``
``object``     its name; ``schema.*`` for all of a schema that no line of that role names
``privileges`` as PostgreSQL calls them, or ``owner`` for all; ``none`` to leave one out of a ``*``
``why``        the reason, where the name does not say it
============== =================================================================================

What a role sees of the rows is another matter: row security, tested against the consent ledger.

Logins of people and tools (:mod:`ingestion.privacy.logins`) stand in no line: they have no right of
their own, and what is beyond their role's is a surprise.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from ingestion.database.connection import login_url, open_session
from ingestion.database.roles import ALL_ROLES, BI, READERS
from ingestion.privacy.places import SCHEMAS
from ingestion.settings import Settings

NONE = "none"
OWNER = "owner"

_SCHEMAS = (*SCHEMAS, "public")
_READERS = [BI, *READERS]

_RIGHTS = """
with acting as (
    select oid, rolname from pg_roles where rolname = any(%(roles)s)
),

schemas as (
    select oid, nspname, nspowner from pg_namespace where nspname = any(%(schemas)s)
),

relations as (
    select relation.oid, nspname || '.' || relname as name, relowner, relkind
    from pg_class as relation inner join schemas on relnamespace = schemas.oid
),

rights as (
    select
        rolname, 'schema' as kind, nspname as name, null as column_name,
        case when nspowner = acting.oid then 'owner' end as owned, privilege
    from schemas cross join acting cross join unnest(array['USAGE', 'CREATE']) as privilege
    where has_schema_privilege(acting.oid, schemas.oid, privilege)

    union all

    select
        rolname, 'relation', name, null, case when relowner = acting.oid then 'owner' end, privilege
    from relations
    cross join acting
    cross join unnest(
        array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
    ) as privilege
    where relkind in ('r', 'p', 'v', 'm', 'f')
        and has_table_privilege(acting.oid, relations.oid, privilege)

    union all

    select rolname, 'column', name, attname, null, privilege
    from relations
    inner join pg_attribute on attrelid = relations.oid and attnum > 0 and not attisdropped
    cross join acting
    cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) as privilege
    where relkind in ('r', 'p', 'v', 'm', 'f')
        and has_column_privilege(acting.oid, relations.oid, attnum, privilege)

    union all

    select
        rolname, 'sequence', name, null,
        case when relowner = acting.oid then 'owner' end, privilege
    from relations
    cross join acting
    cross join unnest(array['USAGE', 'SELECT', 'UPDATE']) as privilege
    where relkind = 'S' and has_sequence_privilege(acting.oid, relations.oid, privilege)

    union all

    -- whoever cannot name it cannot call it: views and row security do it for him
    select
        rolname, 'function', nspname || '.' || proname, null,
        case when proowner = acting.oid then 'owner' end, 'EXECUTE'
    from pg_proc
    inner join schemas on pronamespace = schemas.oid
    cross join acting
    where has_function_privilege(acting.oid, pg_proc.oid, 'EXECUTE')
        and has_schema_privilege(acting.oid, schemas.oid, 'USAGE')
)

select rolname, kind, name, column_name, owned is not null, privilege from rights
"""

_OBJECTS = """
with schemas as (
    select oid, nspname from pg_namespace where nspname = any(%(schemas)s)
)

select 'schema', nspname, null::text[] from schemas
union all
select
    case when relkind = 'S' then 'sequence' else 'relation' end, nspname || '.' || relname,
    (
        select array_agg(attname::text order by attnum) from pg_attribute
        where attrelid = relation.oid and attnum > 0 and not attisdropped
    )
from pg_class as relation inner join schemas on relnamespace = schemas.oid
where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
union all
select distinct 'function', nspname || '.' || proname, null::text[]
from pg_proc inner join schemas on pronamespace = schemas.oid
"""

# Rights given past our roles: to everybody, or to a login of its own.
_OTHERS = """
with schemas as (
    select oid, nspname, nspacl, nspowner from pg_namespace where nspname = any(%(schemas)s)
),

granted as (
    select nspname as name, acl.grantee, acl.privilege_type
    from schemas cross join aclexplode(nspacl) as acl
    where not (nspname = 'public' and acl.privilege_type = 'USAGE')
    union all
    select nspname || '.' || relname, acl.grantee, acl.privilege_type
    from pg_class inner join schemas on relnamespace = schemas.oid
    cross join aclexplode(relacl) as acl
    union all
    select nspname || '.' || relname || '.' || attname, acl.grantee, acl.privilege_type
    from pg_class inner join schemas on relnamespace = schemas.oid
    inner join pg_attribute on attrelid = pg_class.oid
    cross join aclexplode(attacl) as acl
)

select
    case when grantee = 0 then 'everybody' else coalesce(rolname, grantee::text) end,
    name, privilege_type
from granted left join pg_roles on grantee = pg_roles.oid
where not coalesce(rolname = any(%(roles)s) or rolsuper or name like 'public%%' and rolname = (
    select pg_get_userbyid(nspowner) from schemas where nspname = 'public'
), false)
order by 1, 2, 3
"""

# Logins that act for people, and what is wrong with them.
_MEMBERS = """
select
    member.rolname,
    array_agg(held.rolname::text order by held.rolname),
    member.rolbypassrls,
    bool_or(held.rolname = 'clutch_front_office')
        and bool_or(held.rolname in ('clutch_medical', 'clutch_performance', 'clutch_coaches'))
from pg_roles as member
inner join pg_roles as held
    on held.rolname = any(%(roles)s) and pg_has_role(member.oid, held.oid, 'USAGE')
where not member.rolsuper and not member.rolname = any(%(roles)s)
    -- the login that administers may act as every role
    and member.rolname <> session_user
group by member.oid, member.rolname, member.rolbypassrls
order by member.rolname
"""

# Of logins that are readers and nothing else: what they need not have.
_BEYOND_READING = """
with readers as (
    select member.oid, member.rolname, member.rolcreaterole, member.rolcreatedb,
        member.rolreplication
    from pg_roles as member
    inner join pg_roles as held
        on held.rolname = any(%(roles)s) and pg_has_role(member.oid, held.oid, 'MEMBER')
    where member.rolcanlogin and not member.rolsuper and member.rolname <> session_user
    group by member.oid, member.rolname, member.rolcreaterole, member.rolcreatedb,
        member.rolreplication
    having bool_and(held.rolname = any(%(readers)s))
)

select rolname, attribute
from readers
cross join lateral (
    values
        ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb), ('REPLICATION', rolreplication)
) as attributes (attribute, is_set)
where is_set
union all
-- pg_read_all_data, pg_execute_server_program and others of the server's own
select readers.rolname, 'member of ' || held.rolname
from readers
inner join pg_auth_members on pg_auth_members.member = readers.oid
inner join pg_roles as held on held.oid = pg_auth_members.roleid
where not held.rolname = any(%(readers)s)
union all
select readers.rolname, privilege || ' on the database'
from readers
cross join unnest(array['CREATE', 'TEMPORARY']) as privilege
where has_database_privilege(readers.oid, current_database(), privilege)
order by 1, 2
"""

_ATTRIBUTES = """
select rolname, attribute
from pg_roles
cross join lateral (
    values
        ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
        ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)
) as attributes (attribute, is_set)
where rolname = any(%(roles)s) and is_set
union all
select member.rolname, 'member of ' || held.rolname
from pg_auth_members
inner join pg_roles as member on member.oid = pg_auth_members.member
inner join pg_roles as held on held.oid = pg_auth_members.roleid
where member.rolname = any(%(roles)s)
"""


@dataclass(frozen=True, order=True)
class Right:
    """One right of one role.

    Attributes:
        role: The role.
        kind: ``schema``, ``relation``, ``column``, ``sequence`` or ``function``.
        name: The object, with its schema.
        column: Of a column; empty otherwise.
        privilege: As PostgreSQL calls it; ``OWNER`` stands for all.
    """

    role: str
    kind: str
    name: str
    column: str
    privilege: str

    def __str__(self) -> str:
        what = f"{self.name}.{self.column}" if self.column else self.name
        return f"{self.role} {self.privilege} on {self.kind} {what}"


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix.

    Attributes:
        role: The role.
        kind: Kind of object.
        name: The object.
        column: Of a column; empty otherwise.
        expected: Privileges by the file.
        observed: Privileges by the server.
    """

    role: str
    kind: str
    name: str
    column: str
    expected: tuple[str, ...]
    observed: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """Every role against every object.

    Attributes:
        cells: All of them, with and without rights.
        surprises: What is not as it is meant to be, one line each.
        people: Logins beside the project's roles, and which roles each has.
    """

    cells: list[Cell]
    surprises: list[str]
    people: dict[str, list[str]]


@cache
def _meant() -> dict[tuple[str, str, str], tuple[str, ...]]:
    with (Path(__file__).parent / "access.csv").open(newline="") as file:
        return {
            (row["role"], row["kind"], row["object"]): tuple(row["privileges"].split())
            for row in csv.DictReader(file)
        }


def _expected(role: str, kind: str, name: str) -> tuple[str, ...]:
    schema = name.partition(".")[0]
    meant = _meant()
    for wanted in (name, f"{schema}.*"):
        if (role, kind, wanted) in meant:
            found = meant[role, kind, wanted]
            return () if found == (NONE,) else found
    return ()


_ALL = {
    "schema": ("CREATE", "USAGE"),
    "relation": ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"),
    "column": ("INSERT", "REFERENCES", "SELECT", "UPDATE"),
    "sequence": ("SELECT", "UPDATE", "USAGE"),
    "function": ("EXECUTE",),
}


def _spelled(kind: str, privileges: tuple[str, ...]) -> tuple[str, ...]:
    return _ALL[kind] if privileges == (OWNER,) else tuple(sorted(privileges))


def matrix(settings: Settings) -> Matrix:
    """Compare what is meant with what the server gives, for every role and object.

    Args:
        settings: A database that was migrated, and built to be complete.
    """
    given = {"roles": list(ALL_ROLES), "schemas": list(_SCHEMAS)}
    with open_session(settings, login_url(settings)) as connection:
        objects = connection.execute(_OBJECTS, given).fetchall()
        observed: dict[tuple[str, str, str, str], set[str]] = {}
        for role, kind, name, column, _, privilege in connection.execute(_RIGHTS, given):
            observed.setdefault((role, kind, name, column or ""), set()).add(privilege)
        problems = _other_problems(connection, given)
        people = {name: held for name, held, *_ in connection.execute(_MEMBERS, given)}
    cells = []
    for kind, name, columns in sorted(objects, key=lambda found: (found[1], found[0])):
        for role in ALL_ROLES:
            whole = _spelled(kind, _expected(role, kind, name))
            cells.append(_cell(observed, role, kind, name, "", whole))
            if kind == "relation":
                for column in columns or ():
                    single = _expected(role, "column", f"{name}.{column}")
                    both = {*single, *(p for p in whole if p in _ALL["column"])}
                    cells.append(_cell(observed, role, "column", name, column, tuple(sorted(both))))
    return Matrix(cells, [*_differences(cells), *problems], people)


def _cell(
    observed: dict[tuple[str, str, str, str], set[str]],
    role: str,
    kind: str,
    name: str,
    column: str,
    expected: tuple[str, ...],
) -> Cell:
    found = tuple(sorted(observed.get((role, kind, name, column), ())))
    return Cell(role, kind, name, column, expected, found)


def _differences(cells: list[Cell]) -> list[str]:
    lines = []
    for cell in cells:
        of = (cell.role, cell.kind, cell.name, cell.column)
        for privilege in sorted({*cell.observed} - {*cell.expected}):
            lines.append(f"{Right(*of, privilege)}: not meant")
        for privilege in sorted({*cell.expected} - {*cell.observed}):
            lines.append(f"{Right(*of, privilege)}: meant and not given")
    return lines


def _other_problems(connection: psycopg.Connection[Any], given: dict[str, Any]) -> list[str]:
    lines = [
        f"{who} {privilege} on {name}: given past the project's roles"
        for who, name, privilege in connection.execute(_OTHERS, given)
    ]
    lines += [
        f"{role} {attribute}: no role of the project needs it"
        for role, attribute in connection.execute(_ATTRIBUTES, given)
    ]
    lines += [
        f"{name} {right}: no login of readers needs it"
        for name, right in connection.execute(_BEYOND_READING, given | {"readers": _READERS})
    ]
    for name, _, bypasses, is_both in connection.execute(_MEMBERS, given):
        if bypasses:
            lines.append(f"{name} BYPASSRLS: no row security holds for it")
        if is_both:
            lines.append(f"{name}: of the front office and of an audience; it sees no athlete")
    return lines


def write(result: Matrix, path: Path) -> None:
    """Write every cell as CSV: role, kind, object, column, expected, observed.

    Args:
        result: The matrix.
        path: The file.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["role", "kind", "object", "column", "expected", "observed", "as_meant"])
        for cell in result.cells:
            writer.writerow(
                [
                    *(cell.role, cell.kind, cell.name, cell.column),
                    " ".join(cell.expected),
                    " ".join(cell.observed),
                    "yes" if cell.expected == cell.observed else "NO",
                ]
            )
