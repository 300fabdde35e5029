"""Tests of both clients against the service: its ASGI application and `bentoml serve`."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import httpx
import pytest

from scl_delay import (
    AirportState,
    ApiKey,
    AsyncDelayClient,
    BearerToken,
    DelayClient,
    DelayError,
    Flight,
    InvalidError,
    TooLargeError,
)
from serving.api.application import Application
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE
from tests.client.conftest import ClientRunner
from tests.support.server import Server

FLIGHT = Flight(**EXAMPLE_FLIGHT)
STATE = AirportState.model_validate(EXAMPLE_STATE)


def test_both_clients_have_the_same_methods() -> None:
    """The public methods have the same names and parameters."""
    for name, method in inspect.getmembers(DelayClient, inspect.isfunction):
        if name.startswith("_"):
            continue
        runner = getattr(AsyncDelayClient, name)
        assert list(inspect.signature(method).parameters) == list(
            inspect.signature(runner).parameters
        ), name


@pytest.mark.server
@pytest.mark.parametrize("flight", [FLIGHT, EXAMPLE_FLIGHT])
def test_predict_equals_plain_http(runner: ClientRunner, live: Server, flight: Any) -> None:
    """A flight, as a model or as a dictionary, gets the answer of plain HTTP."""
    plain = httpx.post(f"{live.url}/predict_delay", json={"flights": [EXAMPLE_FLIGHT]}).json()
    prediction = runner.call(live.url, "predict", flight)
    assert prediction.model_dump(exclude_none=True) == plain["predictions"][0]


@pytest.mark.server
def test_options_of_a_call_reach_the_service(runner: ClientRunner, live: Server) -> None:
    """`explain` and `airport_state` change the answer as in plain HTTP."""
    body = {"flights": [EXAMPLE_FLIGHT], "airport_state": EXAMPLE_STATE, "explain": True}
    plain = httpx.post(f"{live.url}/predict_delay", json=body).json()["predictions"][0]
    told = runner.call(live.url, "predict", FLIGHT, explain=True, airport_state=STATE)
    assert told.model_dump() == plain
    (same,) = runner.call(live.url, "predict_many", [FLIGHT], explain=True, airport_state=STATE)
    assert same == told
    assert runner.call(live.url, "predict", FLIGHT).probability != told.probability


@pytest.mark.server
def test_predict_many_equals_single_predictions(runner: ClientRunner, live: Server) -> None:
    """Flights split over many requests get the same predictions, in order."""
    hours = [f"2017-07-{day:02}T{hour:02}:00" for day in range(1, 29) for hour in range(24)]
    flights = [FLIGHT.model_copy(update={"scheduled_departure": hour}) for hour in hours]
    scored = runner.call(live.url, "predict_many", flights, chunk=50)
    assert len(scored) == len(flights)
    for place in range(0, len(flights), 97):
        assert runner.call(live.url, "predict", flights[place]) == scored[place]


@pytest.mark.server
def test_model_and_healthy(runner: ClientRunner, live: Server, registered: str) -> None:
    """The model card names the model, and a running service is healthy."""
    assert runner.call(live.url, "model")["model"] == registered
    assert runner.call(live.url, "healthy") is True


@pytest.mark.server
def test_an_invalid_field_is_named(runner: ClientRunner, live: Server) -> None:
    """The exception has the service's whole problem document."""
    with pytest.raises(InvalidError, match="/flights/0/airline") as caught:
        runner.call(live.url, "predict", {**EXAMPLE_FLIGHT, "airline": "lan"})
    problem = caught.value.problem
    assert (problem.status, problem.type) == (422, "urn:flight-delay:problem:invalid")
    assert problem.errors is not None
    assert problem.errors[0].flight == 0


def test_the_asgi_application_as_transport(asgi: httpx.ASGITransport) -> None:
    """The asynchronous client calls the ASGI application without a network."""

    async def ask() -> tuple[float, bool, str]:
        async with AsyncDelayClient("http://here", transport=asgi) as client:
            prediction = await client.predict(FLIGHT)
            card = await client.model()
            return prediction.probability, await client.healthy(), card["model"]

    probability, healthy, model = asyncio.run(ask())
    assert 0 < probability < 1
    assert (healthy, model) == (True, "flight_delay:test")


def test_a_small_body_limit_of_the_service_is_respected(make_app: Any) -> None:
    """Requests are split to a small limit; a single flight above it raises TooLargeError."""

    async def ask(app: Application) -> int:
        transport = httpx.ASGITransport(app=app)
        async with AsyncDelayClient("http://here", transport=transport) as client:
            return len(await client.predict_many([FLIGHT] * 64))

    assert asyncio.run(ask(make_app(max_body_bytes=1000))) == 64
    with pytest.raises(DelayError) as caught:
        asyncio.run(ask(make_app(max_body_bytes=20)))
    assert isinstance(caught.value.__cause__, TooLargeError)


class Echo:
    """Mock service that records requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        prediction = {"probability": 0.1, "delayed": False, "risk": "low", "unknown": []}
        return httpx.Response(200, json={"model": "m", "predictions": [prediction]})


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"auth": BearerToken("abc")}, "authorization", "Bearer abc"),
        ({"auth": ApiKey("abc")}, "x-api-key", "abc"),
        ({"auth": ApiKey("abc", header="key")}, "key", "abc"),
        ({"headers": {"x-team": "desk"}}, "x-team", "desk"),
        ({}, "content-type", "application/json"),
    ],
)
def test_headers_are_sent(
    runner: ClientRunner, options: dict[str, Any], header: str, value: str
) -> None:
    """Tokens, keys and extra headers are sent with every request."""
    echo = Echo()
    runner.call(
        "http://x/base/", "predict", FLIGHT, client={**options, "transport": echo.transport}
    )
    assert echo.requests[0].headers[header] == value
    assert str(echo.requests[0].url) == "http://x/base/predict_delay"
    assert echo.requests[0].headers["user-agent"].startswith("scl-delay-client/")


def test_a_given_http_client_is_used_and_not_closed() -> None:
    """The caller's httpx client keeps its settings and stays open."""
    echo = Echo()
    with httpx.Client(transport=echo.transport, headers={"x-own": "1"}) as http:
        with DelayClient("http://x", http_client=http) as client:
            client.predict(FLIGHT)
        assert not http.is_closed
    assert echo.requests[0].headers["x-own"] == "1"


def test_missing_values_of_dictionaries_are_null() -> None:
    """NaN, which JSON does not have, is sent as null."""
    echo = Echo()
    with DelayClient("http://x", transport=echo.transport) as client:
        client.predict({**EXAMPLE_FLIGHT, "flight_type": float("nan")})
    assert json.loads(echo.requests[0].content)["flights"][0]["flight_type"] is None


@pytest.mark.parametrize("url", ["localhost:3000", "", "ftp://x", "http://", "http://x:y"])
def test_an_invalid_url_raises(url: str) -> None:
    """The constructor raises for an invalid URL."""
    with pytest.raises(ValueError, match="is not an address"):
        DelayClient(url)


def test_an_unknown_auth_raises() -> None:
    """A string other than "gcp" raises."""
    with pytest.raises(ValueError, match="auth='aws'"):
        DelayClient("http://x", auth="aws")  # type: ignore[arg-type] # that is what is tested


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("airline", "lan"),
        ("airline", "LATAM"),
        ("flight_number", "LAN120"),
        ("destination", "Antofagasta"),
        ("scheduled_departure", "tomorrow"),
        ("scheduled_departure", "2017-02-30T08:00"),
        ("flight_type", "X"),
        ("gate", "12"),
    ],
)
def test_a_flight_is_validated_when_it_is_created(field: str, value: str) -> None:
    """An invalid field raises before any request."""
    with pytest.raises(ValueError, match=field):
        Flight(**{**EXAMPLE_FLIGHT, field: value})
