"""Oracle: the expected answer to a body, computed in the simplest way.

It uses `json.loads`, the contract's pydantic models, a loop over flights, the `FeatureBuilder`,
LightGBM's Python package, and a plain sum for the regression. It uses none of the service's
decoding, batching and encoding, and none of the scoring of `model.inference`, so that tests can
compare optimised code with it.
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
from model.inference.logistic_regression import CategoricalColumn, LogisticModel
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer
from serving.contract.schema import AirportState, AirportWindow, Flight, PredictionRequest

NOT_JSON = frozenset({400})
INVALID = frozenset({422})
ODD = frozenset({400, 422})
"""Statuses for JSON that parsers may reject as text or as content (RFC 8259 sections 4, 6 and 9):
`NaN`, `Infinity`, numbers beyond a double, nesting deeper than `DEEP`. It is never accepted."""
DEEP = 100
LONGEST_INTEGER = 300

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Verdict on a body that must get a problem document.

    Attributes
    ----------
    statuses
        Allowed statuses.
    pointers
        Every invalid field, as a JSON pointer, with the index of its flight; ``None`` if the
        problem has no fields.
    """

    statuses: frozenset[int]
    pointers: frozenset[tuple[str, int | None]] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Verdict on a body that must get one prediction per flight."""

    request: PredictionRequest
    probabilities: list[float]
    unknown: list[list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Expected answer to a body.

    Attributes
    ----------
    or_not_json
        Whether 400 is also allowed: a duplicate member hides an invalid or unusual value, which
        some parsers do not look at.
    """

    right: Rejected | Accepted
    or_not_json: bool


class Oracle:
    """Oracle that computes the expected answers to bodies.

    Parameters
    ----------
    predictor
        Predictor whose builders, Booster texts, regression weights and calibration are used, but
        not its scoring.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._trees = {
            id(scorer): lgb.Booster(model_str=scorer.booster.text)
            for scorer in (predictor.schedule, predictor.fresh)
        }

    def judge(self, bodies: Sequence[bytes]) -> list[Verdict]:
        """Return the verdict on each body; LightGBM scores the flights of all bodies at once."""
        read = [_read(body) for body in bodies]
        requests = [each for each, _ in read if isinstance(each, PredictionRequest)]
        scores = iter(self._score(requests))
        return [
            Verdict(each if isinstance(each, Rejected) else self._accept(each, scores), hidden)
            for each, hidden in read
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
        """Return the probability of every flight of all requests, in order."""
        rows = [(flight, _state_of(flight, each)) for each in requests for flight in each.flights]
        fresh = [n for n, (flight, state) in enumerate(rows) if state or self._soon(flight)]
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
        linear = [_log_odds(scorer.regression, row) for row in matrix.tolist()]
        margin: FloatArray = (np.asarray(trees) + np.array(linear)) / 2
        return margin

    def _soon(self, flight: Flight) -> bool:
        """Whether the model's outcomes are those of the three days before the flight."""
        day = _minute(flight.scheduled_departure) // 1440
        return 0 <= day - self._predictor.fresh.builder.as_of <= 3


class _Unusual(float):
    """Number that a parser may reject."""


def _read(body: bytes) -> tuple[PredictionRequest | Rejected, bool]:
    """Return the parsed body, and whether a value hidden by a duplicate member is unusual."""
    try:
        document = _loads(body)
        everything = _loads(body, object_pairs_hook=list)  # duplicate members too
        json.dumps(everything, ensure_ascii=False).encode()
        odd, hidden = _is_unusual(document), _is_unusual(everything)
    except RecursionError:
        return Rejected(ODD), True
    except ValueError:
        return Rejected(NOT_JSON), False
    return (Rejected(ODD) if odd else _validated(document)), hidden


def _loads(body: bytes, **hooks: Any) -> Any:
    def odd(_text: str) -> float:
        return _Unusual(math.inf)

    def integer(text: str) -> float:
        return int(text) if len(text) <= LONGEST_INTEGER else odd(text)

    def number(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else odd(text)

    return json.loads(
        body.decode(), parse_constant=odd, parse_int=integer, parse_float=number, **hooks
    )


def _is_unusual(value: Any, depth: int = 0) -> bool:
    """Whether a document has an unusual number or deep nesting; a pair counts as a level."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return depth > DEEP or any(_is_unusual(part, depth + 1) for part in value)
    return isinstance(value, _Unusual)


def _validated(document: Any) -> PredictionRequest | Rejected:
    try:
        return PredictionRequest.model_validate(document)
    except ValidationError as error:
        places = [each["loc"] for each in error.errors(include_url=False, include_input=False)]
    return Rejected(INVALID, frozenset((_pointer(place), _flight(place)) for place in places))


def _pointer(place: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _flight(place: tuple[int | str, ...]) -> int | None:
    inside = len(place) > 1 and place[0] == "flights" and isinstance(place[1], int)
    return int(place[1]) if inside else None


def _state_of(flight: Flight, request: PredictionRequest) -> list[float] | None:
    """Return the airport state for a flight, or None if it does not apply."""
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
    """Return minutes of local time since 1970, without seconds."""
    return (moment - datetime(1970, 1, 1)) // timedelta(minutes=1)  # noqa: DTZ001 - local time of the contract


def _flights(rows: list[tuple[Flight, list[float] | None]]) -> Flights:
    return Flights(
        airline=[flight.airline for flight, _ in rows],
        flight_number=[flight.flight_number for flight, _ in rows],
        destination=[flight.destination for flight, _ in rows],
        flight_type=[flight.flight_type for flight, _ in rows],
        departure=np.array([_minute(flight.scheduled_departure) for flight, _ in rows]),
        airport=np.array([state or [math.nan] * AIRPORT_FIGURES for _, state in rows]),
    )


def _log_odds(regression: LogisticModel, row: list[float]) -> float:
    """Return the log-odds of one row by the logistic regression, column after column."""
    total = regression.intercept
    for value, column in zip(row, regression.columns, strict=True):
        if isinstance(column, CategoricalColumn):
            known = value < len(column.weights) - 1
            total += column.weights[int(value) + 1 if known else 0]
        elif math.isnan(value):
            total += column.mean * column.weight
        else:
            total += min(max(value, column.low), column.high) * column.weight
    return total
