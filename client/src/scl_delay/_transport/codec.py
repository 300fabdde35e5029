"""Encode requests, and decode answers and failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from scl_delay._transport.constants import PROBLEM_TYPE
from scl_delay._transport.options import CallOptions
from scl_delay._transport.problems import PROBLEMS
from scl_delay._transport.retries import retry_after_seconds
from scl_delay.errors import BadAnswerError, NoAnswerError, ProblemError, TooSlowError
from scl_delay.models import Flight, Prediction, PredictionResponse, Problem

FlightLike = Flight | Mapping[str, Any]
"""`Flight`, or a dictionary with the same fields."""

SHOWN = 200
"""Characters of an unknown answer that an error message shows."""

_anything: TypeAdapter[Any] = TypeAdapter(Any)
_card: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_HINTS = {
    401: " The service needs authentication: pass auth=BearerToken(...), ApiKey(...) or 'gcp'.",
    403: " These credentials may not call this service: ask its operator for access.",
}


def encode(flights: Sequence[FlightLike], options: CallOptions) -> bytes:
    """Return the body of a request; missing numbers (NaN) become null."""
    request: dict[str, Any] = {"flights": flights}
    if (state := options.get("airport_state")) is not None:
        request["airport_state"] = state
    if options.get("explain"):
        request["explain"] = True
    return _anything.dump_json(request)


def read_predictions(response: httpx.Response, count: int) -> list[Prediction]:
    """Return the predictions of an answer.

    Raises
    ------
    BadAnswerError
        If it is anything but one prediction for each of `count` flights.
    """
    try:
        predictions = PredictionResponse.model_validate_json(response.content).predictions
    except ValidationError as error:
        raise _bad(response, _first(error)) from error
    if len(predictions) != count:
        raise _bad(response, f"{len(predictions)} predictions for {count} flights")
    return predictions


def read_card(response: httpx.Response) -> dict[str, Any]:
    """Return the model card of an answer.

    Raises
    ------
    BadAnswerError
        If it is not a JSON object.
    """
    try:
        return _card.validate_json(response.content)
    except ValidationError as error:
        raise _bad(response, _first(error)) from error


def problem_of(response: httpx.Response) -> ProblemError:
    """Return the exception for an answer with an error status."""
    retry_after = retry_after_seconds(response.headers.get("retry-after"))
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        problem = _without_document(response)
    kind = problem.type.removeprefix(PROBLEM_TYPE)
    return PROBLEMS.get(kind, ProblemError)(problem, response.headers, retry_after)


def failure_of(error: httpx.RequestError, url: str) -> NoAnswerError:
    """Return the exception for a request without an answer, caused by `error`."""
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        step = "no connection" if unsent else "no answer"
        message = f"{url}: {step} within the time-out ({words})"
        failure: NoAnswerError = TooSlowError(message, before_sending=unsent)
    elif unsent:
        message = f"{url} cannot be reached: {words}. Is the service running there?"
        failure = NoAnswerError(message, before_sending=True)
    else:
        failure = NoAnswerError(f"the connection to {url} was lost: {words}")
    failure.__cause__ = error
    return failure


def _without_document(response: httpx.Response) -> Problem:
    """Return the problem of an answer whose body is not a problem document."""
    text = " ".join(response.text.split())[:SHOWN] or "the body is empty."
    return Problem(
        type="about:blank",
        title=response.reason_phrase or "Refused",
        status=response.status_code,
        detail=text + _HINTS.get(response.status_code, ""),
    )


def _bad(response: httpx.Response, what: str) -> BadAnswerError:
    message = (
        f"{response.url} answered {response.status_code}, but the body does not follow the"
        f" contract ({what}): is this the flight delay service?"
    )
    return BadAnswerError(message, response.status_code, response.content)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}"
