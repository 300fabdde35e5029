"""Write the evaluation report: one self-contained HTML page with figures and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.airports.config import SANTIAGO
from data.reference import DELAY_MINUTES
from model.evaluation.gate import GATE_PROTOCOL
from model.evaluation.metrics import BoolArray, reliability
from model.evaluation.protocols import IndexArray, Scored
from model.inference.predictor import Predictor
from model.reports import plots
from model.reports.model_card_page import drift_of, plain_ways
from model.reports.render import render_template

REPORT_FILE = "report.html"
TEMPLATE_FILE = "report.html.jinja"

MINIMUM_PER_HOUR = 30
"""Fewest flights of an hour whose late share is drawn."""
TOP_FEATURES = 20

PROTOCOLS = {
    "E1": "Rows shuffled and split at random, as in the original notebook. Flights of one "
    "day are on both sides of the split, so the figures are too good: for comparison only.",
    "E2": "Whole calendar days are held out, each of them once.",
    "E3.schedule": "Each month is scored by a model fitted on all months before it, from the "
    "schedule alone, as in a service that is trained once and predicts the future.",
    "E3.daily": "As walk-forward schedule, with outcomes up to the day before.",
    "E3.live": "As walk-forward schedule, with outcomes of flights that had left an hour before.",
}

MEASURES = (
    ("ROC AUC", "higher", "auc"),
    ("Average precision", "higher", "ap"),
    ("Log loss", "lower", "log_loss"),
    ("Brier score", "lower", "brier"),
    ("Expected calibration error", "lower", "ece"),
    ("Precision", "higher", "precision"),
    ("Recall", "higher", "recall"),
    ("F1", "higher", "f1"),
)
"""Rows of the table: name, better direction, key in the figures."""

FEATURES = {
    "minute_of_day": "Time of day",
    "is_holiday": "Public holiday",
    "days_to_holiday": "Days to next holiday",
    "days_since_holiday": "Days since last holiday",
    "run_of_days_off": "Days off in a row",
    "run_ahead": "Days off from tomorrow",
    "run_behind": "Days off until yesterday",
    "number_series": "Flight number series",
    "flight_type": "National or international",
    "departures_half_hour_around": "Departures within 15 minutes",
    "departures_half_hour_before": "Departures in the half hour before",
    "departures_hour_before": "Departures in the hour before",
    "departures_three_hours_before": "Departures in the three hours before",
    "departures_hour_after": "Departures in the hour after",
    "departures_day": "Departures on the day",
    "airline_hour_around": "Airline's departures in the hour around",
    "airline_three_hours_before": "Airline's departures in the three hours before",
    "destination_four_hours_around": "Departures to the destination in four hours",
    "distance_km": "Distance",
}
"""Names of features in the report that differ from the words of the column name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Picture with title, caption and alternative text for screen readers."""

    title: str
    caption: str
    alt: str
    svg: str


def write_report(
    folder: Path,
    card: dict[str, Any],
    evaluation: dict[str, Any],
    scored: dict[str, Scored],
    predictor: Predictor,
    frame: pd.DataFrame,
) -> Path:
    """Write `report.html` into an existing folder.

    The page needs no other file and no network; the same arguments give the same bytes.

    Parameters
    ----------
    card
        Model card of `model.reports.card.make_card`; the page shows its `data`, `importance`,
        `training` and `libraries`.
    evaluation, scored
        Both results of `protocols.evaluate`; empty where the evaluation was skipped.
    predictor
        The fitted model, whose threshold is marked.
    frame
        The typed frame that `scored` points into.
    """
    evaluation, scored = _in_order(evaluation), _in_order(scored)
    threshold = predictor.decision.threshold
    importance = card.get("importance", {})
    home = predictor.builder.airport_config
    page = render_template(
        Path(__file__).parent / TEMPLATE_FILE,
        card=card,
        place="Santiago de Chile" if home == SANTIAGO else home.place,
        delay_minutes=DELAY_MINUTES,
        palette=plots.PALETTE,
        protocols=[_protocol(name, summary) for name, summary in evaluation.items()],
        rows=list(_rows(evaluation, scored)),
        threshold=threshold,
        sections=_sections(evaluation, scored, importance, threshold, frame),
        facts=[(part, list(_facts(card.get(part, {})))) for part in ("training", "libraries")],
    )
    path = folder / REPORT_FILE
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _in_order(by_protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return known protocols in the order of the pictures, then the others by name."""
    known = list(plots.LINES)
    rank = {name: known.index(name) if name in known else len(known) for name in by_protocol}
    return {name: by_protocol[name] for name in sorted(by_protocol, key=lambda n: (rank[n], n))}


def _protocol(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "label": plots.line_of(name).label,
        "text": PROTOCOLS.get(name, ""),
        "flights": summary["n"],
        "seeds": len(summary["seeds"]),
    }


def _rows(
    evaluation: Mapping[str, Any], scored: Mapping[str, Scored]
) -> Iterator[dict[str, object]]:
    """Yield the rows of the table: each measure, then the same of the constant base rate."""
    for label, better, key in MEASURES:
        cells = [_cell(summary, key) for summary in evaluation.values()]
        yield {"label": label, "better": better, "cells": cells}
        constant = [_constant(key, evaluation[name], scored.get(name)) for name in evaluation]
        if any(value is not None for value in constant):
            yield {"label": None, "cells": [(value, None) for value in constant]}


def _cell(summary: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    """Return a figure and, if there is more than one seed, its spread."""
    several = len(summary["seeds"]) > 1
    return summary.get(key), summary.get("spread", {}).get(key) if several else None


def _constant(key: str, summary: Mapping[str, Any], run: Scored | None) -> float | None:
    """Return the figure of the constant base rate, or None where it has none."""
    if key == "auc":
        return 0.5
    if key == "ap":
        return None if run is None else float(run.late.mean())
    return summary.get(f"{key}_constant")


def _sections(
    evaluation: Mapping[str, Any],
    scored: Mapping[str, Scored],
    importance: Mapping[str, float],
    threshold: float,
    frame: pd.DataFrame,
) -> list[tuple[str, list[Picture]]]:
    """Return titles and pictures of the page; without an evaluation, those of data and model."""
    by_month = {name: each["by_month"] for name, each in evaluation.items() if each.get("by_month")}
    sections: list[tuple[str, list[Picture]]] = []
    if scored:
        main = GATE_PROTOCOL if GATE_PROTOCOL in scored else list(scored)[-1]
        hour_and_month = [_year(main, scored[main], frame), _day(main, scored[main], frame)]
        months = [_months(by_month)] if by_month else []
        sections = [
            ("Ranking", [_roc(scored), _recall(scored, main, threshold)]),
            ("Calibration", [_reliability(scored, main), *_without_refit(evaluation)]),
            ("Over the year and the day", [*months, *hour_and_month]),
        ]
    return [
        *sections,
        ("Features", [_importances(importance)] if importance else []),
        ("Training flights", [_observed_months(frame), _observed_hours(frame)]),
    ]


def _roc(scored: Mapping[str, Scored]) -> Picture:
    return Picture(
        "ROC curve",
        "The further a curve is above the dotted line, the better the model ranks late flights "
        "above punctual ones.",
        f"ROC curves of {_labels(scored)}.",
        plots.roc(scored),
    )


def _recall(scored: Mapping[str, Scored], main: str, threshold: float) -> Picture:
    label = plots.line_of(main).label
    return Picture(
        "Precision and recall",
        f"A higher recall costs precision; the dot on {label} is the published threshold of "
        f"{threshold:.2f}.",
        f"Precision against recall of {_labels(scored)}.",
        plots.precision_recall(scored, main, threshold),
    )


def _reliability(scored: Mapping[str, Scored], main: str) -> Picture:
    predicted, observed, _ = reliability(scored[main].late, scored[main].probability)
    label = plots.line_of(main).label
    return Picture(
        "Reliability",
        "On the dotted line, 30 of 100 flights with a probability of 30 % are late; each dot is a "
        f"tenth of the flights, and the bars are the histogram of probabilities of {label}.",
        f"Late share against probability in tenths of the flights, of {_labels(scored)}; {label} "
        f"goes from probability {_percent(predicted[0])} and {_percent(observed[0])} late "
        f"to probability {_percent(predicted[-1])} and {_percent(observed[-1])} late.",
        plots.reliability_curve(scored, main),
    )


def _without_refit(evaluation: Mapping[str, Any]) -> Iterator[Picture]:
    """Yield a picture of the drift of models without refit, if the evaluation measured it."""
    drifted = evaluation.get(GATE_PROTOCOL, {}).get("drift")
    if drifted:
        ways = plain_ways(drifted)
        errors = ", ".join(f"{way} {each['pooled']['ece']:.3f}" for way, each in ways.items())
        yield Picture(
            "With and without refit",
            "A model that is fitted once keeps its level while the late share changes; "
            f"calibration errors over all its months: {errors}.",
            "Mean probability and calibration error of each month, by way of updating the model.",
            drift_of(ways),
        )


def _months(by_month: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Picture:
    main = GATE_PROTOCOL if GATE_PROTOCOL in by_month else next(iter(by_month))
    figures = by_month[main].values()
    better = sum(each["log_loss"] < each["log_loss_constant"] for each in figures)
    return Picture(
        "Walk-forward, month by month",
        f"The log loss of {plots.line_of(main).label} is below that of the constant base rate in "
        f"{better} of {len(figures)} months.",
        f"ROC AUC and log loss by month, of {_labels(by_month)} and of the constant base rate.",
        plots.months(by_month),
    )


def _year(main: str, run: Scored, frame: pd.DataFrame) -> Picture:
    month = frame["scheduled_departure"].to_numpy()[run.row].astype("datetime64[M]")
    keys, _, predicted, observed = plots.group_means(month, run.probability, run.late)
    widest = int(np.argmax(np.abs(predicted - observed)))
    gap = f"{100 * abs(predicted[widest] - observed[widest]):.0f} points in {_month(keys[widest])}"
    return Picture(
        "Calibration by month",
        "In a calibrated month, the mean probability (curve) equals the late share (bar); the "
        f"widest gap is {gap}.",
        f"Mean probability of {plots.line_of(main).label} and late share of each month.",
        plots.calibration_by_month(main, [str(key) for key in keys], predicted, observed),
    )


def _day(main: str, run: Scored, frame: pd.DataFrame) -> Picture:
    hour = _hours(frame)[run.row]
    keys, count, predicted, observed = plots.group_means(hour, run.probability, run.late)
    enough = count >= MINIMUM_PER_HOUR
    return Picture(
        "Calibration by hour",
        "In a calibrated hour, the mean probability (curve) equals the late share "
        f"(bar){_left_out(enough)}.",
        f"Mean probability of {plots.line_of(main).label} and late share of each hour.",
        plots.calibration_by_hour(main, keys[enough], predicted[enough], observed[enough]),
    )


def _importances(importance: Mapping[str, float]) -> Picture:
    """Draw the card's shares of the gain, which are sorted with the largest first."""
    names = [_feature(column) for column in importance][:TOP_FEATURES]
    share = np.fromiter(importance.values(), dtype=float)[:TOP_FEATURES]
    return Picture(
        "Feature importances",
        f"{', '.join(names[:3])} have {_percent(share[:3].sum())} of the gain, the decrease of the "
        "training loss by the splits on a feature.",
        f"Share of the gain of the {len(names)} strongest features of {len(importance)}.",
        plots.importances(names, share),
    )


def _observed_months(frame: pd.DataFrame) -> Picture:
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]")
    keys, _, share = plots.group_means(month, frame["delayed"].to_numpy(dtype=float))
    low, high = int(np.argmin(share)), int(np.argmax(share))
    extremes = (
        f"{_percent(share[low])} in {_month(keys[low])} and "
        f"{_percent(share[high])} in {_month(keys[high])}"
    )
    return Picture(
        "Late share by month",
        f"The late share is between {extremes}.",
        f"Share of flights that left late, by month: between {extremes}.",
        plots.late_share_by_month([str(key) for key in keys], share),
    )


def _observed_hours(frame: pd.DataFrame) -> Picture:
    keys, count, share = plots.group_means(_hours(frame), frame["delayed"].to_numpy(dtype=float))
    enough = count >= MINIMUM_PER_HOUR
    keys, share = keys[enough], share[enough]
    low, high = int(np.argmin(share)), int(np.argmax(share))
    extremes = (
        f"{_percent(share[low])} at {keys[low]:02}:00 and "
        f"{_percent(share[high])} at {keys[high]:02}:00"
    )
    return Picture(
        "Late share by hour of the day",
        f"The late share is between {extremes}{_left_out(enough)}.",
        f"Share of flights that left late, by hour: between {extremes}.",
        plots.late_share_by_hour(keys, share),
    )


def _facts(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a nested part of the card."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _facts(value)
        else:
            yield name, value


def _left_out(enough: BoolArray) -> str:
    return (
        "" if enough.all() else f"; hours with fewer than {MINIMUM_PER_HOUR} flights are left out"
    )


def _hours(frame: pd.DataFrame) -> IndexArray:
    hours: IndexArray = frame["scheduled_departure"].dt.hour.to_numpy(dtype=np.int64)
    return hours


def _labels(protocols: Mapping[str, Any]) -> str:
    return ", ".join(plots.line_of(name).label for name in protocols)


def _feature(column: str) -> str:
    return FEATURES.get(column, column.replace("_", " ").capitalize())


def _month(month: np.datetime64) -> str:
    year, number = str(month).split("-")
    return f"{plots.MONTHS[int(number) - 1]} {year}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
