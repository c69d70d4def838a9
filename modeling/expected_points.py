"""What shots were worth before they were taken, and what came of them, from the marts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection

from modeling.errors import ModelError
from modeling.marts import reading
from modeling.win_probability.model import Floats

# as many groups of equally many shots, by expected points
GROUPS_OF_SHOTS = 20

KINDS = {
    "2pt": "Two-pointers",
    "3pt": "Three-pointers",
    "freethrow": "Free throws",
    "clutch": "All shots of clutch time",
}

# Groups of equal size: a bin of equal width would hold nearly all free throws. Shots
# that were worth the same stay together.
_SHOT_GROUPS = """
    with shots as (
        select
            expected_points.expected_points,
            expected_points.points_scored,
            kinds.kind
        from analytics.expected_points
        inner join analytics.games on expected_points.game_id = games.game_id
        cross join unnest(array['2pt', '3pt', 'freethrow', 'clutch']) as kinds (kind)
        where games.season = %(season)s
            and expected_points.expected_points is not null
            and (
                expected_points.shot_type = kinds.kind
                or (kinds.kind = 'clutch' and expected_points.is_clutch)
            )
    ),

    placed as (
        select
            *,
            floor(
                %(groups)s * (rank() over (partition by kind order by expected_points) - 1)
                / count(*) over (partition by kind)
            ) as place
        from shots
    )

    select
        kind,
        count(*),
        avg(expected_points)::float8,
        avg(points_scored)::float8,
        stddev_pop(points_scored)::float8
    from placed
    group by kind, place
    order by kind, place
"""


class ShotGroup(NamedTuple):
    """Shots of one kind by what they were worth; arrays have one element per group.

    Attributes:
        title: The kind, in words.
        shots: How many there are.
        expected: Mean expected points.
        scored: Mean points scored.
        spread: Standard deviation of the points of a shot.
    """

    title: str
    shots: Floats
    expected: Floats
    scored: Floats
    spread: Floats

    @property
    def total_expected(self) -> float:
        """Points that all of them were worth."""
        return float((self.expected * self.shots).sum())

    @property
    def total_scored(self) -> float:
        """Points that all of them brought."""
        return float((self.scored * self.shots).sum())


def read_shot_groups(connection: Connection[Any], season: str) -> list[ShotGroup]:
    """Shots of a season in groups of equally many, by kind.

    Raises:
        ModelError: If ``analytics.expected_points`` is not there or has no shot of the season.
    """
    parameters = {"season": season, "groups": GROUPS_OF_SHOTS}
    with reading("analytics.expected_points"), connection.transaction():
        rows = connection.execute(_SHOT_GROUPS, parameters).fetchall()
    if not rows:
        raise ModelError(
            f"analytics.expected_points has no shot of {season}. Fix: clutch ingest nba --season "
            f"{season}, then dbt build."
        )
    found = []
    for kind, title in KINDS.items():
        columns = [row[1:] for row in rows if row[0] == kind]
        if columns:
            found.append(ShotGroup(title, *np.array(columns, dtype=np.float64).T))
    return found
