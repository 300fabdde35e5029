"""What the tests of the engines share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from model.bundle import Bundle
from model.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    """The shared model."""
    return bundle.predictor


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> Flights:
    """A thousand flights."""
    return Flights.from_columns(frame.sample(1000, random_state=4))


@pytest.fixture(scope="module")
def expected(predictor: Predictor, flights: Flights) -> np.ndarray:
    """Their scores, computed in one go."""
    return predictor.predict(flights).probability
