"""`POST /predict_delay`: decode, score, encode; called by ASGI or by the fast path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from time import monotonic, perf_counter
from typing import TypeVar

from data.flights import Flights
from serving import metrics
from serving.api import request_id
from serving.api.asgi import (
    JSON,
    Answer,
    ClientDisconnected,
    Headers,
    Receive,
    Scope,
    problem,
    problem_response,
    read_body,
)
from serving.api.large_requests import LARGE_BODY, BulkReader, DecodedRequest
from serving.batching.adaptive import AdaptiveBatcher, Result, no_room
from serving.contract.decoding import decode, timeout_seconds, to_flights
from serving.contract.schema import PredictionRequest
from serving.errors import DeadlineExceeded, Overloaded, UnsupportedType
from serving.models.loaded import Runtime

T = TypeVar("T")
RequestHeaders = Iterable[tuple[bytes, bytes]]
IdHeaders = list[tuple[bytes, bytes]]
"""Headers of a request that identify it; a failure replaces them by those of its answer."""
Reply = Callable[[int, bytes, Headers], None]
Abandon = Callable[[], object]
"""Called when the client disconnects; drops the work that is not done yet."""

TIMEOUT_HEADER = b"x-request-timeout-ms"
OK = 200

_JSON: Headers = (JSON,)


class PredictDelay:
    """Handler of `POST /predict_delay`.

    Parameters
    ----------
    runtime
        Returns the loaded model; called once per request, so that a reload takes effect at once
        and one model scores and signs each answer.
    max_body_bytes
        Longest accepted body.
    max_bulk_bytes
        Limit for the sum of all large bodies that are being read or scored.
    """

    def __init__(
        self, runtime: Callable[[], Runtime], max_body_bytes: int, max_bulk_bytes: int
    ) -> None:
        self._runtime = runtime
        self._limit = max_body_bytes
        self._bulk = BulkReader(max_bulk_bytes)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request that arrives by ASGI.

        Raises
        ------
        ProblemError, ClientDisconnected
        """
        started = perf_counter()
        timeout, length = _check_headers(scope)
        with self._bulk.reservation() as reserve:
            reserve(min(length, self._limit))
            body = await read_body(receive, self._limit, reserve)
            answer = self._decode_and_answer(body, started, timeout, scope["headers"])
            if len(body) > LARGE_BODY:
                return await _unless_disconnected(receive, answer)
            return await answer

    def submit(
        self, body: bytes, timeout: bytes | None, reply: Reply, id_headers: IdHeaders
    ) -> Abandon | None:
        """Answer a request whose body is complete by calling `reply`, now or later.

        This is the fast path: no task, no future, no ASGI messages. Returns the function to call
        if the client disconnects first. `id_headers` identify the request in logs.
        """
        started = perf_counter()
        try:
            runtime = self._runtime()
            engine, explanations = runtime.engine, runtime.explanations
            inline = engine if isinstance(engine, AdaptiveBatcher) else None
            # Checked before the body is decoded, which is most of the work of a refused request.
            if (inline is not None and inline.full) or explanations.refuses(body):
                metrics.buffer.refused_for(Overloaded.kind)
                metrics.buffer.refused(Overloaded.status)
                reply(*NO_ROOM)
                return None
            within = timeout_seconds(timeout)  # before the body, as by ASGI
            request = decode(body)
            if inline is None and not request.explain:
                return self._reply_later(request, started, within, reply, id_headers)
            flights = to_flights(request.flights, request.airport_state)
            deadline = inf if within == inf else monotonic() + within
            if inline is None or request.explain:
                write = runtime.write_explained
                explained = partial(_deliver, write, flights, started, id_headers, reply)
                pending = explanations.submit(flights, explained, deadline)
                return partial(explanations.withdraw, pending)
            deliver = partial(_deliver, runtime.write, flights, started, id_headers, reply)
            return partial(inline.withdraw, inline.submit(flights, deliver, deadline))
        except Exception as error:  # noqa: BLE001 - becomes this request's answer
            reply_with_problem(reply, error, id_headers)
            return None

    def _reply_later(
        self,
        request: PredictionRequest,
        started: float,
        within: float,
        reply: Reply,
        id_headers: IdHeaders,
    ) -> Abandon:
        decoded = DecodedRequest(to_flights(request.flights, request.airport_state), explain=False)
        answer = self._answer_in_time(decoded, started, within, id_headers)
        task = asyncio.get_running_loop().create_task(_reply_when_done(answer, reply, id_headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    async def _decode_and_answer(
        self, body: bytes, started: float, within: float, headers: RequestHeaders
    ) -> Answer:
        async with _deadline(started, within):
            if self._runtime().explanations.refuses(body):
                raise no_room()
            decoded = await self._bulk.read(body)  # large bodies are read one after the other
            return await self._answer(decoded, started, headers)

    async def _answer_in_time(
        self, decoded: DecodedRequest, started: float, within: float, headers: RequestHeaders
    ) -> Answer:
        async with _deadline(started, within):
            return await self._answer(decoded, started, headers)

    async def _answer(
        self, decoded: DecodedRequest, started: float, headers: RequestHeaders
    ) -> Answer:
        body = await self._runtime().answer(decoded.flights, headers, explain=decoded.explain)
        metrics.buffer.answered(len(decoded.flights), perf_counter() - started)
        return OK, body, _JSON


@asynccontextmanager
async def _deadline(started: float, within: float) -> AsyncIterator[None]:
    """Cancel the work of a request once `within` seconds have passed since `started`.

    Raises
    ------
    DeadlineExceeded
    """
    try:
        async with asyncio.timeout(None if within == inf else within - (perf_counter() - started)):
            yield
    except TimeoutError:
        raise DeadlineExceeded from None  # an error with a cause would be logged as the service's


def _deliver(
    write: Callable[[Flights, list[T], IdHeaders], bytes],
    flights: Flights,
    started: float,
    id_headers: IdHeaders,
    reply: Reply,
    result: Result[T],
) -> None:
    """Reply with the encoded result of the engine, or with a problem document."""
    try:
        if isinstance(result, Exception):
            raise result  # noqa: TRY301 - handled like an error of `write`
        body = write(flights, result, id_headers)
    except Exception as error:  # noqa: BLE001 - becomes this request's answer
        reply_with_problem(reply, error, id_headers)
        return
    metrics.buffer.answered(len(flights), perf_counter() - started)
    reply(OK, body, _JSON)


def reply_with_problem(reply: Reply, error: Exception, id_headers: IdHeaders) -> None:
    """Reply to a request of the fast path with the problem document of an error.

    Replaces `id_headers` by those of the answer: a new request id is the same in the answer and
    in the log line of a failure.
    """
    made = request_id.response_headers(id_headers)
    id_headers[:] = made
    status, body, headers = problem_response(error, made)
    metrics.buffer.refused(status)
    reply(status, body, headers)


NO_ROOM: Answer = problem(no_room())
"""Encoded once: most requests beyond the capacity get this answer."""


async def _reply_when_done(answer: Awaitable[Answer], reply: Reply, id_headers: IdHeaders) -> None:
    try:
        reply(*await answer)
    except Exception as error:  # noqa: BLE001 - becomes this request's answer
        reply_with_problem(reply, error, id_headers)


async def _unless_disconnected(receive: Receive, answer: Awaitable[Answer]) -> Answer:
    """Return an answer; cancel its work if the client disconnects first.

    Raises
    ------
    ClientDisconnected
    """
    work = asyncio.ensure_future(answer)
    watch = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnected
        return work.result()
    finally:
        for task in (work, watch):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _check_headers(scope: Scope) -> tuple[float, int]:
    """Check the headers of a prediction request.

    Returns
    -------
    The seconds allowed for the answer, and the declared length of the body, 0 if there is none.

    Raises
    ------
    UnsupportedType
        If the body is declared to be anything but plain JSON.
    Invalid
        If the timeout is not valid.
    """
    timeout: bytes | None = None
    length = 0
    for name, value in scope["headers"]:
        if name == b"content-type" and value.split(b";")[0].strip().lower() != b"application/json":
            detail = f"Send application/json, not {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            detail = f"Send the body without encoding, not as {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
        if name == TIMEOUT_HEADER:
            timeout = value
        if name == b"content-length":
            length = int(value)
    return timeout_seconds(timeout), length
