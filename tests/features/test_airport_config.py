"""Check the features of another airport: its holidays, domestic flights and distances."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Flights, Outcomes
from features.builder import FeatureBuilder, Level

MADRID = AirportConfig(
    airport="LEMD",
    place="Madrid",
    time_zone="Europe/Madrid",
    country="ES",
    country_name="Spain",
    domestic=("LE", "GC", "GE"),
    subdivision="MD",
    school_holidays=(((6, 21), (9, 7)),),
)


@pytest.fixture(scope="module")
def builder(few: pd.DataFrame) -> FeatureBuilder:
    """Give a builder fitted for Madrid."""
    return FeatureBuilder(Level.SCHEDULE, MADRID).fit(few, Outcomes.from_columns(few))


def _features(builder: FeatureBuilder, destination: str, day: str) -> dict[str, float]:
    departure = np.array([f"{day}T08:30"], dtype="datetime64[m]").astype(np.int64)
    row = builder.transform(Flights(["LAN"], ["120"], [destination], [None], departure))[0]
    return dict(zip(builder.feature_names, row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("day", "is_holiday"),
    [("2017-05-02", 1), ("2017-10-12", 1), ("2017-09-18", 0), ("2017-05-21", 0)],
)
def test_holidays_are_the_countrys_and_the_regions(
    builder: FeatureBuilder, day: str, is_holiday: int
) -> None:
    """Madrid's and Spain's holidays count; Chile's do not."""
    assert _features(builder, "LEBL", day)["is_holiday"] == is_holiday


def test_school_holidays_are_those_that_are_given(builder: FeatureBuilder) -> None:
    """July is in the school holidays; February, Chile's summer, is not."""
    assert _features(builder, "LEBL", "2017-07-03")["school_holidays"] == 1
    assert _features(builder, "LEBL", "2017-02-01")["school_holidays"] == 0


def test_domestic_flights_are_those_of_the_airport_config(builder: FeatureBuilder) -> None:
    """The type of an unknown code follows Spain's prefixes."""
    assert _features(builder, "LEZZ", "2017-07-03")["flight_type"] == 0
    assert _features(builder, "SCZZ", "2017-07-03")["flight_type"] == 1


def test_unknown_groups_are_by_the_prefixes_of_the_airport_config(builder: FeatureBuilder) -> None:
    """Unknown destinations share one group in Spain and one abroad."""
    history = next(each for each in builder.transformers if each.key == "history")
    numbers = history.keys_.destination_  # type: ignore[attr-defined] # the one that has keys
    assert numbers["LEZZ"] == numbers["GCZZ"] != numbers["SCZZ"]


def test_distances_are_from_the_configured_airport(builder: FeatureBuilder) -> None:
    """Miami is 7,110 km from Madrid, and Madrid 0 km."""
    assert _features(builder, "KMIA", "2017-07-03")["distance_km"] == pytest.approx(7110, rel=0.005)
    assert _features(builder, "LEMD", "2017-07-03")["distance_km"] == 0


@pytest.mark.parametrize("level", [Level.SCHEDULE, Level.FRESH])
def test_the_airport_config_is_saved_with_the_features(few: pd.DataFrame, level: Level) -> None:
    """A restored builder has the airport and gives the same rows, unseen destinations too."""
    fitted = FeatureBuilder(level, MADRID).fit(few, Outcomes.from_columns(few))
    restored = FeatureBuilder.from_json(fitted.to_json())
    assert restored.airport_config == MADRID
    assert restored.to_json() == fitted.to_json()
    flights = Flights.from_columns(
        few.assign(destination=["LEZZ", "SCZZ"] * (len(few) // 2) + ["GCZZ"] * (len(few) % 2))
    )
    np.testing.assert_array_equal(restored.transform(flights), fitted.transform(flights))


def test_a_refresh_keeps_the_airport_config(few: pd.DataFrame, builder: FeatureBuilder) -> None:
    """A refresh with newer outcomes has the same airport."""
    assert builder.refreshed(few, Outcomes.from_columns(few)).airport_config == MADRID


def test_santiagos_features_are_saved_without_the_field(few: pd.DataFrame) -> None:
    """Santiago's files have no `home` field, and files without the field are Santiago's."""
    text = FeatureBuilder().fit(few).to_json()
    assert "home" not in json.loads(text)
    assert FeatureBuilder.from_json(text).airport_config == SANTIAGO
