"""Compute figures of slices: one airline, destination, month or part of the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.history import EVIDENCE
from features.keys import KEYS
from model.evaluation.metrics import BoolArray, figures, flight_log_loss
from model.evaluation.protocols import Scored, walk_forward
from model.inference.calibration import FloatArray

LARGEST = 20
"""Largest number of slices of a kind; smaller ones are pooled."""
OTHERS = "others"
BAND_HOURS = 3
IN_ORDER = ("month", "hours")
"""Kinds whose slices are listed in their natural order, not by size."""
SMALL_AIRLINE = 200
"""Flights a year below which an airline is called small."""
DECIMALS = 4

JsonObject = dict[str, Any]
Keys = npt.NDArray[Any]


def _band(frame: pd.DataFrame) -> Keys:
    start = frame["scheduled_departure"].dt.hour.to_numpy() // BAND_HOURS * BAND_HOURS
    return np.array([f"{hour:02}-{hour + BAND_HOURS:02} h" for hour in start], dtype=object)


SLICES: Mapping[str, Callable[[pd.DataFrame], Keys]] = {
    "airline": lambda frame: frame["airline"].to_numpy(dtype=object),
    "destination": lambda frame: frame["destination"].to_numpy(dtype=object),
    "month": lambda frame: frame["scheduled_departure"].dt.strftime("%Y-%m").to_numpy(dtype=object),
    "hours": _band,
    "flight type": lambda frame: frame["flight_type"].to_numpy(dtype=object),
}
"""Kinds of slices, each with a function that returns the slice of each flight."""


def slices(frame: pd.DataFrame, run: Scored, threshold: float) -> JsonObject:
    """Return figures of slices by kind: the `LARGEST`, largest first, then the rest pooled.

    Parameters
    ----------
    frame
        The typed frame that `run` points into.
    threshold
        Probability from which a flight is called delayed.
    """
    return {
        kind: _slices_of(kind, keys(frame)[run.row], run, threshold)
        for kind, keys in SLICES.items()
    }


def small_airlines(frame: pd.DataFrame, run: Scored) -> JsonObject:
    """Compare the model with plain late shares on the flights of airlines with few flights.

    The plain rates of a flight are the late share of its airline in the training months (`own
    rate`; the airport's if the airline had no flight), and the same share shrunk towards the
    airport's (`shrunken rate`), as in the features.

    Returns
    -------
    Counts, late share and mean probability by airline, and the log loss of each predictor.
    """
    codes = frame["airline"].to_numpy(dtype=object)
    names, position, count = np.unique(codes, return_inverse=True, return_counts=True)
    small = (count < SMALL_AIRLINE)[position][run.row]
    if not small.any():
        return {"below": SMALL_AIRLINE, "n": 0, "airlines": {}, "log_loss": {}}
    own, shrunken = _plain_rates(frame, position, len(names))
    rows, late = run.row[small], run.late[small]
    predicted = {
        "model": run.probability[small],
        "shrunken rate": shrunken[rows],
        "own rate": own[rows],
        "constant": run.constant[small],
    }
    return {
        "below": SMALL_AIRLINE,
        "n": len(rows),
        "airlines": _by_airline(codes[rows], late, predicted),
        "log_loss": {
            name: round(float(flight_log_loss(late, each).mean()), DECIMALS)
            for name, each in predicted.items()
        },
    }


def _slices_of(kind: str, keys: Keys, run: Scored, threshold: float) -> list[JsonObject]:
    names, position, count = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.arange(len(names)) if kind in IN_ORDER else np.argsort(-count, kind="stable")
    parts = [(str(names[n]), position == n) for n in order[:LARGEST]]
    if len(order) > LARGEST:
        parts.append((OTHERS, np.isin(position, order[LARGEST:])))
    return [{"name": name, **_figures(run, rows, threshold)} for name, rows in parts]


def _figures(run: Scored, rows: BoolArray, threshold: float) -> JsonObject:
    late, probability = run.late[rows], run.probability[rows]
    found = figures(late, probability, run.constant[rows], threshold)
    chosen = {name: found[name] for name in ("auc", "log_loss", "log_loss_constant", "ece")}
    shares = {"late_share": float(late.mean()), "mean_probability": float(probability.mean())}
    rounded = {
        name: None if value is None else round(value, DECIMALS)
        for name, value in {**shares, **chosen}.items()
    }
    return {"n": int(rows.sum()), **rounded}


def _plain_rates(
    frame: pd.DataFrame, airline: npt.NDArray[np.intp], airlines: int
) -> tuple[FloatArray, FloatArray]:
    """Return the past late share of each flight's airline, plain and shrunk, ``(n,)``."""
    late = frame["delayed"].to_numpy(dtype=float)
    own, shrunken = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    prior = EVIDENCE[list(KEYS).index("airline")]
    for fold in walk_forward(frame):
        flights = np.bincount(airline[fold.train], minlength=airlines)
        delayed = np.bincount(airline[fold.train], late[fold.train], minlength=airlines)
        overall = late[fold.train].mean()
        plain = np.where(flights > 0, delayed / np.maximum(flights, 1), overall)
        own[fold.test] = plain[airline[fold.test]]
        shrunk = (delayed + prior * overall) / (flights + prior)
        shrunken[fold.test] = shrunk[airline[fold.test]]
    return own, shrunken


def _by_airline(
    codes: Keys, late: BoolArray, predicted: Mapping[str, FloatArray]
) -> dict[str, JsonObject]:
    return {
        str(code): {
            "n": int((codes == code).sum()),
            "late_share": round(float(late[codes == code].mean()), DECIMALS),
            "mean_probability": round(float(predicted["model"][codes == code].mean()), DECIMALS),
            "own_rate": round(float(predicted["own rate"][codes == code].mean()), DECIMALS),
        }
        for code in np.unique(codes.astype(str))
    }
