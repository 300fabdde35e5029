"""Provide a model and flights to the behaviour tests."""

from __future__ import annotations

import pandas as pd
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor


@pytest.fixture(scope="session")
def model(bundle: Bundle) -> Predictor:
    """Return the model that all tests share."""
    return bundle.predictor


@pytest.fixture(scope="session")
def some(frame: pd.DataFrame) -> Flights:
    """Return about 700 flights from all months."""
    return Flights.from_columns(frame.iloc[::97])
