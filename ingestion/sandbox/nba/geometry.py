"""Where shots are taken, how often they go in from there, and the feed's coordinates and zones.

Two coordinate systems, both in the feed. *Legacy*: tenths of a foot from the basket attacked,
``x`` to the shooter's right when he faces it with negative values on his left, ``y`` towards the
other basket. *Percent*: ``x`` along the court (94 ft) and ``y`` across it (50 ft), seen from the
scorer's table. The transformation was checked on the 217,221 shots of the real 2022-23 season:
every legacy value is the rounded percent value.

Make probability depends on points value and distance only; everything else in the simulation is an
*effect* added to it. That keeps the truth of the sandbox simple: the expected value of a shot is a
lookup.
"""

from __future__ import annotations

import math
from bisect import bisect
from random import Random

_COURT_LENGTH_FEET = 94.0
_COURT_WIDTH_FEET = 50.0
_BASKET_FROM_BASELINE_FEET = 5.25
# The scorer's screen has 7.61 x 4.08 pixels per percent (and eighths of a pixel along the court).
_X_STEPS_PER_PERCENT = 60.88
_Y_STEPS_PER_PERCENT = 4.08

# Share of field goals made by whole feet of distance, regular season 2022-23 (133,051 twos, 84,170
# threes).
_TWO_POINT_MAKE = (
    0.762, 0.731, 0.609, 0.505, 0.445, 0.425, 0.428, 0.434, 0.444, 0.447, 0.451, 0.452,
    0.446, 0.442, 0.442, 0.442, 0.440, 0.424, 0.421, 0.409, 0.391, 0.371, 0.368, 0.353,
)  # fmt: skip
_THREE_POINT_MAKE = (
    0.381, 0.388, 0.372, 0.361, 0.357, 0.342, 0.331, 0.325, 0.314, 0.288, 0.270, 0.240,
    0.220, 0.200, 0.170, 0.150, 0.120, 0.110, 0.100, 0.090,
)  # fmt: skip
_THREE_POINT_FIRST_FOOT = 22

# Attempts by whole feet, same season, as cumulative weights: at the rim, short and middle range.
_RIM_FEET = (0, 1, 2, 3)
_RIM_CUMULATIVE = (16614, 36183, 53571, 64925)
_SHORT_FEET = tuple(range(4, 14))
_SHORT_CUMULATIVE = (7762, 14281, 19953, 24989, 29196, 33288, 37456, 41432, 45181, 48300)
_MIDDLE_FEET = tuple(range(14, 24))
_MIDDLE_CUMULATIVE = (2980, 6017, 9050, 11869, 14267, 16356, 17974, 18996, 19608, 19826)
_ABOVE_BREAK_FEET = tuple(range(23, 34))
_ABOVE_BREAK_CUMULATIVE = (
    2300,
    12700,
    35300,
    52600,
    60100,
    63100,
    64350,
    65000,
    65320,
    65500,
    65600,
)

SHARE_CORNER_OF_THREES = 0.253


def make_probability(points_value: int, distance_feet: float) -> float:
    """League-average chance that a shot goes in.

    Args:
        points_value: 2 or 3.
        distance_feet: From the basket.

    Returns:
        Probability between 0 and 1, from the real 2022-23 season.
    """
    foot = int(distance_feet)
    if points_value == 2:
        return _TWO_POINT_MAKE[min(foot, len(_TWO_POINT_MAKE) - 1)]
    index = foot - _THREE_POINT_FIRST_FOOT
    if index >= len(_THREE_POINT_MAKE):
        return 0.03  # 42 ft and more: 0.02 to 0.1 on a few hundred real attempts
    return _THREE_POINT_MAKE[max(index, 0)]


def _distance(random: Random, feet: tuple[int, ...], cumulative: tuple[int, ...]) -> float:
    foot = feet[bisect(cumulative, random.random() * cumulative[-1])]
    return foot + random.random()


def rim_spot(random: Random) -> tuple[float, float]:
    """Draw a place within 4 ft of the basket, as legacy x and y."""
    distance = _distance(random, _RIM_FEET, _RIM_CUMULATIVE)
    angle = math.pi * random.random() if distance > 1 else 2 * math.pi * random.random()
    return 10 * distance * math.cos(angle), 10 * distance * math.sin(angle)


def short_spot(random: Random) -> tuple[float, float]:
    """Draw a place 4 to 14 ft from the basket, mostly in front of it."""
    distance = _distance(random, _SHORT_FEET, _SHORT_CUMULATIVE)
    angle = math.pi * (0.5 + 0.42 * (random.random() + random.random() - 1))
    return 10 * distance * math.cos(angle), 10 * distance * math.sin(angle)


def middle_spot(random: Random) -> tuple[float, float]:
    """Draw a place from 14 ft to the three-point line."""
    distance = _distance(random, _MIDDLE_FEET, _MIDDLE_CUMULATIVE)
    angle = math.pi * random.random()
    x = 10 * distance * math.cos(angle)
    y = 10 * distance * math.sin(angle)
    if y < 90 and abs(x) > 215:  # beyond the corner line it would be a three
        x = math.copysign(205 + 10 * random.random(), x)
    if distance > 23.6:
        x, y = x * 23.6 / distance, y * 23.6 / distance
    return x, y


def three_point_spot(random: Random) -> tuple[float, float]:
    """Draw a place behind the three-point line: a corner or above the break."""
    if random.random() < SHARE_CORNER_OF_THREES:
        x = 221 + 20 * random.random()
        return (-x if random.random() < 0.52 else x), 85 * random.random() - 35
    distance = max(_distance(random, _ABOVE_BREAK_FEET, _ABOVE_BREAK_CUMULATIVE), 23.8)
    # The arc meets the corner line at y = 89.5; the angle keeps the place above it and inside the
    # sideline.
    lowest = math.asin(9.2 / distance)
    if 10 * distance * math.cos(lowest) > 245:
        lowest = math.acos(24.5 / distance)
    angle = lowest + (math.pi - 2 * lowest) * random.random()
    return 10 * distance * math.cos(angle), 10 * distance * math.sin(angle)


def heave_spot(random: Random) -> tuple[float, float]:
    """Draw a place 38 to 70 ft out, for a shot at the buzzer."""
    distance = 38 + 32 * random.random()
    return (random.random() - 0.5) * 300, 10 * distance


def to_court(x_legacy: float, y_legacy: float, side: str) -> tuple[float, float]:
    """Turn legacy coordinates into percent of the court, on the grid of the scorer's screen.

    Args:
        x_legacy: Tenths of a foot, negative to the left of the basket.
        y_legacy: Tenths of a foot from the basket towards the other end.
        side: ``left`` or ``right``: the basket attacked.

    Returns:
        ``x`` (0-100, along the court) and ``y`` (0-100, across it).
    """
    along = (y_legacy / 10 + _BASKET_FROM_BASELINE_FEET) / _COURT_LENGTH_FEET * 100
    across = x_legacy / 10 / _COURT_WIDTH_FEET * 100
    x, y = (100 - along, 50 + across) if side == "right" else (along, 50 - across)
    return (
        round(x * _X_STEPS_PER_PERCENT) / _X_STEPS_PER_PERCENT,
        round(y * _Y_STEPS_PER_PERCENT) / _Y_STEPS_PER_PERCENT,
    )


def from_court(x: float, y: float, side: str) -> tuple[int, int, float]:
    """Turn percent of the court into legacy coordinates and distance.

    Args:
        x: Percent along the court.
        y: Percent across the court.
        side: ``left`` or ``right``: the basket attacked.

    Returns:
        ``xLegacy``, ``yLegacy`` (tenths of a foot) and the distance in feet, two decimals.
    """
    along = (100 - x if side == "right" else x) / 100 * _COURT_LENGTH_FEET
    across = (y - 50 if side == "right" else 50 - y) / 100 * _COURT_WIDTH_FEET
    forward = along - _BASKET_FROM_BASELINE_FEET
    return round(across * 10), round(forward * 10), round(math.hypot(across, forward), 2)


def zone(x_legacy: float, y_legacy: float, points_value: int) -> tuple[str, str]:
    """Name the zone of a place, as the feed does.

    Args:
        x_legacy: Tenths of a foot.
        y_legacy: Tenths of a foot.
        points_value: 2 or 3; tells the two sides of the three-point line apart.

    Returns:
        ``area`` and ``areaDetail``. The details' borders are sectors of 60 degrees from 8 to 16 ft
        and of 36 degrees beyond; behind the line the corner ends where the line bends. Agrees with
        the feed on 97.6 % of the real 2022-23 shots; 1.5 % more are shots at the basket that the
        feed itself calls mid-range.
    """
    distance = math.hypot(x_legacy, y_legacy) / 10
    if points_value == 3 and y_legacy < 89.5 and abs(x_legacy) > 200:
        return ("Left Corner 3", "24+ Left") if x_legacy < 0 else ("Right Corner 3", "24+ Right")
    if points_value == 3:
        area = "Above the Break 3"
    elif distance < 4.35 and abs(x_legacy) <= 43:
        area = "Restricted Area"
    elif abs(x_legacy) <= 80 and y_legacy <= 138:
        area = "In The Paint (Non-RA)"
    else:
        area = "Mid-Range"
    if distance < 8:
        return area, "0-8 Center"
    degrees = math.degrees(math.atan2(y_legacy, abs(x_legacy)))
    hand = "Left" if x_legacy < 0 else "Right"
    if points_value == 2 and distance < 16:
        return area, "8-16 Center" if degrees >= 60 else f"8-16 {hand}"
    ring = "24+" if points_value == 3 else "16-24"
    if degrees >= 72:
        return area, f"{ring} Center"
    near_corner = y_legacy < 94.5 if points_value == 3 else degrees < 36
    return area, f"{ring} {hand}" if near_corner else f"{ring} {hand} Center"
