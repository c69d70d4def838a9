"""What a BI tool sends to the database, and what it must not be able to do there."""

from __future__ import annotations

from tests.support.contract_queries import LEADERBOARD, PLAYER_SEASON

# Taken from the wire between Apache Superset 6.1.0 and the server: every click opens a connection
# (SQLAlchemy on psycopg2), asks in a transaction and rolls it back.
BEFORE_A_QUERY = ('set search_path = "analytics"', "SELECT pg_backend_pid()")

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%' ORDER BY nspname"

CHART = (
    "SELECT\n  full_name AS full_name,\n  SUM(points_scored) AS points\n"
    "FROM analytics.clutch_leaderboard\nGROUP BY\n  full_name\nORDER BY\n  points DESC\nLIMIT 5"
)

# Its SQL Lab writes a query anew, with its own row limit in place of the one that is there.
REWRITTEN = {
    LEADERBOARD: "SELECT\n  *\nFROM clutch_leaderboard\nWHERE\n  total_clutch_games >= 10\n"
    "ORDER BY\n  avg_clutch_score DESC\nLIMIT 1001",
    PLAYER_SEASON: "SELECT\n  cps.*,\n  g.game_date,\n  g.home_team_id,\n  g.away_team_id,\n"
    "  cs.clutch_intensity\nFROM clutch_performance_scores AS cps\nJOIN games AS g\n"
    "  ON cps.game_id = g.game_id\nJOIN clutch_situations AS cs\n"
    "  ON cps.situation_id = cs.situation_id\nWHERE\n  cps.player_id = '201939'"
    " AND g.season = '2023-24'\nORDER BY\n  g.game_date DESC\nLIMIT 1001",
}

OTHER_SCHEMAS = (
    "select * from raw_nba.playbyplay",
    "select * from raw_whoop.recovery",
    "select * from raw_whoop.record_versions",
    "select * from operations.wearable_tokens",
    "select * from operations.consent_ledger",
    "select * from operations.quarantine",
    "select * from staging.stg_nba__games",
    "select * from intermediate.int_valid_nights",
    "select * from model_output.predictions",
    "select * from wearables_research_nights",
)

WRITES = (
    "delete from games",
    "update players set full_name = 'x'",
    "insert into teams (team_id) values ('x')",
    "truncate games",
    "create table x (id integer)",
    "create table public.x (id integer)",
    "create temporary table x (id integer)",
    "select * into temporary x from games",
    "create view x as select 1 as one",
    "create schema x",
    "create function pg_temp.f() returns integer language sql return 1",
    "create extension dblink",
    "drop view clutch_leaderboard",
    "alter table games add column x integer",
    "comment on table games is 'x'",
    # PostgreSQL lets everybody, unless it is told
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
)

OTHER_ROLES = (
    "set role clutch_transform",
    "set role clutch_medical",
    "set session authorization clutch_owner",
    "grant clutch_medical to current_user",
    "create role x",
    "alter role current_user createrole",
    "select * from pg_authid",
    "select pg_reload_conf()",
)

FILES = (
    "copy (select 1) to '/tmp/clutch_bi.csv'",
    "copy (select 1) to program 'id'",
    "copy games from '/etc/hostname'",
    "select pg_read_file('/etc/hostname')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/hostname')",
    "select pg_current_logfile()",
)

FORBIDDEN = (*OTHER_SCHEMAS, *WRITES, *OTHER_ROLES, *FILES)
"""Each is refused for want of a right, also in a transaction that says it wants to write."""
