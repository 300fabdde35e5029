"""The application without a server: routes, problem documents, forwarding to BentoML."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from serving.api.application import Application
from serving.api.asgi import Receive, Scope, Send
from serving.contract.schema import EXAMPLE_FLIGHT, PredictionResponse, Problem
from serving.models.loaded import SAMPLE_WARNING, Runtime
from serving.settings import Settings
from tests.support.runtime import make_runtime

JSON = {"content-type": "application/json"}
GOOD = json.dumps({"flights": [EXAMPLE_FLIGHT]}).encode()


class Inside:
    """Replacement of BentoML's application that records the paths of its requests."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 204."""
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Runtime:
    """The loaded model."""
    return make_runtime(bundle)


@pytest.fixture
def inside() -> Inside:
    """BentoML's application."""
    return Inside()


class Client:
    """Client of the application, without a network."""

    def __init__(self, runtime: Runtime, inside: Inside, settings: Settings) -> None:
        self._application = Application(inside, lambda: runtime, settings)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Return the answer to a request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._application)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.request(method, path, **kwargs)

        return asyncio.run(send())

    def post(self, content: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """Return the answer to a prediction request."""
        headers = JSON if headers is None else headers
        return self.request("POST", "/predict_delay", content=content, headers=headers)


@pytest.fixture
def client(runtime: Runtime, inside: Inside) -> Client:
    """Client of the application, without a network."""
    return Client(runtime, inside, Settings(max_body_bytes=20_000))


def flights(*changes: dict[str, Any]) -> bytes:
    """Return a request with the example flight, once with each change."""
    return json.dumps({"flights": [{**EXAMPLE_FLIGHT, **change} for change in changes]}).encode()


def test_flights_are_answered_by_the_contract(client: Client) -> None:
    """A valid request gets one prediction per flight, from the named model."""
    answer = client.post(flights({}, {"airline": "ZZZ"}, {"destination": "KLAX", "airline": "ZZZ"}))
    assert answer.status_code == 200
    response = PredictionResponse.model_validate_json(answer.content)
    assert response.model == "flight_delay:test"
    assert [p.unknown for p in response.predictions][:2] == [[], ["airline"]]


@pytest.mark.parametrize("explain", [False, True])
def test_unknown_values_are_counted(client: Client, explain: bool) -> None:
    """The metric grows by one for each airline and each destination that answers call unknown."""

    def counts() -> list[float]:
        text = client.request("GET", "/metrics").text
        found = re.findall(
            r'^flight_delay_unknown_total\{field="(\w+)"\} (\S+)$', text, re.MULTILINE
        )
        values = dict(found)
        return [float(values.get(field, 0)) for field in ("airline", "destination")]

    airlines, destinations = counts()
    body = flights({}, {"airline": "ZZZ"}, {"destination": "ZZZZ", "airline": "ZZZ"})
    answer = client.post(json.dumps(json.loads(body) | {"explain": explain}).encode())
    expected = [[], ["airline"], ["airline", "destination"]]
    assert [each["unknown"] for each in answer.json()["predictions"]] == expected
    assert counts() == [airlines + 2, destinations + 1]


@pytest.mark.parametrize(
    "spelling",
    [
        "2017-07-14T08:30",
        "2017-07-14 08:30:00",
        "2017-07-14T08:30:00.000",
        "2017-07-14T08:30:00-04:00",
        "2017-07-14T12:30:00Z",
        "2017-07-14T14:30:00+02:00",
    ],
)
def test_times_mean_the_same_in_every_spelling(client: Client, spelling: str) -> None:
    """A time without an offset is local time of Santiago; with one it is converted."""
    answer = client.post(flights({}, {"scheduled_departure": spelling})).json()
    plain, spelt = answer["predictions"]
    assert plain == spelt


def test_the_type_follows_from_the_destination(client: Client) -> None:
    """A flight without its type is scored like one with the type of its destination."""
    given, left_out = client.post(flights({}, {"flight_type": None})).json()["predictions"]
    assert given == left_out


BROKEN: Sequence[tuple[bytes, int, str | None]] = [
    (b"", 400, None),
    (b"{", 400, None),
    (b'{"flights": [NaN', 400, None),
    (b"\xff\xfe", 400, None),
    (b"[]", 422, ""),
    (b"{}", 422, "/flights"),
    (b'{"flights": []}', 422, "/flights"),
    (b'{"flights": {}}', 422, "/flights"),
    (b'{"flights": [1]}', 422, "/flights/0"),
    (flights({}, {"airline": "lan"}), 422, "/flights/1/airline"),
    (flights({"airline": "LAN\n"}), 422, "/flights/0/airline"),
    (flights({"flight_number": 120}), 422, "/flights/0/flight_number"),
    (flights({"flight_number": ""}), 422, "/flights/0/flight_number"),
    (flights({"destination": "Santiago"}), 422, "/flights/0/destination"),
    (flights({"flight_type": "X"}), 422, "/flights/0/flight_type"),
    (flights({"scheduled_departure": 1500000000}), 422, "/flights/0/scheduled_departure"),
    (flights({"scheduled_departure": "1500000000"}), 422, "/flights/0/scheduled_departure"),
    (flights({"scheduled_departure": "2017-02-30T10:00"}), 422, "/flights/0/scheduled_departure"),
    (flights({"scheduled_departure": "2017-02-29T10:00"}), 422, "/flights/0/scheduled_departure"),
    (flights({"scheduled_departure": "1999-12-31T23:59"}), 422, "/flights/0/scheduled_departure"),
    (flights({"scheduled_departure": "2017-07-14"}), 422, "/flights/0/scheduled_departure"),
    (flights({"actual_departure": "2017-07-14T09:00"}), 422, "/flights/0/actual_departure"),
    (b'{"flights": [], "a~b/c": 1}', 422, "/flights"),
]


@pytest.mark.parametrize(("body", "status", "pointer"), BROKEN)
def test_problems_point_to_the_invalid_field(
    client: Client, body: bytes, status: int, pointer: str | None
) -> None:
    """Every invalid request gets a problem document with the field and the index of its flight."""
    answer = client.post(body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == status
    if pointer is not None:
        assert problem.errors is not None
        assert problem.errors[0].pointer == pointer
        inside_flight = pointer.startswith("/flights/")
        assert problem.errors[0].flight == (int(pointer.split("/")[2]) if inside_flight else None)


def test_a_problem_lists_the_first_twenty_fields(client: Client) -> None:
    """A request with a hundred invalid fields gets twenty of them, and their number."""
    problem = client.post(flights(*[{"airline": "no"}] * 100)).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"].startswith("100 invalid field(s)")


def test_pointers_are_escaped(client: Client) -> None:
    """Names with slashes and tildes are escaped as in RFC 6901."""
    problem = client.post(flights({"a/b~c": 1})).json()
    assert problem["errors"][0]["pointer"] == "/flights/0/a~1b~0c"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
def test_bodies_of_another_type_are_refused(client: Client, headers: dict[str, str]) -> None:
    """A declared type other than plain JSON is answered with 415, even if the body is JSON."""
    assert client.post(GOOD, headers).status_code == 415


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "Application/JSON; charset=utf-8"},
        {**JSON, "content-encoding": "identity"},
    ],
)
def test_plain_json_is_read(client: Client, headers: dict[str, str]) -> None:
    """JSON is accepted with and without its content type."""
    assert client.post(GOOD, headers).status_code == 200


def test_large_bodies_are_refused(client: Client) -> None:
    """A body beyond the limit gets 413, and the connection is closed before its end."""
    answer = client.post(b" " * 20_001)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_unknown_paths_and_methods_are_refused(client: Client) -> None:
    """The answers list the known paths, and the methods of a known path."""
    nowhere = client.request("GET", "/nowhere")
    assert nowhere.status_code == 404
    assert "/predict_delay" in nowhere.json()["detail"]
    wrong = client.request("GET", "/predict_delay")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"


def test_without_a_token_there_is_no_admin_route(client: Client) -> None:
    """The route does not exist by default, and the 404 does not list it."""
    answer = client.request("POST", "/admin/reload", headers={"authorization": "Bearer x"})
    assert answer.status_code == 404
    assert "/admin" not in answer.json()["detail"].partition("There is:")[2]


def test_only_the_schema_passes_to_bentoml(client: Client, inside: Inside) -> None:
    """BentoML's application gets requests only for the route that its clients need."""
    for path in ("/schema.json", "/score", "/docs.json", "/", "/docs", "/metrics"):
        client.request("GET", path)
    assert inside.paths == ["/schema.json"]


def test_the_schema_is_made_once(client: Client, inside: Inside) -> None:
    """BentoML builds it for each request, which blocks the event loop."""
    answers = [client.request(method, "/schema.json") for method in ("GET", "HEAD", "GET")]
    assert [each.status_code for each in answers] == [204] * 3
    assert inside.paths == ["/schema.json"]


def test_a_failing_model_gives_500_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets a 500 without the cause, and the log gets the cause."""

    def fail(*_: object) -> list[float]:
        message = "secret detail"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(Predictor, "score", fail)
    answer = client.post(GOOD)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


def test_the_card_warns_of_generated_flights(client: Client, runtime: Runtime) -> None:
    """`GET /model` has a warning exactly if the training flights were generated."""
    card = client.request("GET", "/model").json()
    assert card.get("warning") == (SAMPLE_WARNING if runtime.is_sample else None)


def test_answers_to_head_have_no_body(client: Client) -> None:
    """HEAD gets the answer of GET without its body."""
    answer = client.request("HEAD", "/livez")
    assert (answer.status_code, answer.content) == (200, b"")
