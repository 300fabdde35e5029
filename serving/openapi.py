"""The OpenAPI document of the contract, made from its models: what is served is what is said."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from data.home import SANTIAGO, Home
from serving.contract import (
    EXAMPLE_FLIGHT,
    LONGEST_TIMEOUT_MS,
    PredictionRequest,
    PredictionResponse,
    Problem,
)

VERSION = "1.0.0"
_REFERENCE = "#/components/schemas/{model}"

_PROBLEMS = {
    "400": "The body is not JSON.",
    "408": "The request did not arrive whole in time; the connection is closed.",
    "413": "The body is longer than the service accepts.",
    "415": "The body is declared to be something else than JSON.",
    "422": "The request is not valid; every guilty field is named, with the index of its flight.",
    "500": "The service failed; the fault is not the caller's.",
    "503": "More work is waiting than the service accepts; try again after `Retry-After` seconds.",
    "504": "The time given in `X-Request-Timeout-Ms` has passed.",
}

_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "Milliseconds after which the answer is of no use; flights are not scored then.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT_MS},
    "example": 2000,
}


@cache
def openapi_document(home: Home = SANTIAGO) -> bytes:
    """Return the document as JSON text, in words about the airport that the model is for."""
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
            "title": "Flight delays at Santiago de Chile",
            "version": VERSION,
            "description": "Probability that a departure leaves more than 15 minutes late.",
        },
        "paths": _paths(),
        "components": {"schemas": definitions["$defs"]},
    }
    return _about(home, json.dumps(document)).encode()


def _about(home: Home, text: str) -> str:
    if home == SANTIAGO:
        return text
    place = json.dumps(home.place)[1:-1]
    for words in (f"{SANTIAGO.place} de Chile", SANTIAGO.place):
        text = text.replace(words, place)
    return text.replace(SANTIAGO.airport, home.airport)


def _paths() -> dict[str, Any]:
    return {
        "/predict_delay": {"post": _predict_delay()},
        "/model": {"get": _get("model", "Card of the model that answers.", {"type": "object"})},
        "/livez": {"get": _get_text("livez", "Whether the process lives.")},
        "/readyz": {"get": _get_text("readyz", "Whether a real prediction works.")},
        "/metrics": {"get": _get_text("metrics", "Metrics in Prometheus' text format.")},
        "/openapi.json": {"get": _get("openapi", "This document.", {"type": "object"})},
    }


def _predict_delay() -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="PredictionRequest")}
    example = {"flights": [EXAMPLE_FLIGHT]}
    return {
        "operationId": "predict_delay",
        "summary": "Score scheduled departures.",
        "parameters": [_TIMEOUT],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {
            "200": _answer("One prediction per flight, in order.", "PredictionResponse"),
            **{status: _problem(words) for status, words in _PROBLEMS.items()},
        },
    }


def _answer(description: str, model: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _get(operation: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": content},
            "500": _problem(_PROBLEMS["500"]),
        },
    }


def _get_text(operation: str, summary: str) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": content},
            "500": _problem(_PROBLEMS["500"]),
        },
    }
