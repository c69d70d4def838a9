"""The night that belongs to a game, situation by situation.

Each situation is an athlete of his own, with records in WHOOP's wire form and games that go through
ingestion; one ``dbt build`` of all of them, and for each its own expectations, written down beside
the records and computed without SQL.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest

from ingestion.database import roles
from ingestion.database.connection import connect
from ingestion.database.migrate import migrate
from ingestion.settings import Settings
from tests.support.dbt_runs import PROJECT_ROOT, WITHOUT_TESTS, build
from tests.support.external_server import ADMIN_PASSWORD, ExternalServer
from tests.support.wearables import Athlete, store, upcoming_game, utc

Row = dict[str, Any]
Expected = dict[str, Row]
"""Game id -> columns of ``pregame_baselines``."""

EAST = "America/New_York"
WEST = "America/Los_Angeles"
MONTH = [58.0 + 2.5 * ((7 * day) % 9) for day in range(28)]
"""rMSSD (ms) of the 28 nights before, yesterday first."""


def at(text: str, zone: str = EAST) -> datetime:
    """A moment by the wall clock of a zone, at the offset it had then."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    offset = moment.utcoffset()
    assert offset is not None
    return moment.astimezone(timezone(offset))


def deviation(hrv: float, baseline: Sequence[float]) -> float:
    """The definition of the data contract, in Python."""
    logs = [math.log(value) for value in baseline]
    return (math.log(hrv) - statistics.fmean(logs)) / statistics.stdev(logs)


@dataclasses.dataclass(frozen=True)
class Situation:
    """A name, how its athlete comes about, and what must come of it."""

    name: str
    tell: Callable[[Athlete], Expected]


SITUATIONS: list[Situation] = []


def situation(name: str) -> Callable[[Callable[[Athlete], Expected]], None]:
    def keep(tell: Callable[[Athlete], Expected]) -> None:
        SITUATIONS.append(Situation(name, tell))

    return keep


TONIGHT = "tonight"
"""Stands for the game of the schedule, which every team mate has as well."""

WAKE = at("2025-12-10 08:00")
EVENING = at("2025-12-10 19:30")


# --- the usual day --------------------------------------------------------------------------------


@situation("afternoon game")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH, strain=13.5)
    night = a.night(WAKE, hrv=71, heart_rate=47, score=80)
    return {
        a.game(at("2025-12-10 13:00")): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": 71.0,
            "hrv_baseline_deviation": deviation(71, MONTH),
            "recovery_score_pregame": 80.0,
            "resting_heart_rate_pregame": 47.0,
            "sleep_performance_pregame": 90.0,
            "asleep_minutes_pregame": 432.0,
            "day_strain_pregame": 13.5,
            "hours_to_tipoff": 5.0,
            "baseline_nights": 28,
            "quality_score": 1.0,
            "quality_reasons": None,
            "missing_reason": None,
            "hours_ahead_of_arena": 0.0,
            "known_at": WAKE + timedelta(minutes=20),
        }
    }


@situation("game after midnight UTC")
def _(a: Athlete) -> Expected:
    wake = at("2025-12-10 09:00", WEST)
    a.nights_before(wake, MONTH)
    night = a.night(wake, hrv=64)
    tip_off = at("2025-12-10 19:30", WEST)
    assert tip_off.astimezone(UTC).date() == date(2025, 12, 11)
    return {
        a.game(tip_off, WEST): {
            "sleep_id": night.sleep_id,
            "hrv_baseline_deviation": deviation(64, MONTH),
            "hours_to_tipoff": 10.5,
            "woke_at_local": datetime(2025, 12, 10, 9),  # noqa: DTZ001 - a local clock
            "quality_score": 1.0,
        }
    }


@situation("the night after the game does not count")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE)
    a.night(at("2025-12-11 08:00"), hrv=99)
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "hrv_rmssd_pregame": 60.0}}


@situation("back to back")
def _(a: Athlete) -> Expected:
    first = a.night(WAKE, hrv=61)
    second = a.night(at("2025-12-11 10:00"), hrv=52)
    return {
        a.game(EVENING): {"sleep_id": first.sleep_id},
        a.game(at("2025-12-11 19:00")): {"sleep_id": second.sleep_id, "hrv_rmssd_pregame": 52.0},
    }


@situation("double-header")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE)
    return {
        a.game(at("2025-12-10 12:00")): {"sleep_id": night.sleep_id, "hours_to_tipoff": 4.0},
        a.game(at("2025-12-10 19:00")): {"sleep_id": night.sleep_id, "hours_to_tipoff": 11.0},
    }


@situation("a nap before the game is not the night")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE)
    a.sleep(at("2025-12-10 15:00"), hours=1, nap=True, cycle_id=night.cycle_id)
    return {a.game(EVENING): {"sleep_id": night.sleep_id}}


# --- clocks ---------------------------------------------------------------------------------------


@situation("DST begins that night")
def _(a: Athlete) -> Expected:
    wake = at("2026-03-08 08:00")
    a.nights_before(wake, MONTH)
    night = a.night(wake, hrv=66)
    return {
        a.game(at("2026-03-08 13:00")): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": -240,
            "hours_to_tipoff": 5.0,
            "is_in_window": True,
            "baseline_nights": 28,
            "hrv_baseline_deviation": deviation(66, MONTH),
        }
    }


@situation("DST ends that night")
def _(a: Athlete) -> Expected:
    wake = at("2025-11-02 06:30")
    a.nights_before(wake, MONTH)
    night = a.night(wake, hrv=66)
    return {
        a.game(at("2025-11-02 18:00")): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": -300,
            "hours_to_tipoff": 11.5,
            "is_in_window": True,
            "baseline_nights": 28,
        }
    }


@situation("DST night, awake before six on the new clock")
def _(a: Athlete) -> Expected:
    # 05:30 of the new offset would be 06:30 of the old one
    night = a.night(at("2025-11-02 05:30"))
    return {
        a.game(at("2025-11-02 15:30")): {
            "sleep_id": night.sleep_id,
            "is_in_window": False,
            "quality_reasons": "outside_window,no_baseline,no_strain",
        }
    }


@situation("flight across three zones on game day")
def _(a: Athlete) -> Expected:
    wake = at("2025-12-10 07:00", WEST)
    night = a.night(wake)
    return {
        a.game(at("2025-12-10 20:00")): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": -480,
            "hours_ahead_of_arena": -3.0,
            "is_in_window": True,
            "hours_to_tipoff": 10.0,
        }
    }


@situation("six in the morning is his own clock's")
def _(a: Athlete) -> Expected:
    # in New York it is nine, where he is it is six
    night = a.night(at("2025-12-10 06:00", WEST))
    return {a.game(at("2025-12-10 18:00")): {"sleep_id": night.sleep_id, "is_in_window": True}}


@situation("a minute before six")
def _(a: Athlete) -> Expected:
    night = a.night(at("2025-12-10 05:59"))
    return {a.game(at("2025-12-10 17:00")): {"sleep_id": night.sleep_id, "is_in_window": False}}


@situation("noon still is in the window")
def _(a: Athlete) -> Expected:
    night = a.night(at("2025-12-10 12:00"))
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "is_in_window": True}}


@situation("a minute after noon")
def _(a: Athlete) -> Expected:
    a.nights_before(at("2025-12-10 12:01"), MONTH)
    night = a.night(at("2025-12-10 12:01"))
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "is_in_window": False,
            "quality_score": 0.9,
            "quality_reasons": "outside_window",
        }
    }


@situation("overseas game")
def _(a: Athlete) -> Expected:
    night = a.night(at("2025-12-10 09:00", "Europe/Paris"))
    return {
        a.game(at("2025-12-10 21:00", "Europe/Paris"), "Europe/Paris"): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": 60,
            "hours_ahead_of_arena": 0.0,
            "hours_to_tipoff": 12.0,
            "is_in_window": True,
        }
    }


@situation("an offset of half an hour")
def _(a: Athlete) -> Expected:
    night = a.night(at("2025-12-10 07:15", "Asia/Kolkata"))
    return {
        a.game(at("2025-12-10 15:15", "Asia/Kolkata"), "Asia/Kolkata"): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": 330,
            "hours_to_tipoff": 8.0,
        }
    }


@situation("in Greenwich the offset is a letter")
def _(a: Athlete) -> Expected:
    night = a.night(utc("2026-01-15 08:00"))
    return {
        a.game(utc("2026-01-15 19:00"), "Europe/London"): {
            "sleep_id": night.sleep_id,
            "utc_offset_minutes": 0,
        }
    }


# --- which night ----------------------------------------------------------------------------------


@situation("two main sleeps in a day")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    morning = a.night(WAKE, hrv=55)
    second = a.night(at("2025-12-10 17:00"), hours=5, hrv=75)
    a.cycle(morning, end=second.start, strain=5.0, updated=second.end + timedelta(minutes=20))
    return {
        a.game(EVENING): {
            "sleep_id": second.sleep_id,
            "hrv_rmssd_pregame": 75.0,
            "is_in_window": False,
            # the cycle of the morning closed with the second sleep
            "day_strain_pregame": 5.0,
            "baseline_nights": 29,
            "hrv_baseline_deviation": deviation(75, [55.0, *MONTH]),
        }
    }


@situation("the second main sleep ends after tip-off")
def _(a: Athlete) -> Expected:
    morning = a.night(WAKE, hrv=55)
    a.night(at("2025-12-10 20:00"), hours=5, hrv=75)
    return {a.game(EVENING): {"sleep_id": morning.sleep_id, "hrv_rmssd_pregame": 55.0}}


@situation("nap only")
def _(a: Athlete) -> Expected:
    yesterday = a.nights_before(WAKE, MONTH)[0]
    a.sleep(WAKE, hours=2, nap=True, cycle_id=yesterday.cycle_id)
    return {
        a.game(EVENING): {
            "sleep_id": None,
            "hrv_rmssd_pregame": None,
            "missing_reason": "nap_only",
            "quality_score": 0.0,
        }
    }


@situation("36 hours awake")
def _(a: Athlete) -> Expected:
    # up since yesterday at eight, practice this noon
    yesterday = WAKE - timedelta(days=1)
    a.nights_before(yesterday, MONTH, strain=9.0)
    night = a.night(yesterday)
    a.cycle(night, end=at("2025-12-11 00:30"))
    a.workout(at("2025-12-10 11:00"), at("2025-12-10 12:30"))
    return {
        a.game(at("2025-12-10 20:00")): {
            "sleep_id": None,
            "missing_reason": "not_worn",
            # the last closed cycle ended when he fell asleep 44 hours before
            "day_strain_pregame": 9.0,
        }
    }


@situation("woke exactly twenty hours before")
def _(a: Athlete) -> Expected:
    a.nights_before(at("2025-12-09 23:30"), MONTH)
    night = a.night(at("2025-12-09 23:30"))
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hours_to_tipoff": 20.0,
            "close_part": 0.0,
            "quality_reasons": "outside_window,long_before_tipoff",
        }
    }


@situation("woke twenty hours and a second before")
def _(a: Athlete) -> Expected:
    a.night(at("2025-12-09 23:29:59"))
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_synced"}}


@situation("woke at the moment of tip-off")
def _(a: Athlete) -> Expected:
    # ended in time, but WHOOP had nothing of it yet
    a.night(EVENING)
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_synced"}}


@situation("sixteen hours before tip-off")
def _(a: Athlete) -> Expected:
    a.nights_before(at("2025-12-10 06:00"), MONTH)
    night = a.night(at("2025-12-10 06:00"))
    return {
        a.game(at("2025-12-10 22:00")): {
            "sleep_id": night.sleep_id,
            "close_part": 0.5,
            "quality_score": 0.95,
            "quality_reasons": "long_before_tipoff",
        }
    }


@situation("the cycle of the night was over before tip-off")
def _(a: Athlete) -> Expected:
    # its successor was deleted: the day that contains tip-off has no night
    morning = a.night(at("2025-12-10 02:00"))
    a.cycle(morning, end=at("2025-12-10 10:00"), updated=at("2025-12-10 10:30"))
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_worn"}}


@situation("two devices, the later waking counts")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    a.night(WAKE - timedelta(minutes=4), hrv=50)
    other = a.another_device()
    night = other.night(WAKE, hrv=57)
    return {
        a.game(EVENING): {
            "device_id": str(other.connection_id),
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": 57.0,
            # a baseline is that of one device
            "baseline_nights": 0,
            "hrv_baseline_deviation": None,
        }
    }


# --- as of tip-off --------------------------------------------------------------------------------


@situation("sleep edited before the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60)
    edited = at("2025-12-10 15:00")
    a.sleep(
        WAKE,
        hours=8.5,
        sleep_id=night.sleep_id,
        cycle_id=night.cycle_id,
        updated=edited,
        performance=95.0,
    )
    a.recovery(night, hrv=58, score=62, updated=edited + timedelta(seconds=2))
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": 58.0,
            "recovery_score_pregame": 62.0,
            "sleep_performance_pregame": 95.0,
            "fell_asleep_at": WAKE - timedelta(hours=8.5),
            "known_at": edited + timedelta(seconds=2),
        }
    }


@situation("sleep edited after the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60, score=66)
    edited = at("2025-12-10 23:50")
    a.sleep(
        WAKE + timedelta(minutes=40),
        sleep_id=night.sleep_id,
        cycle_id=night.cycle_id,
        updated=edited,
        performance=40.0,
    )
    a.recovery(night, hrv=20, score=3, updated=edited)
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "woke_at": WAKE,
            "hrv_rmssd_pregame": 60.0,
            "recovery_score_pregame": 66.0,
            "sleep_performance_pregame": 90.0,
        }
    }


@situation("a night of the baseline edited after the game")
def _(a: Athlete) -> Expected:
    nights = a.nights_before(WAKE, MONTH)
    night = a.night(WAKE, hrv=63)
    a.recovery(nights[3], hrv=200, updated=at("2025-12-11 09:00"))
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_baseline_deviation": deviation(63, MONTH),
        }
    }


@situation("a night of the baseline deleted after the game")
def _(a: Athlete) -> Expected:
    nights = a.nights_before(WAKE, MONTH)
    a.night(WAKE, hrv=63)
    a.delete("sleep", nights[0].sleep_id, at("2025-12-11 09:00"))
    a.delete("recovery", str(nights[0].cycle_id), at("2025-12-11 09:00"))
    return {
        a.game(EVENING): {
            "baseline_nights": 28,
            "hrv_baseline_deviation": deviation(63, MONTH),
        }
    }


@situation("read long after the game")
def _(a: Athlete) -> Expected:
    # a backfill: what WHOOP had written before tip-off counts, whenever it was fetched
    night = a.sleep(WAKE, fetched=at("2026-01-20 10:00"))
    a.recovery(night, hrv=59, fetched=at("2026-01-20 10:00"))
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "hrv_rmssd_pregame": 59.0}}


@situation("score pending at tip-off")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    night = a.sleep(WAKE, state="PENDING_SCORE")
    a.recovery(night, state="PENDING_SCORE", updated=WAKE + timedelta(minutes=16))
    scored = at("2025-12-10 20:00")
    a.sleep(WAKE, sleep_id=night.sleep_id, cycle_id=night.cycle_id, updated=scored)
    a.recovery(night, updated=scored)
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": None,
            "recovery_score_pregame": None,
            "sleep_performance_pregame": None,
            "missing_reason": "pending",
            "scored_part": 0.0,
        }
    }


@situation("sleep scored and recovery pending")
def _(a: Athlete) -> Expected:
    night = a.sleep(WAKE)
    a.recovery(night, state="PENDING_SCORE")
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": None,
            "sleep_performance_pregame": 90.0,
            "missing_reason": "pending",
        }
    }


@situation("synced after tip-off")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    created = at("2025-12-10 21:00")
    night = a.sleep(WAKE, created=created)
    a.recovery(night, updated=created + timedelta(minutes=4))
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_synced"}}


@situation("synced thirteen hours after waking, before tip-off")
def _(a: Athlete) -> Expected:
    a.nights_before(at("2025-12-10 06:00"), MONTH)
    created = at("2025-12-10 19:10")
    night = a.sleep(at("2025-12-10 06:00"), created=created)
    a.recovery(night, hrv=70, updated=created + timedelta(minutes=4))
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": 70.0,
            # nobody closed yesterday's cycle before this upload; its version is older
            "quality_reasons": "long_before_tipoff,late_sync",
        }
    }


@situation("deleted before the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE)
    a.delete("sleep", night.sleep_id, at("2025-12-10 12:00"))
    a.delete("recovery", str(night.cycle_id), at("2025-12-10 12:00"))
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_synced"}}


@situation("deleted after the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60)
    a.delete("sleep", night.sleep_id, at("2025-12-10 23:00"))
    a.delete("recovery", str(night.cycle_id), at("2025-12-10 23:00"))
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "hrv_rmssd_pregame": 60.0}}


@situation("deleted and back before the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60)
    a.delete("sleep", night.sleep_id, at("2025-12-10 12:00"))
    a.delete("recovery", str(night.cycle_id), at("2025-12-10 12:00"))
    # the same versions, read again: they hold from when they were read
    again = at("2025-12-10 14:00")
    a.sleep(WAKE, sleep_id=night.sleep_id, cycle_id=night.cycle_id, fetched=again)
    a.recovery(night, hrv=60, fetched=again)
    return {
        a.game(at("2025-12-10 13:00")): {"sleep_id": None},
        a.game(EVENING): {"sleep_id": night.sleep_id, "hrv_rmssd_pregame": 60.0},
    }


@situation("an older version that arrives late")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60)
    a.recovery(night, hrv=58, updated=at("2025-12-10 12:00"))
    # a slow answer brings the version before
    a.recovery(night, hrv=61, updated=WAKE + timedelta(minutes=30), fetched=at("2025-12-10 12:30"))
    return {a.game(EVENING): {"hrv_rmssd_pregame": 58.0}}


@situation("sleeps merged before the game")
def _(a: Athlete) -> Expected:
    first = a.night(WAKE - timedelta(hours=3), hours=4, hrv=50)
    merged = a.sleep(WAKE, hours=7.5, cycle_id=first.cycle_id, created=WAKE + timedelta(hours=2))
    moved = WAKE + timedelta(hours=2, minutes=5)
    a.delete("sleep", first.sleep_id, moved)
    a.recovery(merged, hrv=57, updated=moved)
    return {a.game(EVENING): {"sleep_id": merged.sleep_id, "hrv_rmssd_pregame": 57.0}}


@situation("a score taken back before the game")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE)
    a.recovery(night, state="UNSCORABLE", updated=at("2025-12-10 12:00"))
    return {
        a.game(at("2025-12-10 11:30")): {"hrv_rmssd_pregame": 60.0},
        a.game(EVENING): {"hrv_rmssd_pregame": None, "missing_reason": "unscorable"},
    }


# --- what a score is worth ------------------------------------------------------------------------


@situation("unscorable")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    night = a.sleep(WAKE, state="UNSCORABLE")
    a.recovery(night, state="UNSCORABLE")
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": None,
            "missing_reason": "unscorable",
            # baseline, window and closeness stand
            "quality_score": 0.4,
        }
    }


@situation("the sleep unscorable, its recovery scored")
def _(a: Athlete) -> Expected:
    night = a.sleep(WAKE, state="UNSCORABLE")
    a.recovery(night, hrv=60)
    return {
        a.game(EVENING): {
            "hrv_rmssd_pregame": 60.0,
            "sleep_performance_pregame": None,
            "hrv_baseline_deviation": None,
            "recorded_part": 0.0,
            "missing_reason": None,
        }
    }


@situation("no recovery came with the sleep")
def _(a: Athlete) -> Expected:
    night = a.sleep(WAKE)
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "missing_reason": "no_recovery"}}


@situation("calibrating")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    a.night(WAKE, hrv=62, is_calibrating=True)
    return {
        a.game(EVENING): {
            "hrv_rmssd_pregame": 62.0,
            "hrv_baseline_deviation": None,
            "quality_score": 0.85,
            "quality_reasons": "calibrating",
        }
    }


@situation("calibrating nights stand in no baseline")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:10])
    a.nights_before(WAKE - timedelta(days=10), [150.0] * 4, is_calibrating=True)
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 10,
            "hrv_baseline_deviation": deviation(62, MONTH[:10]),
            "quality_reasons": "short_baseline",
        }
    }


@situation("six nights are no baseline")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:6])
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 6,
            "hrv_baseline_deviation": None,
            "baseline_part": 0.0,
            "quality_reasons": "no_baseline",
            # the week has seven nights all the same
            "ln_hrv_rolling_mean": statistics.fmean(math.log(v) for v in [62.0, *MONTH[:6]]),
        }
    }


@situation("seven nights are one")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:7])
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 7,
            "hrv_baseline_deviation": deviation(62, MONTH[:7]),
            "baseline_part": 0.25,
        }
    }


@situation("the 29th night back is out")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, [*MONTH, 290.0, 7.0])
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 28,
            "hrv_baseline_deviation": deviation(62, MONTH),
        }
    }


@situation("the 28th night back is in, though he woke early then")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:27])
    a.night(WAKE - timedelta(days=28, hours=3), hrv=90.0)
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 28,
            "hrv_baseline_deviation": deviation(62, [*MONTH[:27], 90.0]),
        }
    }


@situation("rolling week")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    a.night(WAKE, hrv=62)
    week = [math.log(value) for value in [62.0, *MONTH[:6]]]
    return {
        a.game(EVENING): {
            "ln_hrv_rolling_mean": statistics.fmean(week),
            "ln_hrv_rolling_variation_pct": 100 * statistics.stdev(week) / statistics.fmean(week),
        }
    }


@situation("two nights of a week are no mean, four no variation")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:1])
    a.night(WAKE, hrv=62)
    later = at("2025-12-20 08:00")
    a.nights_before(later, MONTH[:3])
    a.night(later, hrv=62)
    return {
        a.game(EVENING): {"ln_hrv_rolling_mean": None, "ln_hrv_rolling_variation_pct": None},
        a.game(at("2025-12-20 19:00")): {
            "ln_hrv_rolling_mean": statistics.fmean(math.log(v) for v in [62.0, *MONTH[:3]]),
            "ln_hrv_rolling_variation_pct": None,
        },
    }


@situation("new strap")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:5])
    a.nights_before(WAKE - timedelta(days=5), MONTH[5:], has_spo2=False)
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "strap_generation": "4.0+",
            "baseline_nights": 5,
            "hrv_baseline_deviation": None,
            "quality_reasons": "strap_changed,no_baseline",
        }
    }


@situation("new strap, eight nights later")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:8])
    a.nights_before(WAKE - timedelta(days=8), [200.0] * 20, has_spo2=False)
    a.night(WAKE, hrv=62)
    return {
        a.game(EVENING): {
            "baseline_nights": 8,
            "hrv_baseline_deviation": deviation(62, MONTH[:8]),
        }
    }


@situation("nights all alike have no spread")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, [60.0] * 28)
    a.night(WAKE, hrv=62)
    return {a.game(EVENING): {"baseline_nights": 28, "hrv_baseline_deviation": None}}


@situation("implausible HRV")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    night = a.night(WAKE, hrv=450.0)
    return {
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "hrv_rmssd_pregame": None,
            "recovery_score_pregame": 66.0,
            "hrv_baseline_deviation": None,
            "missing_reason": "implausible",
        }
    }


@situation("an implausible night stands in no baseline")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH[:20])
    a.nights_before(WAKE - timedelta(days=20), [2.0])
    a.night(WAKE, hrv=62)
    return {a.game(EVENING): {"baseline_nights": 20}}


@situation("a fifth of the sleep not recorded")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, MONTH)
    night = a.sleep(WAKE, no_data_share=0.2)
    a.recovery(night)
    return {
        a.game(EVENING): {
            "recorded_part": 0.8,
            "quality_score": 0.97,
            "quality_reasons": "sleep_gaps",
        }
    }


@situation("a new member without sleep performance")
def _(a: Athlete) -> Expected:
    night = a.sleep(WAKE, performance=None)
    a.recovery(night, hrv=60)
    return {a.game(EVENING): {"hrv_rmssd_pregame": 60.0, "sleep_performance_pregame": None}}


# --- strain ---------------------------------------------------------------------------------------


@situation("strain of the closed cycle, not of the day of the game")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE, [60.0], strain=14.25)
    night = a.night(WAKE)
    # by tip-off the open cycle had grown
    a.cycle(night, strain=19.0, updated=at("2025-12-10 19:00"))
    return {a.game(EVENING): {"day_strain_pregame": 14.25}}


@situation("strain corrected after the game")
def _(a: Athlete) -> Expected:
    [yesterday] = a.nights_before(WAKE, [60.0], strain=14.25)
    night = a.night(WAKE)
    a.cycle(yesterday, end=night.start, strain=20.0, updated=at("2025-12-11 12:00"))
    return {a.game(EVENING): {"day_strain_pregame": 14.25}}


@situation("cycle closed at WHOOP only after the game")
def _(a: Athlete) -> Expected:
    yesterday = a.night(WAKE - timedelta(days=1))
    night = a.night(WAKE)
    a.cycle(yesterday, end=night.start, strain=11.0, updated=at("2025-12-11 12:00"))
    return {
        a.game(EVENING): {"day_strain_pregame": None, "quality_reasons": "no_baseline,no_strain"}
    }


@situation("recorded in a game")
def _(a: Athlete) -> Expected:
    # last night's game was recorded: the workout is quarantined, and yesterday's strain with it
    yesterday = a.night(WAKE - timedelta(days=1))
    last_night = at("2025-12-09 19:30")
    a.workout(last_night + timedelta(minutes=5), last_night + timedelta(hours=4), strain=17.0)
    night = a.night(WAKE)
    a.cycle(yesterday, end=night.start, strain=18.0)
    return {
        a.game(last_night): {"sleep_id": yesterday.sleep_id},
        a.game(EVENING): {
            "sleep_id": night.sleep_id,
            "day_strain_pregame": None,
            "quality_reasons": "no_baseline,strain_with_game_recording",
        },
    }


@situation("practice before the game is no recording of it")
def _(a: Athlete) -> Expected:
    yesterday = a.night(WAKE - timedelta(days=1))
    a.workout(at("2025-12-09 10:00"), at("2025-12-09 11:30"))
    night = a.night(WAKE)
    a.cycle(yesterday, end=night.start, strain=15.0)
    return {
        a.game(at("2025-12-09 19:30")): {"sleep_id": yesterday.sleep_id},
        a.game(EVENING): {"day_strain_pregame": 15.0},
    }


# --- missing --------------------------------------------------------------------------------------


@situation("withdrawn")
def _(a: Athlete) -> Expected:
    a.decision = "withdrawn"
    a.nights_before(WAKE, MONTH)
    a.night(WAKE)
    return {
        a.game(EVENING): {
            "sleep_id": None,
            "device_id": None,
            "hrv_rmssd_pregame": None,
            "day_strain_pregame": None,
            "baseline_nights": 0,
            "ln_hrv_baseline_mean": None,
            "missing_reason": "withdrawn",
        }
    }


@situation("consent expired")
def _(a: Athlete) -> Expected:
    a.is_expired = True
    a.night(WAKE)
    return {a.game(EVENING): {"hrv_rmssd_pregame": None, "missing_reason": "consent_expired"}}


@situation("must connect again")
def _(a: Athlete) -> Expected:
    # his tokens are dead, his consent stands: what was read stays
    a.status = "reconnect"
    night = a.night(WAKE)
    return {a.game(EVENING): {"sleep_id": night.sleep_id, "hrv_rmssd_pregame": 60.0}}


@situation("connection given up")
def _(a: Athlete) -> Expected:
    a.status = "revoked"
    a.night(WAKE)
    return {a.game(EVENING): {"hrv_rmssd_pregame": None, "missing_reason": "withdrawn"}}


@situation("before the device")
def _(a: Athlete) -> Expected:
    a.connected_at = utc("2025-12-20 12:00")
    night = a.night(at("2025-12-21 08:00"))
    return {
        a.game(EVENING): {"sleep_id": None, "missing_reason": "before_device"},
        a.game(at("2025-12-21 19:30")): {"sleep_id": night.sleep_id},
    }


@situation("strap off line for days")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE - timedelta(days=3), MONTH)
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_synced"}}


@situation("not worn at night, worn at practice")
def _(a: Athlete) -> Expected:
    a.nights_before(WAKE - timedelta(days=1), MONTH)
    a.workout(at("2025-12-10 11:00"), at("2025-12-10 12:00"))
    return {a.game(EVENING): {"sleep_id": None, "missing_reason": "not_worn"}}


@situation("missing tip-off time")
def _(a: Athlete) -> Expected:
    a.night(WAKE)
    return {
        a.game(EVENING, has_box_score=False): {
            "tipoff_at": None,
            "sleep_id": None,
            "missing_reason": "no_tipoff_time",
        }
    }


@situation("missing wall clock")
def _(a: Athlete) -> Expected:
    night = a.night(WAKE, hrv=60)
    return {a.game(EVENING, has_wall_clock=False): {"sleep_id": night.sleep_id}}


NOW = datetime.now(UTC).replace(microsecond=0)


@situation("a game tonight")
def _(a: Athlete) -> Expected:
    a.game(at("2025-11-20 19:30"))  # tells his team
    wake = NOW - timedelta(hours=1)
    a.nights_before(wake, MONTH)
    night = a.night(wake, hrv=62)
    return {
        TONIGHT: {
            "sleep_id": night.sleep_id,
            "is_upcoming": True,
            "hours_to_tipoff": 11.0,
            "hrv_rmssd_pregame": 62.0,
            "hrv_baseline_deviation": deviation(62, MONTH),
        }
    }


# --- the build ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Built:
    settings: Settings
    athletes: dict[str, Athlete]
    expected: dict[str, Expected]
    pregame: dict[tuple[str, str], Row]
    tonight: str

    def before(self, name: str, game_id: str) -> Row:
        """The values of a situation's athlete before a game."""
        game_id = self.tonight if game_id == TONIGHT else game_id
        return self.pregame[self.athletes[name].player_id, game_id]

    def rows(self, query: str, *parameters: object) -> list[Row]:
        with connect(self.settings, roles.TRANSFORM) as connection:
            cursor = connection.execute(query, parameters)
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def built(make_migrated: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> Built:
    settings = make_migrated()
    folder = tmp_path_factory.mktemp("situations")
    athletes, expected = {}, {}
    for each in SITUATIONS:
        athletes[each.name] = Athlete(each.name)
        expected[each.name] = each.tell(athletes[each.name])
    store(settings, athletes.values(), folder / "games")
    tonight, schedule = upcoming_game(NOW + timedelta(hours=10))
    with connect(settings, roles.INGEST) as connection:
        connection.execute(
            """
            insert into raw_nba.schedule
            values ('2025-26', 'hash', %s, 'cdn', 'test', null, now(), 'load', 'row')
            """,
            [orjson.dumps(schedule).decode()],
        )
    build(settings, folder / "target")
    built = Built(settings, athletes, expected, {}, tonight)
    for row in built.rows("select * from analytics.pregame_baselines"):
        built.pregame[row["player_id"], row["game_id"]] = row
    return built


def test_there_are_at_least_forty_and_no_name_twice() -> None:
    names = [each.name for each in SITUATIONS]
    assert len(names) >= 40
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [each.name for each in SITUATIONS])
def test_the_values_before_the_game(built: Built, name: str) -> None:
    assert built.expected[name]
    for game_id, columns in built.expected[name].items():
        row = built.before(name, game_id)
        found = {column: _plain(row[column]) for column in columns}
        assert found == {
            column: pytest.approx(value, abs=1e-7) if isinstance(value, float) else value
            for column, value in columns.items()
        }, row


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


MARTS = (
    *("pregame_baselines", "wearables_daily_summary", "wearables_readings", "wearables_devices"),
    *("player_wearables_summary", "action_wearable_context", "wearables_quality"),
    *("clutch_performance_scores", "clutch_leaderboard"),
)


@pytest.mark.parametrize("mart", MARTS)
def test_the_medical_staff_reads_the_marts_and_nothing_below_them(built: Built, mart: str) -> None:
    with connect(built.settings, roles.MEDICAL, purpose="readiness") as connection:
        count = connection.execute(f"select count(*) from {mart}").fetchone()
        assert count is not None
        assert count[0] > 0
        for below in ("staging.stg_whoop__sleeps", "intermediate.int_sleeps_current"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select 1 from {below}")
            connection.rollback()


def test_staging_and_ingestion_agree_on_the_newest_version(built: Built) -> None:
    """The rule stands in raw_whoop.record_versions; staging goes further, by the same rule."""
    key = {"cycle": "cycle_id", "recovery": "cycle_id", "sleep": "sleep_id"}
    for resource, column in key.items():
        table = {"recovery": "recoveries"}.get(resource, f"{resource}s")
        [count] = built.rows(
            f"""
            with ours as (
                select device_id, {column} as key, known_from from staging.stg_whoop__{table}
                where is_newest
            ),
            theirs as (
                select connection_id as device_id, record_key as key
                from raw_whoop.record_versions
                where resource = %s and is_newest and not is_deleted
            )
            select
                count(*) as both,
                count(*) filter (where ours.key is null or theirs.key is null) as one_only
            from ours full join theirs using (device_id, key)
            """,
            resource,
        )
        assert count["one_only"] == 0
        assert count["both"] > 500


def test_team_mates_who_sent_nothing_are_told_apart_before_tonights_game(built: Built) -> None:
    """Every athlete of the team has a row for tonight, with or without a night."""
    rows = [row for (_, game_id), row in built.pregame.items() if game_id == built.tonight]
    assert len(rows) > 60
    assert all(row["is_upcoming"] for row in rows)
    reasons = {row["missing_reason"] for row in rows}
    assert reasons == {None, "not_synced", "withdrawn", "consent_expired"}
    assert sum(row["missing_reason"] is None for row in rows) == 1


def test_an_athletes_dates_are_all_there(built: Built) -> None:
    """No date is left out or doubled, and one without a value says why."""
    rows = built.rows(
        """
        select
            player_id,
            count(*) as dates,
            max(summary_date) - min(summary_date) + 1 as days,
            count(*) filter (
                where (hrv_rmssd_avg is null) = (missing_reason is null)
            ) as unexplained
        from analytics.wearables_daily_summary
        group by player_id
        """
    )
    assert len(rows) > 50
    assert {row["player_id"] for row in rows if row["dates"] != row["days"]} == set()
    assert sum(row["unexplained"] for row in rows) == 0


def _day(built: Built, name: str, on: date) -> Row:
    [row] = built.rows(
        """
        select * from analytics.wearables_daily_summary
        where player_id = %s and summary_date = %s
        """,
        built.athletes[name].player_id,
        on,
    )
    return row


def test_two_main_sleeps_are_one_day_with_both(built: Built) -> None:
    row = _day(built, "two main sleeps in a day", date(2025, 12, 10))
    assert row["main_sleep_count"] == 2
    assert row["hrv_rmssd_avg"] == pytest.approx(65.0)
    assert row["hrv_baseline_deviation"] == pytest.approx(deviation(75, [55.0, *MONTH]), abs=1e-7)


def test_heart_rate_and_sleep_have_a_baseline_and_a_week_likewise(built: Built) -> None:
    """Nights of 50 bpm and of 432 minutes asleep, but for the last: 47 bpm."""
    row = _day(built, "afternoon game", date(2025, 12, 10))
    week = [47.0, *[50.0] * 6]
    assert row["resting_heart_rate_rolling_mean"] == pytest.approx(statistics.fmean(week))
    assert row["resting_heart_rate_rolling_variation_pct"] == pytest.approx(
        100 * statistics.stdev(week) / statistics.fmean(week)
    )
    assert row["resting_heart_rate_baseline_mean"] == 50.0
    assert row["resting_heart_rate_deviation"] is None  # a baseline without spread
    assert row["asleep_minutes_rolling_mean"] == 432.0
    assert row["asleep_rolling_variation_pct"] == 0.0
    assert row["asleep_minutes_baseline_mean"] == 432.0


def test_a_day_is_that_of_the_place_where_he_woke(built: Built) -> None:
    # 17:00 UTC, a Wednesday in Los Angeles and in Greenwich alike; the game was Thursday's in UTC
    row = _day(built, "game after midnight UTC", date(2025, 12, 10))
    assert row["hrv_rmssd_avg"] == 64.0
    assert row["hrv_baseline_deviation"] == pytest.approx(deviation(64, MONTH), abs=1e-7)


def test_the_day_shows_what_was_corrected_after_the_game(built: Built) -> None:
    """A day is as WHOOP holds it now; what was known before the game is elsewhere."""
    assert _day(built, "sleep edited after the game", date(2025, 12, 10))["hrv_rmssd_avg"] == 20.0
    row = _day(built, "a night of the baseline edited after the game", date(2025, 12, 10))
    assert row["hrv_baseline_deviation"] == pytest.approx(
        deviation(63, [*MONTH[:3], 200.0, *MONTH[4:]]), abs=1e-7
    )


REASONS = [
    ("nap only", date(2025, 12, 10), "nap_only"),
    ("unscorable", date(2025, 12, 10), "unscorable"),
    ("sleep scored and recovery pending", date(2025, 12, 10), "pending"),
    ("no recovery came with the sleep", date(2025, 12, 10), "no_recovery"),
    ("implausible HRV", date(2025, 12, 10), "implausible"),
    ("not worn at night, worn at practice", date(2025, 12, 8), None),
    ("not worn at night, worn at practice", date(2025, 12, 9), "not_worn"),
    ("before the device", date(2025, 12, 15), "before_device"),
    ("36 hours awake", date(2025, 12, 10), "not_worn"),
    ("two nights of a week are no mean, four no variation", date(2025, 12, 14), "not_worn"),
]


@pytest.mark.parametrize(("name", "on", "reason"), REASONS)
def test_why_a_day_has_no_value(built: Built, name: str, on: date, reason: str | None) -> None:
    assert _day(built, name, on)["missing_reason"] == reason


def test_a_withdrawn_athlete_has_no_value_anywhere(built: Built) -> None:
    for name in ("withdrawn", "consent expired", "connection given up"):
        player_id = built.athletes[name].player_id
        days = built.rows(
            """
            select missing_reason, hrv_rmssd_avg, recovery_score, day_strain, data_completeness
            from analytics.wearables_daily_summary where player_id = %s
            """,
            player_id,
        )
        assert {row["missing_reason"] for row in days} <= {"withdrawn", "consent_expired"}
        assert {row["data_completeness"] for row in days} <= {0.0}
        for relation in (
            "wearables_readings",
            "player_wearables_summary",
            "action_wearable_context",
        ):
            assert (
                built.rows(f"select 1 from analytics.{relation} where player_id = %s", player_id)
                == []
            )
        [scores] = built.rows(
            """
            select count(*) as rows, count(*) filter (where has_wearables_data) as of_the_body
            from analytics.clutch_performance_scores where player_id = %s
            """,
            player_id,
        )
        assert scores["rows"] > 0
        assert scores["of_the_body"] == 0


def test_what_covers_an_action(built: Built) -> None:
    name = "afternoon game"
    player_id = built.athletes[name].player_id
    [game_id] = built.expected[name]
    rows = built.rows("select * from analytics.action_wearable_context where game_id = %s", game_id)
    assert len(rows) > 5
    pregame = built.before(name, game_id)
    for row in rows:
        assert row["player_id"] == player_id
        assert row["time_basis"] == "wall_clock"
        assert row["cycle_id"] == pregame["cycle_id"]
        assert row["recovery_sleep_id"] == pregame["sleep_id"]
        assert row["recovery_score"] == 80.0
        awake = (row["happened_at"] - WAKE).total_seconds() / 3600
        assert row["hours_since_waking"] == pytest.approx(awake)
        assert 6.5 < awake < 9
        assert (row["permitted"], row["workout_id"]) == (False, None)


def test_a_missing_wall_clock_is_stood_in_for_by_tip_off(built: Built) -> None:
    [game_id] = built.expected["missing wall clock"]
    rows = built.rows("select * from analytics.action_wearable_context where game_id = %s", game_id)
    assert rows
    assert {(row["time_basis"], row["hours_since_waking"]) for row in rows} == {("tipoff", 11.5)}


def test_a_recording_of_a_game_is_counted_and_used_nowhere(built: Built) -> None:
    name = "recorded in a game"
    athlete = built.athletes[name]
    recorded, _ = built.expected[name]
    rows = built.rows(
        "select * from analytics.action_wearable_context where game_id = %s", recorded
    )
    assert any(row["has_forbidden_recording"] for row in rows)
    assert {row["workout_id"] for row in rows} == {None}
    assert (
        built.rows(
            """
            select 1 from analytics.wearables_readings
            where player_id = %s and activity_state = 'workout'
            """,
            athlete.player_id,
        )
        == []
    )
    # nor the strain of that day, which holds the game; its night stays
    assert _day(built, name, date(2025, 12, 9))["day_strain"] is None
    assert _day(built, name, date(2025, 12, 9))["hrv_rmssd_avg"] == 60.0
    [found] = built.rows(
        "select record_count from analytics.wearables_quality where rule = 'recorded_in_game'"
    )
    assert found["record_count"] == 1


def test_practice_is_read_like_any_workout(built: Built) -> None:
    name = "practice before the game is no recording of it"
    assert _day(built, name, date(2025, 12, 9))["day_strain"] == 15.0
    rows = built.rows(
        """
        select metric_type, metric_value, metric_unit, quality_score
        from analytics.wearables_readings
        where player_id = %s and activity_state = 'workout' and metric_type = 'workout_strain'
        """,
        built.athletes[name].player_id,
    )
    assert rows == [
        {
            "metric_type": "workout_strain",
            "metric_value": 8.0,
            "metric_unit": "0-21",
            "quality_score": 0.97,
        }
    ]


QUALITY = {
    "calibrating": 5,
    "long_cycle": 1,
    "late_sync": 2,
    "sleep_gaps": 1,
    "implausible_value": 2,
    "strap_changed": 2,
    "older_after_newer": 1,
    "stages_do_not_add_up": 0,
    "nap_with_recovery": 0,
    "one_sleep_twice": 0,
}


@pytest.mark.parametrize("rule", QUALITY)
def test_quality_rules_find_what_is_there(built: Built, rule: str) -> None:
    [row] = built.rows("select record_count from analytics.wearables_quality where rule = %s", rule)
    assert row["record_count"] == QUALITY[rule]


def test_every_rule_is_looked_for(built: Built) -> None:
    """A rule without SQL would always find nothing."""
    path = "dbt_project/models/intermediate/wearables/int_wearable_findings.sql"
    text = (PROJECT_ROOT / path).read_text()
    rules = {row["rule"] for row in built.rows("select rule from staging.wearable_quality_rules")}
    assert {rule for rule in rules if f"'{rule}'" not in text} == {"far_from_arena"}


def test_another_server_gives_the_same_values(
    built: Built, external_server: ExternalServer, tmp_path: Path
) -> None:
    """An older PostgreSQL casts otherwise (macros/safe_casts.sql); no digit may depend on it."""
    with external_server.administrator() as connection:
        connection.execute("create database situations")
    url = external_server.url("administrator", ADMIN_PASSWORD, "situations")
    settings = dataclasses.replace(
        built.settings, database_url=url, state_directory=tmp_path / "state"
    )
    migrate(settings)
    names = [each.name for each in SITUATIONS][::5]
    athletes = [built.athletes[name] for name in names]
    store(settings, athletes, tmp_path / "games")
    build(settings, tmp_path / "target", *WITHOUT_TESTS)
    players = [athlete.player_id for athlete in athletes]
    values = """
        select player_id || ' ' || game_id, row(pregame.*)::text
        from analytics.pregame_baselines as pregame
        where player_id = any(%s) and not is_upcoming
    """
    found = []
    for each in (settings, built.settings):
        with connect(each, roles.TRANSFORM) as connection:
            found.append(dict(connection.execute(values, [players]).fetchall()))
    assert len(found[0]) >= len(names)
    assert found[0] == found[1]
