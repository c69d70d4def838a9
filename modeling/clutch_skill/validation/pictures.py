"""Pictures of the validation, SVG that is the same for the same results."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modeling.calibration import BAND, BAND_OPACITY, INK, MARK, STYLE, written

RANKS, CURVE, SLOPES = (
    "clutch_skill_ranks.svg",
    "clutch_skill_forecast.svg",
    "clutch_skill_slopes.svg",
)


def draw_all(record: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what the stored results allow."""
    drawn = []
    for section, name, draw in (
        ("calibration", RANKS, ranks),
        ("forecast", CURVE, curve),
        ("slopes", SLOPES, slopes),
    ):
        if section in record:
            drawn.append(written(draw(record[section]), folder / name))
    return drawn


def ranks(found: dict[str, Any]) -> Figure:
    """Histogram of ranks by group of quantities; grey is where luck leaves 95 % of them."""
    groups: dict[str, list[list[int]]] = defaultdict(list)
    for row in found["quantities"]:
        groups[row["group"]].append(row["ranks"])
    columns = 4
    rows = -(-len(groups) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.0 * columns, 2.3 * rows + 0.8), layout="constrained")
        figure.suptitle(
            f"Ranks of the truth among draws, {found['fits']} leagues", color=INK, fontsize=12
        )
        figure.supxlabel("rank of the truth (eighths of the draws)", color=INK, fontsize=10)
        figure.supylabel("share of leagues", color=INK, fontsize=10)
        for number, (group, counted) in enumerate(sorted(groups.items()), 1):
            axes = _axes(figure, rows, columns, number, f"{group}\n{len(counted)} quantities")
            shares = np.array(counted, float) / found["fits"]
            bins = shares.shape[1]
            # of one quantity; the mean of several that hang together lies between this and less
            error = 1.96 * np.sqrt((1 - 1 / bins) / bins / found["fits"])
            axes.fill_between(
                (0.5, bins + 0.5),
                1 / bins - error,
                1 / bins + error,
                color=BAND,
                alpha=BAND_OPACITY,
                linewidth=0,
            )
            places = np.arange(1, bins + 1)
            axes.plot(places, shares.T, color=BAND, linewidth=0.5, alpha=0.5)
            axes.plot(places, shares.mean(axis=0), color=MARK, linewidth=1.6, marker="o", ms=3)
            axes.set_ylim(0, 2.5 / bins)
            axes.set_xlim(0.5, bins + 0.5)
    return figure


def curve(found: dict[str, Any]) -> Figure:
    """Clutch points over expected, predicted and seen, with what luck leaves; ranks beside."""
    points = found["curve"]
    predicted, seen, error = (
        np.array([row[name] for row in points]) for name in ("predicted", "seen", "se")
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        figure.suptitle(
            f"{found['unseen']}, unseen: clutch points over expected an attempt",
            color=INK,
            fontsize=12,
        )
        axes = _axes(figure, 1, 2, 1, f"{found['attempts']:,} attempts in {len(points)} bins")
        edge = float(max(np.abs(predicted).max(), (np.abs(seen) + 2 * error).max())) * 1.05
        axes.plot((-edge, edge), (-edge, edge), color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.errorbar(
            predicted, seen, 1.96 * error, color=MARK, linewidth=0, elinewidth=0.9, marker="o", ms=4
        )
        axes.set_xlim(-edge, edge)
        axes.set_ylim(-edge, edge)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted (points)")
        axes.set_ylabel("seen (points), 95 % of luck")
        axes = _axes(figure, 1, 2, 2, "Ranks of what came in what was predicted")
        counts = np.array(found["pit"], float)
        share = 1 / len(counts)
        error_of_share = 1.96 * np.sqrt(share * (1 - share) / counts.sum())
        axes.axhspan(
            share - error_of_share,
            share + error_of_share,
            color=BAND,
            alpha=BAND_OPACITY,
            linewidth=0,
        )
        places = (np.arange(len(counts)) + 0.5) / len(counts)
        axes.bar(places, counts / counts.sum(), width=0.8 / len(counts), color=MARK)
        axes.set_xlabel("share of the predictive distribution below")
        axes.set_ylabel("share of player-seasons")
    return figure


def slopes(found: dict[str, Any]) -> Figure:
    """Slope that was found against the true one; lines are 95 % of the error of the mean."""
    every = max(row["athletes"] for row in found["cells"])
    shares = sorted({row["missing"] for row in found["cells"]})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(shares), 3.8), layout="constrained")
        figure.suptitle("Slope of last night's HRV, a league wearing", color=INK, fontsize=12)
        figure.supxlabel("true slope (points a shot per s.d. of the night)", color=INK, fontsize=10)
        figure.supylabel("found, mean of leagues", color=INK, fontsize=10)
        for number, share in enumerate(shares, 1):
            cells = [
                row
                for row in found["cells"]
                if row["missing"] == share and row["athletes"] == every
            ]
            truth, mean, error, pull, plain = (
                np.array([row[name] for row in cells])
                for name in ("slope", "mean", "bias_se", "prior_takes", "regression")
            )
            axes = _axes(figure, 1, len(shares), number, f"{share:.0%} of the nights missing")
            axes.fill_between(
                truth,
                truth - np.maximum(0.1 * truth, 0.002),
                truth + np.maximum(0.1 * truth, 0.002),
                color=BAND,
                alpha=BAND_OPACITY,
                linewidth=0,
                label="aim",
            )
            axes.plot(
                truth,
                truth + pull,
                color=INK,
                linewidth=0.8,
                linestyle=(0, (4, 3)),
                label="with the prior's pull",
            )
            axes.plot(truth, plain, color=INK, linewidth=0, marker="x", ms=4, label="regression")
            axes.errorbar(
                truth,
                mean,
                1.96 * error,
                color=MARK,
                linewidth=0,
                elinewidth=0.9,
                marker="o",
                ms=4,
                label="model",
            )
            if number == 1:
                axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _axes(figure: Figure, rows: int, columns: int, number: int, title: str) -> Axes:
    axes: Axes = figure.add_subplot(rows, columns, number)
    axes.set_title(title, fontsize=9)
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes
