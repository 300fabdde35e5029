"""Slices: how a model does on the flights of one airline, destination, month or part of the day."""

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
"""Slices of a kind that are told; the others are pooled."""
OTHERS = "others"
BAND_HOURS = 3
IN_ORDER = ("month", "hours")
"""Kinds whose slices have an order of their own, and are few."""
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
"""Kinds of slices, each with what tells them apart."""


def slices(frame: pd.DataFrame, run: Scored, threshold: float) -> JsonObject:
    """Figures of each slice, by kind: the `LARGEST` of a kind, the largest first, then the rest.

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
    """What is said of airlines with few flights, against what happened and against plain rates.

    Each scored flight of such an airline is also given what its airline's own late share in the
    training months was (`own rate`; the airport's where it had no flight), and the same share
    shrunken towards the airport's (`shrunken rate`), as the features have it.

    Returns
    -------
    Counts, late share and mean probability by airline, and the log loss of each way of saying it.
    """
    codes = frame["airline"].to_numpy(dtype=object)
    names, position, count = np.unique(codes, return_inverse=True, return_counts=True)
    small = (count < SMALL_AIRLINE)[position][run.row]
    if not small.any():
        return {"below": SMALL_AIRLINE, "n": 0, "airlines": {}, "log_loss": {}}
    own, shrunken = _plain_rates(frame, position, len(names))
    rows, late = run.row[small], run.late[small]
    said = {
        "model": run.probability[small],
        "shrunken rate": shrunken[rows],
        "own rate": own[rows],
        "constant": run.constant[small],
    }
    return {
        "below": SMALL_AIRLINE,
        "n": len(rows),
        "airlines": _said_and_happened(codes[rows], late, said),
        "log_loss": {
            name: round(float(flight_log_loss(late, each).mean()), DECIMALS)
            for name, each in said.items()
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
    told = {name: found[name] for name in ("auc", "log_loss", "log_loss_constant", "ece")}
    shares = {"late_share": float(late.mean()), "mean_probability": float(probability.mean())}
    rounded = {
        name: None if value is None else round(value, DECIMALS)
        for name, value in {**shares, **told}.items()
    }
    return {"n": int(rows.sum()), **rounded}


def _plain_rates(
    frame: pd.DataFrame, airline: npt.NDArray[np.intp], airlines: int
) -> tuple[FloatArray, FloatArray]:
    """Late share of each flight's airline in the months before, plain and shrunken, ``(n,)``."""
    late = frame["delayed"].to_numpy(dtype=float)
    own, shrunken = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    worth = EVIDENCE[list(KEYS).index("airline")]
    for fold in walk_forward(frame):
        flights = np.bincount(airline[fold.train], minlength=airlines)
        delayed = np.bincount(airline[fold.train], late[fold.train], minlength=airlines)
        everyone = late[fold.train].mean()
        plain = np.where(flights > 0, delayed / np.maximum(flights, 1), everyone)
        own[fold.test] = plain[airline[fold.test]]
        leaning = (delayed + worth * everyone) / (flights + worth)
        shrunken[fold.test] = leaning[airline[fold.test]]
    return own, shrunken


def _said_and_happened(
    codes: Keys, late: BoolArray, said: Mapping[str, FloatArray]
) -> dict[str, JsonObject]:
    return {
        str(code): {
            "n": int((codes == code).sum()),
            "late_share": round(float(late[codes == code].mean()), DECIMALS),
            "mean_probability": round(float(said["model"][codes == code].mean()), DECIMALS),
            "own_rate": round(float(said["own rate"][codes == code].mean()), DECIMALS),
        }
        for code in np.unique(codes.astype(str))
    }
