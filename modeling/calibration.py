"""Calibration plots of the published values, as SVG that is the same for the same games.

What was predicted runs along, what came of it up; a point above the line came true more often than
was said. Grey is where a right model's points lie by luck.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from psycopg import Connection

from modeling.errors import ModelError
from modeling.expected_points import ShotGroup, read_shot_groups
from modeling.win_probability.data import finished_seasons, read_played_states, read_published
from modeling.win_probability.measures import BINS, GROUPS, Bins, binned_states
from modeling.win_probability.model import Floats
from modeling.win_probability.perfect import Band, RightWorld

WIN_PROBABILITY_PICTURE = "win_probability_calibration.svg"
EXPECTED_POINTS_PICTURE = "expected_points_calibration.svg"

# On white and on a dark page (#0d1117) alike: text and marks at least 4.1 : 1.
INK = "#767676"
MARK = "#2f81d6"
BAND = "#8c8c8c"
BAND_OPACITY = 0.3
_LEAST_STATES = 50

_TITLES = {
    "all": "All",
    "Q1": "First quarter",
    "Q2": "Second quarter",
    "Q3": "Third quarter",
    "Q4": "Fourth quarter",
    "clutch": "Clutch time",
    "overtime": "Overtime",
}

Say = Callable[[str], None]

# text stays text; ids that are made up come from this word, not from chance
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "clutch",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


class _Panel(NamedTuple):
    """Points and band of one plot, in order of ``predicted``."""

    title: str
    predicted: Floats
    observed: Floats
    size: Floats
    band: tuple[Floats, Floats, Floats] | None


def draw(
    connection: Connection[Any],
    output: Path,
    season: str | None = None,
    *,
    say: Say = lambda _: None,
) -> tuple[list[Path], list[str]]:
    """Draw win probability and expected points of a season.

    Args:
        connection: A connection that may read ``analytics``.
        output: Folder; made if it is not there.
        season: Default: the newest finished one.
        say: Told what is being done.

    Returns:
        The pictures, and for each that could not be drawn the reason.

    Raises:
        ModelError: If there is no such season.
    """
    season = season or next(reversed(finished_seasons(connection)), None)
    if season is None:
        raise ModelError(
            "no finished season is loaded. Fix: clutch ingest nba --season, then dbt build."
        )
    output.mkdir(parents=True, exist_ok=True)
    say(f"reading {season}")
    pictures, missing = [], []
    try:
        played = read_played_states(connection, [season])
        published = read_published(connection, [season])
        say("simulating a right model")
        band = RightWorld(played, published).band()
        picture = win_probability_picture(season, binned_states(played, published), band)
        pictures.append(written(picture, output / WIN_PROBABILITY_PICTURE))
    except ModelError as error:
        missing.append(f"win probability: {error}")
    say("reading shots")
    try:
        groups = read_shot_groups(connection, season)
        pictures.append(
            written(expected_points_picture(season, groups), output / EXPECTED_POINTS_PICTURE)
        )
    except ModelError as error:
        missing.append(f"expected points: {error}")
    return pictures, missing


def win_probability_picture(season: str, counted: Bins, band: Band) -> Figure:
    """One panel for each part of the games that has a state."""
    low, high = (_percentile_of_deviations(band, percentile) for percentile in (97.5, 2.5))
    centres = (np.arange(BINS) + 0.5) / BINS
    errors, limits = counted.error(), band.percentile(97.5)
    panels = []
    for place, group in enumerate(GROUPS):
        states = counted.states[place]
        enough = states >= _LEAST_STATES
        if not enough.any():
            continue
        known = np.isfinite(low[place]) & np.isfinite(high[place])
        # predicted minus won: what is too much predicted lies below the line
        shade = (
            centres[known],
            np.clip(centres[known] - low[place][known], 0, 1),
            np.clip(centres[known] - high[place][known], 0, 1),
        )
        title = (
            f"{_TITLES[group]}\nerror {errors[place]:.3f}, a right model up to {limits[place]:.3f}"
        )
        panels.append(
            _Panel(
                title,
                counted.predicted[place][enough] / states[enough],
                counted.won[place][enough] / states[enough],
                states[enough],
                shade,
            )
        )
    return _figure(
        f"Win probability, {season}: what was predicted and what came of it",
        "win probability predicted (share of games)",
        "home wins (share of games)",
        panels,
        lambda _: (0.0, 1.0),
    )


def expected_points_picture(season: str, groups: list[ShotGroup]) -> Figure:
    """One panel for each kind of shot, and one for clutch time."""
    panels = []
    for group in groups:
        error = 1.96 * group.spread / np.sqrt(group.shots)
        panels.append(
            _Panel(
                f"{group.title}\n{int(group.shots.sum()):,} shots, "
                f"{group.total_scored / group.total_expected - 1:+.1%} points",
                group.expected,
                group.scored,
                group.shots,
                (group.expected, group.expected - error, group.expected + error),
            )
        )
    return _figure(
        f"Expected points, {season}: what a shot was worth and what came of it",
        "expected points of a shot (points)",
        "points scored (mean of the shots)",
        panels,
        _around,
    )


def _percentile_of_deviations(band: Band, percentile: float) -> Floats:
    known = np.isfinite(band.deviations).mean(axis=0) > 0.5
    filled = np.where(known, band.deviations, 0.0)
    values: Floats = np.where(known, np.nanpercentile(filled, percentile, axis=0), np.nan)
    return values


def _figure(
    title: str,
    across: str,
    up: str,
    panels: list[_Panel],
    limits: Callable[[_Panel], tuple[float, float]],
) -> Figure:
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.0 * columns, 3.3 * rows + 0.6), layout="constrained")
        figure.suptitle(title, color=INK, fontsize=12)
        figure.supxlabel(across, color=INK, fontsize=10)
        figure.supylabel(up, color=INK, fontsize=10)
        for number, panel in enumerate(panels, 1):
            axes = figure.add_subplot(rows, columns, number)
            _draw_panel(axes, panel, limits(panel))
    return figure


def _around(panel: _Panel) -> tuple[float, float]:
    values = np.concatenate([panel.predicted, panel.observed])
    room = 0.08 * float(values.max() - values.min()) + 0.01
    return float(values.min()) - room, float(values.max()) + room


def _draw_panel(axes: Axes, panel: _Panel, limits: tuple[float, float]) -> None:
    axes.set_title(panel.title, fontsize=9)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal")
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if panel.band is not None:
        axes.fill_between(*panel.band, color=BAND, alpha=BAND_OPACITY, linewidth=0)
    axes.plot(limits, limits, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    # the area of a point grows with what it stands on
    areas = 6.0 + 30.0 * panel.size / panel.size.max()
    axes.plot(panel.predicted, panel.observed, color=MARK, linewidth=0.8)
    axes.scatter(panel.predicted, panel.observed, s=areas, color=MARK, zorder=3)


def written(figure: Figure, path: Path) -> Path:
    """Write a picture, all at once; without date and version, so that the same stays the same."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with mpl.rc_context(STYLE):
            FigureCanvasSVG(figure)
            figure.savefig(
                beside,
                format="svg",
                transparent=True,
                metadata={"Date": None, "Creator": None, "Title": path.stem},
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
