"""Contract of a real `bentoml serve`, with each batching engine."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from typing import Any

import bentoml
import httpx
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from serving.contract.decoding import to_flights
from serving.contract.schema import AirportState, Flight, PredictionResponse
from tests.support.server import PROJECT, Server

pytestmark = pytest.mark.server

EXAMPLE = json.loads((PROJECT / "tests" / "request.json").read_text())
SCORED_FLIGHTS = 5_000
TIMEOUT = httpx.Timeout(300, pool=None)
"""Limit that only ends what hangs; a request may wait for a connection during all others."""


def as_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the flights of a frame as JSON of the contract."""
    columns = ["airline", "flight_number", "destination", "scheduled_departure", "flight_type"]
    table = frame[columns].assign(
        scheduled_departure=frame["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    )
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> pd.DataFrame:
    """Return flights of the whole year, in random order."""
    return frame.sample(SCORED_FLIGHTS, random_state=0)


@pytest.fixture(scope="module")
def expected(flights: pd.DataFrame, bundle: Bundle) -> np.ndarray:
    """Return their scores by LightGBM's own package, averaged with the logistic regression."""
    predictor = bundle.predictor
    matrix = predictor.builder.transform(Flights.from_columns(flights))
    trees = lgb.Booster(model_str=predictor.booster.text).predict(matrix, raw_score=True)
    margin = (np.asarray(trees) + predictor.schedule.regression.raw_scores(matrix)) / 2
    return predictor.calibration.apply(margin)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_http_scores_equal_the_training_side(
    server: Server, flights: pd.DataFrame, expected: np.ndarray, size: int
) -> None:
    """Flights scored over HTTP, in requests of any size, equal the training-side scores."""
    rows = as_json(flights)[: SCORED_FLIGHTS if size > 1 else 1000]
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    answers = asyncio.run(post_all(server, [{"flights": part} for part in parts]))
    assert {answer.status_code for answer in answers} == {200}
    scored = [p["probability"] for a in answers for p in a.json()["predictions"]]
    assert np.abs(np.array(scored) - expected[: len(rows)]).max() < 1e-9


def test_an_invalid_request_affects_no_other(
    server: Server, flights: pd.DataFrame, expected: np.ndarray
) -> None:
    """Among concurrent requests, the invalid ones get 422 and the valid ones their own scores."""
    rows = as_json(flights)[:300]
    bodies = [{"flights": [row]} for row in rows]
    for position in range(0, 300, 3):
        bodies[position] = {"flights": [{**rows[position], "airline": "not a code"}]}
    answers = asyncio.run(post_all(server, bodies))
    for position, answer in enumerate(answers):
        if position % 3 == 0:
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["flight"] == 0
        else:
            probability = answer.json()["predictions"][0]["probability"]
            assert abs(probability - expected[position]) < 1e-9


@pytest.fixture(scope="module")
def day(frame: pd.DataFrame) -> pd.DataFrame:
    """Return flights of one morning, a part of them within three hours after `STATE`."""
    departure = frame["scheduled_departure"]
    morning = (departure >= "2017-07-14T06:00") & (departure < "2017-07-14T14:00")
    return frame[morning]


STATE = {
    "observed_at": "2017-07-14T08:00:00",
    "last_hour": {"departures": 9, "late_share": 0.5, "mean_delay_minutes": 30},
    "last_3_hours": {"departures": 20, "late_share": 0.4, "mean_delay_minutes": 22.5},
}


def test_flights_with_and_without_a_state_share_batches(
    server: Server, day: pd.DataFrame, bundle: Bundle
) -> None:
    """Sent at the same time, both kinds of request get the scores of the training side."""
    rows = as_json(day)
    flights, state = Flights.from_columns(day), AirportState.model_validate_json(json.dumps(STATE))
    with_state = to_flights([Flight.model_validate_json(json.dumps(row)) for row in rows], state)
    plain, fresh = (bundle.predictor.score(each).tolist() for each in (flights, with_state))
    bodies = [{"flights": [row], **more} for row in rows for more in ({}, {"airport_state": STATE})]
    answers = asyncio.run(post_all(server, bodies))
    scored = [answer.json()["predictions"][0]["probability"] for answer in answers]
    assert np.abs(np.array(scored[0::2]) - plain).max() < 1e-9
    assert np.abs(np.array(scored[1::2]) - fresh).max() < 1e-9
    assert plain != fresh


def test_a_state_changes_only_flights_of_the_next_three_hours(
    server: Server, day: pd.DataFrame
) -> None:
    """Flights before the observation or over three hours after it are scored without the state."""
    rows = as_json(day)
    answers = asyncio.run(
        post_all(server, [{"flights": rows}, {"flights": rows, "airport_state": STATE}])
    )
    plain, with_state = ([p["probability"] for p in a.json()["predictions"]] for a in answers)
    ahead = day["scheduled_departure"] - pd.Timestamp(str(STATE["observed_at"]))
    within = (ahead >= pd.Timedelta(0)) & (ahead <= pd.Timedelta(hours=3))
    changed = [a != b for a, b in zip(plain, with_state, strict=True)]
    assert changed == within.tolist()


def test_explanations_add_up_and_change_no_score(server: Server, day: pd.DataFrame) -> None:
    """The field `explain` changes no probability, and each is the sum of its contributions."""
    body: dict[str, Any] = {"flights": as_json(day)[:40], "airport_state": STATE}
    bodies = [body, {**body, "explain": True}]
    plain, explained = (
        PredictionResponse.model_validate_json(answer.content).predictions
        for answer in asyncio.run(post_all(server, bodies))
    )
    assert [each.probability for each in explained] == [each.probability for each in plain]
    assert all(each.explanation is None for each in plain)
    for each in explained:
        assert each.explanation is not None
        changes = [one.change for one in each.explanation.contributions]
        assert each.explanation.base + sum(changes) == pytest.approx(each.probability)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"observed_at": "soon"}, "/airport_state/observed_at"),
        ({"last_hour": {"departures": -1}}, "/airport_state/last_hour/departures"),
        ({"weather": "fine"}, "/airport_state/weather"),
    ],
)
def test_an_invalid_state_is_named(server: Server, change: dict[str, Any], pointer: str) -> None:
    """An invalid field of the airport's state gets 422 with its JSON pointer."""
    body = {**EXAMPLE, "airport_state": STATE | change}
    answer = httpx.post(f"{server.url}/predict_delay", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert answer.json()["errors"][0]["flight"] is None


async def post_all(server: Server, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    """Send all requests on 64 connections; return the answers in the order of the requests."""
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=TIMEOUT) as client:
        return await asyncio.gather(*(client.post("/predict_delay", json=b) for b in bodies))


def test_the_example_gets_the_documented_answer(server: Server, registered: str) -> None:
    """The request of the README is answered by the contract, with the tag of the model."""
    answer = httpx.post(f"{server.url}/predict_delay", json=EXAMPLE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert PredictionResponse.model_validate_json(answer.content).model == registered


def test_model_card_names_the_model_and_its_data(server: Server, registered: str) -> None:
    """`GET /model` publishes the tag of the model, its data and its threshold."""
    card = httpx.get(f"{server.url}/model").json()
    assert card["model"] == registered
    assert ("warning" in card) == card["data"]["is_sample"]
    assert 0 < card["threshold"] < 1


def test_probes_answer(server: Server) -> None:
    """Liveness and readiness probes answer 200."""
    for path in ("/livez", "/readyz"):
        assert httpx.get(server.url + path).status_code == 200


def test_metrics_count_requests(server: Server) -> None:
    """`GET /metrics` counts the answered requests."""
    httpx.post(f"{server.url}/predict_delay", json=EXAMPLE)
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    count = next(
        line for line in lines if line.startswith('flight_delay_requests_total{status="200"')
    )
    assert float(count.split()[-1]) >= 1


def test_the_runner_is_not_reachable_from_outside(server: Server) -> None:
    """BentoML's own routes answer 404, and its pickle media type gets 415."""
    headers = {"content-type": "application/vnd.bentoml+pickle"}
    for path in ("/score", "/predict_delay/", "/docs.json"):
        assert httpx.post(server.url + path, content=b"x", headers=headers).status_code == 404
    refused = httpx.post(f"{server.url}/predict_delay", content=b"x", headers=headers)
    assert refused.status_code == 415


def test_bentoml_client_understands_the_service(server: Server) -> None:
    """BentoML's own Python client finds the endpoint and calls it."""
    with bentoml.SyncHTTPClient(server.url) as client:
        answer = client.predict_delay(flights=EXAMPLE["flights"])
    assert len(answer["predictions"]) == 1
    with warnings.catch_warnings():
        # the client leaves a temporary folder to the garbage collector, which would complain
        # in the middle of some later test
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()
