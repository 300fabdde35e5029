"""`python -m monitor` as a user runs it: a log, flights, an exit code, a refit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from data.flights import Flights
from data.load import load_flights
from data.sample import generate_flights
from model.inference.bundle import Bundle
from model.reports.card import make_card
from model.training.fit import TrainingConfig, fit
from monitor.__main__ import _refit_command, _terminal_text, app
from serving.models import store
from serving.prediction_log.record import Answered, Record, records
from serving.prediction_log.sinks import ParquetSink

FITTED_BEFORE, UNTIL = "2017-06-01", "2017-07-03"
RECIPE = TrainingConfig(rounds=12)
GOOD, STALE = "watched_delay", "stale_delay"
SECOND = 1_500_000_000.0


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write generated flights: every eighth of five months and of the next five weeks."""
    raw = generate_flights(seed=1)
    path = tmp_path_factory.mktemp("flights") / "flights.csv"
    raw[raw["Fecha-I"] < UNTIL].sample(frac=0.125, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def later(flights: Path) -> pd.DataFrame:
    """Return the flights of the five weeks after the fit."""
    frame = load_flights(str(flights)).frame
    return frame[frame["scheduled_departure"] >= pd.Timestamp(FITTED_BEFORE)]


@pytest.fixture(scope="module")
def good(flights: Path) -> tuple[str, Bundle]:
    """Register a model of the earlier flights."""
    frame = load_flights(str(flights)).frame
    return _register(GOOD, frame[frame["scheduled_departure"] < pd.Timestamp(FITTED_BEFORE)])


@pytest.fixture(scope="module")
def stale(flights: Path) -> tuple[str, Bundle]:
    """Register a model that was trained on inverted outcomes: a refit must do better."""
    frame = load_flights(str(flights)).frame
    frame = frame[frame["scheduled_departure"] < pd.Timestamp(FITTED_BEFORE)]
    turned = {
        "delayed": ~frame["delayed"].astype(bool),
        "delay_minutes": 30.0 - frame["delay_minutes"],
    }
    return _register(STALE, frame.assign(**turned))


def _register(name: str, frame: pd.DataFrame) -> tuple[str, Bundle]:
    predictor = fit(frame, RECIPE)
    card = make_card(frame, is_sample=False, predictor=predictor, config=RECIPE, evaluation={})
    bundle = Bundle(predictor, card, {})
    return str(store.register(bundle, name, {}, {})), bundle


def _log(model: tuple[str, Bundle], frame: pd.DataFrame, folder: Path) -> str:
    """Log the answers of the service for these flights, with its own records."""
    tag, bundle = model
    asked = Flights.from_columns(frame)
    said = bundle.predictor.score(asked).tolist()
    made = records([Answered(SECOND, asked, said, [])], bundle.predictor, tag)
    numbered = [record._replace(id=str(n)) for n, record in enumerate(made)]
    return _write(numbered, folder)


def _write(made: list[Record], folder: Path) -> str:
    ParquetSink(folder, 1.0).write(made)
    return f"parquet:{folder}"


def _monitor(name: str, flights: Path, folder: Path, *options: str) -> Result:
    command = ["--name", name, "--data", str(flights), "--reports", str(folder)]
    return CliRunner().invoke(app, [*command, *options], catch_exceptions=False)


def test_the_log_is_joined_with_outcomes_and_judged(
    good: tuple[str, Bundle], flights: Path, later: pd.DataFrame, tmp_path: Path
) -> None:
    """All logged answers are counted, their features agree, and they are judged."""
    log = _log(good, later, tmp_path / "log")
    logged = _monitor(GOOD, flights, tmp_path, "--log", log)
    found = json.loads((tmp_path / "monitor.json").read_text())
    counts = found["counts"]
    assert logged.exit_code == found["exit_code"]
    assert logged.exit_code in {0, 10, 11}
    assert counts["predictions"] == counts["matched"] == len(later)
    assert (counts["features_changed"], counts["before_training_ended"]) == (0, 0)
    assert counts["watched"] + counts["with_airport_state"] + counts["asked_again"] == len(later)
    assert (tmp_path / "monitor.html").is_file()
    again = _monitor(GOOD, flights, tmp_path / "again", "--until", UNTIL)
    remade = json.loads((tmp_path / "again" / "monitor.json").read_text())
    assert again.exit_code in {0, 10, 11}
    assert len(remade["weeks"]) == len(found["weeks"]) == 4


def test_new_airlines_are_named(
    good: tuple[str, Bundle], flights: Path, later: pd.DataFrame, tmp_path: Path
) -> None:
    """Report and terminal name the codes missing in the training, in lines of 80 columns."""
    last_week = later["scheduled_departure"] >= pd.Timestamp(UNTIL) - pd.Timedelta(days=7)
    renamed = later["airline"].astype("str").mask(last_week & (later["airline"] == "SKU"), "QQQ")
    log = _log(good, later.assign(airline=renamed), tmp_path / "log")
    _monitor(GOOD, flights, tmp_path, "--log", log)
    found = json.loads((tmp_path / "monitor.json").read_text())
    count = int((renamed == "QQQ").sum())
    assert found["newcomers"] == {"airline": {"QQQ": count}, "destination": {}}
    assert any(f"airline QQQ ({count} flights)" in step["say"] for step in found["steps"])
    text = _terminal_text(found)
    assert f"airline QQQ ({count} flights)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_refit_command_repeats_the_given_options(tmp_path: Path) -> None:
    """The printed command names the same model and flights, without default values."""
    given = _refit_command(
        log=None, data="my flights.csv", mapping=None, name="x", reports=Path("reports")
    )
    assert given == "python -m monitor --data 'my flights.csv' --name x --refit"
    usual = {"log": None, "data": None, "mapping": None, "name": store.DEFAULT_NAME}
    assert _refit_command(**usual, reports=tmp_path).endswith(f"--reports {tmp_path} --refit")


def test_skew_between_service_and_monitoring_is_reported(
    good: tuple[str, Bundle], flights: Path, later: pd.DataFrame, tmp_path: Path
) -> None:
    """The report counts logged features that differ from those computed now."""
    tag, bundle = good
    asked = Flights.from_columns(later)
    said = bundle.predictor.score(asked).tolist()
    made = records([Answered(SECOND, asked, said, [])], bundle.predictor, tag)
    skewed = [
        record._replace(id=str(n), features="0" * 16 if n >= len(made) - 3 else record.features)
        for n, record in enumerate(made)
    ]
    _monitor(GOOD, flights, tmp_path, "--log", _write(skewed, tmp_path / "log"))
    found = json.loads((tmp_path / "monitor.json").read_text())
    assert found["counts"]["features_changed"] == 3
    assert any("features of 3 of" in note for note in found["notes"])


def test_a_log_of_another_model_cannot_be_judged(
    good: tuple[str, Bundle], flights: Path, later: pd.DataFrame, tmp_path: Path
) -> None:
    """The exit code is 2, and no report is written."""
    other = _log(("other:1", good[1]), later, tmp_path / "log")
    refused = _monitor(GOOD, flights, tmp_path / "report", "--log", other)
    assert refused.exit_code == 2
    assert not (tmp_path / "report").exists()


def test_flights_of_another_airport_are_refused(
    good: tuple[str, Bundle], flights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model of one airport is not judged on the departures of another one."""
    here = load_flights(str(flights))
    there = replace(here, airport_config=replace(here.airport_config, airport="LEMD"))
    monkeypatch.setattr("monitor.__main__.load_flights", lambda *_, **__: there)
    assert good
    assert _monitor(GOOD, flights, tmp_path).exit_code == 2


@pytest.mark.usefixtures("stale")
def test_a_stale_model_is_refitted_through_the_gate(flights: Path, tmp_path: Path) -> None:
    """A refit that is called for is trained, judged and registered: exit code 0."""
    before = store.read(f"{STALE}:latest", threads=1)[0]
    acted = _monitor(STALE, flights, tmp_path, "--refit")
    assert json.loads((tmp_path / "monitor.json").read_text())["exit_code"] == 10
    assert acted.exit_code == 0
    tag, bundle = store.read(f"{STALE}:latest", threads=1)
    assert tag != before
    assert bundle.card["data"]["last_departure"] > "2017-07-01"
    assert (tmp_path / "evaluation.json").is_file()
