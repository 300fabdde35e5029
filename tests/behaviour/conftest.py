"""A served model and single flights that the tests of behaviour ask it about."""

from __future__ import annotations

import pandas as pd
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor


@pytest.fixture(scope="session")
def model(bundle: Bundle) -> Predictor:
    """Give the model that all tests share."""
    return bundle.predictor


@pytest.fixture(scope="session")
def some(frame: pd.DataFrame) -> Flights:
    """Give some 700 flights from all over the year."""
    return Flights.from_columns(frame.iloc[::97])
