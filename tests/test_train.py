"""Test `train.py` as a command: options, exit codes, what it registers and what it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bentoml
import numpy as np
import pandas as pd
import pytest
import yaml

from data.sample import generate_flights
from model.evaluation.metrics import FIGURES
from model.inference.bundle import Bundle
from tests.support.server import PROJECT

Train = Callable[..., subprocess.CompletedProcess[str]]

MONTHS = 4
"""Months of the small files that these tests train on; walk-forward (E3) scores the last one."""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a sample of generated flights of the first months."""
    raw = generate_flights(seed=1)
    early = raw[raw["Fecha-I"] < f"2017-{MONTHS + 1:02}-01"]
    path = tmp_path_factory.mktemp("flights") / "flights.csv"
    early.sample(frac=0.15, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture
def train(flights: Path, tmp_path: Path) -> Train:
    """Return a function that runs `train.py` with a store and a report folder of the test."""

    def run(*options: str, data: Path = flights) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "train.py",
            "--data",
            str(data),
            "--reports",
            str(tmp_path / "r"),
        ]
        environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [*command, *options],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )

    return run


def model_folder(tmp_path: Path, name: str = "flight_delay") -> Path:
    """Return the folder of the latest registered version."""
    folder = tmp_path / "home" / "models" / name
    return folder / (folder / "latest").read_text()


def test_registers_a_model_and_writes_the_report(train: Train, tmp_path: Path) -> None:
    """One run evaluates, registers the model and writes figures and a page."""
    run = train()
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    assert set(report) == {"E1", "E2", "E3.schedule", "E3.daily", "E3.live"}
    for figures in report.values():
        assert {*FIGURES, "n"} <= set(figures)
    assert list(report["E3.schedule"]["by_month"]) == ["2017-04"]
    assert "<html" in (tmp_path / "r" / "report.html").read_text()
    names = {path.name for path in model_folder(tmp_path).iterdir()}
    assert {"saved_model.ubj", "features.json", "card.json", "SHA256SUMS"} <= names


def test_bentoml_can_load_the_booster(registered: str) -> None:
    """`bentoml.lightgbm.load_model` loads the registered Booster."""
    booster = bentoml.lightgbm.load_model(registered)
    assert booster.num_trees() == 80


def test_same_flights_and_seed_give_the_same_bytes(
    train: Train, tmp_path: Path, flights: Path
) -> None:
    """Neither rows after `--until` nor the order of the file change the model."""
    later = pd.read_csv(flights, dtype=str)
    earlier = later[later["Fecha-I"] < "2017-04-01"]
    shuffled = tmp_path / "shuffled.csv"
    earlier.sample(frac=1.0, random_state=3).to_csv(shuffled, index=False)
    options = ("--skip-evaluation", "--until", "2017-04-01", "--name")
    assert train(*options, "one").returncode == 0
    assert train(*options, "two", data=shuffled).returncode == 0
    assert train(*options, "three", "--seed", "7").returncode == 0
    one, two, three = (model_folder(tmp_path, name) for name in ("one", "two", "three"))
    for path in one.iterdir():
        if path.name != "model.yaml":  # BentoML writes the time into it
            assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    assert one.name == two.name != three.name


def test_a_refresh_registers_a_child_of_the_model(
    train: Train, tmp_path: Path, flights: Path
) -> None:
    """Newer flights give a new version with the same trees; the same flights give none."""
    assert train("--skip-evaluation", "--until", "2017-04-01").returncode == 0
    parent = model_folder(tmp_path)
    refreshed = train("refresh", "--data", str(flights))
    assert refreshed.returncode == 0, refreshed.stderr
    child = model_folder(tmp_path)
    assert child.name.startswith("20170430")
    assert parent.name.startswith("20170331")
    labels = yaml.safe_load((child / "model.yaml").read_text())["labels"]
    assert labels["refreshed-through"] == "2017-04-30"
    assert labels["parent"] == parent.name
    assert (child / "saved_model.ubj").read_bytes() == (parent / "saved_model.ubj").read_bytes()
    assert (child / "features.json").read_bytes() != (parent / "features.json").read_bytes()
    again = train("refresh", "--data", str(flights))
    assert "nothing to refresh" in again.stderr
    assert model_folder(tmp_path) == child
    written = train("card", "--folder", str(tmp_path / "docs"))
    assert written.returncode == 0, written.stderr
    assert child.name in (tmp_path / "docs" / "model-card.md").read_text()


def test_the_gate_refuses_a_worse_model(train: Train, tmp_path: Path, flights: Path) -> None:
    """A model that is worse beyond noise ends with exit code 3, unless forced."""
    assert train().returncode == 0
    champion = model_folder(tmp_path)
    spoilt = pd.read_csv(flights, dtype=str)
    by_chance = np.random.default_rng(5).random(len(spoilt)) < 0.5
    scheduled = pd.to_datetime(spoilt["Fecha-I"]) + pd.Timedelta(hours=1)
    spoilt.loc[by_chance, "Fecha-O"] = scheduled[by_chance].dt.strftime("%Y-%m-%d %H:%M:%S")
    path = tmp_path / "spoilt.csv"
    spoilt.to_csv(path, index=False)
    refused = train(data=path)
    assert refused.returncode == 3, refused.stderr
    assert "refused by the champion gate" in refused.stderr
    assert model_folder(tmp_path) == champion
    assert train("--force", data=path).returncode == 0
    assert model_folder(tmp_path) != champion


def test_invalid_data_is_refused(train: Train, tmp_path: Path, flights: Path) -> None:
    """A file with invalid rows ends with exit code 2; `--drop-invalid` trains without them."""
    raw = pd.read_csv(flights, dtype=str)
    raw.loc[raw.index[:3], "Des-I"] = "nowhere"
    path = tmp_path / "bad.csv"
    raw.to_csv(path, index=False)
    refused = train("--skip-evaluation", data=path)
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr
    assert "Traceback" not in refused.stderr
    dropped = train("--skip-evaluation", "--drop-invalid", data=path)
    assert dropped.returncode == 0
    assert "3 invalid rows were left out" in dropped.stderr


def test_a_kill_leaves_no_partial_model(flights: Path, tmp_path: Path) -> None:
    """A training run that is killed leaves only complete models in the store."""
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path)}
    command = [sys.executable, "train.py", "--data", str(flights), "--skip-evaluation"]
    store = tmp_path / "models"
    for pause in (0.0, 0.02, 0.05):
        process = subprocess.Popen(
            [*command, "--reports", str(tmp_path / "r"), "--seed", str(int(pause * 100))],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not list(tmp_path.glob(".staging-*")):
            time.sleep(0.002)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for folder in store.glob("flight_delay/*/"):
            Bundle.read(folder)
            assert (folder / "model.yaml").is_file()


def test_help_fits_a_terminal(train: Train) -> None:
    """The help fits into 80 columns."""
    run = subprocess.run(
        [sys.executable, "train.py", "--help"],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "--until" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
