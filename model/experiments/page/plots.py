"""Plots of the page of experiments: small SVG files, the same bytes for the same results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.experiments.attempts.catalogue import ALONE, SERVED
from model.experiments.run.results import Record
from model.reports.plots import PALETTE

WIDTH = 7.2
"""Width in inches."""
STYLE: Any = {
    "svg.hashsalt": "experiments",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}
SIGNIFICANT = 1.96
"""Half the width of a 95 % confidence interval, in standard errors."""

MAIN = "E3.schedule"
_INK, _MUTED, _GRID = (PALETTE[name][0] for name in ("ink", "muted", "grid"))
_BLUE, _ORANGE, _GREEN = (PALETTE[name][0] for name in ("blue", "orange", "green"))


def draw_all(results: Record, folder: Path) -> list[str]:
    """Write every plot for which there are results, and return their names."""
    drawn = []
    for name, (height, draw) in _PLOTS.items():
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH, height(results)), layout="constrained")
            if draw(figure, results):
                path = folder / f"{name}.svg"
                # a date would change the file with every run
                figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
                drawn.append(name)
    return drawn


def entries(results: Record, protocol: str, kinds: Sequence[str] = ()) -> list[Record]:
    """Return the attempts with figures of a protocol, of all chapters or of some."""
    return [
        each
        for each in results["attempts"]
        if protocol in each["protocols"] and (not kinds or each["kind"] in kinds)
    ]


def _against(figure: Figure, results: Record) -> bool:
    """Plot the difference in log loss to the Booster alone, with its error over days."""
    rows = [
        each
        for each in entries(results, MAIN)
        if (each["protocols"][MAIN]["against_booster"] or {}).get("log_loss")
    ]
    if not rows:
        return False
    rows.sort(key=lambda each: -each["protocols"][MAIN]["against_booster"]["log_loss"])
    # class weights give such large differences that the others would not be readable
    shown = [each for each in rows if each["protocols"][MAIN]["against_booster"]["log_loss"] < FAR]
    axes = figure.add_subplot(
        title="E3 schedule: log loss of each attempt above that of the Booster alone",
        xlabel="difference in log loss per flight, with 95 % of its noise over days",
    )
    gaps = [each["protocols"][MAIN]["against_booster"] for each in shown]
    positions = range(len(shown))
    axes.axvline(0, color=_MUTED, linewidth=1)
    axes.errorbar(
        [gap["log_loss"] for gap in gaps],
        positions,
        xerr=[SIGNIFICANT * gap["error"] for gap in gaps],
        fmt="o",
        markersize=3.5,
        color=_BLUE,
        ecolor=_MUTED,
        elinewidth=1,
    )
    _names(axes, [each["id"] for each in shown])
    return True


FAR = 0.03
"""Log loss above the Booster's beyond which an attempt is left out of the plot."""


def _ablation(figure: Figure, results: Record) -> bool:
    """Plot the AUC lost without each transformer."""
    whole = _protocols(results, ALONE)
    rows = [each for each in results["attempts"] if each["id"].startswith("without-")]
    panels = [name for name in ("E1", "E2", MAIN, "E3.live") if name in whole]
    if not rows or not panels:
        return False
    for axes, protocol in zip(_row_of_axes(figure, len(panels)), panels, strict=True):
        values = [
            whole[protocol]["auc"] - each["protocols"][protocol]["auc"]
            if protocol in each["protocols"]
            else 0.0
            for each in rows
        ]
        axes.barh(range(len(rows)), values, color=_ORANGE)
        axes.axvline(0, color=_MUTED, linewidth=1)
        axes.set(title=protocol, xlabel="AUC lost")
        if axes is figure.axes[0]:
            _names(axes, [each["id"].removeprefix("without-") for each in rows])
    figure.axes[0].invert_yaxis()
    return True


def _sizes(figure: Figure, results: Record) -> bool:
    """Plot quality against the cost of scoring."""
    rows = [e for e in entries(results, MAIN, ("Trees and leaves",)) if MAIN in e["microseconds"]]
    rows += [e for e in entries(results, MAIN) if e["id"] in OTHERS_BY_COST and e["microseconds"]]
    if not rows:
        return False
    axes = figure.add_subplot(
        title="E3 schedule: quality against the cost of scoring",
        xlabel="microseconds per flight, 64 at once, one thread (features ready)",
        ylabel="ROC AUC",
        xscale="log",
    )
    for each in rows:
        cost, auc = each["microseconds"][MAIN]["batch"], each["protocols"][MAIN]["auc"]
        colour = _ORANGE if each["id"] in (ALONE, SERVED) else _BLUE
        axes.plot(cost, auc, "o", color=colour, markersize=5)
        label = re.sub(r"trees-(\d+)-leaves-", r"\1 x ", each["id"])
        below = each["id"] in LABELLED_BELOW
        place = (5, -10) if below else (5, 3)
        axes.annotate(label, (cost, auc), xytext=place, textcoords="offset points", fontsize=7.5)
    axes.margins(x=0.15)
    return True


LABELLED_BELOW = ("trees-120-leaves-31", "xgboost", "trees-600-leaves-31", "catboost")
"""Points so near to others that their labels would overlap."""

OTHERS_BY_COST = (ALONE, SERVED, "line", "forest", "network", "catboost", "xgboost", "bag-5")


def _curve(figure: Figure, results: Record) -> bool:
    """Plot AUC against the number of training flights."""
    found = results["evidence"]
    if not any(name.startswith("curve-") for name in found):
        return False
    titles = {"curve-E1": "E1", "curve-E2": "E2", "curve-months": "E3 schedule, Oct to Dec"}
    panels = [name for name in titles if found.get(name, {}).get("points")]
    for axes, name in zip(_row_of_axes(figure, len(panels), share=False), panels, strict=True):
        points = found[name]["points"]
        axes.plot([p["flights"] for p in points], [p["auc"] for p in points], "o-", color=_BLUE)
        axes.set(title=titles[name], xlabel="training flights")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
        axes.grid(axis="y", color=_GRID)
        axes.margins(x=0.12, y=0.15)
        if name == "curve-months":
            for point in points:
                axes.annotate(
                    f"{point['at']:g} mo",
                    (point["flights"], point["auc"]),
                    xytext=(2, -11),
                    textcoords="offset points",
                    fontsize=7,
                )
    figure.axes[0].set_ylabel("ROC AUC")
    return bool(panels)


def _ceilings(figure: Figure, results: Record) -> bool:
    """Plot the AUC reached, the targets, and the AUC of oracles."""
    rows = ceiling_rows(results)
    if not rows:
        return False
    axes = figure.add_subplot(xlabel="ROC AUC")
    figure.suptitle(
        "ROC AUC reached, targets, and oracles that have the late share of all other flights",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    for position, (_, auc, what) in enumerate(rows):
        colour = {"reached": _BLUE, "aim": _INK, "oracle": _MUTED}[what]
        axes.barh(position, auc - FLOOR, left=FLOOR, color=colour, alpha=0.85)
        axes.text(auc, position, f" {auc:.3f}", va="center", fontsize=8)
    _names(axes, [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(FLOOR, max(auc for _, auc, _ in rows) + 0.015)
    return True


FLOOR = 0.6

AIMS = {"E1": 0.765, "E2": 0.74, "E3.schedule": 0.70, "E3.daily": 0.72, "E3.live": 0.74}
"""Highest targets of ROC AUC."""


def ceiling_rows(results: Record) -> list[tuple[str, float, str]]:
    """List label, AUC and type (reached, aim or oracle) of the compared values, by protocol."""
    served = _protocols(results, SERVED)
    found = results["evidence"]
    rows = []
    for protocol, aim in AIMS.items():
        if protocol not in served:
            continue
        rows += [(f"{protocol} reached", served[protocol]["auc"], "reached")]
        rows += [(f"{protocol} aim", aim, "aim")]
        rows += [
            (f"{protocol} knowing {_known(name)}", found[name][protocol]["auc"], "oracle")
            for name in found
            if name.startswith("oracle") and protocol in found[name]
        ]
    return rows


def _protocols(results: Record, wanted: str) -> Record:
    found: Record = next(e for e in results["attempts"] if e["id"] == wanted)["protocols"]
    return found


def _known(name: str) -> str:
    """Return the groups whose late share an oracle has, in words."""
    return name.split(": ")[1] if ": " in name else "all other flights"


def _minutes(figure: Figure, results: Record) -> bool:
    """Plot the coverage of the quantiles of delay by month."""
    found = results["evidence"].get("minutes")
    if not found:
        return False
    axes = figure.add_subplot(
        title="Share of flights within the 90 % quantile of the delay", ylabel="coverage"
    )
    months = list(found["quantiles"]["p90 boosted"]["by_month"])
    for name, colour in (("constant", _MUTED), ("boosted", _BLUE), ("corrected", _GREEN)):
        by_month = found["quantiles"][f"p90 {name}"]["by_month"]
        axes.plot(
            range(len(months)),
            list(by_month.values()),
            "o-",
            color=colour,
            label=name,
            markersize=4,
        )
    axes.axhline(0.9, color=_INK, linewidth=1, linestyle=":")
    axes.set_xticks(range(len(months)), months, fontsize=8)
    axes.legend(loc="lower left", ncols=3)
    return True


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.grid(axis="x", color=_GRID)
    axes.set_axisbelow(True)


def _row_of_axes(figure: Figure, count: int, *, share: bool = True) -> list[Axes]:
    made = figure.subplots(1, count, sharey=share, squeeze=False)
    return list(made[0])


def _tall(rows: Callable[[Record], int], least: float = 1.0) -> Callable[[Record], float]:
    return lambda results: least + 0.19 * rows(results)


def _flat(height: float) -> Callable[[Record], float]:
    return lambda _: height


_PLOTS: dict[str, tuple[Callable[[Record], float], Callable[[Figure, Record], Any]]] = {
    "against-booster": (_tall(lambda results: len(entries(results, MAIN))), _against),
    "ablation": (_flat(3.2), _ablation),
    "sizes": (_flat(3.4), _sizes),
    "learning-curve": (_flat(2.8), _curve),
    "ceilings": (_tall(lambda results: len(ceiling_rows(results))), _ceilings),
    "minutes": (_flat(2.6), _minutes),
}
