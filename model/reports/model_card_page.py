"""Write the model card of a bundle as a Markdown page with two pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from data.reference import AIRLINES, DELAY_MINUTES
from model.evaluation.gate import GATE_PROTOCOL
from model.inference.predictor import FRESH_DAYS
from model.reports.plots import (
    PALETTE,
    draw_line,
    line_of,
    month_axis,
    picture,
    share_axis,
    standalone,
)
from model.reports.render import render_template

PAGE = "model-card.md"
TEMPLATE = "model_card.md.jinja"
RELIABILITY_PICTURE, DRIFT_PICTURE = "model-card-reliability.svg", "model-card-drift.svg"
SHOWN_RELIABLE = ("E2", "E3.schedule", "E3.daily", "E3.live")
ENOUGH = 200
"""Fewest flights of a slice that can be called weak; figures of smaller ones are mostly noise."""
WEAK_AUC, WEAK_GAP = 0.6, 0.05
"""AUC below which, and gap of mean probability and late share above which, a slice is weak."""
WAY_COLOURS = ("blue", "orange", "purple")

JsonObject = dict[str, Any]


def write_model_card_page(
    folder: Path, card: JsonObject, tag: str, decision: Mapping[str, Any]
) -> Path:
    """Write `model-card.md` and its pictures into an existing folder.

    Parameters
    ----------
    card
        The card of `model.reports.card.make_card`.
    tag
        Name and version of the model.
    decision
        Threshold and bounds of risk: `model.inference.decision.Decision.to_json`.
    """
    evaluation = card["evaluation"]
    main = evaluation.get(GATE_PROTOCOL, {})
    drifted = main.get("drift", {})
    if evaluation:
        curves = {name: evaluation[name]["reliability"] for name in _reliable(evaluation)}
        _write_picture(folder / RELIABILITY_PICTURE, reliability_of(curves))
    if drifted:
        _write_picture(folder / DRIFT_PICTURE, drift_of(plain_ways(drifted)))
    page = render_template(
        Path(__file__).parent / TEMPLATE,
        card=card,
        tag=tag,
        decision=decision,
        evaluation=evaluation,
        main=main,
        weak=list(_weak(main.get("slices", {}))),
        plain_ways=plain_ways(drifted),
        ways=list(_ways(drifted)),
        airlines=AIRLINES,
        delay_minutes=DELAY_MINUTES,
        fresh_days=FRESH_DAYS,
        reliable=_reliable(evaluation),
        labels={name: line_of(name).label for name in evaluation},
        pictures=(RELIABILITY_PICTURE, DRIFT_PICTURE),
    )
    path = folder / PAGE
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


@picture(height=3.6)
def reliability_of(figure: Figure, curves: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Draw late share against probability, a dot for each tenth of the flights."""
    axes = figure.add_subplot(xlabel="predicted probability", ylabel="late share")
    for protocol, curve in curves.items():
        draw_line(axes, protocol, curve["said"], curve["happened"], marker="o")
    top = 1.05 * max(value for curve in curves.values() for value in curve["said"])
    axes.plot([0, top], [0, top], color=PALETTE["muted"][0], linestyle=":", label="perfect")
    axes.set(xlim=(0, top), ylim=(0, None))
    share_axis(axes, "both")
    axes.legend(loc="upper left")


@picture(height=4.8)
def drift_of(figure: Figure, ways: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Draw mean probability and calibration error of each month, by way of updating the model."""
    level, error = figure.subplots(2, 1, sharex=True)
    calendar = _months(next(iter(ways.values())))
    place = {month: position for position, month in enumerate(calendar)}
    shares = [next(iter(ways.values()))[month]["late_share"] for month in calendar]
    level.bar(range(len(calendar)), shares, 0.7, color=PALETTE["grid"][0], label="late share")
    for (way, months), colour in zip(ways.items(), WAY_COLOURS, strict=False):
        at = [place[month] for month in _months(months)]
        for axes, key in ((level, "mean_probability"), (error, "ece")):
            values = [months[month][key] for month in _months(months)]
            axes.plot(at, values, marker="o", color=PALETTE[colour][0], label=way)
    level.set(ylabel="mean probability", ylim=(0, None))
    error.set(ylabel="calibration error", ylim=(0, None))
    share_axis(level, "y")
    month_axis(error, calendar)
    handles, labels = level.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left")


def _write_picture(path: Path, svg: str) -> None:
    path.write_text(standalone(svg), encoding="utf-8", newline="\n")


def _reliable(evaluation: Mapping[str, Any]) -> list[str]:
    return [name for name in SHOWN_RELIABLE if name in evaluation]


def _months(way: Mapping[str, Any]) -> list[str]:
    return [month for month in way if month != "pooled"]


def plain_ways(drifted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ways of `model.evaluation.drift.drift` without recalibration."""
    return {way: months for way, months in drifted.items() if ";" not in way}


def _ways(drifted: Mapping[str, Any]) -> Iterator[JsonObject]:
    """Yield pooled figures of each way, and how many months a recalibration improved."""
    for way, months in drifted.items():
        plain = drifted[way.partition(";")[0]]
        better = sum(months[month]["ece"] < plain[month]["ece"] for month in _months(months))
        yield {
            "name": way,
            **months["pooled"],
            "better": better if ";" in way else None,
            "months": len(_months(months)),
        }


def _weak(slices: Mapping[str, list[JsonObject]]) -> Iterator[str]:
    """Yield a sentence for each weak slice: low AUC, no gain over the constant, or wrong level."""
    for kind, rows in slices.items():
        for row in rows:
            if row["n"] < ENOUGH or row["auc"] is None:
                continue
            faults = []
            if row["log_loss"] >= row["log_loss_constant"]:
                faults.append("no better than the constant")
            if row["auc"] < WEAK_AUC:
                faults.append(f"AUC {row['auc']:.3f}")
            mean, late = row["mean_probability"], row["late_share"]
            if abs(mean - late) > WEAK_GAP:
                faults.append(f"mean probability {mean:.3f}, late share {late:.3f}")
            if faults:
                yield f"{kind} {row['name']} ({row['n']:,} flights): {', '.join(faults)}"
