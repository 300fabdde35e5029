"""Draw the pictures of the evaluation report as SVG; the same arrays give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from io import StringIO
from typing import Any, Concatenate, ParamSpec

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from model.evaluation.metrics import BoolArray, reliability
from model.evaluation.protocols import Scored
from model.inference.calibration import FloatArray
from model.inference.decision import Decision

P = ParamSpec("P")

PALETTE = {
    "ink": ("#22303c", "#dbe2e9"),
    "muted": ("#5f6d7a", "#98a6b3"),
    "grid": ("#dde3e8", "#323d48"),
    "blue": ("#1f66ad", "#79b1ee"),
    "orange": ("#b8520f", "#f2a365"),
    "green": ("#17795a", "#63c9a2"),
    "purple": ("#7a4fa8", "#c0a1ec"),
    "red": ("#b3304a", "#f08a9c"),
}
"""Colours by name, in the light and in the dark theme. The page defines them as CSS variables."""

WIDTH = 4.4
"""Inches: narrow, so that text stays readable on a phone."""
MAXIMUM_POINTS = 400
"""Points of a curve: more than a screen resolves only make the page larger."""
MINIMUM_RECALL = 0.01
"""Smallest recall that is drawn: below it, precision depends on a few flights."""
HISTOGRAM_BINS = 40
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Line:
    """Label and line style of one protocol, in every picture."""

    label: str
    colour: str
    dashes: str | tuple[int, tuple[float, ...]] = "-"


LINES = {
    "E1": Line("random split (E1)", "muted", (0, (4, 1.5))),
    "E2": Line("split by day (E2)", "orange"),
    "E3.schedule": Line("walk-forward schedule (E3)", "blue"),
    "E3.daily": Line("walk-forward daily (E3)", "green", (0, (5, 1))),
    "E3.live": Line("walk-forward live (E3)", "purple", (0, (2, 1))),
}
"""The protocols, in the order in which they are shown."""


def line_of(protocol: str) -> Line:
    """Return label and style of a protocol, also of one that `LINES` does not have."""
    return LINES.get(protocol, Line(protocol, "red", ":"))


def picture(
    height: float,
) -> Callable[[Callable[Concatenate[Figure, P], None]], Callable[P, str]]:
    """Turn a function that draws on a figure into one that returns inline SVG.

    Parameters
    ----------
    height
        Height of the figure in inches.
    """

    def decorate(draw: Callable[Concatenate[Figure, P], None]) -> Callable[P, str]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
            name = draw.__name__
            # restores the settings of the process at its end
            with mpl.rc_context():
                _set_style(name)
                figure = Figure(figsize=(WIDTH, height), layout="constrained")
                draw(figure, *args, **kwargs)
                return _inline(_svg(figure), name)

        return drawn

    return decorate


@picture(height=3.7)
def roc(figure: Figure, scored: Mapping[str, Scored]) -> None:
    """Draw the ROC curve of each protocol."""
    axes = figure.add_subplot(xlabel="false positive rate", ylabel="true positive rate")
    axes.plot([0, 1], [0, 1], color=_light("muted"), linestyle=":", label="guessing")
    for protocol, run in scored.items():
        draw_line(axes, protocol, *roc_points(run))
    share_axis(axes, "both")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="lower right")


@picture(height=3.3)
def precision_recall(
    figure: Figure, scored: Mapping[str, Scored], marked: str, threshold: float
) -> None:
    """Draw precision against recall, with a dot at the threshold of protocol `marked`."""
    axes = figure.add_subplot(xlabel="recall", ylabel="precision")
    for protocol, run in scored.items():
        draw_line(axes, protocol, *precision_recall_points(run))
    share = scored[marked].late.mean()
    axes.axhline(share, color=_light("muted"), linestyle=":", label="guessing")
    _mark_threshold(axes, marked, scored[marked], threshold)
    share_axis(axes, "both")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper right")


@picture(height=4.2)
def reliability_curve(figure: Figure, scored: Mapping[str, Scored], counted: str) -> None:
    """Draw late share against probability, above a histogram of protocol `counted`."""
    curve, bars = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    highest = 0.1
    for protocol, run in scored.items():
        predicted, observed, _ = reliability(run.late, run.probability)
        draw_line(curve, protocol, predicted, observed, marker="o")
        highest = max(highest, predicted.max(), observed.max())
    curve.plot([0, 1], [0, 1], color=_light("muted"), linestyle=":", label="perfect")
    curve.set(xlim=(0, highest * 1.05), ylim=(0, highest * 1.05), ylabel="late share")
    curve.legend(loc="upper left")
    edges = np.linspace(0, highest * 1.05, HISTOGRAM_BINS + 1).tolist()
    probability = scored[counted].probability
    bars.hist(probability, bins=edges, color=_light(line_of(counted).colour))
    bars.set(xlabel="predicted probability", ylabel="flights")
    bars.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    share_axis(curve, "both")


@picture(height=4.0)
def months(figure: Figure, by_month: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Draw ROC AUC and log loss of each month.

    Parameters
    ----------
    by_month
        Results of `metrics.figures` by protocol, then by month (`YYYY-MM`).
    """
    ranking, loss = figure.subplots(2, 1, sharex=True)
    calendar = sorted({month for figures in by_month.values() for month in figures})
    place = {month: position for position, month in enumerate(calendar)}
    for protocol, figures in by_month.items():
        at = [place[month] for month in figures]
        draw_line(ranking, protocol, at, [each["auc"] for each in figures.values()], marker="o")
        draw_line(loss, protocol, at, [each["log_loss"] for each in figures.values()], marker="o")
    constant = next(iter(by_month.values()))
    values = [each["log_loss_constant"] for each in constant.values()]
    at = [place[month] for month in constant]
    loss.plot(at, values, color=_light("muted"), linestyle=":", label="constant base rate")
    ranking.axhline(0.5, color=_light("muted"), linestyle=":", label="guessing")
    ranking.set(ylabel="ROC AUC")
    loss.set(ylabel="log loss")
    month_axis(loss, calendar)
    for axes in (ranking, loss):
        axes.legend(loc="best")


@picture(height=2.6)
def calibration_by_month(
    figure: Figure, protocol: str, month: Sequence[str], predicted: FloatArray, observed: FloatArray
) -> None:
    """Draw mean probability and late share of each month (`YYYY-MM`)."""
    axes = figure.add_subplot()
    _draw_calibration(axes, protocol, np.arange(len(month)), predicted, observed)
    month_axis(axes, month)


@picture(height=2.6)
def calibration_by_hour(
    figure: Figure,
    protocol: str,
    hour: npt.NDArray[np.int64],
    predicted: FloatArray,
    observed: FloatArray,
) -> None:
    """Draw mean probability and late share of each hour of the day."""
    axes = figure.add_subplot(xlabel="hour of scheduled departure")
    _draw_calibration(axes, protocol, hour, predicted, observed)
    _hour_axis(axes)


@picture(height=2.4)
def late_share_by_month(figure: Figure, month: Sequence[str], share: FloatArray) -> None:
    """Draw the late share of each month (`YYYY-MM`)."""
    axes = figure.add_subplot(ylabel="late share")
    axes.bar(np.arange(len(month)), share, color=_light("blue"), width=0.7)
    share_axis(axes, "y")
    month_axis(axes, month)


@picture(height=2.4)
def late_share_by_hour(figure: Figure, hour: npt.NDArray[np.int64], share: FloatArray) -> None:
    """Draw the late share of each hour of the day."""
    axes = figure.add_subplot(xlabel="hour of scheduled departure", ylabel="late share")
    axes.bar(hour, share, color=_light("blue"), width=0.7)
    share_axis(axes, "y")
    _hour_axis(axes)


@picture(height=4.4)
def importances(figure: Figure, names: Sequence[str], share: FloatArray) -> None:
    """Draw each feature's share of the gain, the first on top."""
    axes = figure.add_subplot(xlabel="share of the gain")
    at = np.arange(len(names))
    axes.barh(at, share, color=_light("blue"), height=0.7)
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    share_axis(axes, "x")


def roc_points(run: Scored) -> tuple[FloatArray, FloatArray]:
    """Return false and true positive rates, rising from (0, 0) to (1, 1)."""
    false_positive, true_positive, _ = roc_curve(run.late, run.probability)
    return _thinned(false_positive, true_positive)


def precision_recall_points(run: Scored) -> tuple[FloatArray, FloatArray]:
    """Return recall, falling from 1 to `MINIMUM_RECALL`, and precision."""
    precision, recall, _ = precision_recall_curve(run.late, run.probability)
    return _thinned(recall[recall >= MINIMUM_RECALL], precision[recall >= MINIMUM_RECALL])


def group_means(keys: npt.NDArray[Any], *columns: FloatArray | BoolArray) -> tuple[Any, ...]:
    """Return the distinct keys in order, the rows of each, and the means of each column."""
    distinct, position = np.unique(keys, return_inverse=True)
    count = np.bincount(position)
    means = (np.bincount(position, weights=column) / count for column in columns)
    return distinct, count, *means


def _thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAXIMUM_POINTS)).astype(int))
    return x[keep], y[keep]


def draw_line(axes: Axes, protocol: str, x: Any, y: Any, marker: str = "") -> None:
    """Draw points in the style of a protocol."""
    line = line_of(protocol)
    colour = _light(line.colour)
    axes.plot(x, y, color=colour, linestyle=line.dashes, marker=marker, label=line.label)


def _mark_threshold(axes: Axes, protocol: str, run: Scored, threshold: float) -> None:
    alarm = Decision(threshold).delayed(run.probability)
    if alarm.any():
        hits = (run.late & alarm).sum()
        dot, colour = (hits / run.late.sum(), hits / alarm.sum()), _light(line_of(protocol).colour)
        axes.plot(*dot, "o", color=colour, markersize=6, label=f"at {threshold:.2f}")


def _draw_calibration(
    axes: Axes, protocol: str, x: npt.NDArray[np.int64], predicted: FloatArray, observed: FloatArray
) -> None:
    fill, edge, colour = _light("grid"), _light("muted"), _light(line_of(protocol).colour)
    axes.bar(x, observed, 0.7, color=fill, edgecolor=edge, linewidth=0.5, label="late share")
    axes.plot(x, predicted, color=colour, marker="o", label="mean probability")
    axes.margins(y=0.25)
    axes.set_ylim(bottom=0)
    share_axis(axes, "y")
    axes.legend(loc="upper left", ncols=2)


def share_axis(axes: Axes, which: str) -> None:
    """Label an axis (`x`, `y` or `both`) in per cent."""
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if which in (name, "both"):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _hour_axis(axes: Axes) -> None:
    axes.set(xlim=(-0.7, 23.7), xticks=range(0, 24, 3))
    axes.grid(visible=False, axis="x")


def month_axis(axes: Axes, months: Sequence[str]) -> None:
    """Label an axis with months, and with the year at its first month."""
    labels, year_before = [], ""
    for each in months:
        year, number = each.split("-")
        labels.append(MONTHS[int(number) - 1] + (f"\n{year}" if year != year_before else ""))
        year_before = year
    every = -(-len(months) // 12)
    axes.set_xticks(np.arange(len(months))[::every], labels[::every], fontsize=8.5)
    axes.grid(visible=False, axis="x")


def _light(name: str) -> str:
    return PALETTE[name][0]


def _set_style(name: str) -> None:
    # pictures must not depend on the matplotlibrc of the machine
    mpl.rcdefaults()
    ink, muted = _light("ink"), _light("muted")
    mpl.rc("svg", fonttype="none", hashsalt=name)
    mpl.rc("text", parse_math=False, color=ink)
    mpl.rc("font", size=9.5)
    mpl.rc("figure", facecolor="none")
    mpl.rc("axes", facecolor="none", edgecolor=muted, labelcolor=muted, linewidth=0.6)
    mpl.rc("axes", grid=True, axisbelow=True)
    mpl.rc("axes.spines", top=False, right=False)
    mpl.rc("grid", color=_light("grid"), linewidth=0.6)
    mpl.rc("xtick", color=muted)
    mpl.rc("ytick", color=muted)
    mpl.rc("legend", frameon=False, fontsize=9)
    mpl.rc("lines", linewidth=1.6, markersize=3.5)


def _svg(figure: Figure) -> str:
    text = StringIO()
    # without these entries there is no metadata block, which would hold a date and addresses
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()


def standalone(svg: str) -> str:
    """Return an inline picture as a file of its own: white background, light theme."""
    for name, (light, _) in PALETTE.items():
        svg = svg.replace(f"var(--{name})", light)
    spaces = 'xmlns="http://www.w3.org/2000/svg" style="background: #ffffff"'
    return svg.replace("<svg", f"<svg {spaces}", 1) + "\n"


def _inline(document: str, name: str) -> str:
    """Return an SVG document as inline SVG: unique ids, no fixed size, colours of the page."""
    start = document.index("<svg")
    end = document.index(">", start)
    root = re.sub(r'\s(?:xmlns(?::xlink)?|width|height|version)="[^"]*"', "", document[start:end])
    svg = (root + document[end:]).replace("xlink:href", "href")
    for reference in ('id="', "url(#", 'href="#'):
        svg = svg.replace(reference, f"{reference}{name}-")
    for colour, (light, _) in PALETTE.items():
        svg = svg.replace(light, f"var(--{colour})")
    return "\n".join(line.rstrip() for line in svg.splitlines())
