"""Tests of both clients with network and server faults, over real sockets."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from scl_delay import (
    BadAnswerError,
    DelayClient,
    Flight,
    IncompleteError,
    NoAnswerError,
    OverloadedError,
    ProblemError,
    Retries,
    TooSlowError,
)
from tests.client.conftest import ClientRunner
from tests.client.faults import (
    Act,
    FaultServer,
    answer,
    cut_in_the_middle,
    problem,
    reply,
    reset,
    stall,
)
from tests.support.server import free_port

STEADY = {"retries": Retries(most=3, first_wait=1, random=lambda: 1.0)}


def flight(number: int = 1) -> Flight:
    """Return a flight; the fault server's probability is its number / 10,000."""
    return Flight(
        airline="LAN",
        flight_number=str(number),
        destination="SCFA",
        scheduled_departure="2017-07-14T08:30",
    )


FLIGHTS = [flight(number) for number in range(100)]


def test_429_waits_for_retry_after(runner: ClientRunner) -> None:
    """The client waits for Retry-After (seconds or date), then the call succeeds."""
    past = "Fri, 14 Jul 2017 08:30:00 GMT"
    acts = [reply(429, b"slow down", retry_after="7"), reply(429, b"", retry_after=past), answer]
    with FaultServer(acts) as server:
        assert runner.call(server.url, "predict", flight(25), client=STEADY).probability == 0.0025
    assert runner.waits == [7.0, 0.0]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_temporary_failures_are_retried(runner: ClientRunner, status: int) -> None:
    """The waits double until the answer arrives."""
    failure = problem(status, "overloaded")
    with FaultServer([failure, failure, answer]) as server:
        assert runner.call(server.url, "predict", flight(1), client=STEADY).probability == 0.0001
        assert len(set(server.bodies)) == 1
    assert runner.waits == [1.0, 2.0]


def test_the_last_failure_is_raised(runner: ClientRunner) -> None:
    """After the last retry the caller gets the service's problem document."""
    with FaultServer([problem(503, "overloaded", retry_after="2")]) as server:
        with pytest.raises(OverloadedError, match="503 overloaded: because") as caught:
            runner.call(server.url, "predict", flight(), client=STEADY)
        assert len(server.bodies) == 4
    assert caught.value.problem.detail == "because"
    assert (caught.value.status, caught.value.retry_after) == (503, 2.0)
    assert runner.waits == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("fault", [cut_in_the_middle, reset])
def test_a_lost_connection_is_retried(runner: ClientRunner, fault: Act) -> None:
    """A connection lost before or during the answer is retried."""
    with FaultServer([fault, answer]) as server:
        assert runner.call(server.url, "predict", flight(3), client=STEADY).probability == 0.0003
    assert runner.waits == [1.0]


@pytest.mark.parametrize("fault", [cut_in_the_middle, reset])
def test_a_connection_that_stays_lost_raises(runner: ClientRunner, fault: Act) -> None:
    """The error says that the connection was lost, and names the URL."""
    with FaultServer([fault]) as server, pytest.raises(NoAnswerError, match="was lost") as caught:
        runner.call(server.url, "predict", flight(), client={"retries": 1})
    assert server.url in str(caught.value)
    assert not caught.value.before_sending
    assert caught.value.__cause__ is not None


def test_a_closed_port_raises(runner: ClientRunner) -> None:
    """If nothing listens, the error asks whether the service runs there."""
    with pytest.raises(NoAnswerError, match="Is the service running there") as caught:
        runner.call(f"http://127.0.0.1:{free_port()}", "predict", flight(), client={"retries": 2})
    assert caught.value.before_sending
    assert len(runner.waits) == 2


def test_a_missing_answer_exceeds_the_time_out(runner: ClientRunner) -> None:
    """A time-out of the client or of the call is not retried."""
    with FaultServer([stall]) as server:
        with pytest.raises(TooSlowError, match="time-out"):
            runner.call(server.url, "predict", flight(), client={"timeout": 0.2})
        with pytest.raises(TooSlowError):
            runner.call(server.url, "predict", flight(), timeout=0.2)
        assert runner.call(server.url, "healthy", timeout=0.2) is False
        assert len(server.bodies) == 3
    assert runner.waits == []


ONE = {"probability": 0.1, "delayed": False, "risk": "low", "unknown": []}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Welcome to nginx</html>", "Invalid JSON"),
        (b'{"model": "m:1", "predictions": [{"proba', "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "the body: "),
        (json.dumps({"model": "m", "predictions": []}).encode(), "0 predictions for 1 flights"),
        (json.dumps({"model": "m", "predictions": [ONE | {"probability": 7}]}).encode(), "less"),
        (json.dumps({"model": "m", "predictions": [ONE | {"risk": "awful"}]}).encode(), "risk"),
    ],
)
def test_an_answer_outside_the_contract_raises(
    runner: ClientRunner, body: bytes, words: str
) -> None:
    """A 200 that does not follow the contract raises without a retry, with the body."""
    with FaultServer([reply(200, body)]) as server:
        with pytest.raises(BadAnswerError, match=words) as caught:
            runner.call(server.url, "predict", flight())
        assert len(server.bodies) == 1
    assert (caught.value.status, caught.value.body) == (200, body)


def test_unknown_fields_of_an_answer_are_ignored(runner: ClientRunner) -> None:
    """An answer of a newer service with more fields is accepted."""
    newer = {"model": "m", "predictions": [ONE | {"gate": "12"}], "took_ms": 3}
    with FaultServer([reply(200, json.dumps(newer).encode())]) as server:
        assert runner.call(server.url, "predict", flight()).probability == 0.1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"<html>Unauthorized</html>", "BearerToken"),
        (403, b"Forbidden", "may not call"),
        (302, b"", "body is empty"),
        (418, b'{"type": "urn:other", "title": "Teapot"}', "Teapot"),
    ],
)
def test_an_answer_without_problem_document_raises(
    runner: ClientRunner, status: int, body: bytes, words: str
) -> None:
    """The error shows the status and the text of the answer."""
    with (
        FaultServer([reply(status, body)]) as server,
        pytest.raises(ProblemError, match=words) as caught,
    ):
        runner.call(server.url, "predict", flight())
    assert type(caught.value) is ProblemError
    assert (caught.value.problem.type, caught.value.status) == ("about:blank", status)


def many(runner: ClientRunner, url: str, flights: Any = FLIGHTS, **options: Any) -> Any:
    """Score many flights, ten per request, with one retry."""
    options = {"chunk": 10, "concurrency": 3, **options}
    return runner.call(url, "predict_many", flights, client={"retries": 1}, **options)


@pytest.mark.parametrize("source", [list, iter])
def test_a_call_lost_in_the_middle_can_be_resumed(runner: ClientRunner, source: Any) -> None:
    """The answered flights are kept, and a second call with the remaining ones completes them."""
    with (
        FaultServer([*[answer] * 4, cut_in_the_middle]) as server,
        pytest.raises(IncompleteError, match=r"flight\(s\) were answered, then:") as caught,
    ):
        many(runner, server.url, source(FLIGHTS))
    stopped = caught.value
    assert isinstance(stopped.reason, NoAnswerError)
    assert stopped.answered == len(stopped.done) <= 40
    assert stopped.answered % 10 == 0
    with FaultServer([answer]) as server:
        predictions = stopped.done + many(runner, server.url, stopped.remaining)
    assert [each.probability for each in predictions] == [n / 10_000 for n in range(100)]


def test_all_flights_remain_if_the_first_request_fails(runner: ClientRunner) -> None:
    """`done` is empty and `remaining` has all flights."""
    with FaultServer([reset]) as server, pytest.raises(IncompleteError) as caught:
        many(runner, server.url)
    assert (caught.value.answered, caught.value.done) == (0, [])
    assert len(list(caught.value.remaining)) == 100


def test_temporary_failures_do_not_change_the_answers(runner: ClientRunner) -> None:
    """Retried requests of a call give the same answers."""
    with FaultServer([answer, reset, answer, problem(503, "overloaded"), answer]) as server:
        predictions = many(runner, server.url, concurrency=1)
    assert [each.probability for each in predictions] == [n / 10_000 for n in range(100)]


def test_connections_are_reused(runner: ClientRunner) -> None:
    """Consecutive requests share a connection."""
    ports: list[int] = []

    def note(connection: socket.socket, body: bytes) -> bool:
        ports.append(connection.getpeername()[1])
        return answer(connection, body)

    with FaultServer([note]) as server:
        many(runner, server.url, concurrency=1)
    assert len(ports) == 10
    assert len(set(ports)) == 1


def test_the_client_can_be_closed_before_a_stream_ends() -> None:
    """Closing the client after an unfinished stream does not block."""
    with FaultServer([answer]) as server, DelayClient(server.url) as client:
        stream = client.predict_stream(FLIGHTS, chunk=10)
        assert next(stream).probability == 0
        del stream
