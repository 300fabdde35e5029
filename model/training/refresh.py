"""Brings a model up to date without fitting it: the same trees, newer outcomes in their tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from data.airports.config import SANTIAGO, AirportConfig, mismatch
from data.flights import Flights, Outcomes
from data.frame import data_hash
from features.airport import airport_states
from model.errors import RefreshError
from model.evaluation.gate import Verdict
from model.inference.bundle import Bundle
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import LEAD_MINUTES

MEMORY_DAYS = 180
"""Days of flights that a refresh needs, where the model was trained on as many: three half-lives
of the longest memory, after which an eighth of a flight is left."""
GOLDEN_WEEKS = 4
"""Newest weeks whose flights are scored by the old and the new tables before a refresh counts."""
BAND = 0.15
"""How far their mean probability may move. See docs/decisions/0009-refresh.md."""

JsonObject = dict[str, Any]


def refresh(
    parent: Bundle,
    tag: str,
    frame: pd.DataFrame,
    *,
    is_sample: bool,
    home: AirportConfig = SANTIAGO,
) -> Bundle:
    """Return the model with history and timetable as of the end of these flights.

    Codes, calendar, trees, decision and evaluation stay those of the parent; the card tells what
    was refreshed. The same parent and flights give the same bytes.

    Parameters
    ----------
    parent, tag
        The model and the name that it is registered under.
    frame
        The typed frame of all flights that shall be remembered, not of the newest ones alone.
    home
        The airport that they leave from.

    Raises
    ------
    RefreshError
        If the flights are of another airport or of the other kind (generated, real), older than
        those that the model knows, or reach back too short a time.
    """
    refusal = mismatch(parent.predictor.builder.airport_config, home, "and these leave")
    if refusal:
        raise RefreshError(refusal)
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
    """Whether the tables are the parent's to the last byte."""
    old, new = parent.predictor, refreshed.predictor
    return (
        new.builder.to_json() == old.builder.to_json()
        and new.fresh.builder.to_json() == old.fresh.builder.to_json()
    )


def check(refreshed: Bundle, parent: Bundle, frame: pd.DataFrame) -> Verdict:
    """Judge a refreshed model by what it says of the newest flights, beside its parent.

    At both levels it must make the same features, give probabilities, and have a mean within
    `BAND` of the parent's. What the outcomes later say is for the evaluation, not for this.
    """
    departure = frame["scheduled_departure"]
    newest = frame[departure >= departure.max() - pd.Timedelta(weeks=GOLDEN_WEEKS)]
    flights = Flights.from_columns(newest)
    at = flights.departure - LEAD_MINUTES
    told = flights.seen(airport_states(Outcomes.from_columns(frame), at))
    moves = []
    for asked, name in ((flights, "schedule"), (flights, "daily"), (told, "live")):
        old, new = (
            each.predictor.schedule if name == "schedule" else each.predictor.fresh
            for each in (parent, refreshed)
        )
        if new.builder.feature_names != old.builder.feature_names:
            return Verdict(False, f"the {name} level makes other features than its parent")
        before, after = (sigmoid(scorer.raw_scores(asked)) for scorer in (old, new))
        if not _are_probabilities(after):
            return Verdict(False, f"the {name} level says what is no probability")
        moves.append((name, float(before.mean()), float(after.mean())))
    told_moves = ", ".join(f"{name} {old:.3f} -> {new:.3f}" for name, old, new in moves)
    reason = f"mean probability of the newest {len(flights):,} flights: {told_moves}"
    if max(abs(new - old) for _, old, new in moves) > BAND:
        return Verdict(False, f"it moves by more than {BAND:g}: {reason}")
    return Verdict(True, reason)


def _require_fit(parent: Bundle, frame: pd.DataFrame, *, is_sample: bool) -> None:
    if parent.card["data"]["is_sample"] != is_sample:
        message = "a model of real flights and the embedded sample do not go together: name --data"
        raise RefreshError(message)
    departure = frame["scheduled_departure"]
    known = parent.predictor.builder.as_of
    through = int(departure.max().to_datetime64().astype("datetime64[D]").astype(np.int64)) + 1
    if through < known:
        message = (
            f"the flights end on {departure.max():%Y-%m-%d}, and the model knows all before "
            f"{np.datetime64(known, 'D')} already"
        )
        raise RefreshError(message)
    needed = departure.max().normalize() - pd.Timedelta(days=MEMORY_DAYS)
    trained_from = pd.Timestamp(parent.card["data"]["first_departure"]).normalize()
    if departure.min().normalize() > max(needed, trained_from):
        message = (
            f"the flights begin on {departure.min():%Y-%m-%d}: the tables are rebuilt whole and "
            f"need {MEMORY_DAYS} days, or all since {trained_from:%Y-%m-%d}"
        )
        raise RefreshError(message)


def _are_probabilities(values: FloatArray) -> bool:
    return bool(np.isfinite(values).all() and ((values >= 0) & (values <= 1)).all())
