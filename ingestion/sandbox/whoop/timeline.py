"""What the service holds of each member, in which version, at each simulated moment."""

from __future__ import annotations

import copy
import uuid
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from ingestion.sandbox.nba.settings import SandboxError
from ingestion.sandbox.whoop import records
from ingestion.sandbox.whoop.calendar import roster, team_calendar
from ingestion.sandbox.whoop.clock import from_milli, to_milli
from ingestion.sandbox.whoop.physiology import (
    HOUR,
    MINUTE,
    Athlete,
    Body,
    Day,
    Recovery,
    Sleep,
    Workout,
    make_athlete,
)
from ingestion.sandbox.whoop.records import PENDING, SCORED, UNSCORABLE, Row, write_time
from ingestion.sandbox.whoop.settings import WhoopSandboxSettings, seeded

SLEEP, RECOVERY, WORKOUT, CYCLE = "sleep", "recovery", "workout", "cycle"
_FIRST_CYCLE_ID = 700_000_000
_FIRST_V1_ID = 500_000_000
_IDS_PER_MEMBER = 100_000
_SYNC_EVERY = 15 * MINUTE


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a record.

    Attributes:
        at: When it came to be, ms since 1970.
        start: Start of the activity; of a recovery, of its sleep.
        end: Its end; None while open.
        row: Wire form; None: deleted.
    """

    at: int
    start: int
    end: int | None
    row: Row | None


@dataclass(slots=True)
class Record:
    """A sleep, recovery or workout with all its versions, oldest first."""

    user_id: int
    versions: list[Version] = field(default_factory=list)
    hidden_until: int = 0

    def at(self, now: int) -> Version | None:
        """Give the version that can be read at a time, or None."""
        place = bisect_right(self.versions, now, key=lambda version: version.at)
        if not place or now < self.hidden_until or self.versions[place - 1].row is None:
            return None
        return self.versions[place - 1]


@dataclass(slots=True)
class Cycle:
    """A physiological day: from the start of one main sleep to the start of the next.

    While it is open its strain grows with every upload of the strap.
    """

    cycle_id: int
    user_id: int
    start: int
    offset: int
    created: int
    scored: int
    woke: int
    strain: float
    steps: int
    active: int = 16 * HOUR
    end: int | None = None
    closed: int | None = None
    hidden_until: int = 0

    def at(self, now: int) -> Version | None:
        """Give what can be read at a time, or None."""
        if now < self.created or now < self.hidden_until:
            return None
        is_closed = self.closed is not None and now >= self.closed
        row: Row = {
            "id": self.cycle_id,
            "user_id": self.user_id,
            "created_at": write_time(self.created),
            "updated_at": write_time(self.created),
            "start": write_time(self.start),
        }
        if is_closed and self.end is not None:
            row["end"] = write_time(self.end)
        row["timezone_offset"] = records.write_offset(self.offset)
        updated = self.created
        if now < self.scored and not is_closed:
            row["score_state"] = PENDING
        else:
            synced = self.woke + max(0, now - self.woke) // _SYNC_EVERY * _SYNC_EVERY
            share = 1.0 if is_closed else min(1.0, max(0, synced - self.woke) / self.active)
            updated = max(self.scored, synced)
            if is_closed and self.closed is not None:
                updated = self.closed
            strain = round(self.strain * (0.12 + 0.88 * share), 4)
            row["score_state"] = SCORED
            row["score"] = {
                "strain": strain,
                "kilojoule": round((2200 + 9500 * share) * (0.55 + strain / 25), 3),
                "average_heart_rate": round(56 + 1.15 * strain),
                "max_heart_rate": round(95 + 5.2 * strain),
            }
            row["step_count"] = int(self.steps * share)
        row["updated_at"] = write_time(updated)
        return Version(updated, self.start, self.end if is_closed else None, row)


@dataclass(frozen=True, slots=True)
class Event:
    """A change that the service tells by webhook.

    Attributes:
        at: ms since 1970.
        type: ``sleep.updated`` and so on.
        id: UUID of the sleep or workout; of a recovery, that of its sleep.
        user_id: The member.
    """

    at: int
    type: str
    id: str
    user_id: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What only the simulation knows of one night.

    Attributes:
        user_id: The member.
        player_id: His id in the linked league.
        night: Local date of waking.
        sleep_id: UUID of the main sleep.
        cycle_id: The cycle that it starts.
        sleep_start: ms since 1970.
        sleep_end: ms since 1970.
        readiness: True z score of the night's ln rMSSD among the athlete's own nights.
        recovery_score: As first scored, 0-100.
        is_scorable: Whether the service shows it.
        is_calibrating: Whether the service was still calibrating.
    """

    user_id: int
    player_id: int
    night: date
    sleep_id: str
    cycle_id: int
    sleep_start: int
    sleep_end: int
    readiness: float
    recovery_score: float
    is_scorable: bool
    is_calibrating: bool


class Member:
    """One member's records, lived as far as they are asked for.

    Args:
        settings: Of the service.
        athlete: Who.
    """

    def __init__(self, settings: WhoopSandboxSettings, athlete: Athlete) -> None:
        self.athlete = athlete
        self.sleeps: dict[str, Record] = {}
        self.recoveries: dict[int, Record] = {}
        self.workouts: dict[str, Record] = {}
        self.cycles: dict[int, Cycle | Record] = {}
        self.cycle_of_sleep: dict[str, int] = {}
        self.v1_ids: dict[int, str] = {}
        self.events: list[Event] = []
        self.truth: list[Truth] = []
        self._settings = settings
        team_id = roster(settings.league)[athlete.place].team_id
        self._body = Body(settings, athlete, team_calendar(settings.league, team_id))
        self._next = settings.first_waking_date
        self._current: Cycle | None = None

    def ensure(self, now: int) -> None:
        """Live on until all that is known at a time is there."""
        # the open cycle is closed by the sleep after it, and zones reach a day ahead
        last = from_milli(now).date() + timedelta(days=2)
        while self._next <= last:
            self._store(self._body.live(self._next))
            self._next += timedelta(days=1)

    def _uuid(self, *parts: object) -> str:
        random = seeded(self._settings.seed, "uuid", self.athlete.place, *parts)
        return str(uuid.UUID(int=random.getrandbits(128), version=4))

    def _v1_id(self, activity_id: str) -> int:
        number = _FIRST_V1_ID + self.athlete.place * _IDS_PER_MEMBER + len(self.v1_ids)
        self.v1_ids[number] = activity_id
        return number

    def _store(self, day: Day) -> None:
        if day.sleep is not None and day.recovery is not None:
            self._main_sleep(day, day.sleep, day.recovery, "sleep")
        elif self._current is not None:
            # the cycle goes on through the night without a main sleep
            self._current.active += 24 * HOUR
            self._current.strain = min(20.5, max(self._current.strain, day.strain) + 1.5)
            self._current.steps += day.steps
        # a nap belongs to the cycle it lies in
        for number, nap in enumerate(day.naps):
            if self._current is not None:
                self._sleep(nap, self._uuid("nap", day.on, number), self._current.cycle_id)
        for number, workout in enumerate(day.workouts):
            self._workout(workout, self._uuid("workout", day.on, number))
        if day.second is not None:
            self._main_sleep(day, *day.second, "second")

    def _main_sleep(self, day: Day, sleep: Sleep, recovery: Recovery, name: str) -> None:
        athlete = self.athlete
        cycle_id = _FIRST_CYCLE_ID + athlete.place * _IDS_PER_MEMBER + len(self.cycles)
        if self._current is not None:
            self._current.end = sleep.start
            self._current.closed = sleep.created
        cycle = Cycle(
            cycle_id=cycle_id,
            user_id=athlete.user_id,
            start=sleep.start,
            offset=sleep.offset,
            created=sleep.created,
            scored=sleep.scored + 500,
            woke=sleep.end,
            strain=day.strain,
            steps=day.steps,
        )
        self._current = self.cycles[cycle_id] = cycle
        sleep_id = self._uuid(name, day.on)
        self._sleep(sleep, sleep_id, cycle_id)
        self._recovery(sleep, sleep_id, recovery, cycle_id)
        self.truth.append(
            Truth(
                user_id=athlete.user_id,
                player_id=athlete.player_id,
                night=day.on,
                sleep_id=sleep_id,
                cycle_id=cycle_id,
                sleep_start=sleep.start,
                sleep_end=sleep.end,
                readiness=recovery.readiness,
                recovery_score=recovery.score,
                is_scorable=sleep.is_scorable,
                is_calibrating=recovery.is_calibrating,
            )
        )

    def _sleep(self, sleep: Sleep, sleep_id: str, cycle_id: int) -> None:
        user_id = self.athlete.user_id
        self.cycle_of_sleep[sleep_id] = cycle_id
        pending = records.sleep_row(
            sleep,
            sleep_id=sleep_id,
            v1_id=self._v1_id(sleep_id),
            cycle_id=cycle_id,
            user_id=user_id,
            updated=sleep.created,
        )
        scored = pending | {"updated_at": write_time(sleep.scored)}
        if sleep.is_scorable:
            scored |= {"score_state": SCORED, "score": records.sleep_score(sleep)}
        else:
            scored["score_state"] = UNSCORABLE
        record = self.sleeps[sleep_id] = Record(user_id)
        for at, row in ((sleep.created, pending), (sleep.scored, scored)):
            record.versions.append(Version(at, sleep.start, sleep.end, row))
            self._tell(at, "sleep.updated", sleep_id)
        if sleep.edit is not None:
            at, shift = sleep.edit
            record.versions.append(moved(record.versions[-1], shift, at))
            self._tell(at, "sleep.updated", sleep_id)

    def _recovery(self, sleep: Sleep, sleep_id: str, recovery: Recovery, cycle_id: int) -> None:
        user_id = self.athlete.user_id
        record = self.recoveries[cycle_id] = Record(user_id)
        created = sleep.created + 1000
        states = [(created, PENDING), (sleep.scored + 1000, SCORED)]
        for at, state in states:
            row = records.recovery_row(
                cycle_id=cycle_id,
                sleep_id=sleep_id,
                user_id=user_id,
                created=created,
                updated=at,
                state=state,
            )
            if state == SCORED and sleep.is_scorable:
                row["score"] = records.recovery_score(recovery)
            elif state == SCORED:
                row["score_state"] = UNSCORABLE
            record.versions.append(Version(at, sleep.start, sleep.end, row))
            self._tell(at, "recovery.updated", sleep_id)
        if sleep.edit is not None:
            at, shift = sleep.edit
            record.versions.append(rescored(record.versions[-1], shift, at + 1500))
            self._tell(at + 1500, "recovery.updated", sleep_id)

    def _workout(self, workout: Workout, workout_id: str) -> None:
        user_id = self.athlete.user_id
        pending = records.workout_row(
            workout,
            workout_id=workout_id,
            v1_id=self._v1_id(workout_id),
            user_id=user_id,
            updated=workout.created,
        )
        scored = pending | {"updated_at": write_time(workout.scored)}
        if workout.is_scorable:
            scored |= {"score_state": SCORED, "score": records.workout_score(workout)}
        else:
            scored["score_state"] = UNSCORABLE
        record = self.workouts[workout_id] = Record(user_id)
        for at, row in ((workout.created, pending), (workout.scored, scored)):
            record.versions.append(Version(at, workout.start, workout.end, row))
            self._tell(at, "workout.updated", workout_id)

    def _tell(self, at: int, kind: str, activity_id: str) -> None:
        event = Event(at, kind, activity_id, self.athlete.user_id)
        # of one moment, in the order in which it was told
        insort(self.events, event, key=lambda other: other.at)

    # --- records put by hand
    # ----------------------------------------------------------------------------------------

    def put(self, resource: str, row: Row, now: int) -> None:
        """Put a record as it is, or a new version of one; a webhook follows but for cycles.

        Args:
            resource: ``cycle``, ``recovery``, ``sleep`` or ``workout``.
            row: Wire form.
            now: ms since 1970.

        Raises:
            SandboxError: If the row lacks its keys or times, or a recovery its sleep.
        """
        try:
            key = row["cycle_id" if resource == RECOVERY else "id"]
            if resource == RECOVERY:
                times = self.sleeps[row["sleep_id"]].versions[-1]
                start, end = times.start, times.end
            else:
                start = to_milli(datetime.fromisoformat(row["start"]))
                end = to_milli(datetime.fromisoformat(row["end"])) if "end" in row else None
            if resource == SLEEP:
                self.cycle_of_sleep[key] = row["cycle_id"]
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxError(
                "row", f"{type(error).__name__} {error}", "send a whole record in wire form"
            ) from error
        among: dict[str, dict[Any, Any]] = {
            CYCLE: self.cycles,
            RECOVERY: self.recoveries,
            SLEEP: self.sleeps,
            WORKOUT: self.workouts,
        }
        if resource not in among:
            raise SandboxError(
                "resource", f"{resource!r} is none", f"give one of {', '.join(among)}"
            )
        record = among[resource].get(key)
        if not isinstance(record, Record):
            record = among[resource][key] = Record(self.athlete.user_id)
        version = Version(now, start, end, copy.deepcopy(row))
        if resource == CYCLE:
            record.versions.append(version)
        else:
            told = row["sleep_id"] if resource == RECOVERY else key
            self._replace(record, version, f"{resource}.updated", told)

    # --- what the member does in the app
    # -----------------------------------------------------------------

    def edit_sleep(self, sleep_id: str, shift: int, now: int) -> None:
        """Move the start of a sleep; its recovery is calculated again.

        Args:
            sleep_id: UUID.
            shift: ms; negative is earlier.
            now: ms since 1970.

        Raises:
            SandboxError: If there is no such sleep with a final state, or nothing is left of it.
        """
        record, version = self._editable(self.sleeps, sleep_id, now)
        self._replace(record, moved(version, shift, now), "sleep.updated", sleep_id)
        recovery = self.recoveries.get(self.cycle_of_sleep[sleep_id])
        was = recovery.at(now) if recovery is not None else None
        if recovery is None or was is None or was.row is None or was.row["sleep_id"] != sleep_id:
            return
        self._replace(recovery, rescored(was, shift, now), "recovery.updated", sleep_id)

    def edit_workout(self, workout_id: str, shift: int, now: int) -> None:
        """Move a workout as a whole; arguments and errors as in :meth:`edit_sleep`."""
        record, version = self._editable(self.workouts, workout_id, now)
        end = (version.end or version.start) + shift
        row = copy.deepcopy(version.row) or {}
        row |= {
            "updated_at": write_time(now),
            "start": write_time(version.start + shift),
            "end": write_time(end),
        }
        new = Version(now, version.start + shift, end, row)
        self._replace(record, new, "workout.updated", workout_id)

    def delete_sleep(self, sleep_id: str, now: int) -> None:
        """Delete a sleep and, with a main sleep, its recovery.

        Raises:
            SandboxError: If the sleep cannot be read now.
        """
        record = self._readable(self.sleeps, sleep_id, now)
        self._replace(record, Version(now, 0, 0, None), "sleep.deleted", sleep_id)
        recovery = self.recoveries.get(self.cycle_of_sleep[sleep_id])
        was = recovery.at(now) if recovery is not None else None
        if recovery is None or was is None or was.row is None or was.row["sleep_id"] != sleep_id:
            return
        self._replace(recovery, Version(now, 0, 0, None), "recovery.deleted", sleep_id)

    def delete_workout(self, workout_id: str, now: int) -> None:
        """Delete a workout.

        Raises:
            SandboxError: If it cannot be read now.
        """
        record = self._readable(self.workouts, workout_id, now)
        self._replace(record, Version(now, 0, 0, None), "workout.deleted", workout_id)

    def _readable(self, among: dict[str, Record], activity_id: str, now: int) -> Record:
        record = among.get(activity_id)
        if record is None or record.at(now) is None:
            raise SandboxError(
                "id",
                f"{activity_id} cannot be read now",
                "take an id that the API lists at this simulated time",
            )
        return record

    def _editable(
        self, among: dict[str, Record], activity_id: str, now: int
    ) -> tuple[Record, Version]:
        record = self._readable(among, activity_id, now)
        version = record.at(now)
        if version is None or version.row is None or version.row["score_state"] == PENDING:
            raise SandboxError(
                "id", f"{activity_id} is not scored yet", "advance the clock by some minutes"
            )
        return record, version

    def _replace(self, record: Record, version: Version, kind: str, activity_id: str) -> None:
        """Put a version in place of all that would have come later."""
        now = version.at
        record.versions = [old for old in record.versions if old.at < now] + [version]
        subject = kind.partition(".")[0]
        self.events = [
            event
            for event in self.events
            if not (event.at > now and event.id == activity_id and event.type.startswith(subject))
        ]
        self._tell(now, kind, activity_id)


def moved(version: Version, shift: int, at: int) -> Version:
    """Give a sleep whose start was moved; all parts still add up.

    Raises:
        SandboxError: If less than a minute would be left of it.
    """
    start = version.start + shift
    end = version.end if version.end is not None else version.start
    row: Row = copy.deepcopy(version.row or {})
    row |= {"updated_at": write_time(at), "start": write_time(start)}
    if end - start < MINUTE:
        raise SandboxError("shift", "nothing would be left of the sleep", "move it less")
    if "score" in row:
        parts = row["score"]["stage_summary"]
        parts["total_in_bed_time_milli"] = end - start
        # what is added counts as half awake, half light sleep; what is cut is taken in turn
        added = max(0, -shift)
        parts["total_awake_time_milli"] += added - added // 2
        parts["total_light_sleep_time_milli"] += added // 2
        rest = max(0, shift)
        for name in ("awake", "light_sleep", "rem_sleep", "slow_wave_sleep", "no_data"):
            cut = min(rest, parts[f"total_{name}_time_milli"])
            parts[f"total_{name}_time_milli"] -= cut
            rest -= cut
        asleep = sum(
            parts[f"total_{name}_sleep_time_milli"] for name in ("light", "slow_wave", "rem")
        )
        row["score"]["sleep_efficiency_percentage"] = round(100 * asleep / (end - start), 8)
        if "sleep_performance_percentage" in row["score"]:
            need = sum(row["score"]["sleep_needed"].values())
            percentage = float(round(min(100, 100 * asleep / need)))
            row["score"]["sleep_performance_percentage"] = percentage
    return Version(at, start, end, row)


def rescored(version: Version, shift: int, at: int) -> Version:
    """Give a recovery calculated again after its sleep's start was moved."""
    row: Row = copy.deepcopy(version.row or {})
    row["updated_at"] = write_time(at)
    if "score" in row:
        score = row["score"]
        points = -4.0 if shift < 0 else 3.0
        score["recovery_score"] = min(99.0, max(1.0, score["recovery_score"] + points))
        score["hrv_rmssd_milli"] = round(score["hrv_rmssd_milli"] * (1 + points / 200), 6)
    return Version(at, version.start + shift, version.end, row)


class Timeline:
    """All members of the service.

    Args:
        settings: Of the service.
    """

    def __init__(self, settings: WhoopSandboxSettings) -> None:
        self._settings = settings
        players = roster(settings.league)[: settings.roster_size]
        athletes = [make_athlete(settings, place, p) for place, p in enumerate(players)]
        self.athletes = {athlete.user_id: athlete for athlete in athletes}
        self._members: dict[int, Member] = {}

    def member(self, user_id: int, now: int) -> Member:
        """Give a member's records, lived up to a time.

        Raises:
            SandboxError: If there is no such member.
        """
        member = self._members.get(user_id)
        if member is None:
            athlete = self.athletes.get(user_id)
            if athlete is None:
                first, last = min(self.athletes), max(self.athletes)
                raise SandboxError(
                    "member", f"there is no member {user_id}", f"give {first} to {last}"
                )
            member = self._members[user_id] = Member(self._settings, athlete)
        member.ensure(now)
        return member

    def owner(self, activity_id: str, now: int) -> Member:
        """Give the member that a sleep or workout belongs to.

        Raises:
            SandboxError: If nobody has it.
        """
        for user_id in self.athletes:
            member = self.member(user_id, now)
            if activity_id in member.sleeps or activity_id in member.workouts:
                return member
        raise SandboxError("id", f"nobody has {activity_id}", "take an id that the API lists")

    def mapped(self, v1_id: int, now: int) -> str | None:
        """Give the UUID of an activity by its number of API v1, or None."""
        place = (v1_id - _FIRST_V1_ID) // _IDS_PER_MEMBER
        ids = list(self.athletes)
        if not 0 <= place < len(ids):
            return None
        member = self.member(ids[place], now)
        activity_id = member.v1_ids.get(v1_id)
        if activity_id is None:
            return None
        record = member.sleeps.get(activity_id) or member.workouts[activity_id]
        return activity_id if record.at(now) is not None else None

    def events(self, user_id: int, after: int, until: int) -> list[Event]:
        """Give a member's changes with ``after < at <= until``, oldest first."""
        events = self.member(user_id, until).events
        first = bisect_right(events, after, key=lambda event: event.at)
        last = bisect_right(events, until, key=lambda event: event.at)
        return events[first:last]

    def truth(self, until: int) -> list[Truth]:
        """Give what only the simulation knows of the nights that have ended, member by member."""
        return [
            row
            for user_id in self.athletes
            for row in self.member(user_id, until).truth
            if row.sleep_end <= until
        ]


def collection(member: Member, resource: str, now: int) -> list[tuple[Any, Version]]:
    """Give what can be read of a resource: pairs of key and version, newest first.

    Recoveries are sorted by the start of their sleep.
    """
    resources: dict[str, dict[Any, Any]] = {
        SLEEP: member.sleeps,
        RECOVERY: member.recoveries,
        WORKOUT: member.workouts,
        CYCLE: member.cycles,
    }
    among = resources[resource]
    found = [(key, version) for key, record in among.items() if (version := record.at(now))]
    return sorted(found, key=lambda pair: (-pair[1].start, str(pair[0])))
