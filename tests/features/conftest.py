"""Flights and a builder that the tests of features share."""

from __future__ import annotations

import pandas as pd
import pytest

from features import FeatureBuilder


@pytest.fixture(scope="session")
def builder(few: pd.DataFrame) -> FeatureBuilder:
    """Give a builder fitted on those flights."""
    return FeatureBuilder().fit(few)
