"""Refresh a model without fitting it: the same trees and weights, newer history tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from data.airports.config import SANTIAGO, AirportConfig, mismatch
from data.flights import Flights, Outcomes
from data.frame import data_hash
from features.airport import airport_states
from model.errors import RefreshError
from model.inference.bundle import Bundle
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import LEAD_MINUTES

MEMORY_DAYS = 180
"""Days of flights that a refresh needs, unless the model was trained on fewer: three half-lives of
the slowest decay, after which a flight counts an eighth."""
CHECKED_WEEKS = 4
"""Newest weeks whose flights are scored with the old and the new tables."""
BAND = 0.15
"""Largest accepted change of their mean probability. See docs/decisions/0009-refresh.md."""

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefreshCheck:
    """Result of the check of a refreshed model, with the reason in one sentence."""

    accepted: bool
    reason: str


def refresh(
    parent: Bundle,
    tag: str,
    frame: pd.DataFrame,
    *,
    is_sample: bool,
    home: AirportConfig = SANTIAGO,
) -> Bundle:
    """Return the model with history and timetable as of the end of these flights.

    Codes, calendar, trees, decision and evaluation stay those of the parent; the card says what
    was refreshed. The same parent and flights give the same bytes.

    Parameters
    ----------
    parent, tag
        The model and the name under which it is registered.
    frame
        Typed frame of all flights of the new tables, not of the newest ones alone.
    home
        Airport from which they leave.

    Raises
    ------
    RefreshError
        If the flights are of another airport, if one side is generated and the other real, if the
        flights end before those of the model, or if they cover too few days.
    """
    difference = mismatch(parent.predictor.builder.airport_config, home, "and these leave")
    if difference:
        raise RefreshError(difference)
    _require_fit(parent, frame, is_sample=is_sample)
    old, outcomes = parent.predictor, Outcomes.from_columns(frame)
    schedule, fresh = (
        replace(scorer, builder=scorer.builder.refreshed(frame, outcomes))
        for scorer in (old.schedule, old.fresh)
    )
    predictor = replace(old, schedule=schedule, fresh=fresh)
    refreshed = {
        "parent": tag,
        "through": frame["scheduled_departure"].max().isoformat(),
        "flights": len(frame),
        "sha256": data_hash(frame),
    }
    return Bundle(predictor, {**parent.card, "refreshed": refreshed}, parent.evaluation)


def changes_nothing(refreshed: Bundle, parent: Bundle) -> bool:
    """Return whether the tables equal the parent's to the last byte."""
    old, new = parent.predictor, refreshed.predictor
    return (
        new.builder.to_json() == old.builder.to_json()
        and new.fresh.builder.to_json() == old.fresh.builder.to_json()
    )


def check(refreshed: Bundle, parent: Bundle, frame: pd.DataFrame) -> RefreshCheck:
    """Compare a refreshed model with its parent on the newest flights.

    At both levels it must make the same features, give probabilities, and have a mean within
    `BAND` of the parent's. Outcomes are not compared: that is the task of the evaluation.
    """
    departure = frame["scheduled_departure"]
    newest = frame[departure >= departure.max() - pd.Timedelta(weeks=CHECKED_WEEKS)]
    flights = Flights.from_columns(newest)
    at = flights.departure - LEAD_MINUTES
    with_state = flights.seen(airport_states(Outcomes.from_columns(frame), at))
    moves = []
    for scored, name in ((flights, "schedule"), (flights, "daily"), (with_state, "live")):
        old, new = (
            each.predictor.schedule if name == "schedule" else each.predictor.fresh
            for each in (parent, refreshed)
        )
        if new.builder.feature_names != old.builder.feature_names:
            return RefreshCheck(False, f"the {name} level makes other features than its parent")
        before, after = (sigmoid(scorer.raw_scores(scored)) for scorer in (old, new))
        if not _are_probabilities(after):
            return RefreshCheck(False, f"the {name} level gives values that are no probabilities")
        moves.append((name, float(before.mean()), float(after.mean())))
    means = ", ".join(f"{name} {old:.3f} -> {new:.3f}" for name, old, new in moves)
    reason = f"mean probability of the newest {len(flights):,} flights: {means}"
    if max(abs(new - old) for _, old, new in moves) > BAND:
        return RefreshCheck(False, f"it moves by more than {BAND:g}: {reason}")
    return RefreshCheck(True, reason)


def _require_fit(parent: Bundle, frame: pd.DataFrame, *, is_sample: bool) -> None:
    if parent.card["data"]["is_sample"] != is_sample:
        message = "the model and the flights must both be real or both generated: name --data"
        raise RefreshError(message)
    departure = frame["scheduled_departure"]
    known = parent.predictor.builder.as_of
    through = int(departure.max().to_datetime64().astype("datetime64[D]").astype(np.int64)) + 1
    if through < known:
        message = (
            f"the flights end on {departure.max():%Y-%m-%d}, and the model already has those "
            f"before {np.datetime64(known, 'D')}"
        )
        raise RefreshError(message)
    needed = departure.max().normalize() - pd.Timedelta(days=MEMORY_DAYS)
    trained_from = pd.Timestamp(parent.card["data"]["first_departure"]).normalize()
    if departure.min().normalize() > max(needed, trained_from):
        message = (
            f"the flights begin on {departure.min():%Y-%m-%d}: the tables are rebuilt from "
            f"scratch and need {MEMORY_DAYS} days, or all flights since {trained_from:%Y-%m-%d}"
        )
        raise RefreshError(message)


def _are_probabilities(values: FloatArray) -> bool:
    return bool(np.isfinite(values).all() and ((values >= 0) & (values <= 1)).all())
