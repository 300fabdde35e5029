"""The OpenAPI document describes the routes, the problems and working examples."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.inference.bundle import Bundle
from serving import errors
from serving.api.admin import PATH as ADMIN_PATH
from serving.api.admin import Admin
from serving.api.application import SCHEMA, Application
from serving.api.asgi import Receive, Scope, Send
from serving.api.auth import digest
from serving.api.openapi import openapi_document
from serving.contract.schema import EXAMPLE_FLIGHT, Flight, PredictionResponse, Problem
from serving.models.loaded import Runtime, example_flight
from serving.page import pages
from serving.settings import Settings
from tests.support.runtime import make_runtime
from tests.support.server import running_server

FULL = json.loads(openapi_document(keys=True, admin=True))
NOWHERE: set[type[errors.ProblemError]] = {errors.NotFound, errors.MethodNotAllowed}
"""Problems of requests that match no route of the document."""
KEY = "k" * 40
GENERATED = 100
"""Generated requests per route."""


async def _nothing_inside(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


def _no_reloader() -> Any:
    raise AssertionError


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Runtime:
    """The loaded model."""
    return make_runtime(bundle)


def ask(runtime: Runtime, settings: Settings, path: str, **options: Any) -> httpx.Response:
    """Return the answer of an application with the administrator's route."""
    admin = Admin(KEY, _no_reloader, "x")
    application = Application(_nothing_inside, lambda: runtime, settings, admin)
    return _ask(application, path, **options)


def _ask(
    application: Application, path: str, method: str = "GET", **options: Any
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def _operations(document: Any) -> dict[str, Any]:
    paths = document["paths"].items()
    return {path: each for path, methods in paths for each in methods.values()}


def test_every_route_is_documented(runtime: Runtime) -> None:
    """The document has all routes but the pages and BentoML's; the admin route if it exists."""
    answered = ask(runtime, Settings(), "/nowhere").json()["detail"].partition("There is: ")[2]
    programs = set(answered.rstrip(".").split(", ")) - set(pages()) - {SCHEMA}
    assert programs == set(_operations(FULL))
    assert ADMIN_PATH not in _operations(json.loads(openapi_document()))


def test_every_kind_of_problem_is_documented() -> None:
    """Each kind is an example of an answer with its status, and a valid problem document."""
    documented = {
        (example["value"]["status"], kind)
        for operation in _operations(FULL).values()
        for status, answer in operation["responses"].items()
        if status != "200"
        for kind, example in answer["content"]["application/problem+json"]["examples"].items()
        if example["value"]["status"] == int(status) and Problem.model_validate(example["value"])
    }
    assert documented == {
        (kind.status, kind.kind) for kind in errors.problem_classes() if kind not in NOWHERE
    }


def test_every_example_of_a_request_works(runtime: Runtime) -> None:
    """Each is answered with 200 and an answer that follows the contract."""
    content = FULL["paths"]["/predict_delay"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert set(examples) == {"schedule", "explained", "live"}
    for example in examples.values():
        found = ask(runtime, Settings(), "/predict_delay", method="POST", json=example["value"])
        assert found.status_code == 200
        PredictionResponse.model_validate_json(found.content)


def test_the_served_document_names_the_models_airport(runtime: Runtime) -> None:
    """It says which airport and clock "the home airport" means; without a model, no airport."""
    served = ask(runtime, Settings(), "/openapi.json").json()["info"]
    home = runtime.predictor.builder.airport_config
    name = f"{home.place} ({home.airport})"
    assert served["title"] == f"Flight delays at {name}"
    assert f"The home airport is {name}" in served["description"]
    assert home.time_zone in served["description"]
    assert FULL["info"]["title"] == "Flight delays at the home airport"
    assert name not in json.dumps(FULL)
    assert runtime.example.airline == next(iter(runtime.predictor.builder.codes.airline_))


def test_the_example_of_a_card_without_flight_numbers(bundle: Bundle) -> None:
    """It is the contract's own, because older cards list no flight numbers."""
    card = {key: value for key, value in bundle.card.items() if key != "flight_numbers"}
    assert example_flight(replace(bundle, card=card)) == Flight.model_validate(EXAMPLE_FLIGHT)


def test_keys_are_documented_if_they_are_needed(runtime: Runtime, tmp_path: Path) -> None:
    """The routes that need a key name both headers, and answer 401, 403 and 429."""
    file = tmp_path / "keys"
    file.write_text(f"board {digest(KEY)} 0.001\n")
    settings = Settings(api_keys_file=file)
    application = Application(_nothing_inside, lambda: runtime, settings)
    document = _ask(application, "/openapi.json").json()
    assert (
        "securitySchemes"
        not in _ask(
            Application(_nothing_inside, lambda: runtime, Settings()), "/openapi.json"
        ).json()["components"]
    )
    for path, operation in _operations(document).items():
        public = path not in {"/predict_delay", "/model", "/metrics"}
        assert ("security" not in operation) == public
    wrong, right = {"X-API-Key": "no"}, {"Authorization": f"Bearer {KEY}"}
    for headers, status in (({}, 401), (wrong, 403), (right, 200), (right, 429)):
        assert _ask(application, "/model", headers=headers).status_code == status
        assert str(status) in document["paths"]["/model"]["get"]["responses"]


def test_the_card_has_what_the_document_requires(runtime: Runtime) -> None:
    """Every required key of the card is published."""
    schema = FULL["paths"]["/model"]["get"]["responses"]["200"]["content"]["application/json"]
    card = ask(runtime, Settings(), "/model").json()
    assert set(schema["schema"]["required"]) <= card.keys()


@pytest.mark.server
def test_generated_requests_are_answered_as_documented(registered: str, tmp_path: Path) -> None:
    """Every check of schemathesis passes: no server error, no answer outside its schema."""
    with running_server(tmp_path / "log") as server:
        run = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                *("run", f"{server.url}/openapi.json"),
                *("--checks", "all", "--max-examples", str(GENERATED), "--seed", "1"),
                *("--generation-database", "none", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-4000:]
        assert httpx.get(f"{server.url}/readyz").status_code == 200
