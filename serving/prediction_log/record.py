"""One logged prediction: what is kept of it, and how it is made from an answered request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from data.flights import Flights, FloatMatrix
from model.inference.predictor import Predictor

Headers = Iterable[tuple[bytes, bytes]]

DIGEST_BYTES = 8
REQUEST_ID_HEADER = b"x-request-id"
LONGEST_REQUEST_ID = 128

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Santiago's wall clock, as everywhere in the contract


class Record(NamedTuple):
    """One logged prediction; its fields are the columns of every sink.

    Attributes
    ----------
    id
        Unique: a sink that had to repeat a write is told from two equal predictions by it.
    time
        When it was answered, UTC.
    request_id
        The request's `X-Request-Id`, where it had one.
    position
        Of the flight within its request, from 0.
    scheduled_departure
        Santiago's wall clock.
    with_airport
        Whether the airport's state was used.
    features
        Digest of the model's own input; see `digests`.
    """

    id: str
    time: datetime
    model: str
    request_id: str | None
    position: int
    airline: str
    flight_number: str
    destination: str
    flight_type: str | None
    scheduled_departure: datetime
    with_airport: bool
    probability: float
    features: str


class Answered(NamedTuple):
    """What the hot path hands over: references to what it holds anyway.

    Attributes
    ----------
    position
        Of the first of these flights within their request.
    """

    seconds: float
    flights: Flights
    probabilities: Sequence[float]
    headers: Headers
    position: int = 0

    def pieces(self, size: int) -> Iterator[Answered]:
        """The same in order, at most `size` flights at a time."""
        if len(self.flights) <= size:
            yield self
            return
        for start in range(0, len(self.flights), size):
            stop = start + size
            yield self._replace(
                flights=self.flights.slice(start, stop),
                probabilities=self.probabilities[start:stop],
                position=start,
            )


def records(answers: Sequence[Answered], predictor: Predictor, model: str) -> list[Record]:
    """Records of the flights of some answers, without their ids."""
    flights = Flights.concatenate([answered.flights for answered in answers])
    columns = zip(
        flights.airline,
        flights.flight_number,
        flights.destination,
        flights.flight_type,
        [_EPOCH + timedelta(minutes=minutes) for minutes in flights.departure.tolist()],
        predictor.knows_fresh(flights).tolist(),
        [probability for answered in answers for probability in answered.probabilities],
        digests(predictor, flights),
        strict=True,
    )
    requests = (request for answered in answers for request in _requests(answered))
    return [
        Record("", time, model, request_id, position, *values)
        for (time, request_id, position), values in zip(requests, columns, strict=True)
    ]


def _requests(answered: Answered) -> Iterator[tuple[datetime, str | None, int]]:
    """What the flights of an answer share, and the position of each."""
    time, request_id = datetime.fromtimestamp(answered.seconds, UTC), _request_id(answered.headers)
    for offset in range(len(answered.flights)):
        yield time, request_id, answered.position + offset


def digests(predictor: Predictor, flights: Flights) -> list[str]:
    """Digest of each flight's row of features, the one that its score was made from.

    Whoever makes the features again, from the logged flight and the same model, must get the same
    digest: if not, training and serving have come apart. Rows are rounded to single precision
    first, so that the last digit of another processor's arithmetic does not matter.
    """
    told = predictor.knows_fresh(flights)
    found = [""] * len(flights)
    for rows, builder in ((told, predictor.fresh.builder), (~told, predictor.builder)):
        positions = np.flatnonzero(rows)
        if len(positions):
            matrix = builder.transform(flights.pick(positions))
            for position, digest in zip(positions.tolist(), _digests(matrix), strict=True):
                found[position] = digest
    return found


def _digests(matrix: FloatMatrix) -> list[str]:
    rows = np.ascontiguousarray(matrix, dtype="<f4")
    rows += np.float32(0.0)  # there is a negative zero, and it means the same
    return [hashlib.blake2b(row, digest_size=DIGEST_BYTES).hexdigest() for row in rows]


def _request_id(headers: Headers) -> str | None:
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            return value.decode("latin-1")[:LONGEST_REQUEST_ID]
    return None
