"""The OpenAPI document of the contract, made from its models: what is served is what is said."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from pydantic.json_schema import models_json_schema

from data.airports.config import AirportConfig
from serving.api.admin import PATH as ADMIN_PATH
from serving.api.admin import ReloadRequest
from serving.api.asgi import problem
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
"""Of the HTTP contract, and so of the service; stands here alone."""
_REFERENCE = "#/components/schemas/{model}"
_ABOUT = (
    "Probability that a departure leaves more than 15 minutes late. Every answer to a request that"
    " was read carries an `X-Request-ID`: the caller's own where it sends one of 1 to 128 letters,"
    " digits and `._:/+=@-`. Every error is a problem document (RFC 9457)."
)

JsonObject = dict[str, Any]
Words = tuple[type[ProblemError], str]
"""A kind of refusal and when it comes."""

_ANYWHERE: tuple[Words, ...] = (
    (BadRequest, "What arrived is not HTTP; the connection is closed."),
    (RequestTimeout, "The request did not arrive whole in time; the connection is closed."),
    (HeadTooLarge, "The head of the request is too long; the connection is closed."),
    (InternalError, "The service failed; the fault is not the caller's."),
)
"""What any route may answer."""

_WITH_KEYS: tuple[Words, ...] = (
    (Unauthorized, "Only where the service asks for keys: none was sent."),
    (Forbidden, "Only where the service asks for keys: this one is not accepted."),
    (
        RateLimited,
        "Only where the service asks for keys: more than this one allows at once.",
    ),
)

_TOO_MANY_CONNECTIONS: Words = (Overloaded, "Too many connections are open; try again.")

_PREDICTING: tuple[Words, ...] = (
    (NotJson, "The body is not JSON."),
    (TooLarge, "The body is longer than the service accepts."),
    (UnsupportedType, "The body is declared to be something else than JSON."),
    (Invalid, "Not valid; every guilty field is named, with the index of its flight."),
    (Overloaded, "More work is waiting than is accepted; try again after `Retry-After` seconds."),
    (DeadlineExceeded, "The time given in `X-Request-Timeout-Ms` has passed."),
)

_RELOADING: tuple[Words, ...] = (
    (NotJson, "The body is not JSON: send none to load the newest model."),
    (Unauthorized, "The admin token is missing or wrong."),
    (Conflict, "A model is being loaded already."),
    (TooLarge, "The body is longer than the service accepts."),
    (
        Invalid,
        "Not such a request; or a model that is not fit, and the one in place goes on.",
    ),
    (ModelRefused, "The model cannot be read, is damaged or answers far from the one in place."),
    _TOO_MANY_CONNECTIONS,
)

_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "Milliseconds after which the answer is of no use; flights are not scored then.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT_MS},
    "example": 2000,
}

_REQUEST_ID = {
    "description": "Name of the request, in the service's log too.",
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
        "data": {"type": "object", "description": "What it was trained on."},
        "features": {"type": "array", "items": {"type": "string"}},
        "evaluation": {"type": "object", "description": "Figures of each protocol."},
        "warning": {"type": "string", "description": "Where it was trained on generated flights."},
    },
}

_CHANGE = {
    "type": "object",
    "required": ["model", "before", "changed"],
    "properties": {
        "model": {"type": "string", "description": "What answers now."},
        "before": {"type": "string", "description": "What answered before."},
        "changed": {"type": "boolean"},
    },
}


_HOME = "the home airport"
"""How the contract's models call it."""


class About(NamedTuple):
    """Whom the document of a running service speaks of: what its model knows.

    Attributes
    ----------
    home
        The airport that the flights leave from.
    flight
        The example, one that the model knows.
    """

    home: AirportConfig
    flight: Flight


@cache
def openapi_document(
    about: About | None = None, *, keys: bool = False, admin: bool = False
) -> bytes:
    """Return the document as JSON text.

    Parameters
    ----------
    about
        The served model's airport and example. Without it: words that hold for any airport.
    keys
        Whether the service asks for API keys.
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
            "title": f"Flight delays at {_HOME}",
            "version": VERSION,
            "description": _ABOUT,
        },
        "paths": _paths(keys=keys) | ({ADMIN_PATH: {"post": _reload()}} if admin else {}),
        "components": {"schemas": definitions["$defs"], **_schemes(keys=keys, admin=admin)},
    }
    if about is None:
        return json.dumps(document).encode()
    _tell_of(about, document)
    return json.dumps(document).replace(_HOME, _escaped(about.home.place)).encode()


def _tell_of(about: About, document: JsonObject) -> None:
    """Put the airport's clock and the model's example in place of the contract's own."""
    document["info"]["title"] += f" ({about.home.airport})"
    document["info"]["description"] += (
        f" Times without an offset are on the wall clock of {about.home.time_zone}."
    )
    departure = about.flight.scheduled_departure.isoformat()
    flight = about.flight.model_dump() | {"scheduled_departure": departure}
    for name, value in flight.items():
        document["components"]["schemas"]["Flight"]["properties"][name]["examples"] = [value]
    examples = _examples(flight)
    request = document["components"]["schemas"]["PredictionRequest"]
    request["examples"] = [examples[name]["value"] for name in ("schedule", "live")]
    content = document["paths"]["/predict_delay"]["post"]["requestBody"]["content"]
    content["application/json"]["examples"] = examples


def _examples(flight: JsonObject) -> JsonObject:
    asked = {"flights": [flight]}
    return {
        "schedule": {"summary": "One flight", "value": asked},
        "explained": {
            "summary": "The same, and what its probability is made of",
            "value": asked | {"explain": True},
        },
        "live": {
            "summary": "The same, with the airport as it is now",
            "value": asked | {"airport_state": EXAMPLE_STATE},
        },
    }


def _escaped(text: str) -> str:
    """Text as it stands inside a JSON string."""
    return json.dumps(text)[1:-1]


def _paths(*, keys: bool) -> JsonObject:
    read = [
        ("/model", "model", "Card of the model that answers.", _json(_CARD), True),
        ("/livez", "livez", "Whether the process lives.", _TEXT, False),
        ("/healthz", "healthz", "The same, by another name.", _TEXT, False),
        ("/readyz", "readyz", "Whether a real prediction works.", _TEXT, False),
        ("/metrics", "metrics", "Metrics in Prometheus' text format.", _TEXT, True),
        ("/openapi.json", "openapi", "This document.", _json({"type": "object"}), False),
    ]
    return {
        "/predict_delay": {"post": _predict_delay() | _asks(keys=keys)},
        **{
            path: {"get": _get(name, words, content, guarded) | _asks(keys=keys and guarded)}
            for path, name, words, content, guarded in read
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


def _asks(*, keys: bool) -> JsonObject:
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
            "200": _good("One prediction per flight, in order.", _json(answer)),
            **_problems(*_ANYWHERE, *_WITH_KEYS, *_PREDICTING),
        },
    }


def _reload() -> JsonObject:
    schema = ReloadRequest.model_json_schema()
    return {
        "operationId": "reload",
        "summary": "Put the newest model in place, or the version that is named.",
        "security": [{"admin": []}],
        "requestBody": {"required": False, "content": _json(schema)},
        "responses": {
            "200": _good("What answers now, and what did before.", _json(_CHANGE)),
            **_problems(*_ANYWHERE, *_RELOADING),
        },
    }


def _get(operation: str, summary: str, content: JsonObject, guarded: bool) -> JsonObject:
    words = (*_ANYWHERE, *(_WITH_KEYS if guarded else ()), _TOO_MANY_CONNECTIONS)
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": _good(summary, content), **_problems(*words)},
    }


def _good(description: str, content: JsonObject) -> JsonObject:
    return {
        "description": description,
        "headers": {"X-Request-ID": _REQUEST_ID},
        "content": content,
    }


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}


_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def _problems(*words: Words) -> JsonObject:
    """Answers by status; two kinds of one status share an answer with an example each."""
    answers: JsonObject = {}
    for refusal, description in sorted(words, key=lambda each: each[0].status):
        schema = {"$ref": _REFERENCE.format(model="Problem")}
        content = {"schema": schema, "examples": {}}
        answer = answers.setdefault(
            str(refusal.status),
            {"description": description, "content": {"application/problem+json": content}},
        )
        example = json.loads(problem(_refusal(refusal, description))[1])
        examples = answer["content"]["application/problem+json"]["examples"]
        examples[refusal.kind] = {"summary": refusal.title, "value": example}
    return answers


def _refusal(kind: type[ProblemError], detail: str) -> ProblemError:
    return DeadlineExceeded() if kind is DeadlineExceeded else kind(detail)
