"""ASGI application that answers the routes of the contract, with problem documents for errors.

It is the outermost application of the BentoML service. BentoML's own request handling costs
several times as much as a prediction (docs/decisions/), so no request for a route of the contract
reaches it; BentoML runs the process, its workers, its life cycle and the batchable method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from serving import metrics
from serving.api import request_id
from serving.api.admin import PATH as ADMIN_PATH
from serving.api.admin import Admin
from serving.api.asgi import (
    JSON,
    Answer,
    ASGIApp,
    ClientDisconnected,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    problem_response,
    send_answer,
)
from serving.api.auth import ApiKeys, require_key
from serving.api.openapi import ServedModel, openapi_document
from serving.api.predict import PredictDelay
from serving.errors import InternalError, MethodNotAllowed, NotFound
from serving.models.loaded import Runtime
from serving.page import pages
from serving.settings import Settings

Handler = Callable[[Scope, Receive], Awaitable[Answer]]

SCHEMA = "/schema.json"
"""Route that BentoML answers; its own Python client reads it first."""

GUARDED = ("/predict_delay", "/model", "/metrics")
"""Routes that need a key if keys are configured. The others give public information, or need the
admin token."""

OK, BAD_REQUEST = 200, 400

_PLAIN: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)
_METRICS: Headers = ((b"content-type", metrics.CONTENT_TYPE),)
_JSON: Headers = (JSON,)


class Application:
    """ASGI application with every public route.

    Parameters
    ----------
    app
        BentoML's application; gets only `GET /schema.json` and life-cycle events.
    runtime
        Returns the loaded model; called per request, so that a reload takes effect at once.
    settings
        Limits of the process.
    admin
        Handler of the administrator's route; without it the route does not exist.

    Attributes
    ----------
    predict_delay
        Handler of prediction requests; the fast path calls it too.
    keys
        Accepted API keys; ``None`` if no key is needed.
    """

    def __init__(
        self,
        app: ASGIApp,
        runtime: Callable[[], Runtime],
        settings: Settings,
        admin: Admin | None = None,
    ) -> None:
        self._app = app
        self._runtime = runtime
        self.predict_delay = PredictDelay(runtime, settings.max_body_bytes, settings.max_bulk_bytes)
        self.keys = _keys(settings.api_keys_file, settings.workers)
        self._admin = admin is not None
        self._forwarded: Answer | None = None
        self._routes: dict[str, dict[str, Handler]] = {
            "/predict_delay": {"POST": self.predict_delay},
            "/model": {"GET": self._model},
            "/livez": {"GET": self._livez},
            "/healthz": {"GET": self._livez},
            "/readyz": {"GET": self._readyz},
            "/metrics": {"GET": self._metrics},
            "/openapi.json": {"GET": self._openapi_json},
            SCHEMA: {"GET": self._forward},
        }
        for path, (headers, body) in pages().items():
            self._routes[path] = {"GET": _fixed(headers, body)}
        if admin:
            self._routes[ADMIN_PATH] = {"POST": admin.reload}
        if self.keys:
            for path in GUARDED:
                handlers = self._routes[path].items()
                self._routes[path] = {
                    method: require_key(handler, self.keys) for method, handler in handlers
                }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; pass life-cycle events to BentoML's application."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})  # refuses the handshake with 403
                return
            await self._app(scope, receive, send)
            return
        id_headers = request_id.response_headers(scope["headers"])
        try:
            status, body, headers = await self._handler(scope)(scope, receive)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 - becomes this request's answer
            status, body, headers = problem_response(error, id_headers)
        if status != OK and scope["path"] == "/predict_delay":
            metrics.buffer.refused(status)
        headers = (*headers, *id_headers)
        await send_answer(send, status, body, headers, head=scope["method"] == "HEAD")

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

    async def _forward(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer of BentoML's application to GET, for HEAD too; it is made once.

        BentoML builds this schema for each request, which blocks the event loop for milliseconds.
        """
        if self._forwarded is not None:
            return self._forwarded
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._app({**scope, "method": "GET"}, receive, collect)
        start, *pieces = messages
        body = b"".join(piece.get("body", b"") for piece in pieces)
        headers = ((name, value) for name, value in start["headers"] if name == b"content-type")
        answer = start["status"], body, tuple(headers)
        if answer[0] < BAD_REQUEST:
            self._forwarded = answer
        return answer

    async def _model(self, _scope: Scope, _receive: Receive) -> Answer:
        return OK, self._runtime().card, _JSON

    async def _livez(self, _scope: Scope, _receive: Receive) -> Answer:
        return OK, b"alive\n", _PLAIN

    async def _readyz(self, _scope: Scope, _receive: Receive) -> Answer:
        if self._runtime().ready():
            return OK, b"ready\n", _PLAIN
        raise InternalError("A test prediction failed.")  # noqa: EM101, TRY003

    async def _metrics(self, _scope: Scope, _receive: Receive) -> Answer:
        return OK, metrics.exposition(), _METRICS

    async def _openapi_json(self, _scope: Scope, _receive: Receive) -> Answer:
        runtime = self._runtime()
        model = ServedModel(runtime.predictor.builder.airport_config, runtime.example)
        return OK, openapi_document(model, keys=self.keys is not None, admin=self._admin), _JSON


def _fixed(headers: Headers, body: bytes) -> Handler:
    """Return a handler that always gives the same answer."""

    async def handler(_scope: Scope, _receive: Receive) -> Answer:
        return OK, body, headers

    return handler


def _keys(file: Path | None, workers: int) -> ApiKeys | None:
    return ApiKeys.parse(file.read_text(), workers) if file else None
