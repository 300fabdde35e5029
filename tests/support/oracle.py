"""Slow reference implementation that returns the right answer to a body.

`json.loads`, the contract's pydantic models, a plain loop per flight, the `FeatureBuilder` and
LightGBM's own Python package, a plain sum for the regression. Nothing of the service's decoding,
batching and encoding or of `model.inference`'s Booster and scoring of the regression is used, so
that faster implementations can be compared with this one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from data.flights import AIRPORT_FIGURES, Flights
from model.inference.logistic_regression import Codes, LogisticModel
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer
from serving.contract.schema import AirportState, AirportWindow, Flight, PredictionRequest

NOT_JSON = frozenset({400})
INVALID = frozenset({422})
ODD = frozenset({400, 422})
"""JSON that a reader may refuse as text or as content (RFC 8259 sections 4, 6 and 9 leave it
open): `NaN`, `Infinity`, numbers beyond a double, nesting deeper than `DEEP`. Never accepted."""
DEEP = 100
LONGEST_INTEGER = 300

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Refused:
    """Verdict on a body that must get a problem document.

    Attributes
    ----------
    statuses
        Accepted HTTP statuses of the answer.
    pointers
        Each invalid field, as a JSON pointer, with the index of its flight; ``None`` where the
        answer names no fields.
    """

    statuses: frozenset[int]
    pointers: frozenset[tuple[str, int | None]] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Verdict on a body that must be answered with one prediction per flight."""

    request: PredictionRequest
    probabilities: list[float]
    unknown: list[list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a body and whether 400 is right as well.

    Attributes
    ----------
    or_not_json
        Whether 400 is right as well: the value of a duplicate member, which the last one replaces,
        is no JSON or an unusual number, and decoders may or may not check it.
    """

    right: Refused | Accepted
    or_not_json: bool


class Oracle:
    """Tells what bodies should be answered with.

    Parameters
    ----------
    predictor
        Its builders, the texts of its Boosters, the weights of its lines, and its calibration are
        used; not its scoring.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._trees = {
            id(scorer): lgb.Booster(model_str=scorer.booster.text)
            for scorer in (predictor.schedule, predictor.fresh)
        }

    def judge(self, bodies: Sequence[bytes]) -> list[Verdict]:
        """Return the verdict on each body; LightGBM is asked once for all flights of all."""
        read = [_read(body) for body in bodies]
        requests = [said for said, _ in read if isinstance(said, PredictionRequest)]
        scores = iter(self._score(requests))
        return [
            Verdict(said if isinstance(said, Refused) else self._accept(said, scores), hidden)
            for said, hidden in read
        ]

    def _accept(self, request: PredictionRequest, scores: Any) -> Accepted:
        probabilities = [next(scores) for _ in request.flights]
        codes = self._predictor.builder.codes
        unknown = [
            ["airline"] * (flight.airline not in codes.airline_)
            + ["destination"] * (flight.destination not in codes.destination_)
            for flight in request.flights
        ]
        return Accepted(request, probabilities, unknown)

    def _score(self, requests: Sequence[PredictionRequest]) -> list[float]:
        """Probability of every flight of all requests, in order."""
        rows = [(flight, _state_of(flight, each)) for each in requests for flight in each.flights]
        fresh = [n for n, (flight, told) in enumerate(rows) if told or self._soon(flight)]
        plain = sorted(set(range(len(rows))) - set(fresh))
        scores = np.empty(len(rows))
        if plain:
            margin = self._margin(self._predictor.schedule, [rows[n] for n in plain])
            calibration = self._predictor.calibration
            scores[plain] = 1 / (1 + np.exp(-(calibration.slope * margin + calibration.intercept)))
        if fresh:
            margin = self._margin(self._predictor.fresh, [rows[n] for n in fresh])
            scores[fresh] = 1 / (1 + np.exp(-margin))
        found: list[float] = scores.tolist()
        return found

    def _margin(self, scorer: Scorer, rows: list[tuple[Flight, list[float] | None]]) -> FloatArray:
        matrix = scorer.builder.transform(_flights(rows))
        trees = self._trees[id(scorer)].predict(matrix, raw_score=True, num_threads=1)
        line = [_regression(scorer.linear, row) for row in matrix.tolist()]
        margin: FloatArray = (np.asarray(trees) + np.array(line)) / 2
        return margin

    def _soon(self, flight: Flight) -> bool:
        """Whether the outcomes that the model holds are those of the days just before."""
        day = _minute(flight.scheduled_departure) // 1440
        return 0 <= day - self._predictor.fresh.builder.as_of <= 3


class _Odd(float):
    """Number that a decoder may refuse."""


def _read(body: bytes) -> tuple[PredictionRequest | Refused, bool]:
    """Return the request of a body, and whether a decoder may refuse a replaced member of it."""
    try:
        document = _loads(body)
        everything = _loads(body, object_pairs_hook=list)  # duplicate members too
        json.dumps(everything, ensure_ascii=False).encode()
        odd, hidden = _is_odd(document), _is_odd(everything)
    except RecursionError:
        return Refused(ODD), True
    except ValueError:
        return Refused(NOT_JSON), False
    return (Refused(ODD) if odd else _validated(document)), hidden


def _loads(body: bytes, **hooks: Any) -> Any:
    def odd(_text: str) -> float:
        return _Odd(math.inf)

    def integer(text: str) -> float:
        return int(text) if len(text) <= LONGEST_INTEGER else odd(text)

    def number(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else odd(text)

    return json.loads(
        body.decode(), parse_constant=odd, parse_int=integer, parse_float=number, **hooks
    )


def _is_odd(value: Any, depth: int = 0) -> bool:
    """Whether a document holds an odd number or is nested deeply; a pair counts as a level."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return depth > DEEP or any(_is_odd(part, depth + 1) for part in value)
    return isinstance(value, _Odd)


def _validated(document: Any) -> PredictionRequest | Refused:
    try:
        return PredictionRequest.model_validate(document)
    except ValidationError as error:
        places = [each["loc"] for each in error.errors(include_url=False, include_input=False)]
    return Refused(INVALID, frozenset((_pointer(place), _flight(place)) for place in places))


def _pointer(place: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _flight(place: tuple[int | str, ...]) -> int | None:
    inside = len(place) > 1 and place[0] == "flights" and isinstance(place[1], int)
    return int(place[1]) if inside else None


def _state_of(flight: Flight, request: PredictionRequest) -> list[float] | None:
    """Return the figures of the airport's state; ``None`` outside the three hours after it."""
    state = request.airport_state
    if state is None:
        return None
    ahead = _minute(flight.scheduled_departure) - _minute(state.observed_at)
    return _figures(state) if 0 <= ahead <= 180 else None


def _figures(state: AirportState) -> list[float]:
    figures: list[float] = []
    for window in (
        state.last_hour, state.last_3_hours, state.last_6_hours, state.last_24_hours,
    ):  # fmt: skip
        figures += _window(window)
    return figures


def _window(window: AirportWindow | None) -> list[float]:
    values = (
        (None, None, None)
        if window is None
        else (window.departures, window.late_share, window.mean_delay_minutes)
    )
    return [math.nan if value is None else float(value) for value in values]


def _minute(moment: datetime) -> int:
    """Minutes of the wall clock since 1970, seconds dropped."""
    return (moment - datetime(1970, 1, 1)) // timedelta(minutes=1)  # noqa: DTZ001 - Santiago's wall clock, as the contract gives it


def _flights(rows: list[tuple[Flight, list[float] | None]]) -> Flights:
    return Flights(
        airline=[flight.airline for flight, _ in rows],
        flight_number=[flight.flight_number for flight, _ in rows],
        destination=[flight.destination for flight, _ in rows],
        flight_type=[flight.flight_type for flight, _ in rows],
        departure=np.array([_minute(flight.scheduled_departure) for flight, _ in rows]),
        airport=np.array([told or [math.nan] * AIRPORT_FIGURES for _, told in rows]),
    )


def _regression(linear: LogisticModel, row: list[float]) -> float:
    """Return the log-odds of one row by the logistic regression, summed column by column."""
    total = linear.intercept
    for value, column in zip(row, linear.columns, strict=True):
        if isinstance(column, Codes):
            known = value < len(column.weights) - 1
            total += column.weights[int(value) + 1 if known else 0]
        elif math.isnan(value):
            total += column.mean * column.weight
        else:
            total += min(max(value, column.low), column.high) * column.weight
    return total
