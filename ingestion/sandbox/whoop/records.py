"""Records in WHOOP's wire form (v2), key by key as its OpenAPI document has them."""

from __future__ import annotations

from typing import Any

from ingestion.sandbox.whoop.clock import from_milli
from ingestion.sandbox.whoop.physiology import Athlete, Recovery, Sleep, Workout

Row = dict[str, Any]

PENDING, SCORED, UNSCORABLE = "PENDING_SCORE", "SCORED", "UNSCORABLE"
# From that day on records have no v1_id and no sport_id.
V1_END_MILLI = 1_756_684_800_000  # 2025-09-01T00:00Z
_SPORT_IDS = {"basketball": 17, "running": 0, "functional-fitness": 48, "activity": -1}


def write_time(milli: int) -> str:
    """Write ms since 1970 as WHOOP does: UTC, milliseconds, ``Z``."""
    return from_milli(milli).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_offset(minutes: int) -> str:
    """Write minutes east of UTC as ``+hh:mm``, ``-hh:mm`` or ``Z``."""
    if minutes == 0:
        return "Z"
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def sleep_row(
    sleep: Sleep, *, sleep_id: str, v1_id: int, cycle_id: int, user_id: int, updated: int
) -> Row:
    """Write a sleep that is not scored yet; :func:`sleep_score` adds the score."""
    row: Row = {"id": sleep_id, "cycle_id": cycle_id}
    if sleep.start < V1_END_MILLI:
        row["v1_id"] = v1_id
    row |= {
        "user_id": user_id,
        "created_at": write_time(sleep.created),
        "updated_at": write_time(updated),
        "start": write_time(sleep.start),
        "end": write_time(sleep.end),
        "timezone_offset": write_offset(sleep.offset),
        "nap": sleep.is_nap,
        "score_state": PENDING,
    }
    return row


def sleep_score(sleep: Sleep) -> Row:
    """Write the score of a sleep."""
    score: Row = {
        "stage_summary": {
            "total_in_bed_time_milli": sleep.end - sleep.start,
            "total_awake_time_milli": sleep.awake,
            "total_no_data_time_milli": sleep.no_data,
            "total_light_sleep_time_milli": sleep.light,
            "total_slow_wave_sleep_time_milli": sleep.slow_wave,
            "total_rem_sleep_time_milli": sleep.rem,
            "sleep_cycle_count": sleep.cycle_count,
            "disturbance_count": sleep.disturbance_count,
        },
        "sleep_needed": {
            "baseline_milli": sleep.need_baseline,
            "need_from_sleep_debt_milli": sleep.need_debt,
            "need_from_recent_strain_milli": sleep.need_strain,
            "need_from_recent_nap_milli": sleep.need_nap,
        },
        "respiratory_rate": round(sleep.respiratory_rate * 512) / 512,
    }
    if sleep.performance is not None:
        score["sleep_performance_percentage"] = sleep.performance
    if sleep.consistency is not None:
        score["sleep_consistency_percentage"] = sleep.consistency
    score["sleep_efficiency_percentage"] = round(sleep.efficiency, 8)
    return score


def recovery_row(
    *, cycle_id: int, sleep_id: str, user_id: int, created: int, updated: int, state: str
) -> Row:
    """Write a recovery without its score."""
    return {
        "cycle_id": cycle_id,
        "sleep_id": sleep_id,
        "user_id": user_id,
        "created_at": write_time(created),
        "updated_at": write_time(updated),
        "score_state": state,
    }


def recovery_score(recovery: Recovery) -> Row:
    """Write the score of a recovery."""
    score: Row = {
        "user_calibrating": recovery.is_calibrating,
        "recovery_score": recovery.score,
        "resting_heart_rate": recovery.resting_heart_rate,
        "hrv_rmssd_milli": recovery.hrv,
    }
    if recovery.spo2 is not None:
        score["spo2_percentage"] = recovery.spo2
    if recovery.skin_temperature is not None:
        score["skin_temp_celsius"] = recovery.skin_temperature
    return score


def workout_row(
    workout: Workout, *, workout_id: str, v1_id: int, user_id: int, updated: int
) -> Row:
    """Write a workout that is not scored yet; :func:`workout_score` adds the score."""
    row: Row = {"id": workout_id}
    if workout.start < V1_END_MILLI:
        row["v1_id"] = v1_id
    row |= {
        "user_id": user_id,
        "created_at": write_time(workout.created),
        "updated_at": write_time(updated),
        "start": write_time(workout.start),
        "end": write_time(workout.end),
        "timezone_offset": write_offset(workout.offset),
        "sport_name": workout.sport,
    }
    if workout.start < V1_END_MILLI:
        row["sport_id"] = _SPORT_IDS.get(workout.sport, -1)
    row["score_state"] = PENDING
    return row


def workout_score(workout: Workout) -> Row:
    """Write the score of a workout."""
    names = ("zero", "one", "two", "three", "four", "five")
    score: Row = {
        "strain": workout.strain,
        "average_heart_rate": workout.average_heart_rate,
        "max_heart_rate": workout.max_heart_rate,
        "kilojoule": workout.kilojoule,
        "percent_recorded": workout.percent_recorded,
        "zone_durations": {
            f"zone_{name}_milli": milli for name, milli in zip(names, workout.zones, strict=True)
        },
    }
    if workout.distance is not None:
        score |= {
            "distance_meter": workout.distance,
            "altitude_gain_meter": round(workout.distance * 0.0043, 2),
            "altitude_change_meter": -0.4,
        }
    return score


def profile_row(athlete: Athlete) -> Row:
    """Write the basic profile; mail addresses lie in a domain reserved for tests."""
    name = f"{athlete.first_name}.{athlete.family_name}".lower()
    return {
        "user_id": athlete.user_id,
        "email": f"{name}.{athlete.user_id}@example.test",
        "first_name": athlete.first_name,
        "last_name": athlete.family_name,
    }


def body_row(athlete: Athlete) -> Row:
    """Write the body measurements."""
    return {
        "height_meter": athlete.height,
        "weight_kilogram": athlete.weight,
        "max_heart_rate": athlete.max_heart_rate,
    }
