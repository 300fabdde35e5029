"""Check the names of codes and the distances."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.load import Dataset
from data.reference import (
    AIRLINES,
    HOME_AIRPORT,
    MEAN_EARTH_RADIUS_KM,
    Airport,
    _haversine_km,
    airport,
    great_circle_km,
)
from data.sample import rates

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def _place(latitude: float, longitude: float) -> Airport:
    return Airport("XXXX", "", "", "", latitude, longitude)


def test_importing_it_loads_neither_pandas_nor_the_airports() -> None:
    """Importing the module loads neither pandas nor the list of airports."""
    code = (
        "import sys, data.reference; "
        "sys.exit(any(name in sys.modules for name in ('pandas', 'airportsdata')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_airport_has_its_facts() -> None:
    """A code gives name, city, country and place."""
    antofagasta = airport("SCFA")
    assert antofagasta is not None
    assert (antofagasta.city, antofagasta.country) == ("Antofagasta", "CL")
    assert antofagasta.latitude == pytest.approx(-23.44, abs=0.01)
    assert antofagasta.longitude == pytest.approx(-70.45, abs=0.01)


def test_an_airport_that_has_closed_is_still_known() -> None:
    """Quito's old airport, closed in 2013, is found."""
    quito = airport("SEQU")
    assert quito is not None
    assert quito.city == "Quito"


@pytest.mark.parametrize("code", ["", "ZZZZ", "scfa", "SCF"])
def test_an_unknown_code_is_none(code: str) -> None:
    """An unknown code gives neither an airport nor a distance, and no error."""
    assert airport(code) is None
    assert great_circle_km(code) is None


@pytest.mark.parametrize(
    ("code", "km"), [("SCFA", 1107), ("SPJC", 2460), ("KMIA", 6660), ("NZAA", 9650)]
)
def test_distances_agree_with_published_ones(code: str, km: float) -> None:
    """Great-circle distances agree with published ones to half a per cent."""
    assert great_circle_km(code) == pytest.approx(km, rel=0.005)


def test_the_distance_to_the_same_airport_is_zero() -> None:
    """The distance from Santiago to Santiago is 0 km."""
    assert great_circle_km(HOME_AIRPORT) == 0


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_distance_is_symmetric_and_at_most_half_way_round(
    south: float, west: float, north: float, east: float
) -> None:
    """Distances are symmetric and at most half the circumference."""
    here, there = _place(south, west), _place(north, east)
    distance = _haversine_km(here, there)
    assert 0 <= distance <= math.pi * MEAN_EARTH_RADIUS_KM + 1e-6
    assert distance == pytest.approx(_haversine_km(there, here), abs=1e-6)


@given(LATITUDES, LONGITUDES)
def test_antipodes_are_half_way_round(latitude: float, longitude: float) -> None:
    """The haversine does not fail where its argument is 1."""
    distance = _haversine_km(_place(latitude, longitude), _place(-latitude, longitude + 180))
    assert distance == pytest.approx(math.pi * MEAN_EARTH_RADIUS_KM, rel=1e-6)


def test_every_code_of_the_sample_is_known() -> None:
    """Every airline, operator and airport of the sample has reference data."""
    operators = {name for shares in rates.OPERATORS.values() for name, _ in shares}
    airlines = {route.airline for route in rates.ROUTES}
    assert airlines | operators <= set(AIRLINES)
    assert all(airport(route.destination) for route in rates.ROUTES)


@pytest.mark.real_data
@pytest.mark.usefixtures("real_data")
def test_every_code_of_the_real_flights_is_known(dataset: Dataset) -> None:
    """All 64 destinations have a distance and all airlines and operators a name."""
    destinations = set(dataset.frame["destination"])
    assert len(destinations) == 64
    assert not {code for code in destinations if great_circle_km(code) is None}
    codes = set(dataset.frame["airline"]) | set(dataset.frame["operated_airline"])
    assert codes == set(AIRLINES)
