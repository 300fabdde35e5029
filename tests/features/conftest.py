"""Flights and a builder that the tests of features share."""

from __future__ import annotations

import pandas as pd
import pytest

from data.flights import Flights
from features import FeatureBuilder

EVERY = 24


@pytest.fixture(scope="session")
def few(frame: pd.DataFrame) -> pd.DataFrame:
    """Every 24th flight: some 2,800, spread over the whole year."""
    return frame.iloc[::EVERY]


@pytest.fixture(scope="session")
def few_flights(few: pd.DataFrame) -> Flights:
    """Give the schedule of those flights."""
    return Flights.from_columns(few)


@pytest.fixture(scope="session")
def builder(few: pd.DataFrame) -> FeatureBuilder:
    """Give a builder fitted on those flights."""
    return FeatureBuilder().fit(few)
