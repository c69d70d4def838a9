"""Raw load of one real season from files, beside a plain COPY into an identical table.

Both read the same files into a fresh database on the same server, and take turns. The COPY does
what any loader must: read, escape, send. Ingestion also checks every payload, compares it with
what is stored, keeps the books, and loads through dlt, a package per chunk of games.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.settings import Settings
from tests.benchmarks.measuring import Cost, Spread, ratio
from tests.benchmarks.workplace import Workplace

SEASON = "2022-23"
REPETITIONS = 3
RESOURCES = ("playbyplay", "boxscore")

# what the text format of COPY would read as a line, a column or an escape
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))


def run(workplace: Workplace, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure; see the module's description.

    Returns:
        ``events`` and ``bytes`` loaded; ``ingest`` and ``copy`` with a Spread each of events per
        second (wall) and of CPU seconds; ``ratios`` of ingestion's speed to that of COPY.

    Raises:
        AssertionError: If the two tables do not hold the same payloads.
    """
    files = workplace.season_files(SEASON)
    ways: dict[str, Callable[[Settings, Path], None]] = {"ingest": _ingest, "copy": _copy}
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    contents: dict[str, tuple[int, int, int, str]] = {}
    for repetition in range(REPETITIONS):
        for way in ways if repetition % 2 == 0 else reversed(ways):
            progress(f"repetition {repetition + 1} of {REPETITIONS}: {way}")
            settings = _fresh(workplace)
            workplace.settle(settings)
            with workplace.measured() as cost:
                ways[way](settings, files)
            costs[way].append(cost)
            contents[way] = _contents(workplace, settings)
    assert contents["ingest"] == contents["copy"], contents
    events, size = contents["ingest"][1:3]
    wall = {way: [cost.wall_seconds for cost in of_way] for way, of_way in costs.items()}
    cpu = {way: [cost.cpu_seconds for cost in of_way] for way, of_way in costs.items()}
    figures: dict[str, Any] = {"events": events, "bytes": size}
    for way, of_way in costs.items():
        figures[way] = {
            "events per second": Spread.of([events / seconds for seconds in wall[way]]),
            "wall": Spread.of(wall[way]),
            "client's CPU": Spread.of([cost.client_cpu_seconds for cost in of_way]),
            "server's CPU": Spread.of([cost.server_cpu_seconds for cost in of_way]),
        }
    figures["ratios"] = {
        "speed, ingest / COPY": ratio(wall["copy"], wall["ingest"]),
        "CPU, COPY / ingest": ratio(cpu["copy"], cpu["ingest"]),
    }
    return figures


def _fresh(workplace: Workplace) -> Settings:
    settings = workplace.make_database("raw_load")
    with workplace.administrator(settings) as connection:
        for resource in RESOURCES:
            connection.execute(
                f"create table public.{resource} (like raw_nba.{resource} including all)".encode()
            )
            connection.execute(f"alter table public.{resource} owner to {roles.INGEST}".encode())
    return settings


def _ingest(settings: Settings, files: Path) -> None:
    report = nba.ingest(settings, directory=files, show_progress=False)
    assert report.exit_code == 0, report.closing_line()


def _copy(settings: Settings, files: Path) -> None:
    with connect(settings, roles.INGEST) as connection, connection.cursor() as cursor:
        for resource in RESOURCES:
            columns = (
                "game_id, content_hash, payload, source, origin, source_time, fetched_at, "
                "_dlt_load_id, _dlt_id"
            )
            with cursor.copy(f"copy public.{resource} ({columns}) from stdin".encode()) as rows:
                for path in sorted(files.glob(f"{resource}_*.json")):
                    payload = path.read_bytes()
                    for character, escape in _ESCAPES:
                        payload = payload.replace(character, escape)
                    game = path.stem[-10:].encode()
                    rows.write(
                        b"%b\t%064d\t%b\tfile\t%b\t\\N\t2026-01-01T00:00:00Z\t1\t%b\n"
                        % (game, 0, payload, path.name.encode(), game)
                    )


def _contents(workplace: Workplace, settings: Settings) -> tuple[int, int, int, str]:
    """Payloads, actions, bytes of JSON as Postgres writes it, and a hash over it all."""
    with workplace.administrator(settings) as connection:
        ingested = connection.execute("select from raw_nba.playbyplay limit 1").rowcount
        schema = "raw_nba" if ingested else "public"
        found = connection.execute(
            f"""
            select
                count(*), sum(actions), sum(bytes), md5(string_agg(hash, '' order by game_id, hash))
            from (
                select
                    game_id, md5(payload::text) as hash, length(payload::text) as bytes,
                    jsonb_array_length(payload -> 'game' -> 'actions') as actions
                from {schema}.playbyplay
                union all
                select game_id, md5(payload::text), length(payload::text), 0 from {schema}.boxscore
            ) as payloads
            """.encode()
        ).fetchone()
    assert found is not None
    return found[0], found[1], found[2], found[3]
