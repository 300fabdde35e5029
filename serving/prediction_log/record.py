"""Record of one logged prediction, and how it is made from an answered request."""

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

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time, as in the contract


class Record(NamedTuple):
    """Record of one prediction; its fields are the columns of every sink.

    Attributes
    ----------
    id
        Unique name: rows that share it come from a repeated write.
    time
        Time of the answer, UTC.
    request_id
        `X-Request-Id` of the request; ``None`` where it had none.
    position
        Position of the flight in its request, from 0.
    scheduled_departure
        Local time of the home airport, without an offset.
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
    """Answered request in the buffer: references to objects of the request, without copies.

    Attributes
    ----------
    position
        Position of the first of these flights in their request.
    """

    seconds: float
    flights: Flights
    probabilities: Sequence[float]
    headers: Headers
    position: int = 0

    def pieces(self, size: int) -> Iterator[Answered]:
        """Yield parts of the request in order, at most `size` flights each."""
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
    """Return the records of answered requests, without ids."""
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
    """Yield time, request id and position of each flight of a request."""
    time, request_id = datetime.fromtimestamp(answered.seconds, UTC), _request_id(answered.headers)
    for offset in range(len(answered.flights)):
        yield time, request_id, answered.position + offset


def digests(predictor: Predictor, flights: Flights) -> list[str]:
    """Return a digest of each flight's row of features, from which its score was computed.

    Features that are computed again, from the logged flight and the same model, must have the same
    digest; otherwise training and serving differ. Rows are rounded to single precision first, so
    that differences in the last digit between processors do not matter.
    """
    fresh = predictor.knows_fresh(flights)
    found = [""] * len(flights)
    for rows, builder in ((fresh, predictor.fresh.builder), (~fresh, predictor.builder)):
        positions = np.flatnonzero(rows)
        if len(positions):
            matrix = builder.transform(flights.pick(positions))
            for position, digest in zip(positions.tolist(), _digests(matrix), strict=True):
                found[position] = digest
    return found


def _digests(matrix: FloatMatrix) -> list[str]:
    rows = np.ascontiguousarray(matrix, dtype="<f4")
    rows += np.float32(0.0)  # makes negative zero positive
    return [hashlib.blake2b(row, digest_size=DIGEST_BYTES).hexdigest() for row in rows]


def _request_id(headers: Headers) -> str | None:
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            return value.decode("latin-1")[:LONGEST_REQUEST_ID]
    return None
