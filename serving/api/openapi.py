"""OpenAPI document of the contract, made from the models that validate requests."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from pydantic.json_schema import models_json_schema

from data.airports.config import AirportConfig
from serving.api.admin import PATH as ADMIN_PATH
from serving.api.admin import ReloadRequest
from serving.api.asgi import problem_document
from serving.contract.schema import (
    EXAMPLE_FLIGHT,
    EXAMPLE_STATE,
    LONGEST_TIMEOUT_MS,
    Flight,
    PredictionRequest,
    PredictionResponse,
    Problem,
)
from serving.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    HeadTooLarge,
    InternalError,
    Invalid,
    ModelRefused,
    NotJson,
    Overloaded,
    ProblemError,
    RateLimited,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnsupportedType,
)

VERSION = "1.0.0"
"""Version of the HTTP contract, equal to the project's."""
_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Probability that a departure leaves more than 15 minutes late. Every answer to a request that"
    " was read carries an `X-Request-ID`: the client's own if it sends one of 1 to 128 letters,"
    " digits and `._:/+=@-`. Every error is a problem document (RFC 9457)."
)

JsonObject = dict[str, Any]
ProblemCase = tuple[type[ProblemError], str]
"""Kind of problem, and the condition under which a route answers with it."""

_ANYWHERE: tuple[ProblemCase, ...] = (
    (BadRequest, "The request is not valid HTTP; the connection is closed."),
    (RequestTimeout, "The request did not arrive in time; the connection is closed."),
    (HeadTooLarge, "The head of the request is too long; the connection is closed."),
    (InternalError, "The service failed; the fault is not the client's."),
)
"""Problems of every route."""

_WITH_KEYS: tuple[ProblemCase, ...] = (
    (Unauthorized, "Only if the service needs keys: none was sent."),
    (Forbidden, "Only if the service needs keys: this one is not accepted."),
    (RateLimited, "Only if the service needs keys: the rate limit of this one is exceeded."),
)

_TOO_MANY_CONNECTIONS: ProblemCase = (Overloaded, "Too many connections are open; try again.")

_PREDICTING: tuple[ProblemCase, ...] = (
    (NotJson, "The body is not JSON."),
    (TooLarge, "The body is longer than the service accepts."),
    (UnsupportedType, "The content type or encoding of the body is not plain JSON."),
    (Invalid, "Not valid; the invalid fields are listed, each with the index of its flight."),
    (Overloaded, "More work is waiting than is accepted; try again after `Retry-After` seconds."),
    (DeadlineExceeded, "The time given in `X-Request-Timeout-Ms` has passed."),
)

_RELOADING: tuple[ProblemCase, ...] = (
    (NotJson, "The body is not JSON: send none to load the newest model."),
    (Unauthorized, "The admin token is missing or wrong."),
    (Conflict, "Another reload is in progress."),
    (TooLarge, "The body is longer than the service accepts."),
    (Invalid, "The body is not a valid reload request; or the model failed its checks."),
    (ModelRefused, "The model cannot be read, is damaged or differs too far from the current one."),
    _TOO_MANY_CONNECTIONS,
)

_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "Milliseconds allowed for the answer; later, flights are not scored any more.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT_MS},
    "example": 2000,
}

_REQUEST_ID = {
    "description": "Id of the request, also in the service's log.",
    "schema": {"type": "string"},
}

_CARD = {
    "type": "object",
    "required": ["model", "threshold", "risk_from", "data", "features", "evaluation"],
    "properties": {
        "model": {"type": "string", "description": "Name and version."},
        "threshold": {"type": "number", "description": "`delayed` from this probability on."},
        "risk_from": {
            "type": "object",
            "description": "Lower bound of each band of `risk`.",
            "additionalProperties": {"type": "number"},
        },
        "data": {"type": "object", "description": "Training data."},
        "features": {"type": "array", "items": {"type": "string"}},
        "evaluation": {"type": "object", "description": "Figures of each protocol."},
        "warning": {"type": "string", "description": "Present if the training data was generated."},
    },
}

_CHANGE = {
    "type": "object",
    "required": ["model", "before", "changed"],
    "properties": {
        "model": {"type": "string", "description": "Model that is served now."},
        "before": {"type": "string", "description": "Model that was served before."},
        "changed": {"type": "boolean"},
    },
}


class ServedModel(NamedTuple):
    """Properties of the served model that the document of a running service describes.

    Attributes
    ----------
    home
        Airport that the flights leave from.
    flight
        Example flight whose codes the model knows.
    """

    home: AirportConfig
    flight: Flight


@cache
def openapi_document(
    model: ServedModel | None = None, *, keys: bool = False, admin: bool = False
) -> bytes:
    """Return the document as JSON text.

    Parameters
    ----------
    model
        Served model; without it, the document holds for any airport.
    keys
        Whether the service needs API keys.
    admin
        Whether it has the administrator's route.
    """
    _, definitions = models_json_schema(
        [
            (PredictionRequest, "validation"),
            (PredictionResponse, "validation"),
            (Problem, "validation"),
        ],
        ref_template=_REFERENCE,
    )
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Flight delays at the home airport",
            "version": VERSION,
            "description": _DESCRIPTION,
        },
        "paths": _paths(keys=keys) | ({ADMIN_PATH: {"post": _reload()}} if admin else {}),
        "components": {"schemas": definitions["$defs"], **_schemes(keys=keys, admin=admin)},
    }
    if model is not None:
        _describe(model, document)
    return json.dumps(document).encode()


def _describe(model: ServedModel, document: JsonObject) -> None:
    """Name the model's airport in the document, and use its example flight everywhere."""
    home = model.home
    document["info"]["title"] = f"Flight delays at {home.place} ({home.airport})"
    document["info"]["description"] += (
        f" The home airport is {home.place} ({home.airport}); times without an offset are on the"
        f" wall clock of {home.time_zone}."
    )
    departure = model.flight.scheduled_departure.isoformat()
    flight = model.flight.model_dump() | {"scheduled_departure": departure}
    schemas = document["components"]["schemas"]
    for name, value in flight.items():
        schemas["Flight"]["properties"][name]["examples"] = [value]
    examples = _examples(flight)
    schemas["PredictionRequest"]["examples"] = [
        examples[name]["value"] for name in ("schedule", "live")
    ]
    content = document["paths"]["/predict_delay"]["post"]["requestBody"]["content"]
    content["application/json"]["examples"] = examples


def _examples(flight: JsonObject) -> JsonObject:
    request = {"flights": [flight]}
    return {
        "schedule": {"summary": "One flight", "value": request},
        "explained": {
            "summary": "The same flight, with an explanation of its probability",
            "value": request | {"explain": True},
        },
        "live": {
            "summary": "The same flight, with the current state of the airport",
            "value": request | {"airport_state": EXAMPLE_STATE},
        },
    }


def _paths(*, keys: bool) -> JsonObject:
    read = [
        ("/model", "model", "Card of the served model.", _json(_CARD), True),
        ("/livez", "livez", "Whether the process runs.", _TEXT, False),
        ("/healthz", "healthz", "Same as `/livez`.", _TEXT, False),
        ("/readyz", "readyz", "Whether a prediction works.", _TEXT, False),
        ("/metrics", "metrics", "Metrics in Prometheus' text format.", _TEXT, True),
        ("/openapi.json", "openapi", "This document.", _json({"type": "object"}), False),
    ]
    return {
        "/predict_delay": {"post": _predict_delay() | _security(keys=keys)},
        **{
            path: {"get": _get(name, summary, content, guarded) | _security(keys=keys and guarded)}
            for path, name, summary, content, guarded in read
        },
    }


def _schemes(*, keys: bool, admin: bool) -> JsonObject:
    schemes = {}
    if keys:
        schemes["key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "description": "The same key."}
    if admin:
        schemes["admin"] = {"type": "http", "scheme": "bearer", "description": "The admin token."}
    return {"securitySchemes": schemes} if schemes else {}


def _security(*, keys: bool) -> JsonObject:
    return {"security": [{"key": []}, {"bearer": []}]} if keys else {}


def _predict_delay() -> JsonObject:
    schema = {"$ref": _REFERENCE.format(model="PredictionRequest")}
    answer = {"$ref": _REFERENCE.format(model="PredictionResponse")}
    return {
        "operationId": "predict_delay",
        "summary": "Score scheduled departures.",
        "parameters": [_TIMEOUT],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "examples": _examples(EXAMPLE_FLIGHT)}
            },
        },
        "responses": {
            "200": _success("One prediction per flight, in order.", _json(answer)),
            **_problems(*_ANYWHERE, *_WITH_KEYS, *_PREDICTING),
        },
    }


def _reload() -> JsonObject:
    schema = ReloadRequest.model_json_schema()
    return {
        "operationId": "reload",
        "summary": "Serve the newest model, or the given version.",
        "security": [{"admin": []}],
        "requestBody": {"required": False, "content": _json(schema)},
        "responses": {
            "200": _success("Model that is served now, and the one before.", _json(_CHANGE)),
            **_problems(*_ANYWHERE, *_RELOADING),
        },
    }


def _get(operation: str, summary: str, content: JsonObject, guarded: bool) -> JsonObject:
    cases = (*_ANYWHERE, *(_WITH_KEYS if guarded else ()), _TOO_MANY_CONNECTIONS)
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": _success(summary, content), **_problems(*cases)},
    }


def _success(description: str, content: JsonObject) -> JsonObject:
    return {
        "description": description,
        "headers": {"X-Request-ID": _REQUEST_ID},
        "content": content,
    }


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}


_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def _problems(*cases: ProblemCase) -> JsonObject:
    """Return the answers by status; kinds of one status share an answer with an example each."""
    answers: JsonObject = {}
    for kind, description in sorted(cases, key=lambda case: case[0].status):
        schema = {"$ref": _REFERENCE.format(model="Problem")}
        content = {"schema": schema, "examples": {}}
        answer = answers.setdefault(
            str(kind.status),
            {"description": description, "content": {"application/problem+json": content}},
        )
        example = {"summary": kind.title, "value": problem_document(kind(description))}
        answer["content"]["application/problem+json"]["examples"][kind.kind] = example
    return answers
