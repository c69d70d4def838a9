"""WHOOP records and games written by hand, for tests of what SQL makes of them.

An :class:`Athlete` has records in WHOOP's wire form, version by version, and games that are copies
of a simulated one at another time. Nothing is faked behind that: records go into the raw tables in
the form of ingestion, games through ingestion itself.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg

from ingestion import nba
from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.sandbox.nba import League, LeagueSettings
from ingestion.settings import Settings
from ingestion.whoop import raw_tables
from ingestion.whoop.raw_tables import Version
from tests.support.schedules import tip_off_at

TEMPLATE_LEAGUE = LeagueSettings(seed=3, team_count=4, game_count=12)
TEMPLATE_GAME = "0022500011"
TEMPLATE_PLAYER = 9000035
"""A close game with overtime, and a player with actions in its clutch time."""

_numbers = itertools.count(1)


def utc(text: str) -> datetime:
    """A moment from ``2025-12-10 19:30`` in UTC, or with an offset behind it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def offset_text(moment: datetime) -> str:
    """Offset of a moment as WHOOP writes it."""
    text = moment.strftime("%z")
    return "Z" if text == "+0000" else f"{text[:3]}:{text[3:]}"


def wire(moment: datetime) -> str:
    """A moment as WHOOP writes it."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass
class Night:
    """Ids and times of a main sleep, for what comes after it."""

    sleep_id: str
    cycle_id: int
    start: datetime
    end: datetime


@dataclass
class Athlete:
    """One athlete with his connection, records and games.

    Attributes:
        player_id: League person id.
        connected_at: When he connected (UTC).
        decision: His newest decision about his records.
        is_expired: Whether his permission has run out.
        purposes: What he allows his records to be used for.
        audience: Who may see them.
        status: State of his connection.
        versions: Versions of his records, in order of arrival.
        games: Game id and payloads by resource.
    """

    name: str
    player_id: str = field(default_factory=lambda: str(9_100_000 + next(_numbers)))
    connected_at: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    decision: str = "granted"
    is_expired: bool = False
    purposes: tuple[str, ...] = ("readiness", "modeling")
    audience: tuple[str, ...] = ("athlete", "medical_staff")
    status: str = "active"
    last_sync_at: datetime | None = None
    connection_id: uuid.UUID = field(default_factory=uuid.uuid4)
    versions: list[Version] = field(default_factory=list)
    games: dict[str, dict[str, bytes]] = field(default_factory=dict)
    also: Athlete | None = None

    def another_device(self, **changes: Any) -> Athlete:
        """A second connection of the same athlete."""
        self.also = Athlete(self.name, player_id=self.player_id, **changes)
        return self.also

    # --- records ----------------------------------------------------------------------------------

    def put(
        self,
        resource: str,
        key: str,
        row: dict[str, Any] | None,
        updated: datetime,
        fetched: datetime | None = None,
    ) -> None:
        """Add a version of a record; None deletes it."""
        content = None if row is None else orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(content or b"deleted").hexdigest()
        # no two versions of a record arrive at the same microsecond
        arrival = (fetched or updated + timedelta(seconds=20)) + timedelta(
            microseconds=len(self.versions)
        )
        self.versions.append(
            Version(
                resource,
                key,
                self.connection_id,
                None,
                digest,
                content,
                "sync",
                None if row is None else updated,
                arrival,
            )
        )

    def sleep(
        self,
        end: datetime,
        *,
        hours: float = 8.0,
        nap: bool = False,
        state: str = "SCORED",
        cycle_id: int | None = None,
        sleep_id: str | None = None,
        created: datetime | None = None,
        updated: datetime | None = None,
        fetched: datetime | None = None,
        no_data_share: float = 0.0,
        performance: float | None = 90.0,
    ) -> Night:
        """Add a version of a sleep; the offset is that of ``end``."""
        sleep_id = sleep_id or str(uuid.uuid4())
        cycle_id = cycle_id or 800_000_000 + next(_numbers)
        start = end - timedelta(hours=hours)
        created = created or end + timedelta(minutes=15)
        updated = updated or created + timedelta(minutes=3)
        length = int(hours * 3_600_000)
        row: dict[str, Any] = {
            "id": sleep_id,
            "cycle_id": cycle_id,
            "created_at": wire(created),
            "updated_at": wire(updated),
            "start": wire(start),
            "end": wire(end),
            "timezone_offset": offset_text(end),
            "nap": nap,
            "score_state": state,
        }
        if state == "SCORED":
            no_data = int(length * no_data_share)
            rest = length - no_data
            parts = [rest // 10, rest // 2, rest // 5]  # awake, light, slow wave; REM is the rest
            row["score"] = {
                "stage_summary": {
                    "total_in_bed_time_milli": length,
                    "total_awake_time_milli": parts[0],
                    "total_no_data_time_milli": no_data,
                    "total_light_sleep_time_milli": parts[1],
                    "total_slow_wave_sleep_time_milli": parts[2],
                    "total_rem_sleep_time_milli": rest - sum(parts),
                    "sleep_cycle_count": 5,
                    "disturbance_count": 9,
                },
                "sleep_needed": {
                    "baseline_milli": 28_000_000,
                    "need_from_sleep_debt_milli": 600_000,
                    "need_from_recent_strain_milli": 300_000,
                    "need_from_recent_nap_milli": 0,
                },
                "respiratory_rate": 15.5,
                "sleep_efficiency_percentage": 90.0,
                "sleep_consistency_percentage": 80.0,
            }
            if performance is not None:
                row["score"]["sleep_performance_percentage"] = performance
        self.put("sleep", sleep_id, row, updated, fetched)
        return Night(sleep_id, cycle_id, start, end)

    def recovery(
        self,
        night: Night,
        *,
        hrv: float = 60.0,
        heart_rate: float = 50.0,
        score: float = 66.0,
        state: str = "SCORED",
        is_calibrating: bool = False,
        has_spo2: bool = True,
        updated: datetime | None = None,
        fetched: datetime | None = None,
    ) -> None:
        """Add a version of a night's recovery."""
        updated = updated or night.end + timedelta(minutes=19)
        row: dict[str, Any] = {
            "cycle_id": night.cycle_id,
            "sleep_id": night.sleep_id,
            "created_at": wire(night.end + timedelta(minutes=16)),
            "updated_at": wire(updated),
            "score_state": state,
        }
        if state == "SCORED":
            row["score"] = {
                "user_calibrating": is_calibrating,
                "recovery_score": score,
                "resting_heart_rate": heart_rate,
                "hrv_rmssd_milli": hrv,
            }
            if has_spo2:
                row["score"] |= {"spo2_percentage": 96.5, "skin_temp_celsius": 33.9}
        self.put("recovery", str(night.cycle_id), row, updated, fetched)

    def cycle(
        self,
        night: Night,
        *,
        end: datetime | None = None,
        strain: float = 12.0,
        updated: datetime | None = None,
        fetched: datetime | None = None,
    ) -> None:
        """Add a version of the cycle that a night opened; closed when ``end`` is given."""
        if updated is None:
            updated = night.end + timedelta(minutes=20)
            if end is not None:
                # it is closed by the upload of the next sleep
                updated = end + timedelta(hours=8, minutes=20)
        row = {
            "id": night.cycle_id,
            "created_at": wire(night.end + timedelta(minutes=15)),
            "updated_at": wire(updated),
            "start": wire(night.start),
            "timezone_offset": offset_text(night.end),
            "score_state": "SCORED",
            "score": {
                "strain": strain,
                "kilojoule": 9000.0,
                "average_heart_rate": 70,
                "max_heart_rate": 170,
            },
        }
        if end is not None:
            row["end"] = wire(end)
        self.put("cycle", str(night.cycle_id), row, updated, fetched)

    def workout(
        self,
        start: datetime,
        end: datetime,
        *,
        strain: float = 8.0,
        updated: datetime | None = None,
    ) -> str:
        """Add a workout."""
        workout_id = str(uuid.uuid4())
        updated = updated or end + timedelta(minutes=10)
        row = {
            "id": workout_id,
            "created_at": wire(end + timedelta(minutes=5)),
            "updated_at": wire(updated),
            "start": wire(start),
            "end": wire(end),
            "timezone_offset": offset_text(end),
            "sport_name": "basketball",
            "score_state": "SCORED",
            "score": {
                "strain": strain,
                "average_heart_rate": 130,
                "max_heart_rate": 180,
                "kilojoule": 2000.0,
                "percent_recorded": 97.0,
                "zone_durations": {
                    f"zone_{name}_milli": 600_000
                    for name in ("zero", "one", "two", "three", "four", "five")
                },
            },
        }
        self.put("workout", workout_id, row, updated)
        return workout_id

    def night(self, end: datetime, *, hours: float = 8.0, **recovery: Any) -> Night:
        """A usual night: sleep, recovery and the open cycle, scored within twenty minutes."""
        night = self.sleep(end, hours=hours)
        self.recovery(night, **recovery)
        self.cycle(night)
        return night

    def nights_before(
        self, last: datetime, hrv: Sequence[float], strain: float = 12.0, **recovery: Any
    ) -> list[Night]:
        """Usual nights one, two .. days before a waking, the first value the day before.

        Each cycle is closed by the next night's sleep, the last one by that of ``last``.
        """
        nights = []
        for days, value in enumerate(hrv, 1):
            end = last - timedelta(days=days)
            nights.append(self.night(end, hrv=value, **recovery))
            self.cycle(nights[-1], end=end + timedelta(days=1, hours=-8), strain=strain)
        return nights

    def delete(self, resource: str, key: str, at: datetime) -> None:
        """Say that a record is gone."""
        self.put(resource, key, None, at, at)

    # --- games ------------------------------------------------------------------------------------

    def game(
        self,
        tip_off: datetime,
        zone: str = "America/New_York",
        *,
        has_wall_clock: bool = True,
        has_box_score: bool = True,
    ) -> str:
        """Add a game of his; gives its id.

        Args:
            tip_off: Scheduled tip-off.
            zone: IANA zone of the arena.
            has_wall_clock: Whether the actions say when they happened.
            has_box_score: Without one nothing tells when the game began.
        """
        game_id = f"002250{next(_numbers) % 10_000:04d}"
        play_by_play, box_score, first = _template()
        payloads = {"playbyplay": _retold(play_by_play, self.player_id, game_id)}
        moved = tip_off.astimezone(UTC) - first
        actions = payloads["playbyplay"]["game"]["actions"]
        for action in actions:
            if has_wall_clock:
                action["timeActual"] = _moved(action["timeActual"], moved)
                action["edited"] = _moved(action["edited"], moved)
            else:
                del action["timeActual"]
        if has_box_score:
            box = payloads["boxscore"] = _retold(box_score, self.player_id, game_id)
            local = tip_off.astimezone(ZoneInfo(zone))
            box["game"] |= {
                "gameTimeUTC": tip_off.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "gameTimeLocal": local.isoformat(),
                "gameTimeHome": local.isoformat(),
                "gameTimeAway": local.isoformat(),
                "gameEt": tip_off.astimezone(ZoneInfo("America/New_York")).isoformat(),
            }
            box["game"]["arena"] |= {"arenaTimezone": zone, "arenaCity": zone.split("/")[-1]}
        self.games[game_id] = {name: orjson.dumps(payload) for name, payload in payloads.items()}
        return game_id


def upcoming_game(tip_off: datetime) -> tuple[str, dict[str, Any]]:
    """A schedule in which the team of every athlete's games plays again; gives that game's id."""
    league = League(TEMPLATE_LEAGUE)
    box = orjson.loads(_template()[1])["game"]
    team = next(
        side
        for side in (box["homeTeam"], box["awayTeam"])
        if TEMPLATE_PLAYER in {player["personId"] for player in side["players"]}
    )
    schedule: dict[str, Any] = orjson.loads(league.schedule_json())
    games = [
        game
        for game_date in schedule["leagueSchedule"]["gameDates"]
        for game in game_date["games"]
        if team["teamId"] in (game["homeTeam"]["teamId"], game["awayTeam"]["teamId"])
    ]
    games[-1]["gameStatus"] = 1
    tip_off_at(games[-1], tip_off)
    return games[-1]["gameId"], schedule


@cache
def _template() -> tuple[bytes, bytes, datetime]:
    league = League(TEMPLATE_LEAGUE)
    box = league.box_score_json(TEMPLATE_GAME)
    tip_off = datetime.fromisoformat(orjson.loads(box)["game"]["gameTimeUTC"])
    return league.play_by_play_json(TEMPLATE_GAME), box, tip_off


def _retold(payload: bytes, player_id: str, game_id: str) -> dict[str, Any]:
    text = payload.decode().replace(TEMPLATE_GAME, game_id)
    told: dict[str, Any] = orjson.loads(re.sub(rf"\b{TEMPLATE_PLAYER}\b", player_id, text))
    return told


def _moved(text: str, by: timedelta) -> str:
    return wire(datetime.fromisoformat(text) + by)


def store(settings: Settings, athletes: Iterable[Athlete], folder: Path) -> None:
    """Put athletes' connections and records into the database, and ingest their games."""
    people = [each for athlete in athletes for each in (athlete, athlete.also) if each is not None]
    with connect(settings, roles.INGEST) as connection:
        store_connections(connection, people)
        raw_tables.insert(
            connection, [version for athlete in people for version in athlete.versions]
        )
    folder.mkdir(parents=True, exist_ok=True)
    for athlete in people:
        for game_id, payloads in athlete.games.items():
            for resource, content in payloads.items():
                (folder / f"{resource}_{game_id}.json").write_bytes(content)
    if any(athlete.games for athlete in people):
        report = nba.ingest(settings, directory=folder, show_progress=False)
        # games without a box score are told of
        assert report.exit_code in (0, 3), report


def store_connections(connection: psycopg.Connection[Any], athletes: Iterable[Athlete]) -> None:
    """Put athletes' consents and connections into the database."""
    for athlete in athletes:
        _connect(connection, athlete)


def _connect(connection: psycopg.Connection[Any], athlete: Athlete) -> None:
    connection.execute(
        """
        insert into operations.consent_texts (text_version, text_sha256, body)
        values ('test', %s, 'text') on conflict do nothing
        """,
        ["0" * 64],
    )
    granted = connection.execute(
        """
        insert into operations.consents (
            player_id, decision, text_version, purposes, audience, scopes, recorded_at, expires_at
        )
        values (%s, 'granted', 'test', %s, %s, '{}', %s, %s)
        returning consent_id
        """,
        [
            athlete.player_id,
            list(athlete.purposes),
            list(athlete.audience),
            athlete.connected_at,
            datetime.now(UTC) + timedelta(days=-1 if athlete.is_expired else 300),
        ],
    ).fetchone()
    assert granted is not None
    if athlete.decision != "granted":
        connection.execute(
            """
            insert into operations.consents (
                player_id, decision, text_version, purposes, audience, scopes
            )
            values (%s, %s, 'test', '{}', '{}', '{}')
            """,
            [athlete.player_id, athlete.decision],
        )
    connection.execute(
        """
        insert into operations.wearable_connections (
            connection_id, player_id, consent_id, status, status_reason, connected_at, scopes
        )
        values (%s, %s, %s, %s, %s, %s, '{}')
        """,
        [
            athlete.connection_id,
            athlete.player_id,
            granted[0],
            athlete.status,
            None if athlete.status == "active" else "access_withdrawn",
            athlete.connected_at,
        ],
    )
    if athlete.last_sync_at is not None:
        connection.execute(
            "insert into operations.whoop_sync_positions values (%s, 'sleep', %s, %s, %s)",
            [
                athlete.connection_id,
                athlete.connected_at,
                max(athlete.last_sync_at, athlete.connected_at),
                athlete.last_sync_at,
            ],
        )
