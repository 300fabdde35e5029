"""Synchronous client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, Unpack

import httpx

from scl_delay import airport
from scl_delay._bulk import batches, frames
from scl_delay._bulk.batches import Chunk, Predictions
from scl_delay._bulk.frames import Frame
from scl_delay._bulk.progress import reporter
from scl_delay._transport import codec
from scl_delay._transport.auth import Auth, make_auth
from scl_delay._transport.codec import FlightLike
from scl_delay._transport.constants import MAX_BODY_BYTES
from scl_delay._transport.options import (
    MODEL,
    PREDICT,
    READY,
    CallOptions,
    ClientOptions,
    ManyOptions,
)
from scl_delay._transport.problems import InvalidError, TooLargeError
from scl_delay._transport.retries import NO_RETRIES, USUAL_RETRIES, Retries
from scl_delay.errors import DelayError, IncompleteError, NoAnswerError, ProblemError
from scl_delay.models import Prediction


class DelayClient:
    """Client of the flight delay service; `AsyncDelayClient` is its counterpart for asyncio.

    Threads may share one. Use it as a context manager, or call `close`.

    Parameters
    ----------
    url
        URL of the service, e.g. ``"http://localhost:3000"``.
    timeout
        Seconds for each step of a request: connect, send, wait for the answer.
    retries
        Retry policy, or the maximum number of retries with the default policy.
    auth
        ``"gcp"`` for Cloud Run, `BearerToken`, `ApiKey` or any other `httpx.Auth`.
    headers
        Extra headers of every request.
    transport
        Transport of httpx, e.g. for tests.
    http_client
        Client of httpx with its own pool, proxies, certificates or HTTP/2. It is not closed.
    sleep
        Function that waits between retries.

    Raises
    ------
    ValueError
        If `url` is not a URL or `auth` is not supported.
    """

    def __init__(  # noqa: PLR0913 - independent options, passed by name
        self,
        url: str,
        *,
        timeout: float = 30.0,
        retries: Retries | int = USUAL_RETRIES,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = ClientOptions.make(url, timeout, retries, headers)
        self._auth = make_auth(auth, self._options.url) or httpx.USE_CLIENT_DEFAULT
        self._own = http_client is None
        self._http = http_client or httpx.Client(transport=transport)
        self._sleep = sleep

    airport_state = staticmethod(airport.airport_state)

    def predict(self, flight: FlightLike, **options: Unpack[CallOptions]) -> Prediction:
        """Score one flight.

        Parameters
        ----------
        flight
            A `Flight`, or a dictionary with the same fields.
        options
            See `CallOptions`.

        Raises
        ------
        InvalidError
            If the flight is not valid; the error names the field.
        DelayError
            If the call fails in another way: see `scl_delay.errors`.
        """
        return self._ask(codec.encode([flight], options), 1, options)[0]

    def predict_many(
        self, flights: Iterable[FlightLike], **options: Unpack[ManyOptions]
    ) -> list[Prediction]:
        """Score any number of flights, in order.

        Parameters
        ----------
        flights
            Any iterable; it is read lazily, a few requests ahead.
        options
            See `ManyOptions`.

        Raises
        ------
        IncompleteError
            If a request fails; it holds the predictions so far and the remaining flights.
        ValueError
            If `chunk` or `concurrency` is out of range.
        """
        done: Predictions = []
        try:
            for part in self._parts(flights, batches.length_of(flights), options):
                done += part
        except IncompleteError as stopped:
            raise stopped.with_done(done) from stopped.reason
        return done

    def predict_stream(
        self, flights: Iterable[FlightLike], **options: Unpack[ManyOptions]
    ) -> Iterator[Prediction]:
        """Return an iterator of predictions, like `predict_many` but in constant memory."""
        parts = self._parts(flights, batches.length_of(flights), options)
        return (prediction for part in parts for prediction in part)

    def predict_frame(self, frame: Frame, **options: Unpack[ManyOptions]) -> Frame:
        """Score the rows of a frame.

        Parameters
        ----------
        frame
            Of pandas or polars, with the columns ``airline``, ``flight_number``, ``destination``,
            ``scheduled_departure`` and optionally ``flight_type``, or those of dataset_SCL.csv
            (``Emp-I``, ``Vlo-I``, ``Des-I``, ``Fecha-I``, ``TIPOVUELO``). No other column is sent.
        options
            See `ManyOptions`.

        Returns
        -------
        The same frame with ``delay_probability``, ``delayed`` and ``risk``.

        Raises
        ------
        ColumnsError
            If columns are missing.
        IncompleteError
            If a request fails; `done` and `remaining` are frames.
        """
        results = frames.Results()
        try:
            for part in self._parts(frames.flights_of(frame), frames.height(frame), options):
                results.add(part)
        except IncompleteError as stopped:
            raise results.incomplete(frame, stopped) from stopped.reason
        return results.beside(frame)

    def model(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return the model card: name, threshold, data and quality of the served model."""
        return codec.read_card(self._call("GET", MODEL, timeout=timeout))

    def healthy(self, *, timeout: float | None = None) -> bool:
        """Whether the service is ready to predict, from one request."""
        try:
            self._call("GET", READY, timeout=timeout, retries=NO_RETRIES)
        except (NoAnswerError, ProblemError):
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parts(
        self, flights: Iterable[FlightLike], total: int | None, options: ManyOptions
    ) -> Iterator[Predictions]:
        size, concurrency = batches.sizes(options)
        report = reporter(options.get("progress", False))

        def send(chunk: Chunk) -> Predictions:
            return self._score(chunk, options)

        return batches.reported(batches.in_order(flights, send, size, concurrency), report, total)

    def _score(self, chunk: Chunk, options: CallOptions) -> Predictions:
        """Score a chunk in one request, or in several if one would be too large."""
        body = codec.encode(chunk.flights, options)
        count = len(chunk.flights)
        if count == 1 or len(body) <= MAX_BODY_BYTES:
            try:
                return self._ask(body, count, options)
            except InvalidError as invalid:
                raise invalid.moved(chunk.start) from invalid
            except TooLargeError:
                if count == 1:
                    raise
        return [each for half in chunk.halves() for each in self._score(half, options)]

    def _ask(self, body: bytes, count: int, options: CallOptions) -> Predictions:
        response = self._call("POST", PREDICT, body, timeout=options.get("timeout"))
        return codec.read_predictions(response, count)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float | None,
        retries: Retries | None = None,
    ) -> httpx.Response:
        """Send a request, with retries, and return the answer."""
        repeated = 0
        while True:
            found = self._try(method, path, body, timeout or self._options.timeout)
            if isinstance(found, httpx.Response):
                return found
            wait = (retries or self._options.retries).wait(found, repeated)
            if wait is None:
                raise found
            self._sleep(wait)
            repeated += 1

    def _try(
        self, method: str, path: str, body: bytes | None, timeout: float
    ) -> httpx.Response | DelayError:
        try:
            response = self._http.request(
                method,
                self._options.urls[path],
                content=body,
                headers=self._options.headers,
                timeout=timeout,
                auth=self._auth,
            )
        except httpx.RequestError as error:
            return codec.failure_of(error, self._options.url)
        return response if response.is_success else codec.problem_of(response)
