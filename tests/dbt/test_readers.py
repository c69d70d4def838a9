"""Who sees which athlete: every role, purpose and relation against what the ledger allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect, login_url
from ingestion.privacy import access, reads
from tests.support.audiences import ATHLETES, LIVE, OF_A_PERSON, PURPOSES, World, allowed
from tests.support.metrics import Metrics

# --- rows -----------------------------------------------------------------------------------------


READERS = (
    *(roles.TRANSFORM, roles.MODEL, roles.BI, roles.MEDICAL),
    *(roles.PERFORMANCE, roles.COACHES, roles.FRONT_OFFICE),
)


@pytest.mark.parametrize(("role", "purpose"), list(itertools.product(READERS, PURPOSES)))
def test_p9_a_role_sees_whom_the_ledger_allows_it(world: World, role: str, purpose: str) -> None:
    found = {}
    for relation in OF_A_PERSON:
        query = f"analytics.{relation}" if role in (roles.TRANSFORM, roles.MODEL) else relation
        seen = world.ask(
            role,
            f"select distinct player_id from {query} where {OF_A_PERSON[relation]}",
            purpose,
        )
        found[relation] = {world.players[player] for (player,) in seen} - {"withdrew", "expired"}
    if role == roles.TRANSFORM:
        # it owns the tables: whoever gave it up is there until the next build
        found = {relation: names - {"gave it up"} for relation, names in found.items()}
    assert found == {relation: allowed(role, purpose) for relation in OF_A_PERSON}


def test_the_cases_differ(world: World) -> None:
    cases = {frozenset(allowed(*case)) for case in itertools.product(READERS, PURPOSES)}
    assert len(cases) >= 7
    assert allowed(roles.COACHES, "readiness") == {"coaches too", "everybody"}


@pytest.mark.parametrize("role", roles.AUDIENCES)
@pytest.mark.parametrize(
    "relation", [name for name in OF_A_PERSON if name != "wearables_permissions"]
)
@pytest.mark.parametrize("purpose", [None, "", "contract", "readiness,modeling"])
def test_p9_a_read_without_an_allowed_purpose_fails(
    world: World, role: str, relation: str, purpose: str | None
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        world.ask(role, f"select * from {relation}", purpose)
    assert "set clutch.purpose = 'readiness'" in str(refused.value)


def test_a_purpose_may_be_said_in_the_session(world: World) -> None:
    with connect(world.settings, roles.COACHES) as connection:
        connection.execute("set clutch.purpose = 'readiness'")
        rows = connection.execute("select player_id from player_wearables_summary").fetchall()
    assert {world.players[player] for (player,) in rows} == {"coaches too", "everybody"}


@pytest.mark.parametrize("role", [roles.BI, roles.FRONT_OFFICE])
def test_p10_without_an_audience_the_public_figures_are_there_and_nothing_of_the_body(
    world: World, role: str
) -> None:
    leaders = world.ask(
        role,
        "select player_id, avg_clutch_score, avg_recovery_score, recovery_games"
        " from clutch_leaderboard",
    )
    assert {world.players.get(player) for player, *_ in leaders} >= {"everybody", "medical alone"}
    assert all(score is not None for _, score, _, _ in leaders)
    assert {(recovery, games) for *_, recovery, games in leaders} == {(None, 0)}
    # as good as it is without wearables
    assert world.ask(role, "select player_id, used_wearables from clutch_predictions") == [
        ("p", False)
    ]


def test_a_person_of_two_audiences_sees_both_and_one_of_the_front_office_none(
    world: World, login: Callable[..., str]
) -> None:
    found = {}
    for name, held in {
        "of_two": (roles.COACHES, roles.PERFORMANCE),
        "of_contracts": (roles.COACHES, roles.PERFORMANCE, roles.FRONT_OFFICE),
    }.items():
        with psycopg.connect(login(name, *held)) as connection:
            rows = connection.execute("select player_id from player_wearables_summary").fetchall()
            found[name] = {world.players[player] for (player,) in rows}
            groups = connection.execute("select count(*) from wearables_group_days").fetchone()
            found[f"{name} groups"] = groups != (0,)
    assert found == {
        "of_two": {"performance too", "coaches too", "everybody"},
        "of_two groups": True,
        "of_contracts": set(),
        "of_contracts groups": False,
    }
    said = access.matrix(world.settings).surprises
    assert said == ["of_contracts: of the front office and of an audience; it sees no athlete"]


def test_p9_metrics_are_of_what_the_role_that_asks_may_see(world: World, tmp_path: Path) -> None:
    metrics = Metrics(world.settings, tmp_path)
    found = {
        (role, purpose): {
            world.players[row["player"]]
            for row in metrics.ask(role, ["nights_measured"], ["player"], purpose=purpose)
        }
        for role, purpose in itertools.product(READERS, PURPOSES)
    }
    assert found == {asked: allowed(*asked) for asked in found}
    (told,) = metrics.ask(roles.BI, ["recovery_average", "data_completeness", "predictions"])
    assert told == {"recovery_average": None, "data_completeness": None, "predictions": 1}
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for a purpose"):
        metrics.ask(roles.COACHES, ["recovery_average"])


# Ways around row security that PostgreSQL offers to whoever may write SQL.
@pytest.mark.parametrize(
    "trick",
    [
        # a cast that fails says the value in its error
        "select * from wearables_readings where (metric_value::text || 'x')::integer > 0",
        "select * from pregame_baselines where (hrv_rmssd_pregame::text || 'x')::integer > 0",
        "select * from clutch_predictions where used_wearables and (lower_90 || 'x')::integer > 0",
        "select * from wearables_group_days where (athletes::text || 'x')::integer > 0",
    ],
)
@pytest.mark.parametrize("role", [roles.FRONT_OFFICE])
def test_no_error_tells_a_hidden_row(world: World, role: str, trick: str) -> None:
    assert world.ask(role, trick) == []
    # it would: whoever sees the rows gets the error, with the value in it
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"\d+x"):
        world.ask(roles.BI if "group_days" in trick else roles.MEDICAL, trick, "readiness")


@pytest.mark.parametrize(
    "statement",
    [
        "set row_security = off; select * from pregame_baselines",
        "set role clutch_transform",
        "set session authorization clutch_medical",
        "select operations.note_wearable_read('x')",
        "select * from operations.consents",
        "set transaction read write; create function pg_temp.f() returns int language sql return 1",
        "alter table pregame_baselines disable row level security",
        "select * from pg_statistic",
        "select * from wearables_research_nights",
    ],
)
@pytest.mark.parametrize("role", [roles.BI, roles.COACHES])
def test_no_statement_leads_around_it(
    world: World, role: str, statement: str, login: Callable[..., str]
) -> None:
    # as a person logs in: the tests' own login is the administrator
    with (
        psycopg.connect(login("a_person", role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_planner_statistics_tell_nothing(world: World) -> None:
    with connect(world.settings, roles.TRANSFORM) as connection:
        connection.execute("analyze analytics.pregame_baselines")
        connection.execute("analyze analytics.wearables_daily_summary")
    tables = "('pregame_baselines', 'wearables_daily_summary')"
    query = f"select count(*) from pg_catalog.pg_stats where tablename in {tables}"
    assert world.ask(roles.TRANSFORM, query) != [(0,)]
    assert world.ask(roles.COACHES, query, "readiness") == [(0,)]


# --- groups and research --------------------------------------------------------------------------


def test_p6_figures_of_groups_are_of_five_or_more(changed: World) -> None:
    query = "select athletes, recovery_score_mean from wearables_group_days"
    # all that are live but the one who does not allow models
    assert {row[0] for row in changed.ask(roles.BI, query)} == {6}
    assert changed.ask(roles.FRONT_OFFICE, query) == []
    _decide(changed, "everybody", "withdrawn")
    assert {row[0] for row in changed.ask(roles.BI, query)} == {5}
    _decide(changed, "coaches too", "withdrawn")
    assert changed.ask(roles.BI, query) == []
    assert changed.ask(roles.ANALYST, "select * from wearables_research_nights") == []


def test_p17_the_analyst_reads_nights_under_pseudonyms_and_nothing_else(world: World) -> None:
    with connect(world.settings, roles.ANALYST) as connection:
        rows = connection.execute("select * from wearables_research_nights").fetchall()
        names = [
            row[0]
            for row in connection.execute(
                """
                select relname::text from pg_class
                where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'v')
                    and has_any_column_privilege(oid, 'select')
                order by relname
                """
            )
        ]
    assert names == ["wearables_group_days", "wearables_research_nights"]
    mine = [each for each in LIVE if "modeling" in each.purposes]
    assert len({row[0] for row in rows}) == len(mine)
    assert len(rows) == 10 * len(mine)
    told = repr(rows)
    for each in ATHLETES:
        for private in (each.player_id, str(each.connection_id), *each.games):
            assert private not in told
    # values are those of the nights: the first is ten days before
    firsts = sorted(row[2] for row in rows if row[1] == 1)
    assert firsts == pytest.approx(
        sorted(55.0 + number + 8 for number, each in enumerate(ATHLETES) if each in mine)
    )


def test_p17_no_id_of_whoop_is_in_analytics(world: World) -> None:
    with connect(world.settings, roles.TRANSFORM) as connection:
        columns = {
            column
            for (column,) in connection.execute(
                "select column_name from information_schema.columns"
                " where table_schema = 'analytics'"
            )
        }
    assert not {name for name in columns if "account" in name or "user" in name or "email" in name}


def _decide(world: World, name: str, decision: str) -> None:
    (player_id,) = (each.player_id for each in ATHLETES if each.name == name)
    with connect(world.settings, roles.INGEST) as connection:
        connection.execute(
            "insert into operations.consents (player_id, decision, text_version, purposes,"
            " audience, scopes) values (%s, %s, 'test', '{}', '{}', '{}')",
            [player_id, decision],
        )


# --- the log of reads -----------------------------------------------------------------------------


def test_p8_every_read_is_logged_even_one_that_is_rolled_back(
    changed: World, login: Callable[..., str]
) -> None:
    settings = changed.settings
    assert reads.newest(settings, 1) == []
    name = psycopg.conninfo.conninfo_to_dict(settings.database_url or "")["dbname"]
    address = login("dr_smith", roles.MEDICAL)
    with psycopg.connect(address, dbname=name, application_name="a tool, 'quoted'\n") as connection:
        connection.execute("select * from pregame_baselines")
        connection.rollback()
        connection.execute("select * from clutch_leaderboard")
        connection.execute("select count(*) from games")
    changed.ask(roles.COACHES, "select * from player_wearables_summary", "readiness")
    changed.ask(roles.BI, "select * from pregame_baselines")
    changed.ask(roles.FRONT_OFFICE, "select * from wearables_readings")

    collected = reads.collect(settings)
    assert collected.added == 3
    assert reads.collect(settings).added == 0
    found = {
        (row["login_name"], row["role_name"], row["relation"], row["purpose"], row["application"])
        for row in reads.newest(settings, 1)
    }
    coaches = {row for row in found if row[1] == roles.COACHES}
    assert found - coaches == {
        ("dr_smith", "dr_smith", "pregame_baselines", "readiness", "a_tool___quoted__x0a")
    }
    assert {row[2] for row in coaches} == {"wearables_daily_summary"}

    # whose values could be shown follows from what each allowed at that time
    for each in ATHLETES:
        seen_by = {row["login_name"] for row in reads.of_athlete(settings, each.player_id)}
        is_of = {"dr_smith"} if each.name in allowed(roles.MEDICAL, "readiness") else set()
        others = seen_by - {"dr_smith"}
        if each in LIVE:
            assert seen_by & {"dr_smith"} == is_of, each.name
            assert bool(others) == (each.name in allowed(roles.COACHES, "readiness")), each.name


def test_p8_the_model_and_the_analyst_are_logged_as_well(changed: World) -> None:
    changed.ask(roles.MODEL, "select count(*) from analytics.pregame_baselines")
    changed.ask(roles.ANALYST, "select count(*) from wearables_research_nights")
    reads.collect(changed.settings)
    found = {(row["role_name"], row["purpose"]) for row in reads.newest(changed.settings, 1)}
    assert found == {(roles.MODEL, "modeling"), (roles.ANALYST, "modeling")}


def test_a_log_that_was_fetched_is_filed_in_any_format(changed: World, tmp_path: Path) -> None:
    database = psycopg.conninfo.conninfo_to_dict(changed.settings.database_url or "")["dbname"]
    said = (
        "clutch wearable read 7f1c0f8e-0000-4000-8000-00000000000{} at=2026-11-26T09:00:00.000001Z"
        " database={} relation=pregame_baselines login=dr role=clutch_medical"
        " audiences=medical_staff,coaches purpose=readiness application=-"
    )
    log = tmp_path / "server.csv"
    log.write_text(
        f'2026-11-26 09:00:00 UTC,"dr",,1,,LOG,00000,"{said.format(1, database)}",,,\n'
        f'{{"error_severity":"LOG","message":"{said.format(2, database)}"}}\n'
        f"LOG:  {said.format(3, 'another')}\n"
        "LOG:  clutch wearable read cut off at=2026\n"
    )
    assert reads.collect(changed.settings, log) == reads.Collected(2, [str(log)])


# --- rights ---------------------------------------------------------------------------------------


def test_the_access_matrix_has_no_surprise(world: World) -> None:
    matrix = access.matrix(world.settings)
    assert matrix.surprises == []
    cells = {(cell.role, cell.kind, cell.name, cell.column): cell for cell in matrix.cells}
    kinds = {kind for _, kind, _, _ in cells}
    assert kinds == {"schema", "relation", "column", "sequence", "function"}
    assert len(cells) > 10_000
    assert {role for role, *_ in cells} == set(roles.ALL_ROLES)
    # some that must never be, whatever the file says
    for (role, kind, name, _), cell in cells.items():
        if role in (roles.BI, *roles.READERS):
            assert set(cell.observed) <= ({"USAGE"} if kind == "schema" else {"SELECT"}), cell
            assert not cell.observed or name.partition(".")[0] in ("analytics", "public"), cell
        if name == "operations.wearable_tokens" and cell.observed:
            assert role in (roles.OWNER, roles.INGEST), cell
        if name == "operations.consent_ledger" and role != roles.OWNER:
            assert not {"INSERT", "UPDATE", "DELETE", "TRUNCATE"} & set(cell.observed), cell


@pytest.mark.parametrize(
    ("statement", "surprise"),
    [
        (
            "grant select (subject_hash) on operations.consent_ledger to clutch_bi",
            "clutch_bi SELECT on column operations.consent_ledger.subject_hash: not meant",
        ),
        (
            "revoke select on analytics.games from clutch_coaches",
            "clutch_coaches SELECT on relation analytics.games: meant and not given",
        ),
        (
            "grant select on raw_whoop.record_versions to public",
            "everybody SELECT on raw_whoop.record_versions: given past the project's roles",
        ),
        (
            "create table operations.new (id text); grant select on operations.new to clutch_model",
            "clutch_model SELECT on relation operations.new: not meant",
        ),
        (
            "grant usage on schema operations to clutch_medical",
            "clutch_medical USAGE on schema operations: not meant",
        ),
    ],
)
def test_a_right_that_is_not_meant_is_found(changed: World, statement: str, surprise: str) -> None:
    with psycopg.connect(login_url(changed.settings)) as administrator:
        administrator.execute(statement.encode())
    assert surprise in access.matrix(changed.settings).surprises
