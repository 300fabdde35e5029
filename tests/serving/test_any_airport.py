"""End-to-end test of a second airport: file, mapping, training, store, service."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import train
from data.airports.config import SANTIAGO
from data.flights import Flights
from model.errors import RefreshError
from model.evaluation import gate
from model.inference.bundle import Bundle
from model.training import refresh
from score.validation import validate
from serving.api.application import Application
from serving.contract.schema import PredictionResponse, WallClock
from serving.errors import ModelRefused
from serving.models import smoke_test, store
from serving.settings import Settings
from tests.support.runtime import make_runtime, not_reached
from tests.support.server import PROJECT, running_server

NAME = "madrid_delay"
FLIGHTS = 6000
ROUTES = (("IB", "BCN"), ("IB", "TFN"), ("UX", "PMI"), ("FR", "LHR"), ("IB", "EZE"))
MAPPING = """
[home]
airport = "LEMD"
place = "Madrid"
time_zone = "Europe/Madrid"
country = "ES"
country_name = "Spain"
domestic = ["LE", "GC", "GE"]
[columns]
scheduled_departure = "planned"
actual_departure = "left"
airline = "airline"
flight_number = "number"
destination = "to"
[format]
dates = "%d/%m/%Y %H:%M"
airport_codes = "IATA"
[airlines]
IB = "IBE"
UX = "AEA"
FR = "RYR"
"""
FLIGHT = {
    "airline": "IBE",
    "flight_number": "101",
    "destination": "LEBL",
    "scheduled_departure": "2017-07-14T18:30:00",
}


def _made_up() -> pd.DataFrame:
    """Flights of half a year, of which those of the evening are late much more often."""
    random = np.random.default_rng(0)
    minute = random.integers(6 * 60, 23 * 60, FLIGHTS)
    planned = pd.Timestamp("2017-01-01") + pd.to_timedelta(
        random.integers(0, 190, FLIGHTS) * 1440 + minute, unit="min"
    )
    late = random.random(FLIGHTS) < np.where(minute > 17 * 60, 0.6, 0.05)
    route = random.integers(0, len(ROUTES), FLIGHTS)
    left = planned + pd.to_timedelta(np.where(late, 40, 3), unit="min")
    return pd.DataFrame(
        {
            "planned": planned.strftime("%d/%m/%Y %H:%M"),
            "left": left.strftime("%d/%m/%Y %H:%M"),
            "airline": [ROUTES[each][0] for each in route],
            "number": np.arange(FLIGHTS) % 5000 + 100,
            "to": [ROUTES[each][1] for each in route],
        }
    )


@pytest.fixture(scope="module")
def madrid(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model that `train.py` made of a file and its mapping, read from the store."""
    folder = tmp_path_factory.mktemp("madrid")
    _made_up().to_csv(folder / "flights.csv", index=False)
    (folder / "madrid.toml").write_text(MAPPING)
    options = {
        "--data": folder / "flights.csv",
        "--mapping": folder / "madrid.toml",
        "--name": NAME,
        "--reports": folder / "reports",
    }
    pairs = (str(each) for pair in options.items() for each in pair)
    result = CliRunner().invoke(train.app, [*pairs, "--skip-evaluation"])
    assert result.exit_code == 0, result.output
    assert "from Madrid:" in (folder / "reports" / "report.html").read_text()
    return store.read(f"{NAME}:latest", threads=1)[1]


@pytest.fixture
def application(madrid: Bundle, monkeypatch: pytest.MonkeyPatch) -> Application:
    """Return the application, with the time zone that the service takes from its model."""
    monkeypatch.setattr(WallClock, "zone", WallClock.zone)  # put back afterwards
    WallClock.use(madrid.predictor.builder.airport_config)
    runtime = make_runtime(madrid, tag=f"{NAME}:test")
    return Application(not_reached, lambda: runtime, Settings())


def _ask(application: Application, method: str, path: str, body: Any = None) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, json=body)

    return asyncio.run(send())


def _probabilities(application: Application, *departures: str, **change: str) -> list[float]:
    flights = [{**FLIGHT, **change, "scheduled_departure": each} for each in departures]
    answer = _ask(application, "POST", "/predict_delay", {"flights": flights})
    assert answer.status_code == 200, answer.text
    response = PredictionResponse.model_validate_json(answer.content)
    assert not any(each.unknown for each in response.predictions)
    return [each.probability for each in response.predictions]


def test_the_service_answers_with_the_scores_of_the_model(
    application: Application, madrid: Bundle
) -> None:
    """Evening flights are late, as in the file; answers equal the scores of the predictor."""
    morning, evening = _probabilities(application, "2017-07-14T08:30", "2017-07-14T18:30")
    assert morning < 0.2
    assert evening > 0.3
    departure = np.array(["2017-07-14T18:30"], dtype="datetime64[m]").astype(np.int64)
    flight = Flights(["IBE"], ["101"], ["LEBL"], [None], departure)
    assert madrid.predictor.score(flight)[0] == pytest.approx(evening, abs=1e-4)


@pytest.mark.parametrize(
    ("zoned", "wall_clock"),
    [
        ("2017-07-14T16:30:00Z", "2017-07-14T18:30"),
        ("2017-07-14T12:30:00-04:00", "2017-07-14T18:30"),
        ("2017-01-20T16:30:00Z", "2017-01-20T17:30"),
    ],
)
def test_offsets_are_converted_to_the_time_zone_of_the_airport(
    application: Application, zoned: str, wall_clock: str
) -> None:
    """UTC is one hour behind Madrid in winter and two in summer; Santiago's time is not used."""
    converted, local = _probabilities(application, zoned, wall_clock)
    assert converted == local


@pytest.mark.server
def test_the_running_service_takes_the_time_zone_from_its_model(
    madrid: Bundle, tmp_path: Path
) -> None:
    """Only the name of the model is configured; UTC is still converted to Madrid's time."""
    assert madrid.predictor.builder.airport_config.airport == "LEMD"
    moments = ("2017-07-14T18:30:00", "2017-07-14T16:30:00Z", "2017-07-14T16:30:00")
    flights = [{**FLIGHT, "scheduled_departure": each} for each in moments]
    model = {"FLIGHT_DELAY_MODEL": f"{NAME}:latest"}
    with running_server(tmp_path / "log", PROJECT, ".", **model) as server:
        answer = httpx.post(f"{server.url}/predict_delay", json={"flights": flights})
        card = httpx.get(f"{server.url}/model").json()
    local, zoned, earlier = (each["probability"] for each in answer.json()["predictions"])
    assert local == zoned != earlier
    assert card["airport"] == "LEMD"


def test_bulk_scoring_uses_the_same_time_zone(madrid: Bundle) -> None:
    """A UTC time in a table is converted to Madrid's, and a flight from Santiago is refused."""
    row = {**FLIGHT, "scheduled_departure": "2017-07-14T16:30:00Z"}
    table = pa.table({name: [value] * 2 for name, value in row.items()})
    table = table.append_column("origin", pa.array(["LEMD", "SCEL"]))
    checked = validate(table, madrid.predictor.builder.airport_config)
    assert checked.valid.tolist() == [True, False]
    assert checked.reasons == ["origin: not LEMD: only departures from Madrid"]
    expected = np.array(["2017-07-14T18:30"], dtype="datetime64[m]").astype(np.int64)
    assert checked.flights.departure.tolist() == expected.tolist()


def test_nothing_published_is_about_chile(application: Application, madrid: Bundle) -> None:
    """Card, saved features and published contract name Madrid and nothing of Chile."""
    card = _ask(application, "GET", "/model").json()
    assert (card["airport"], card["time_zone"]) == ("LEMD", "Europe/Madrid")
    assert card["destinations"]["LEBL"]["flight_type"] == "N"
    assert card["destinations"]["SAEZ"]["flight_type"] == "I"
    contract = _ask(application, "GET", "/openapi.json").text
    assert json.loads(contract)["info"]["title"] == "Flight delays at Madrid (LEMD)"
    assert "wall clock of Europe/Madrid" in contract
    for text in (json.dumps(card), contract):
        assert "Madrid" in text
        assert not any(word in text for word in ("Santiago", "Chile", "SCEL", "LAN", "SCFA"))
    saved = json.loads(madrid.predictor.builder.to_json())
    assert saved["home"]["airport"] == "LEMD"
    assert "2017-10-12" in saved["families"]["holidays"]["dates"]
    assert "2017-09-18" not in saved["families"]["holidays"]["dates"]


def test_the_published_example_has_known_codes(application: Application) -> None:
    """No code is unknown in the examples of the route and of the models."""
    document = _ask(application, "GET", "/openapi.json").json()
    content = document["paths"]["/predict_delay"]["post"]["requestBody"]["content"]
    examples = [each["value"] for each in content["application/json"]["examples"].values()]
    schemas = document["components"]["schemas"]
    for request in (*examples, *schemas["PredictionRequest"]["examples"]):
        answer = PredictionResponse.model_validate_json(
            _ask(application, "POST", "/predict_delay", request).content
        )
        assert answer.predictions[0].unknown == []
    shown = {name: field["examples"] for name, field in schemas["Flight"]["properties"].items()}
    assert shown == {name: [value] for name, value in examples[0]["flights"][0].items()}


def test_models_of_another_airport_are_refused(madrid: Bundle, bundle: Bundle) -> None:
    """The gate, a reload and a refresh refuse a model or flights of another airport."""
    verdict = gate.judge(madrid, bundle)
    assert not verdict.accepted
    assert verdict.reason.startswith(
        "the model scores flights from LEMD, the registered one those from SCEL"
    )
    with pytest.raises(ModelRefused, match="from LEMD, the serving one those from SCEL"):
        smoke_test.check("m:1", madrid.predictor, bundle.predictor)
    with pytest.raises(RefreshError, match="from LEMD, and these leave from SCEL"):
        refresh.refresh(madrid, "m:1", pd.DataFrame(), is_sample=False, home=SANTIAGO)


def test_a_running_service_keeps_its_time_zone(madrid: Bundle) -> None:
    """A model of the same airport with another time zone is refused until a restart."""
    moved = copy.copy(madrid.predictor.builder)
    moved.airport_config = replace(moved.airport_config, time_zone="Europe/Lisbon")
    scorer = replace(madrid.predictor.schedule, builder=moved)
    with pytest.raises(ModelRefused, match=r"Europe/Lisbon.*Europe/Madrid: restart"):
        smoke_test.check("m:2", replace(madrid.predictor, schedule=scorer), madrid.predictor)


def test_a_newer_model_of_the_airport_passes_the_smoke_test(madrid: Bundle) -> None:
    """The probe flights have the airport's own codes, and a newer model passes."""
    codes = madrid.predictor.builder.codes
    flights = smoke_test.probe_flights(codes)
    assert set(flights.airline) - set(codes.airline_) == {"ZZZ"}
    assert set(flights.destination) - set(codes.destination_) == {"ZZZZ"}
    smoke_test.check("m:2", madrid.predictor, replace(madrid).predictor)


def test_a_bad_mapping_stops_training_with_one_line(tmp_path: Path) -> None:
    """The exit code is that of unusable data."""
    (tmp_path / "m.toml").write_text(MAPPING.replace("Europe/Madrid", "Madrid"))
    (tmp_path / "f.csv").write_text("x\n1\n")
    options = ["--data", str(tmp_path / "f.csv"), "--mapping", str(tmp_path / "m.toml")]
    assert CliRunner().invoke(train.app, options).exit_code == train.EXIT_DATA
