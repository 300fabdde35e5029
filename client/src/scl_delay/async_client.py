"""Client for asyncio; counterpart of `scl_delay.client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Self, Unpack

import httpx

from scl_delay import airport
from scl_delay._bulk import batches, batches_async, frames
from scl_delay._bulk.batches import Chunk, Predictions
from scl_delay._bulk.batches_async import Flights
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


class AsyncDelayClient:
    """Client of the flight delay service for asyncio, with the methods of `DelayClient`.

    Tasks may share one. Use it as an asynchronous context manager, or call `close`.

    Parameters
    ----------
    url, timeout, retries, auth, headers
        See `DelayClient`.
    transport, http_client, sleep
        See `DelayClient`; these are asynchronous.

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
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._options = ClientOptions.make(url, timeout, retries, headers)
        self._auth = make_auth(auth, self._options.url) or httpx.USE_CLIENT_DEFAULT
        self._own = http_client is None
        self._http = http_client or httpx.AsyncClient(transport=transport)
        self._sleep = sleep

    airport_state = staticmethod(airport.airport_state)

    async def predict(self, flight: FlightLike, **options: Unpack[CallOptions]) -> Prediction:
        """Score one flight; see `DelayClient.predict`."""
        return (await self._ask(codec.encode([flight], options), 1, options))[0]

    async def predict_many(
        self, flights: Flights, **options: Unpack[ManyOptions]
    ) -> list[Prediction]:
        """Score any number of flights, in order; see `DelayClient.predict_many`.

        The flights may also be an asynchronous iterable.
        """
        done: Predictions = []
        try:
            async for part in self._parts(flights, batches.length_of(flights), options):
                done += part
        except IncompleteError as stopped:
            raise stopped.with_done(done) from stopped.reason
        return done

    async def predict_stream(
        self, flights: Flights, **options: Unpack[ManyOptions]
    ) -> AsyncIterator[Prediction]:
        """Yield the prediction of each flight; see `DelayClient.predict_stream`."""
        async for part in self._parts(flights, batches.length_of(flights), options):
            for prediction in part:
                yield prediction

    async def predict_frame(self, frame: Frame, **options: Unpack[ManyOptions]) -> Frame:
        """Score the rows of a frame; see `DelayClient.predict_frame`."""
        results = frames.Results()
        flights = frames.flights_of(frame)
        try:
            async for part in self._parts(flights, frames.height(frame), options):
                results.add(part)
        except IncompleteError as stopped:
            raise results.incomplete(frame, stopped) from stopped.reason
        return results.beside(frame)

    async def model(self, *, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109 - passed on to httpx
        """Return the model card; see `DelayClient.model`."""
        return codec.read_card(await self._call("GET", MODEL, timeout=timeout))

    async def healthy(self, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - likewise
        """Whether the service is ready to predict, from one request."""
        try:
            await self._call("GET", READY, timeout=timeout, retries=NO_RETRIES)
        except (NoAnswerError, ProblemError):
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _parts(
        self, flights: Flights, total: int | None, options: ManyOptions
    ) -> AsyncIterator[Predictions]:
        size, concurrency = batches.sizes(options)
        report = reporter(options.get("progress", False))

        def send(chunk: Chunk) -> Awaitable[Predictions]:
            return self._score(chunk, options)

        done = 0
        async for part in batches_async.in_order(flights, send, size, concurrency):
            done += len(part)
            report(done, total)
            yield part
        if total is None:
            report(done, done)

    async def _score(self, chunk: Chunk, options: CallOptions) -> Predictions:
        """Score a chunk in one request, or in several if one would be too large."""
        body = codec.encode(chunk.flights, options)
        count = len(chunk.flights)
        if count == 1 or len(body) <= MAX_BODY_BYTES:
            try:
                return await self._ask(body, count, options)
            except InvalidError as invalid:
                raise invalid.moved(chunk.start) from invalid
            except TooLargeError:
                if count == 1:
                    raise
        first, second = chunk.halves()
        return await self._score(first, options) + await self._score(second, options)

    async def _ask(self, body: bytes, count: int, options: CallOptions) -> Predictions:
        response = await self._call("POST", PREDICT, body, timeout=options.get("timeout"))
        return codec.read_predictions(response, count)

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float | None,  # noqa: ASYNC109 - likewise
        retries: Retries | None = None,
    ) -> httpx.Response:
        """Send a request, with retries, and return the answer."""
        repeated = 0
        while True:
            found = await self._try(method, path, body, timeout or self._options.timeout)
            if isinstance(found, httpx.Response):
                return found
            wait = (retries or self._options.retries).wait(found, repeated)
            if wait is None:
                raise found
            await self._sleep(wait)
            repeated += 1

    async def _try(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout: float,  # noqa: ASYNC109 - likewise
    ) -> httpx.Response | DelayError:
        try:
            response = await self._http.request(
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
