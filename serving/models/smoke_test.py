"""Whether a model that was just loaded is fit to take over: what it says of golden flights.

The golden flights are of the airlines and destinations that the serving model knows best, and of
one of each that none knows, at all hours and seasons, a part of them with the airport's state.
Their outcomes do not matter; only that the model says something sane, and nothing wildly different
from the model that it is to replace.
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
"""How far the mean probability may move, as odds: to three times, or to a third of what it was.

The months of 2017 differ by that much among themselves (11.5 % to 29 % late: odds of .13 to .41),
and a model that saw more flights moves far less. What moves more was trained on something else.
"""
SINGLE_ROWS = 16
"""Golden flights that are also scored alone: by LightGBM, where many are by the trees' tables."""
TOLERANCE = 1e-9

_KNOWN = 5
"""Airlines and destinations that the model knows, beside one of each that it does not."""
_COUNT = (_KNOWN + 1) ** 2
_NOBODY, _NOWHERE = "ZZZ", "ZZZZ"
_FIRST_DAY = 17_167
"""2017-01-01, in days since 1970; a flight every nine days and some hours from there."""
_STRIDE_MINUTES = 9 * MINUTES_PER_DAY + 7 * 60 + 35

FloatArray = npt.NDArray[np.float64]


def check(tag: str, predictor: Predictor, serving: Predictor | None) -> None:
    """Score the golden flights every way that a service does, which also warms the model.

    Parameters
    ----------
    serving
        The model that answers now; ``None`` where there is nothing to compare with.

    Raises
    ------
    ModelRefused
        If a probability is missing or outside 0 to 1, if one flight alone is scored otherwise
        than among others, if all flights are scored alike, if the answer breaks the contract, if
        it is of another home airport, or if the mean has moved by more than `FARTHEST_LOG_ODDS`.
    """
    _require_same_home(tag, predictor, serving)
    flights = golden_flights((serving or predictor).builder.codes)
    probability = predictor.score(flights)
    if not ((probability >= 0) & (probability <= 1)).all():  # false for what is missing, too
        raise _refused(tag, "it gives probabilities that are missing or outside 0 to 1")
    alone = [predictor.score(flights.slice(n, n + 1))[0] for n in range(SINGLE_ROWS)]
    if np.abs(probability[:SINGLE_ROWS] - alone).max() > TOLERANCE:
        raise _refused(tag, "it scores a flight alone otherwise than among others")
    if np.ptp(probability) < TOLERANCE:
        raise _refused(tag, "it gives every flight the same probability")
    _check_answer(tag, predictor, flights, probability)
    if serving is not None:
        _compare(tag, float(probability.mean()), float(serving.score(flights).mean()))


def golden_flights(codes: Codes) -> Flights:
    """Return the golden flights; those with the airport's state are every third one.

    Where the codes know fewer airlines or destinations, pairs of them come again at other times.
    """
    airlines = [*islice(codes.airline_, _KNOWN), _NOBODY]  # the most frequent first
    destinations = [*islice(codes.destination_, _KNOWN), _NOWHERE]
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
    """The wall clock of the requests is the home airport's: it does not change under them."""
    if serving is None:
        return
    ours, theirs = predictor.builder.airport_config, serving.builder.airport_config
    refusal = mismatch(ours, theirs, "the serving one those")
    if refusal:
        raise _refused(tag, refusal)
    if ours.time_zone != theirs.time_zone:
        clocks = f"its clock is {ours.time_zone}, that of the serving model {theirs.time_zone}"
        raise _refused(tag, f"{clocks}: restart the service to serve it")


def _check_answer(tag: str, predictor: Predictor, flights: Flights, scores: FloatArray) -> None:
    body = AnswerEncoder(tag, predictor).encode(flights, scores.tolist())
    try:
        said = PredictionResponse.model_validate(json.loads(body))
    except ValidationError as error:
        raise _refused(tag, f"its answer breaks the contract: {error}") from None
    if said.model != tag or len(said.predictions) != len(flights):
        raise _refused(tag, "its answer is not about the flights that were asked")


def _compare(tag: str, mean: float, before: float) -> None:
    if abs(_log_odds(mean) - _log_odds(before)) > FARTHEST_LOG_ODDS:
        raise _refused(
            tag,
            f"its mean probability on the golden flights is {mean:.3f}, that of the serving model "
            f"{before:.3f}: odds may move by a factor of {math.exp(FARTHEST_LOG_ODDS):.0f}. "
            "Restart the service to serve it all the same",
        )


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def _refused(tag: str, reason: str) -> ModelRefused:
    return ModelRefused(f"{tag} is not fit to serve: {reason}. The model in place goes on.")
