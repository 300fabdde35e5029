"""The OpenAPI document without a server: every route, every refusal, examples that work."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.inference.bundle import Bundle
from serving import errors
from serving.api.admin import PATH as ADMIN_PATH
from serving.api.admin import Admin
from serving.api.application import Application
from serving.api.asgi import Receive, Scope, Send
from serving.api.auth import digest
from serving.api.openapi import VERSION, openapi_document
from serving.contract.schema import EXAMPLE_FLIGHT, Flight, PredictionResponse, Problem
from serving.models.loaded import Runtime, example_flight
from serving.page import pages
from serving.settings import Settings
from tests.support.runtime import make_runtime
from tests.support.server import PROJECT

FULL = json.loads(openapi_document(keys=True, admin=True))
NOWHERE: set[type[errors.ProblemError]] = {errors.NotFound, errors.MethodNotAllowed}
"""What answers no route of the document: a wrong path, a wrong method."""
KEY = "k" * 40


async def _nothing_inside(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


def _no_rollover() -> Any:
    raise AssertionError


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Runtime:
    """The loaded model."""
    return make_runtime(bundle)


def ask(runtime: Runtime, settings: Settings, path: str, **options: Any) -> httpx.Response:
    """Ask a front door with an administrator."""
    door = Application(_nothing_inside, lambda: runtime, settings, Admin(KEY, _no_rollover, "x"))
    return _ask(door, path, **options)


def _ask(door: Application, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await client.request(method, path, **options)

    return asyncio.run(asked())


def _operations(document: Any) -> dict[str, Any]:
    paths = document["paths"].items()
    return {path: each for path, methods in paths for each in methods.values()}


def test_every_route_is_told(runtime: Runtime) -> None:
    """All that the front door answers but the pages; the administrator's where there is one."""
    answered = ask(runtime, Settings(), "/nowhere").json()["detail"].partition("There is: ")[2]
    programs = set(answered.rstrip(".").split(", ")) - set(pages())
    assert programs == set(_operations(FULL))
    assert ADMIN_PATH not in _operations(json.loads(openapi_document()))


def test_every_kind_of_problem_is_told() -> None:
    """Each kind of refusal is an example of an answer of its status, and a problem document."""
    told = {
        (example["value"]["status"], kind)
        for operation in _operations(FULL).values()
        for status, answer in operation["responses"].items()
        if status != "200"
        for kind, example in answer["content"]["application/problem+json"]["examples"].items()
        if example["value"]["status"] == int(status) and Problem.model_validate(example["value"])
    }
    assert told == {
        (kind.status, kind.kind) for kind in errors.problem_classes() if kind not in NOWHERE
    }


def test_every_example_of_a_request_works(runtime: Runtime) -> None:
    """Each is answered with 200 and an answer of the contract."""
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
    home = runtime.predictor.builder.home
    name = f"{home.place} ({home.airport})"
    assert served["title"] == f"Flight delays at {name}"
    assert f"The home airport is {name}" in served["description"]
    assert home.time_zone in served["description"]
    assert FULL["info"]["title"] == "Flight delays at the home airport"
    assert name not in json.dumps(FULL)
    assert runtime.example.airline == next(iter(runtime.predictor.builder.codes.airline_))


def test_the_example_of_a_card_without_flight_numbers(bundle: Bundle) -> None:
    """Models older than that part of the card show the contract's own."""
    card = {key: value for key, value in bundle.card.items() if key != "flight_numbers"}
    assert example_flight(replace(bundle, card=card)) == Flight.model_validate(EXAMPLE_FLIGHT)


def test_keys_are_told_where_they_are_asked_for(runtime: Runtime, tmp_path: Path) -> None:
    """The document names both headers on the routes that ask, which answer 401, 403 and 429."""
    file = tmp_path / "keys"
    file.write_text(f"board {digest(KEY)} 0.001\n")
    settings = Settings(api_keys_file=file)
    door = Application(_nothing_inside, lambda: runtime, settings)
    document = _ask(door, "/openapi.json").json()
    assert (
        "securitySchemes"
        not in _ask(
            Application(_nothing_inside, lambda: runtime, Settings()), "/openapi.json"
        ).json()["components"]
    )
    for path, operation in _operations(document).items():
        open_to_all = path not in {"/predict_delay", "/model", "/metrics"}
        assert ("security" not in operation) == open_to_all
    wrong, right = {"X-API-Key": "no"}, {"Authorization": f"Bearer {KEY}"}
    for headers, status in (({}, 401), (wrong, 403), (right, 200), (right, 429)):
        assert _ask(door, "/model", headers=headers).status_code == status
        assert str(status) in document["paths"]["/model"]["get"]["responses"]


def test_the_card_has_what_the_document_requires(runtime: Runtime) -> None:
    """Every required key of the card is published."""
    schema = FULL["paths"]["/model"]["get"]["responses"]["200"]["content"]["application/json"]
    card = ask(runtime, Settings(), "/model").json()
    assert set(schema["schema"]["required"]) <= card.keys()


def test_the_version_stands_in_one_place() -> None:
    """The document says it, the changelog's newest entry is of it, and nothing else repeats it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert FULL["info"]["version"] == VERSION
    changelog = (PROJECT / "CHANGELOG.md").read_text()
    newest = re.search(r"^What will be (\S+)\.$|^## \[(\d\S*)\]", changelog, re.MULTILINE)
    assert newest is not None
    assert (newest[1] or newest[2]) == VERSION
