"""Draw the pictures of the monitoring report as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from data.flights import FloatMatrix, IntArray
from model.inference.calibration import FloatArray
from model.reports.plots import PALETTE, picture
from monitor.control_chart import DRIFT, QUALITY, Family
from monitor.weekly_flights import OUTCOMES, monday

COLOURS = {DRIFT: "blue", QUALITY: "orange"}
MOST_LABELS = 8
HIGHEST = 12.0
"""Largest multiple of a limit that is drawn."""


@picture(height=2.8)
def alarms(figure: Figure, week: IntArray, families: Mapping[str, Family]) -> None:
    """Draw the largest statistic of each family per week, relative to its limit."""
    axes = figure.add_subplot(ylabel="share of the limit")
    axes.axhline(1.0, color=_colour("red"), linestyle="--", label="limit")
    for name, family in families.items():
        largest = np.nanmax(np.where(np.isnan(family.z), -np.inf, family.z), axis=1)
        shown = np.where(np.isfinite(largest), np.minimum(largest / family.limit, HIGHEST), np.nan)
        axes.plot(range(len(week)), shown, marker="o", color=_colour(COLOURS[name]), label=name)
    axes.set_ylim(bottom=0)
    weeks_axis(axes, week)
    axes.legend(loc="best")


@picture(height=2.8)
def late_share(figure: Figure, week: IntArray, outcomes: FloatMatrix) -> None:
    """Draw the late share of each week with the mean probability."""
    axes = figure.add_subplot(ylabel="late share")
    late = outcomes[:, OUTCOMES.index("late share")]
    predicted = late - outcomes[:, OUTCOMES.index("calibration")]
    axes.bar(range(len(week)), late, 0.7, label="late", **_reference_bar())
    axes.plot(
        range(len(week)), predicted, marker="o", color=_colour("blue"), label="mean probability"
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.margins(y=0.2)
    weeks_axis(axes, week)
    axes.legend(loc="upper left", ncols=2)


@picture(height=2.8)
def ranking(figure: Figure, week: IntArray, family: Family) -> None:
    """Draw ROC AUC per week, with the reference's centre and the limit."""
    axes = figure.add_subplot(ylabel="ROC AUC")
    n = family.names.index("AUC")
    axes.plot(range(len(week)), family.value[:, n], marker="o", color=_colour("blue"), label="week")
    axes.axhline(family.centre[n], color=_colour("muted"), linestyle=":", label="reference")
    low = family.centre[n] - family.limit * family.scale[n]
    axes.axhline(low, color=_colour("red"), linestyle="--", label="limit")
    weeks_axis(axes, week)
    axes.legend(loc="best")


@picture(height=4.4)
def features(figure: Figure, names: Sequence[str], share: FloatArray) -> None:
    """Draw how far features are from the reference, as a share of their limit, the first on top."""
    axes = figure.add_subplot(xlabel="share of the limit")
    at = np.arange(len(names))
    colours = [_colour("red" if each > 1 else "blue") for each in share.tolist()]
    axes.barh(at, np.clip(share, 0.0, HIGHEST), color=colours, height=0.7)
    axes.axvline(1.0, color=_colour("red"), linestyle="--", label="limit")
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")


@picture(height=2.6)
def scores(figure: Figure, reference: FloatArray, latest: FloatArray) -> None:
    """Draw the shares of the reference's tenths that the last week's scores fall into."""
    axes = figure.add_subplot(xlabel="tenths of the reference's scores", ylabel="share")
    at = np.arange(1, len(latest) + 1)
    axes.bar(at - 0.2, reference, 0.38, label="reference", **_reference_bar())
    axes.bar(at + 0.2, latest, 0.38, color=_colour("blue"), label="last week")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xticks(at)
    axes.legend(loc="best")


def _reference_bar() -> dict[str, Any]:
    return {"color": _colour("grid"), "edgecolor": _colour("muted"), "linewidth": 0.5}


def _colour(name: str) -> str:
    return PALETTE[name][0]


def weeks_axis(axes: Axes, week: IntArray) -> None:
    """Label up to eight weeks with the month and day of their Monday."""
    shown = list(range(0, len(week), -(-len(week) // MOST_LABELS)))
    axes.set_xticks(shown, [monday(int(week[n]))[5:] for n in shown], fontsize=8.5)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(visible=False, axis="x")
