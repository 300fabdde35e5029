"""Test calibration by month: ways of updating, months, and that no later outcome is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model.evaluation.drift import _by_month, _monthly, drift
from model.evaluation.protocols import Scored
from model.inference.calibration import Calibration, FloatArray, sigmoid
from model.training.fit import TrainingConfig

CONFIG = TrainingConfig(rounds=5)


@pytest.fixture(scope="module")
def run(few: pd.DataFrame) -> Scored:
    """Return the flights from April on with the same probability each."""
    row = np.flatnonzero(few["scheduled_departure"] >= pd.Timestamp("2017-04-01"))
    late = few["delayed"].to_numpy(dtype=bool)[row]
    return Scored(row, late, np.full(len(row), 0.1), np.full(len(row), 0.18))


@pytest.fixture(scope="module")
def margin(few: pd.DataFrame, run: Scored) -> FloatArray:
    """Return the log-odds of those flights, NaN for all others."""
    margin = np.full(len(few), np.nan)
    margin[run.row] = np.log(0.1 / 0.9)
    return margin


def test_each_way_has_figures_by_month(few: pd.DataFrame, run: Scored) -> None:
    """Models with and without refit have figures by month, as they are and recalibrated."""
    found = drift(few, run, CONFIG)
    plain = [way for way in found if ";" not in way]
    assert plain == [
        "refitted each month",
        "fitted once, to the end of 2017-03",
        "fitted once, to the end of 2017-06",
    ]
    assert len(found) == len(plain) * 5
    assert len(found[plain[1]]) == 9 + 1
    assert next(iter(found[plain[2]])) == "2017-07"
    assert found[plain[0]]["pooled"]["n"] == len(run.row)
    assert found[plain[0]]["pooled"]["mean_probability"] == pytest.approx(0.1)


def test_one_scored_month_has_no_model_without_refit(few: pd.DataFrame, run: Scored) -> None:
    """A single scored month has no later month for a model without refit."""
    early = few[few["scheduled_departure"] < pd.Timestamp("2017-05-01")]
    rows = run.row < len(early)
    short = Scored(run.row[rows], run.late[rows], run.probability[rows], run.constant[rows])
    assert all(way.startswith("refitted") for way in drift(early, short, CONFIG))


def test_recalibration_follows_the_weeks_before(few: pd.DataFrame, margin: FloatArray) -> None:
    """The first month keeps its level; later ones move to the late share of the weeks before."""
    late = few.assign(delayed=np.arange(len(few)) % 2 == 0)
    found = _by_month(late, _monthly(late, margin, Calibration.shift, 8))
    assert found["2017-04"]["mean_probability"] == pytest.approx(0.1)
    assert 0.35 < found["2017-08"]["mean_probability"] <= 0.5


def test_recalibration_sees_no_outcome_of_its_month(few: pd.DataFrame, margin: FloatArray) -> None:
    """Outcomes from the first day of a month on, also of flights due before it, change nothing."""
    start = pd.Timestamp("2017-08-01")
    unknown = (few["actual_departure"] >= start) | (few["scheduled_departure"] >= start)
    other = few.copy()
    other.loc[unknown, "delayed"] = ~other.loc[unknown, "delayed"]
    august = (few["scheduled_departure"].dt.month == 8).to_numpy()
    one, two = (_monthly(each, margin, Calibration.fit, 4) for each in (few, other))
    assert (one[august] == two[august]).all()
    later = (few["scheduled_departure"].dt.month == 9).to_numpy()
    assert not (one[later] == two[later]).all()


def test_the_intercept_alone_can_be_fitted() -> None:
    """The intercept follows the base rate, the slope stays 1, and few flights change little."""
    random = np.random.default_rng(0)
    margin = random.normal(-1.5, 1.0, 100_000)
    late = random.random(len(margin)) < sigmoid(margin + 0.7)
    found = Calibration.shift(margin, late)
    assert found.slope == 1
    assert found.intercept == pytest.approx(0.7, abs=0.03)
    assert Calibration.shift(margin[:5], np.ones(5, dtype=bool)).intercept < 0.15
