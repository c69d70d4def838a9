"""Simulated athletes: nights, naps, workouts and the readiness behind them.

Sizes, and where they come from:

* ln rMSSD between athletes N(4.2, 0.35); within a week its coefficient of variation is
  5.4 +- 0.7 % (WHOOP-measured, elite water polo; Bellenger 2022, Sensors 22:6723).
* Resting heart rate 40-65 bpm, respiratory rate 12-19 /min, SpO2 92-99 %, skin 32-36 C, strain
  4-20, asleep 5-9 h, naps on 10-30 % of days, 1-3 % of nights unscorable: assumed ranges.

A day depends on the seed, the member, the date and the day before; the schedule of the linked
league moves bed time, zone and strain. Results of games do not, so the league may in turn depend on
readiness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from ingestion.sandbox.nba.roster import Player
from ingestion.sandbox.whoop.calendar import TeamCalendar
from ingestion.sandbox.whoop.clock import to_milli
from ingestion.sandbox.whoop.settings import Kind, Scripted, WhoopSandboxSettings, seeded

MINUTE = 60_000
HOUR = 3_600_000
FIRST_USER_ID = 990_001
CALIBRATION_NIGHTS = 4

_PERSISTENCE = 0.3  # of readiness from one night to the next
_WEEK_SHARE = 0.88  # s.d. within a week over s.d. over all nights, at that persistence
_MISSING_RATE = 0.02
_UNSCORABLE_RATE = 0.02
_EDIT_RATE = 0.04
_LATE_SYNC_RATE = 0.03
_LATE_NIGHT_RATE = 0.06
_JOINS_LATE_RATE = 0.1
_OLD_STRAP_RATE = 0.12
_WORN_IN_GAME_RATE = 0.03


@dataclass(frozen=True, slots=True)
class Athlete:
    """What is fixed about one member.

    Attributes:
        place: Place in the roster, from 0.
        user_id: WHOOP's id of him.
        player_id: His id in the linked league.
        first_name: Given name.
        family_name: Family name.
        log_hrv_mean: Mean of ln rMSSD (rMSSD in ms).
        log_hrv_sd: Standard deviation of it between nights.
        resting_heart_rate: Mean, bpm.
        respiratory_rate: Mean, breaths/min.
        skin_temperature: Mean, degrees Celsius.
        sleep_need: Baseline need, ms.
        bed_time: Usual bed time, minutes after 22:00 local.
        nap_rate: Share of days with a nap.
        has_spo2: Whether the strap (4.0 or newer) measures SpO2 and skin temperature.
        joins_on: First waking date with a record; None: long before.
        height: m.
        weight: kg.
        max_heart_rate: bpm.
        has_body: Whether body measurements were ever entered.
        minutes_share: Planned minutes over 36.
    """

    place: int
    user_id: int
    player_id: int
    first_name: str
    family_name: str
    log_hrv_mean: float
    log_hrv_sd: float
    resting_heart_rate: float
    respiratory_rate: float
    skin_temperature: float
    sleep_need: int
    bed_time: float
    nap_rate: float
    has_spo2: bool
    joins_on: date | None
    height: float
    weight: float
    max_heart_rate: int
    has_body: bool
    minutes_share: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """One sleep; times in ms, moments since 1970 (UTC).

    The parts add up: in bed = end - start = awake + no data + light + slow wave + REM.

    Attributes:
        offset: Minutes east of UTC at the end.
        created: When the phone uploaded it.
        scored: When the score was there.
        edit: When the member moved its start, and by how much (negative is earlier); or None.
    """

    start: int
    end: int
    offset: int
    is_nap: bool
    is_scorable: bool
    awake: int
    no_data: int
    light: int
    slow_wave: int
    rem: int
    cycle_count: int
    disturbance_count: int
    need_baseline: int
    need_debt: int
    need_strain: int
    need_nap: int
    respiratory_rate: float
    performance: float | None
    consistency: float | None
    created: int
    scored: int
    edit: tuple[int, int] | None

    @property
    def asleep(self) -> int:
        """Time asleep, ms."""
        return self.light + self.slow_wave + self.rem

    @property
    def efficiency(self) -> float:
        """Share of the time in bed that was slept, per cent."""
        return 100 * self.asleep / (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One morning's recovery; ``readiness`` is the true z score of ln rMSSD behind it."""

    readiness: float
    hrv: float
    resting_heart_rate: float
    score: float
    is_calibrating: bool
    spo2: float | None
    skin_temperature: float | None


@dataclass(frozen=True, slots=True)
class Workout:
    """One workout; times as in :class:`Sleep`, ``zones`` in ms from zone 0 to 5."""

    start: int
    end: int
    offset: int
    sport: str
    is_scorable: bool
    strain: float
    average_heart_rate: int
    max_heart_rate: int
    kilojoule: float
    percent_recorded: float
    zones: tuple[int, int, int, int, int, int]
    distance: float | None
    created: int
    scored: int


@dataclass(frozen=True, slots=True)
class Day:
    """What a member does from waking on a date until he sleeps again.

    Attributes:
        on: Local date of waking.
        sleep: Main sleep that ends on it, or None.
        recovery: Of that sleep.
        second: Another main sleep that ends on the date, with its recovery.
        naps: Naps.
        workouts: Workouts.
        strain: Strain of the whole day, 0-21.
        steps: Steps.
    """

    on: date
    sleep: Sleep | None
    recovery: Recovery | None
    second: tuple[Sleep, Recovery] | None
    naps: tuple[Sleep, ...]
    workouts: tuple[Workout, ...]
    strain: float
    steps: int


def _clip(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def _local_milli(day: date, minutes: float, zone: str) -> int:
    """Give the moment so many minutes of the wall clock after a local midnight."""
    whole = int(minutes // 1440)
    at = datetime.combine(day + timedelta(days=whole), time(), tzinfo=ZoneInfo(zone))
    return to_milli((at + timedelta(minutes=minutes - 1440 * whole)).astimezone(UTC))


def _offset_minutes(milli: int, zone: str) -> int:
    shift = datetime.fromtimestamp(milli / 1000, ZoneInfo(zone)).utcoffset()
    return int(shift.total_seconds() // 60) if shift is not None else 0


def make_athlete(settings: WhoopSandboxSettings, place: int, player: Player) -> Athlete:
    """Draw what is fixed about one member."""
    random = seeded(settings.seed, "athlete", place)
    mean = 4.2 + 0.35 * _clip(random.gauss(0, 1), -2.2, 2.2)
    variation = _clip(random.gauss(0.054, 0.007), 0.035, 0.075)
    joins_on = None
    if random.random() < _JOINS_LATE_RATE and settings.history_days > 6:
        joins_on = settings.first_waking_date + timedelta(
            days=3 + int(random.random() * (settings.history_days - 5))
        )
    has_spo2 = random.random() >= _OLD_STRAP_RATE
    for scripted in settings.faults.scripted:
        if scripted.member == place and scripted.kind is Kind.CALIBRATING:
            joins_on = scripted.on
    return Athlete(
        place=place,
        user_id=FIRST_USER_ID + place,
        player_id=player.player_id,
        first_name=player.first_name,
        family_name=player.family_name,
        log_hrv_mean=mean,
        log_hrv_sd=variation * mean / _WEEK_SHARE,
        resting_heart_rate=_clip(random.gauss(51, 3.5), 45, 58),
        respiratory_rate=_clip(random.gauss(15.2, 1.0), 13.2, 17.6),
        skin_temperature=_clip(random.gauss(33.9, 0.4), 33.0, 35.0),
        sleep_need=int(_clip(random.gauss(7.8, 0.3), 7.2, 8.5) * HOUR),
        bed_time=_clip(random.gauss(95, 30), 30, 160),
        nap_rate=0.1 + 0.2 * random.random(),
        has_spo2=has_spo2,
        joins_on=joins_on,
        height=round(1.82 + 0.06 * player.size + random.gauss(0, 0.02), 2),
        weight=round(76 + 7.5 * player.size + random.gauss(0, 4), 2),
        max_heart_rate=int(_clip(random.gauss(195, 6), 180, 210)),
        has_body=random.random() < 0.9,
        minutes_share=player.planned_seconds / 60 / 36,
    )


class Body:
    """Lives one member's days in order.

    Args:
        settings: Seed and script.
        athlete: Who.
        calendar: His team's games.
    """

    def __init__(
        self, settings: WhoopSandboxSettings, athlete: Athlete, calendar: TeamCalendar
    ) -> None:
        self._settings = settings
        self._athlete = athlete
        self._calendar = calendar
        self._scripted = [s for s in settings.faults.scripted if s.member == athlete.place]
        self._latent = seeded(settings.seed, "latent", athlete.place).gauss(0, 1)
        self._strain = 11.0
        self._debt = 0
        self._nap_credit = 0
        self._awake_since = 0
        self._last_upload = 0
        self._nights = 0
        self._recoveries = 0
        self._bed_times: list[float] = []

    def live(self, on: date) -> Day:
        """Live the night that ends on a local date and the day after it.

        Dates must be given one after the other.
        """
        athlete = self._athlete
        # by the league's calendar: a season that is moved has the same nights
        day = on - timedelta(days=self._settings.league.days_later)
        random = seeded(self._settings.seed, "day", athlete.place, day.isoformat())
        kinds = {s.kind for s in self._scripted if s.on == on}
        zone = self._zone_on(on)
        is_missing = random.random() < _MISSING_RATE and not kinds
        sleep = recovery = None
        naps: list[Sleep] = []
        has_joined = athlete.joins_on is None or on >= athlete.joins_on
        if Kind.NAP_ONLY in kinds:
            naps.append(self._nap(random, _local_milli(on, 5 * 60, zone), zone))
            self._awake_since = naps[-1].end
        elif not is_missing and Kind.NO_SLEEP not in kinds and has_joined:
            sleep, recovery = self._night(random, on, zone, kinds)
        if sleep is None:
            # he has a readiness on days without a reading too
            self._step_latent(random)
        if not has_joined:
            return Day(on, None, None, None, (), (), self._strain, 0)
        woke = max(self._awake_since, _local_milli(on, 6.5 * 60, zone))
        second = None
        game = self._calendar.game_on(on)
        workouts: tuple[Workout, ...] = ()
        if Kind.TWO_MAIN_SLEEPS in kinds:
            start = max(_local_milli(on, 14.5 * 60, zone), self._awake_since + 4 * HOUR)
            # it must end on the same date
            length = min(int(5.6 * HOUR), _local_milli(on, 23.8 * 60, zone) - start)
            second = self._main_sleep(random, on, start, length, zone, set(), is_night=False)
            strain = _clip(random.gauss(6.5, 1), 4, 20)
        else:
            workouts, free = self._workouts(random, on, woke, zone)
            nap_end = (
                to_milli(game.tip_off_utc) - 150 * MINUTE
                if game is not None
                else _local_milli(on, 18 * 60, zone)
            )
            start = max(_local_milli(on, 13.75 * 60, zone), free + 30 * MINUTE)
            if random.random() < athlete.nap_rate * 1.1 and start + 90 * MINUTE < nap_end:
                naps.append(self._nap(random, start + int(random.random() * HOUR / 3), zone))
            strain = self._day_strain(random, workouts, game is not None)
        self._strain = strain
        steps = int(_clip(random.gauss(5000 + 600 * strain, 1200), 1500, 30000))
        return Day(on, sleep, recovery, second, tuple(naps), workouts, strain, steps)

    # --- nights
    # ------------------------------------------------------------------------------------------

    def _zone_on(self, on: date) -> str:
        for scripted in self._scripted:
            is_away = 0 <= (on - scripted.on).days < scripted.days
            if scripted.kind is Kind.TIME_ZONE_CHANGE and is_away:
                return scripted.zone
        return self._calendar.zone_of_night(on)

    def _night(
        self, random: Random, on: date, zone: str, kinds: set[Kind]
    ) -> tuple[Sleep, Recovery]:
        athlete = self._athlete
        eve = on - timedelta(days=1)
        minutes = 22 * 60 + athlete.bed_time + random.gauss(0, 25)
        if random.random() < _LATE_NIGHT_RATE:
            minutes += 60 + 60 * random.random()
        bed = _local_milli(eve, minutes, zone)
        usual = _local_milli(eve, 24 * 60, zone)
        last = self._calendar.game_on(eve)
        if last is not None:
            flight = 75 if zone != last.home.city.timezone else 0
            after = 250 + flight + max(-30.0, random.gauss(0, 25))
            bed = max(bed, to_milli(last.tip_off_utc) + int(after * MINUTE))
        bed = max(bed, self._awake_since + 5 * HOUR)
        late = max(0, bed - usual) / HOUR
        hours = _clip(random.gauss(8.35 - 0.5 * late, 0.5), 6.0, 9.7)
        length = int(hours * HOUR)
        game = self._calendar.game_on(on)
        if game is not None:
            latest = to_milli(game.tip_off_utc) - 3 * HOUR
            length = max(5 * HOUR, min(length, latest - bed))
        if on in self._settings.faults.roster_bursts:
            bed = min(bed, _local_milli(on, 0.5 * 60, zone))
            bed = max(bed, self._awake_since + 4 * HOUR)
            length = max(4 * HOUR, _local_milli(on, 6.5 * 60, zone) - bed)
        length += int(random.random() * 60_000)
        return self._main_sleep(random, on, bed, length, zone, kinds, is_night=True)

    def _main_sleep(
        self,
        random: Random,
        on: date,
        start: int,
        length: int,
        zone: str,
        kinds: set[Kind],
        *,
        is_night: bool,
    ) -> tuple[Sleep, Recovery]:
        athlete = self._athlete
        end = start + length
        awake = int(length * _clip(random.gauss(0.075, 0.02), 0.03, 0.16))
        no_data = int(length * 0.08 * random.random()) if random.random() < 0.06 else 0
        asleep = length - awake - no_data
        slow_wave = int(asleep * _clip(random.gauss(0.21, 0.03), 0.1, 0.3))
        rem = int(asleep * _clip(random.gauss(0.235, 0.03), 0.12, 0.33))
        # a scripted night is what the script says and nothing else
        is_unscorable = random.random() < _UNSCORABLE_RATE and not kinds
        is_scorable = not is_unscorable and Kind.UNSCORABLE not in kinds
        need_strain = int(_clip((self._strain - 8) / 13, 0, 1) * 45 * MINUTE)
        need_debt = min(90 * MINUTE, self._debt)
        need_nap = -self._nap_credit
        need = athlete.sleep_need + need_strain + need_debt + need_nap
        self._debt = max(0, int(0.4 * (need - asleep)))
        self._nap_credit = 0
        bed_local = (start + _offset_minutes(start, zone) * MINUTE) // MINUTE % 1440
        bed_local = (bed_local + 720) % 1440  # minutes after noon
        spread = [abs(bed_local - other) for other in self._bed_times[-4:]]
        consistency = None
        if len(spread) >= 3 or (athlete.joins_on is None and spread):
            consistency = float(round(_clip(96 - 0.28 * sum(spread) / len(spread), 20, 100)))
        self._bed_times.append(bed_local)
        self._nights += 1
        delay = 0
        if random.random() < _LATE_SYNC_RATE and not kinds and is_night:
            delay = int((3 + 6 * random.random()) * HOUR)
        if Kind.LATE_SYNC in kinds:
            delay = 12 * HOUR
        created, scored = self._upload(random, end + delay)
        if is_night and on in self._settings.faults.roster_bursts:
            created = _local_milli(on, 7 * 60, zone)
            scored = self._last_upload = created + MINUTE
        edit = None
        if is_scorable and (random.random() < _EDIT_RATE or Kind.EDIT in kinds):
            shift = -int((10 + 20 * random.random()) * MINUTE)
            # not into what was before
            shift = max(shift, min(0, self._awake_since + HOUR - start))
            if shift <= -MINUTE:
                edit = (scored + int((2 + 4 * random.random()) * HOUR), shift)
        sleep = Sleep(
            start=start,
            end=end,
            offset=_offset_minutes(end, zone),
            is_nap=False,
            is_scorable=is_scorable,
            awake=awake,
            no_data=no_data,
            light=asleep - slow_wave - rem,
            slow_wave=slow_wave,
            rem=rem,
            cycle_count=max(1, round(asleep / (100 * MINUTE))),
            disturbance_count=max(0, round(random.gauss(10, 3))),
            need_baseline=athlete.sleep_need,
            need_debt=need_debt,
            need_strain=need_strain,
            need_nap=need_nap,
            respiratory_rate=_clip(random.gauss(athlete.respiratory_rate, 0.35), 12, 19),
            performance=(
                None
                if athlete.joins_on is not None and self._nights <= 2
                else float(round(_clip(100 * asleep / need, 0, 100)))
            ),
            consistency=consistency,
            created=created,
            scored=scored,
            edit=edit,
        )
        self._awake_since = end
        return sleep, self._recovery(random, on, sleep)

    def _upload(self, random: Random, end: int) -> tuple[int, int]:
        """Draw when a phone uploads an activity and when its score is there."""
        created = end + int(_clip(random.gauss(14, 8), 3, 45) * MINUTE)
        # it uploads what it has in the order in which it happened
        created = max(created, self._last_upload + 1000)
        scored = created + int((0.5 + 6 * random.random() ** 2) * MINUTE)
        self._last_upload = scored
        return created, scored

    def _step_latent(self, random: Random) -> None:
        self._latent = _PERSISTENCE * self._latent + 0.92 * random.gauss(0, 1)

    def _recovery(self, random: Random, on: date, sleep: Sleep) -> Recovery:
        athlete = self._athlete
        self._step_latent(random)
        short = _clip(sleep.asleep / HOUR - 7.3, -3, 2)
        z = self._latent - 0.2 * (self._strain - 11.5) / 4 + 0.12 * short
        z = _clip(z, -3.2, 3.2)
        slept = _clip(100 * sleep.asleep / athlete.sleep_need, 40, 110)
        score = 60 + 17 * z + 0.35 * (slept - 92) + random.gauss(0, 4)
        is_calibrating = athlete.joins_on is not None and self._recoveries < CALIBRATION_NIGHTS
        if sleep.is_scorable:
            self._recoveries += 1
        has_spo2 = athlete.has_spo2 and not any(
            s.kind is Kind.NO_SPO2 and s.on <= on for s in self._scripted
        )
        spo2 = round(_clip(random.gauss(96, 0.9), 92, 99) * 8) / 8
        skin = round(_clip(random.gauss(athlete.skin_temperature, 0.25), 32, 36), 2)
        return Recovery(
            readiness=z,
            hrv=round(_clip(math.exp(athlete.log_hrv_mean + athlete.log_hrv_sd * z), 6, 290), 6),
            resting_heart_rate=float(
                round(_clip(athlete.resting_heart_rate - 1.4 * z + random.gauss(0, 1), 40, 65))
            ),
            score=float(round(_clip(score, 1, 99))),
            is_calibrating=is_calibrating,
            spo2=spo2 if has_spo2 else None,
            skin_temperature=skin if has_spo2 else None,
        )

    def _nap(self, random: Random, start: int, zone: str) -> Sleep:
        athlete = self._athlete
        length = int(_clip(random.gauss(52, 15), 22, 85) * MINUTE)
        awake = int(length * _clip(random.gauss(0.12, 0.04), 0.04, 0.3))
        slow_wave = int(length * 0.2 * random.random())
        created, scored = self._upload(random, start + length)
        self._nap_credit += int(0.8 * (length - awake))
        return Sleep(
            start=start,
            end=start + length,
            offset=_offset_minutes(start + length, zone),
            is_nap=True,
            is_scorable=True,
            awake=awake,
            no_data=0,
            light=length - awake - slow_wave,
            slow_wave=slow_wave,
            rem=0,
            cycle_count=0,
            disturbance_count=int(random.random() * 3),
            need_baseline=athlete.sleep_need,
            need_debt=min(90 * MINUTE, self._debt),
            need_strain=int(_clip((self._strain - 8) / 13, 0, 1) * 45 * MINUTE),
            need_nap=0,
            respiratory_rate=_clip(random.gauss(athlete.respiratory_rate, 0.4), 12, 19),
            performance=None,
            consistency=None,
            created=created,
            scored=scored,
            edit=None,
        )

    # --- days
    # --------------------------------------------------------------------------------------------

    def _workouts(
        self, random: Random, on: date, woke: int, zone: str
    ) -> tuple[tuple[Workout, ...], int]:
        """Draw the workouts of a day, and when he is free again."""
        game = self._calendar.game_on(on)
        free = woke + 75 * MINUTE
        plan: list[tuple[str, float, float]] = []  # sport, minutes, mean strain
        limit = _local_milli(on, 19 * 60, zone)
        if game is None:
            if random.random() < 0.7:
                plan.append(("basketball", 70 + 40 * random.random(), 11.0))
            if random.random() < 0.2:
                plan.append(("functional-fitness", 40 + 20 * random.random(), 7.5))
            if random.random() < 0.08:
                plan.append(("running", 25 + 20 * random.random(), 9.0))
        else:
            limit = to_milli(game.tip_off_utc) - 3 * HOUR
            if random.random() < 0.55:
                plan.append(("basketball", 45 + 20 * random.random(), 6.5))
        if random.random() < 0.06:
            plan.append(("sauna", 15 + 10 * random.random(), 4.2))
        workouts = []
        start = max(free, _local_milli(on, 10.5 * 60 + 30 * random.random(), zone))
        for sport, minutes, strain in plan:
            if start + minutes * MINUTE > limit:
                break
            workouts.append(self._workout(random, start, minutes, sport, strain, zone))
            free = workouts[-1].end
            start = free + 20 * MINUTE
        if game is not None and random.random() < _WORN_IN_GAME_RATE:
            # straps are not worn in games; now and then one is
            tip_off = to_milli(game.tip_off_utc) + 10 * MINUTE
            strain = 9 + 7 * self._athlete.minutes_share
            workouts.append(self._workout(random, tip_off, 135, "basketball", strain, zone))
        return tuple(workouts), free

    def _workout(
        self,
        random: Random,
        start: int,
        minutes: float,
        sport: str,
        mean_strain: float,
        zone: str,
    ) -> Workout:
        length = int(minutes * MINUTE)
        strain = _clip(random.gauss(mean_strain, 1.1), 4, 18.5)
        top = self._athlete.max_heart_rate
        average = int(_clip(top * (0.46 + 0.018 * strain) + random.gauss(0, 3), 80, top - 12))
        weights = [
            math.exp(-((zone_number - strain / 4.2) ** 2) / 2.2) * (0.7 + 0.6 * random.random())
            for zone_number in range(6)
        ]
        recorded = 100.0 if random.random() < 0.5 else round(100 - 6 * random.random(), 1)
        seen = int(length * recorded / 100)
        zones = [int(seen * weight / sum(weights)) for weight in weights]
        zones[0] += seen - sum(zones)
        is_scorable = random.random() >= 0.02
        distance = minutes * (165 + 30 * random.random()) if sport == "running" else None
        created, scored = self._upload(random, start + length)
        return Workout(
            start=start,
            end=start + length,
            offset=_offset_minutes(start + length, zone),
            sport=sport if is_scorable else "activity",
            is_scorable=is_scorable,
            strain=round(strain, 4),
            average_heart_rate=average,
            max_heart_rate=int(_clip(average + 35 + random.gauss(0, 6), average + 5, top)),
            kilojoule=round(minutes * (18 + 2.0 * strain), 3),
            percent_recorded=recorded,
            zones=(zones[0], zones[1], zones[2], zones[3], zones[4], zones[5]),
            distance=round(distance, 2) if distance is not None else None,
            created=created,
            scored=scored,
        )

    def _day_strain(self, random: Random, workouts: tuple[Workout, ...], is_game: bool) -> float:
        base = _clip(random.gauss(6.3, 1.1), 4, 10)
        hardest = max((workout.strain for workout in workouts), default=0.0)
        total = max(base, hardest + 1.2 + 0.3 * random.random())
        if is_game:
            total = max(total, 8.5 + 8.5 * self._athlete.minutes_share + random.gauss(0, 1))
        return round(_clip(total, 4, 20), 4)


def scripted_revocations(settings: WhoopSandboxSettings) -> list[tuple[int, Scripted]]:
    """Give when (ms since 1970) which member revokes in the app, in order of time."""
    found = [
        (to_milli(datetime.combine(s.on, time(12), tzinfo=UTC)), s)
        for s in settings.faults.scripted
        if s.kind is Kind.REVOKES
    ]
    return sorted(found, key=lambda pair: pair[0])
