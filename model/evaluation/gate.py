"""Refuse to register a model that is worse than the registered one (champion gate)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.airports.config import mismatch
from model.inference.bundle import Bundle

GATE_PROTOCOL = "E3.schedule"
NOISE = 2.0
"""Standard errors by which the log loss must be worse before a challenger is refused."""
MINIMUM_DAYS = 28
"""Fewest scored days in common for a comparison."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision of the gate, with the reason in one sentence."""

    accepted: bool
    reason: str


def judge(challenger: Bundle, champion: Bundle | None) -> Verdict:
    """Return whether a challenger may replace the registered champion.

    The models are compared on the days that both scored in walk-forward evaluation. Flights of one
    day share weather and strikes, so days, not flights, are the independent observations. The
    difference in log loss per flight is compared with its standard error over days.
    """
    unsound = _days_without_a_figure(challenger)
    if unsound:
        return Verdict(
            False, f"{GATE_PROTOCOL} log loss is not a number on {unsound} of its scored days"
        )
    if champion is None:
        return Verdict(True, "the first of its name")
    ours, theirs = (each.predictor.builder.airport_config for each in (challenger, champion))
    difference = mismatch(ours, theirs, "the registered one those")
    if difference:
        return Verdict(False, f"{difference}: give this airport a --name of its own")
    on_sample = challenger.card["data"]["is_sample"]
    if champion.card["data"]["is_sample"] != on_sample:
        return _across_samples(on_sample)
    if GATE_PROTOCOL not in challenger.evaluation:
        return Verdict(True, "not compared: its evaluation was skipped or impossible")
    return _on_shared_days(challenger, champion)


def _across_samples(on_sample: bool) -> Verdict:
    if on_sample:
        return Verdict(False, "trained on the embedded sample, the registered one on real flights")
    return Verdict(True, "the registered model was trained on the embedded sample")


def _on_shared_days(challenger: Bundle, champion: Bundle) -> Verdict:
    ours, theirs = (_by_day(bundle) for bundle in (challenger, champion))
    shared = sorted(set(ours) & set(theirs))
    if len(shared) < MINIMUM_DAYS:
        return Verdict(True, f"not compared: only {len(shared)} scored days in common")
    if _days_without_a_figure(champion):
        return Verdict(True, "not compared: the registered model's log loss is not a number")
    return _compare([ours[day] for day in shared], [theirs[day] for day in shared])


def _days_without_a_figure(bundle: Bundle) -> int:
    return sum(not np.isfinite(day).all() for day in _by_day(bundle).values())


def _by_day(bundle: Bundle) -> dict[str, list[float]]:
    days: dict[str, list[float]] = bundle.evaluation.get(GATE_PROTOCOL, {}).get("by_day", {})
    return days


def _compare(ours: list[list[float]], theirs: list[list[float]]) -> Verdict:
    flights, our_loss = np.array(ours, dtype=float).T
    their_flights, their_loss = np.array(theirs, dtype=float).T
    # the difference of the mean losses of each day, weighted by its share of all flights
    contribution = (our_loss / flights - their_loss / their_flights) * flights / flights.sum()
    difference = float(contribution.sum())
    days = len(contribution)
    noise = float(contribution.std(ddof=1) * np.sqrt(days))
    figures = (
        f"{GATE_PROTOCOL} log loss {our_loss.sum() / flights.sum():.4f} against "
        f"{their_loss.sum() / their_flights.sum():.4f} of the registered model on {days} days "
        f"(difference {difference:+.4f}, standard error {noise:.4f})"
    )
    if difference > NOISE * noise:
        return Verdict(False, f"worse beyond noise: {figures}")
    return Verdict(True, f"not worse beyond noise: {figures}")
