"""The front door: answers the contract's routes itself and refuses all others in one voice.

It is the outermost ASGI application of the BentoML service. BentoML's own request handling costs
several times what a prediction costs (docs/decisions/), so the contract's routes never reach it;
it keeps the process, its workers, its life cycle and the batchable method.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from serving import metrics
from serving.asgi import (
    JSON,
    ASGIApp,
    ClientLeft,
    Headers,
    Receive,
    Scope,
    Send,
    answer,
    problem,
    read_body,
)
from serving.decoding import decode, to_flights
from serving.errors import Failed, MethodNotAllowed, NotFound, Refusal, UnsupportedType
from serving.openapi import openapi_document
from serving.page import pages
from serving.runtime import Runtime
from serving.settings import Settings

logger = logging.getLogger("flight_delay")

Handler = Callable[[Scope, Receive], Awaitable[tuple[int, bytes, Headers]]]

BENTOML_ROUTES = frozenset({"/schema.json"})
"""Public routes that BentoML answers: what its own Python client asks for first."""

OK = 200

_PLAIN: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)
_METRICS: Headers = ((b"content-type", metrics.CONTENT_TYPE),)
_JSON: Headers = (JSON,)


class FrontDoor:
    """ASGI application that owns every public route.

    Parameters
    ----------
    app
        The BentoML application behind it; sees only `BENTOML_ROUTES` and life-cycle events.
    runtime
        Returns the loaded model; called per request, so that a reload takes effect at once.
    settings
        Limits of the process.
    """

    def __init__(self, app: ASGIApp, runtime: Callable[[], Runtime], settings: Settings) -> None:
        self._app = app
        self._runtime = runtime
        self._limit = settings.max_body_bytes
        self._openapi = openapi_document()
        self._routes: dict[str, dict[str, Handler]] = {
            "/predict_delay": {"POST": self._predict_delay},
            "/model": {"GET": self._model},
            "/livez": {"GET": self._livez},
            "/healthz": {"GET": self._livez},
            "/readyz": {"GET": self._readyz},
            "/metrics": {"GET": self._metrics},
            "/openapi.json": {"GET": self._openapi_json},
        }
        for path, (headers, body) in pages().items():
            self._routes[path] = {"GET": _fixed(headers, body)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; hand life-cycle events, and the route it leaves to BentoML, inside."""
        if scope["type"] != "http" or scope["path"] in BENTOML_ROUTES:
            await self._app(scope, receive, send)
            return
        try:
            status, body, headers = await self._handler(scope)(scope, receive)
        except ClientLeft:
            return
        except Refusal as refusal:
            status = refusal.status
            if refusal.__cause__ is not None:
                logger.exception("request failed")
            body, headers = problem(refusal)
        except Exception:
            logger.exception("request failed")
            status = 500
            body, headers = problem(Failed("The fault is ours: it has been logged."))
        if status != OK and scope["path"] == "/predict_delay":
            metrics.tally.refused(status)
        await answer(send, status, body if scope["method"] != "HEAD" else b"", headers)

    def _handler(self, scope: Scope) -> Handler:
        methods = self._routes.get(scope["path"])
        if methods is None:
            known = ", ".join(sorted(path for path in self._routes if "/page/" not in path))
            raise NotFound(f"No {scope['path']!r} here. There is: {known}.")  # noqa: EM102, TRY003
        handler = methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            detail = f"{scope['path']} answers {allowed}."
            raise MethodNotAllowed(detail, headers=((b"allow", allowed.encode()),))
        return handler

    async def _predict_delay(self, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
        started = perf_counter()
        _check_type(scope)
        request = decode(await read_body(receive, self._limit))
        flights = to_flights(request.flights, request.airport_state)
        body = await self._runtime().answer(
            flights, explain=request.explain, headers=scope["headers"]
        )
        metrics.tally.answered(len(flights))
        metrics.request_seconds.observe(perf_counter() - started)
        return OK, body, _JSON

    async def _model(self, _scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        return OK, self._runtime().card, _JSON

    async def _livez(self, _scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        return OK, b"alive\n", _PLAIN

    async def _readyz(self, _scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        if self._runtime().ready():
            return OK, b"ready\n", _PLAIN
        raise Failed("A test prediction did not work.")  # noqa: EM101, TRY003

    async def _metrics(self, _scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        return OK, metrics.exposition(), _METRICS

    async def _openapi_json(self, _scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        return OK, self._openapi, _JSON


def _fixed(headers: Headers, body: bytes) -> Handler:
    """Handler of something that never changes."""

    async def handler(_scope: Scope, _receive: Receive) -> tuple[int, bytes, Headers]:
        return OK, body, headers

    return handler


def _check_type(scope: Scope) -> None:
    """Refuse bodies that are declared to be anything but plain JSON."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value.split(b";")[0].strip().lower() != b"application/json":
            detail = f"Send application/json, not {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            detail = f"Send the body as it is, not encoded as {value.decode('latin-1')!r}."
            raise UnsupportedType(detail)
