"""Check the distances: learned at fit, missing for other destinations, saved with the model."""

from __future__ import annotations

import json
from math import isnan

import numpy as np
import pytest

import features.route
from data.flights import Flights
from data.reference import great_circle_km
from features.route import Route

TRAINED = ("SCFA", "KMIA", "SCFA", "SEQU")


def _flights(*destinations: str) -> Flights:
    n = len(destinations)
    times = np.zeros(n, dtype=np.int64)
    return Flights(["LAN"] * n, ["120"] * n, destinations, [None] * n, times)


def _distances(route: Route, *destinations: str) -> list[float]:
    out = np.zeros((len(destinations), 1))
    route.write(_flights(*destinations), out)
    return [float(distance) for distance in out[:, 0]]


@pytest.fixture(scope="module")
def route() -> Route:
    """Give the distances of `TRAINED`."""
    return Route().fit(_flights(*TRAINED))


def test_distances_are_great_circles_from_santiago(route: Route) -> None:
    """Antofagasta is about 1,107 km away and Miami about 6,650, as in `data.reference`."""
    antofagasta, miami = _distances(route, "SCFA", "KMIA")
    assert antofagasta == pytest.approx(1107, abs=5)
    assert miami == pytest.approx(6650, abs=30)
    assert miami == pytest.approx(great_circle_km("KMIA"), abs=0.05)


def test_a_destination_outside_the_schedule_has_no_distance(route: Route) -> None:
    """Neither an unknown code nor an airport outside the training flights has a distance."""
    assert great_circle_km("EGLL") is not None
    assert all(isnan(distance) for distance in _distances(route, "ZZZZ", "EGLL"))


def test_a_scheduled_code_of_no_airport_has_no_distance() -> None:
    """A destination that is no known airport is learned as missing, not refused."""
    route = Route().fit(_flights("ZZZZ", "SCFA"))
    assert list(route.distance_) == ["SCFA"]
    assert isnan(_distances(route, "ZZZZ")[0])


def test_distances_are_saved_with_the_model(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored route gives the same kilometres without looking airports up."""
    saved = json.dumps(route.to_json(), allow_nan=False)

    def refuse(code: str) -> float:
        raise AssertionError(code)

    monkeypatch.setattr(features.route, "great_circle_km", refuse)
    restored = Route.from_json(json.loads(saved))
    assert _distances(restored, *TRAINED) == _distances(route, *TRAINED)
    assert restored.to_json() == route.to_json()
