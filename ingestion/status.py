"""What is loaded, how fresh it is, what went wrong: the screen of ``clutch status``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ingestion.database import migrate
from ingestion.database.connection import check, connect
from ingestion.database.roles import BI, INGEST
from ingestion.errors import ClutchError
from ingestion.nba.raw_tables import RESOURCES, SCHEMA, key_column
from ingestion.settings import Settings

_MARTS = ("game_schedule", "games", "game_quality", "restatements")
_GAMES = """
    with listed as (
        select
            season,
            count(*) as listed,
            count(*) filter (where state = 'missing') as missing,
            count(*) filter (where state = 'postponed') as postponed
        from analytics.game_schedule
        group by season
    ),

    loaded as (
        select
            games.season,
            count(*) as loaded,
            count(*) filter (where not games.is_final) as in_play,
            count(*) filter (where quality.is_suspect) as suspect,
            count(*) filter (where exists (
                select from analytics.restatements as restated
                where restated.game_id = games.game_id
            )) as restated
        from analytics.games
        left join analytics.game_quality as quality on games.game_id = quality.game_id
        group by games.season
    )

    select
        coalesce(listed.season, loaded.season) as season,
        listed.listed, loaded.loaded, listed.missing, listed.postponed,
        loaded.in_play, loaded.restated, loaded.suspect
    from listed
    full join loaded on listed.season = loaded.season
    order by season desc
"""


_WHOOP = """
    with entries as (
        select 1 as place, 'connections ' || status as what, count(*) as entries,
            string_agg(distinct status_reason, ', ' order by status_reason) as detail
        from operations.wearable_connections
        group by status
        union all
        select 2, 'deliveries ' || status, count(*),
            string_agg(distinct outcome, ', ' order by outcome)
        from operations.webhook_inbox
        where status in ('waiting', 'failed')
        group by status
        union all
        select 3, 'deliveries turned away, 24 h', sum(refused)::bigint,
            string_agg(distinct reason, ', ' order by reason)
        from operations.webhook_refusals
        where hour > now() - interval '24 hours'
        having sum(refused) > 0
        union all
        select 4, 'records watched until settled', count(*),
            string_agg(distinct reason, ', ' order by reason)
        from operations.whoop_watched_records
        having count(*) > 0
        union all
        select 5, 'requests, 24 h', count(*),
            count(distinct connection_id) || ' athletes, '
            || count(*) filter (where was_held) || ' held, '
            || count(*) filter (where http_status = 429) || ' refused (429)'
        from operations.whoop_requests
        where requested_at > now() - interval '24 hours'
        having count(*) > 0
    )

    select what, entries, detail from entries order by place, what
"""


_WEARABLES = """
    select rule, record_count, consequence
    from analytics.wearables_quality
    where record_count > 0
    order by rule
"""


_MODEL = """
    select
        model_run_id, started_at, seasons,
        case
            when not is_published then 'refused'
            when is_stale then 'stale'
            when is_current then 'in force'
            else 'superseded'
        end,
        coalesce(refusal_reasons, stale_reason)
    from analytics.model_runs
    order by started_at desc
    limit 3
"""


@dataclass(frozen=True)
class Status:
    """One look at the operational side of a database.

    Attributes:
        migration: Newest migration applied, None before the first.
        raw: One row per raw table: name, games (or seasons), versions, newest fetch and last read
            (UTC).
        games: One row per season, as of the last dbt build: games listed, loaded, missing,
            postponed, in play, restated by the league, suspect; None before the first build.
        runs: The newest runs: command, status, started and finished (UTC), counts.
        quarantine: Open quarantine entries: source, resource, reason, entries, games (or other
            records), newest sight (UTC).
        whoop: What, how many, and details: connections, deliveries that wait or failed or were
            turned away, records watched, requests.
        wearables: Quality rules that found wearable records, as of the last dbt build: rule,
            records, what becomes of them; None before the first build.
        model: The newest runs of the Bayesian model: id, started (UTC), seasons, what it is (in
            force, superseded, stale, refused) and why; None before the first build.
    """

    migration: str | None
    raw: list[tuple[Any, ...]]
    games: list[tuple[Any, ...]] | None
    runs: list[tuple[Any, ...]]
    quarantine: list[tuple[Any, ...]]
    whoop: list[tuple[Any, ...]]
    wearables: list[tuple[Any, ...]] | None
    model: list[tuple[Any, ...]] | None

    def tables(self) -> list[tuple[str, list[str], list[tuple[Any, ...]]]]:
        """Title, headings and rows of each table, for a terminal."""
        return [
            (
                f"Raw payloads (migration {self.migration})",
                ["table", "keys", "versions", "newest", "last read"],
                self.raw,
            ),
            (
                "Games, as of the last dbt build",
                [
                    *("season", "listed", "loaded", "missing", "postponed"),
                    *("in play", "restated", "suspect"),
                ],
                self.games or [],
            ),
            ("Last runs", ["command", "status", "started", "finished", "counts"], self.runs),
            (
                "Open quarantine",
                ["source", "resource", "reason", "entries", "records", "last seen"],
                self.quarantine,
            ),
            ("WHOOP", ["what", "how many", "details"], self.whoop),
            (
                "Wearable records that a quality rule found, as of the last dbt build",
                ["rule", "records", "what becomes of them"],
                self.wearables or [],
            ),
            ("Model", ["run", "started", "seasons", "is", "because"], self.model or []),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types but for times."""
        return asdict(self)


def read_status(settings: Settings, runs: int = 5) -> Status:
    """Look at the database; starts the embedded server, changes nothing else.

    Args:
        settings: Database to look at.
        runs: How many of the newest runs to give.

    Raises:
        ClutchError: If the server cannot be reached or the database lacks a migration.
    """
    check(settings)
    migration = migrate.current(settings)
    if migration is None:
        return Status(None, [], None, [], [], [], None, None)
    newest = list(migrate.revisions())[-1]
    if migration != newest:
        raise ClutchError(
            f"the database is at migration {migration}, this version of Clutch needs {newest}. "
            "Fix: clutch db migrate."
        )
    with connect(settings, INGEST) as connection:
        raw = []
        for resource in RESOURCES:
            row = connection.execute(
                f"""
                select
                    count(distinct {key_column(resource)}), count(*), max(fetched_at),
                    (
                        select max(read_at) from operations.nba_reads
                        where resource = %s
                    )
                from {SCHEMA}.{resource}
                """,
                [resource],
            ).fetchone()
            raw.append((f"{SCHEMA}.{resource}", *(row or ())))
        last_runs = connection.execute(
            """
            select command, status, started_at, finished_at, counts
            from operations.ingest_runs order by started_at desc limit %s
            """,
            [runs],
        ).fetchall()
        quarantine = connection.execute(
            """
            select
                source, resource, reason, count(*), count(distinct record_key), max(last_seen_at)
            from operations.quarantine where resolved_at is null
            group by source, resource, reason order by source, resource, reason
            """
        ).fetchall()
        whoop = connection.execute(_WHOOP).fetchall()
    games = _read_marts(settings, _MARTS, _GAMES)
    wearables = _read_marts(settings, ("wearables_quality",), _WEARABLES)
    model = _read_marts(settings, ("model_runs",), _MODEL)
    return Status(migration, raw, games, last_runs, quarantine, whoop, wearables, model)


def _read_marts(
    settings: Settings, marts: Sequence[str], query: str
) -> list[tuple[Any, ...]] | None:
    """Read marts as the BI role; None where one of them was not built yet."""
    with connect(settings, BI) as connection:
        built = connection.execute(
            """
            select count(*) from pg_class
            where relnamespace = to_regnamespace('analytics') and relname = any(%s)
                and relkind in ('r', 'v')
            """,
            [list(marts)],
        ).fetchone()
        if built != (len(marts),):
            return None
        return connection.execute(query).fetchall()
