"""Provide a small model and its features to the tests of the model."""

from __future__ import annotations

import pandas as pd
import pytest

from data.flights import Flights
from model.inference.calibration import Calibration, FloatArray
from model.inference.decision import Decision
from model.inference.predictor import Predictor
from model.training.fit import TrainingConfig, fit

ROUNDS = 20


@pytest.fixture(scope="session")
def predictor(few: pd.DataFrame) -> Predictor:
    """Return a model of twenty trees with a calibration and decision that are not the defaults."""
    fitted = fit(few, TrainingConfig(rounds=ROUNDS))
    calibration = Calibration(slope=1.1, intercept=-0.05)
    decision = Decision(threshold=0.3, bounds=(0.15, 0.25, 0.3))
    return Predictor(fitted.schedule, fitted.fresh, calibration, decision)


@pytest.fixture(scope="session")
def matrix(predictor: Predictor, few_flights: Flights) -> FloatArray:
    """Return the features of its training flights."""
    return predictor.builder.transform(few_flights)
