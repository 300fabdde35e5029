"""What the clients do on a bad network and with a bad server, over real sockets."""

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
from tests.client.conftest import Twin
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
    """A flight; the fault server's prediction tells its number."""
    return Flight(
        airline="LAN",
        flight_number=str(number),
        destination="SCFA",
        scheduled_departure="2017-07-14T08:30",
    )


FLIGHTS = [flight(number) for number in range(100)]


def test_429_waits_as_long_as_asked(twin: Twin) -> None:
    """Seconds and dates of Retry-After are waited, then the call succeeds."""
    past = "Fri, 14 Jul 2017 08:30:00 GMT"
    acts = [reply(429, b"slow down", retry_after="7"), reply(429, b"", retry_after=past), answer]
    with FaultServer(acts) as server:
        assert twin.call(server.url, "predict", flight(25), client=STEADY).probability == 0.0025
    assert twin.waits == [7.0, 0.0]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_passing_failures_are_repeated(twin: Twin, status: int) -> None:
    """A failure that passes costs waits that double, and then there is the answer."""
    failure = problem(status, "overloaded")
    with FaultServer([failure, failure, answer]) as server:
        assert twin.call(server.url, "predict", flight(1), client=STEADY).probability == 0.0001
        assert len(set(server.bodies)) == 1
    assert twin.waits == [1.0, 2.0]


def test_patience_ends(twin: Twin) -> None:
    """After the last repetition the caller gets the service's own words."""
    with FaultServer([problem(503, "overloaded", retry_after="2")]) as server:
        with pytest.raises(OverloadedError, match="503 overloaded: because") as caught:
            twin.call(server.url, "predict", flight(), client=STEADY)
        assert len(server.bodies) == 4
    assert caught.value.problem.detail == "because"
    assert (caught.value.status, caught.value.retry_after) == (503, 2.0)
    assert twin.waits == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("fault", [cut_in_the_middle, reset])
def test_a_cut_connection_is_asked_again(twin: Twin, fault: Act) -> None:
    """Cut in the middle of an answer or before it, the call is made again."""
    with FaultServer([fault, answer]) as server:
        assert twin.call(server.url, "predict", flight(3), client=STEADY).probability == 0.0003
    assert twin.waits == [1.0]


@pytest.mark.parametrize("fault", [cut_in_the_middle, reset])
def test_a_network_that_stays_cut_is_told(twin: Twin, fault: Act) -> None:
    """Without any success the error says that the connection was lost, and to whom."""
    with FaultServer([fault]) as server, pytest.raises(NoAnswerError, match="was lost") as caught:
        twin.call(server.url, "predict", flight(), client={"retries": 1})
    assert server.url in str(caught.value)
    assert not caught.value.before_sending
    assert caught.value.__cause__ is not None


def test_nobody_listening(twin: Twin) -> None:
    """Where nothing listens, the error asks whether the service runs there."""
    with pytest.raises(NoAnswerError, match="Is the service running there") as caught:
        twin.call(f"http://127.0.0.1:{free_port()}", "predict", flight(), client={"retries": 2})
    assert caught.value.before_sending
    assert len(twin.waits) == 2


def test_an_answer_that_does_not_come(twin: Twin) -> None:
    """A slow server is not asked again: its time-out is the caller's limit, per call too."""
    with FaultServer([stall]) as server:
        with pytest.raises(TooSlowError, match="time-out"):
            twin.call(server.url, "predict", flight(), client={"timeout": 0.2})
        with pytest.raises(TooSlowError):
            twin.call(server.url, "predict", flight(), timeout=0.2)
        assert twin.call(server.url, "healthy", timeout=0.2) is False
        assert len(server.bodies) == 3
    assert twin.waits == []


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
def test_garbage_is_not_taken_for_an_answer(twin: Twin, body: bytes, words: str) -> None:
    """A 200 that is not of the contract is told as such, at once, with what came."""
    with FaultServer([reply(200, body)]) as server:
        with pytest.raises(BadAnswerError, match=words) as caught:
            twin.call(server.url, "predict", flight())
        assert len(server.bodies) == 1
    assert (caught.value.status, caught.value.body) == (200, body)


def test_a_newer_service_may_say_more(twin: Twin) -> None:
    """Fields that this client does not know are ignored."""
    newer = {"model": "m", "predictions": [ONE | {"mood": "good"}], "took_ms": 3}
    with FaultServer([reply(200, json.dumps(newer).encode())]) as server:
        assert twin.call(server.url, "predict", flight()).probability == 0.1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"<html>Unauthorized</html>", "BearerToken"),
        (403, b"Forbidden", "may not call"),
        (302, b"", "no explanation"),
        (418, b'{"type": "urn:other", "title": "Teapot"}', "Teapot"),
    ],
)
def test_proxies_speak_in_their_own_words(twin: Twin, status: int, body: bytes, words: str) -> None:
    """Without a problem document the status and the text that came are told."""
    with (
        FaultServer([reply(status, body)]) as server,
        pytest.raises(ProblemError, match=words) as caught,
    ):
        twin.call(server.url, "predict", flight())
    assert type(caught.value) is ProblemError
    assert (caught.value.problem.type, caught.value.status) == ("about:blank", status)


def many(twin: Twin, url: str, flights: Any = FLIGHTS, **options: Any) -> Any:
    """Ask for many flights, ten at a time, with one repetition."""
    options = {"chunk": 10, "concurrency": 3, **options}
    return twin.call(url, "predict_many", flights, client={"retries": 1}, **options)


@pytest.mark.parametrize("source", [list, iter])
def test_cut_in_the_middle_of_many_and_resumed(twin: Twin, source: Any) -> None:
    """The answered flights are kept, and what remains completes them, once the network is back."""
    with (
        FaultServer([*[answer] * 4, cut_in_the_middle]) as server,
        pytest.raises(IncompleteError, match=r"flight\(s\) were answered, then:") as caught,
    ):
        many(twin, server.url, source(FLIGHTS))
    stopped = caught.value
    assert isinstance(stopped.reason, NoAnswerError)
    assert stopped.answered == len(stopped.done) <= 40
    assert stopped.answered % 10 == 0
    with FaultServer([answer]) as server:
        predictions = stopped.done + many(twin, server.url, stopped.remaining)
    assert [each.probability for each in predictions] == [n / 10_000 for n in range(100)]


def test_nothing_answered_is_an_interruption_too(twin: Twin) -> None:
    """Where the first request fails already, all flights remain."""
    with FaultServer([reset]) as server, pytest.raises(IncompleteError) as caught:
        many(twin, server.url)
    assert (caught.value.answered, caught.value.done) == (0, [])
    assert len(list(caught.value.remaining)) == 100


def test_a_failure_in_between_is_healed(twin: Twin) -> None:
    """A passing failure of single requests does not show in the answers."""
    with FaultServer([answer, reset, answer, problem(503, "overloaded"), answer]) as server:
        predictions = many(twin, server.url, concurrency=1)
    assert [each.probability for each in predictions] == [n / 10_000 for n in range(100)]


def test_connections_are_kept(twin: Twin) -> None:
    """One after the other, requests share a connection."""
    ports: list[int] = []

    def note(connection: socket.socket, body: bytes) -> bool:
        ports.append(connection.getpeername()[1])
        return answer(connection, body)

    with FaultServer([note]) as server:
        many(twin, server.url, concurrency=1)
    assert len(ports) == 10
    assert len(set(ports)) == 1


def test_a_stopped_stream_leaves_nothing_behind() -> None:
    """Whoever stops reading a stream early can close the client at once."""
    with FaultServer([answer]) as server, DelayClient(server.url) as client:
        stream = client.predict_stream(FLIGHTS, chunk=10)
        assert next(stream).probability == 0
        del stream
