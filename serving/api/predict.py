"""What a prediction request goes through: read, score, write; by ASGI or by the short way."""

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
Names = Iterable[tuple[bytes, bytes]]
"""Headers among which are those that name the request."""
IdHeaders = list[tuple[bytes, bytes]]
"""The same of the short way; replaced by the name that the service makes, once it is needed."""
Reply = Callable[[int, bytes, Headers], None]
Abandon = Callable[[], object]
"""Called when the client has left: what is not done yet need not be done."""

TIMEOUT_HEADER = b"x-request-timeout-ms"
OK = 200

_JSON: Headers = (JSON,)


class PredictDelay:
    """Answers `POST /predict_delay`.

    Parameters
    ----------
    runtime
        Returns the loaded model; called once per request, so that a reload takes effect at once
        and every answer is scored and signed by one model.
    max_body_bytes
        Longest accepted body.
    max_bulk_bytes
        What all large bodies that are being read or scored may hold together.
    """

    def __init__(
        self, runtime: Callable[[], Runtime], max_body_bytes: int, max_bulk_bytes: int
    ) -> None:
        self._runtime = runtime
        self._limit = max_body_bytes
        self._bulk = BulkReader(max_bulk_bytes)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request by ASGI.

        Raises
        ------
        Refusal, ClientLeft
        """
        started = perf_counter()
        timeout, length = _check_headers(scope)
        with self._bulk.room() as reached:
            reached(min(length, self._limit))
            body = await read_body(receive, self._limit, reached)
            answer = self._read_and_answer(body, started, timeout, scope["headers"])
            if len(body) > LARGE_BODY:
                return await _unless_client_leaves(receive, answer)
            return await answer

    def submit(
        self, body: bytes, timeout: bytes | None, reply: Reply, names: IdHeaders
    ) -> Abandon | None:
        """Answer a request that has been read whole by calling `reply`, at once or later.

        The short way: no task, no future, no ASGI messages. Returns what to call should the
        client leave before. `names` are the headers that name the request, for the log.
        """
        started = perf_counter()
        try:
            runtime = self._runtime()
            engine, explanations = runtime.engine, runtime.explanations
            inline = engine if isinstance(engine, AdaptiveBatcher) else None
            # asked before the work of reading the body
            if (inline is not None and inline.full) or explanations.refuses(body):
                metrics.buffer.refused_for(Overloaded.kind)
                metrics.buffer.refused(Overloaded.status)
                reply(*NO_ROOM)
                return None
            within = timeout_seconds(timeout)  # before the body, as by ASGI
            request = decode(body)
            if inline is None and not request.explain:
                return self._reply_later(request, started, within, reply, names)
            flights = to_flights(request.flights, request.airport_state)
            deadline = inf if within == inf else monotonic() + within
            if inline is None or request.explain:
                told = partial(_deliver, runtime.write_explained, flights, started, names, reply)
                return partial(explanations.withdraw, explanations.submit(flights, told, deadline))
            deliver = partial(_deliver, runtime.write, flights, started, names, reply)
            return partial(inline.withdraw, inline.submit(flights, deliver, deadline))
        except Exception as error:  # noqa: BLE001 - becomes this request's answer
            reply_with_problem(reply, error, names)
            return None

    def _reply_later(
        self,
        request: PredictionRequest,
        started: float,
        timeout: float,
        reply: Reply,
        names: IdHeaders,
    ) -> Abandon:
        asked = DecodedRequest(to_flights(request.flights, request.airport_state), explain=False)
        answer = self._answer_in_time(asked, started, timeout, names)
        task = asyncio.get_running_loop().create_task(_reply_when_done(answer, reply, names))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    async def _read_and_answer(
        self, body: bytes, started: float, within: float, names: Names
    ) -> Answer:
        async with _in_time(started, within):
            if self._runtime().explanations.refuses(body):
                raise no_room()
            asked = await self._bulk.read(body)  # a large one waits for those before it
            return await self._answer(asked, started, names)

    async def _answer_in_time(
        self, asked: DecodedRequest, started: float, within: float, names: Names
    ) -> Answer:
        async with _in_time(started, within):
            return await self._answer(asked, started, names)

    async def _answer(self, asked: DecodedRequest, started: float, names: Names) -> Answer:
        body = await self._runtime().answer(asked.flights, names, explain=asked.explain)
        metrics.buffer.answered(len(asked.flights), perf_counter() - started)
        return OK, body, _JSON


@asynccontextmanager
async def _in_time(started: float, within: float) -> AsyncIterator[None]:
    """Give up the work of a request once its time has passed.

    Raises
    ------
    TooLate
    """
    try:
        async with asyncio.timeout(None if within == inf else within - (perf_counter() - started)):
            yield
    except TimeoutError:
        raise DeadlineExceeded from None  # a cause would make it a fault of ours, to be logged


def _deliver(
    write: Callable[[Flights, list[T], IdHeaders], bytes],
    flights: Flights,
    started: float,
    names: IdHeaders,
    reply: Reply,
    result: Result[T],
) -> None:
    """Write what the engine found into an answer, whatever happens."""
    try:
        if isinstance(result, Exception):
            raise result  # noqa: TRY301 - told like any other
        body = write(flights, result, names)
    except Exception as error:  # noqa: BLE001 - becomes this request's answer
        reply_with_problem(reply, error, names)
        return
    metrics.buffer.answered(len(flights), perf_counter() - started)
    reply(OK, body, _JSON)


def reply_with_problem(reply: Reply, error: Exception, names: IdHeaders) -> None:
    """Answer a request of the short way with the problem document of an error.

    The log line of a failure and the answer name the request alike: its name is made here.
    """
    name = request_id.response_headers(names)
    names[:] = name
    status, body, headers = problem_response(error, name)
    metrics.buffer.refused(status)
    reply(status, body, headers)


NO_ROOM: Answer = problem(no_room())
"""Written once, because most requests beyond the capacity end with it."""


async def _reply_when_done(answer: Awaitable[Answer], reply: Reply, names: IdHeaders) -> None:
    try:
        reply(*await answer)
    except Exception as error:  # noqa: BLE001 - becomes this request's answer
        reply_with_problem(reply, error, names)


async def _unless_client_leaves(receive: Receive, answer: Awaitable[Answer]) -> Answer:
    """Wait for an answer as long as there is somebody to read it.

    Raises
    ------
    ClientLeft
        If the client disconnects first; the answer is then not worked on any more.
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
    """Refuse bodies that are declared to be anything but plain JSON.

    Returns
    -------
    The seconds given for the answer, and the declared length of the body, 0 where there is none.
    """
    timeout: bytes | None = None
    length = 0
    for name, value in scope["headers"]:
        if name == b"content-type" and value.split(b";")[0].strip().lower() != b"application/json":
            detail = f"Send application/json, not {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            detail = f"Send the body as it is, not encoded as {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
        if name == TIMEOUT_HEADER:
            timeout = value
        if name == b"content-length":
            length = int(value)
    return timeout_seconds(timeout), length
