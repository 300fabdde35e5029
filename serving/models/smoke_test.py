"""Smoke test of a model that was just loaded, before it replaces the served one.

The probe flights have the most frequent airlines and destinations of the served model, and one
unknown code of each. They cover all hours and seasons, and a third of them have the airport's
state. Outcomes play no part: the test checks that the probabilities are valid and that their mean
is near that of the served model.
"""

from __future__ import annotations

import json
import math
from itertools import cycle, islice, product

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from data.airports.config import mismatch
from data.flights import AIRPORT_FIGURES, AIRPORT_HOURS, MINUTES_PER_DAY, Flights
from features.codes import Codes
from model.inference.predictor import Predictor
from serving.contract.encoding import AnswerEncoder
from serving.contract.schema import PredictionResponse
from serving.errors import ModelRefused

FARTHEST_LOG_ODDS = math.log(3)
"""Largest change of the mean probability, in log-odds: odds change by a factor of three at most.

The months of 2017 differ by that factor (11.5 % to 29 % late: odds of .13 to .41), and a model that
was trained on more flights changes far less. A larger change suggests wrong training data.
"""
SINGLE_ROWS = 16
"""Flights that are also scored alone: LightGBM scores one flight, lookup tables score many."""
TOLERANCE = 1e-9

_KNOWN = 5
"""Number of known airlines and of known destinations; one unknown code is added to each."""
_COUNT = (_KNOWN + 1) ** 2
_UNKNOWN_AIRLINE, _UNKNOWN_DESTINATION = "ZZZ", "ZZZZ"
_FIRST_DAY = 17_167
"""Day of the first flight, 2017-01-01, in days since 1970; the others follow by the stride."""
_STRIDE_MINUTES = 9 * MINUTES_PER_DAY + 7 * 60 + 35

FloatArray = npt.NDArray[np.float64]


def check(tag: str, predictor: Predictor, serving: Predictor | None) -> None:
    """Score the probe flights in every way that the service scores, which also warms the model.

    Parameters
    ----------
    serving
        The served model; ``None`` where there is none to compare with.

    Raises
    ------
    ModelRefused
        If a probability is missing or outside 0 to 1, if a flight gets another probability alone
        than in a batch, if all flights get the same one, if the answer breaks the contract, if the
        home airport is another one, or if the mean has changed by more than `FARTHEST_LOG_ODDS`.
    """
    _require_same_home(tag, predictor, serving)
    flights = probe_flights((serving or predictor).builder.codes)
    probability = predictor.score(flights)
    if not ((probability >= 0) & (probability <= 1)).all():  # false for NaN, too
        raise _refused(tag, "it gives probabilities that are missing or outside 0 to 1")
    alone = [predictor.score(flights.slice(n, n + 1))[0] for n in range(SINGLE_ROWS)]
    if np.abs(probability[:SINGLE_ROWS] - alone).max() > TOLERANCE:
        raise _refused(tag, "it scores a flight alone otherwise than in a batch")
    if np.ptp(probability) < TOLERANCE:
        raise _refused(tag, "it gives every flight the same probability")
    _check_answer(tag, predictor, flights, probability)
    if serving is not None:
        _compare(tag, float(probability.mean()), float(serving.score(flights).mean()))


def probe_flights(codes: Codes) -> Flights:
    """Return the probe flights, every third one with the airport's state.

    With fewer airlines or destinations, the pairs repeat at other times.
    """
    airlines = [*islice(codes.airline_, _KNOWN), _UNKNOWN_AIRLINE]  # the most frequent first
    destinations = [*islice(codes.destination_, _KNOWN), _UNKNOWN_DESTINATION]
    pairs = list(islice(cycle(product(airlines, destinations)), _COUNT))
    start = _FIRST_DAY * MINUTES_PER_DAY
    departure = np.array([start + n * _STRIDE_MINUTES for n in range(_COUNT)], dtype=np.int64)
    airport = np.full((_COUNT, AIRPORT_FIGURES), np.nan)
    airport[::3] = [figure for hours in AIRPORT_HOURS for figure in (8.0 * hours, 0.2, 9.0)]
    return Flights(
        airline=[airline for airline, _ in pairs],
        flight_number=[str(100 + n) for n in range(_COUNT)],
        destination=[destination for _, destination in pairs],
        flight_type=[None] * _COUNT,
        departure=departure,
        airport=airport,
    )


def _require_same_home(tag: str, predictor: Predictor, serving: Predictor | None) -> None:
    """Raise where the home airport or its time zone differs: requests use its wall clock."""
    if serving is None:
        return
    ours, theirs = predictor.builder.airport_config, serving.builder.airport_config
    difference = mismatch(ours, theirs, "the serving one those")
    if difference:
        raise _refused(tag, difference)
    if ours.time_zone != theirs.time_zone:
        clocks = f"its time zone is {ours.time_zone}, that of the served model {theirs.time_zone}"
        raise _refused(tag, f"{clocks}: restart the service to serve it")


def _check_answer(tag: str, predictor: Predictor, flights: Flights, scores: FloatArray) -> None:
    body = AnswerEncoder(tag, predictor).encode(flights, scores.tolist())
    try:
        answer = PredictionResponse.model_validate(json.loads(body))
    except ValidationError as error:
        raise _refused(tag, f"its answer breaks the contract: {error}") from None
    if answer.model != tag or len(answer.predictions) != len(flights):
        raise _refused(tag, "its answer names another model or has another number of predictions")


def _compare(tag: str, mean: float, before: float) -> None:
    if abs(_log_odds(mean) - _log_odds(before)) > FARTHEST_LOG_ODDS:
        raise _refused(
            tag,
            f"its mean probability on the probe flights is {mean:.3f}, that of the served model "
            f"{before:.3f}: odds may move by a factor of {math.exp(FARTHEST_LOG_ODDS):.0f}. "
            "Restart the service to serve it nevertheless",
        )


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def _refused(tag: str, reason: str) -> ModelRefused:
    return ModelRefused(f"{tag} is not fit to serve: {reason}. The model in place goes on serving.")
