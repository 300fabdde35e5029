"""Parts of the measurements that need no server."""

from __future__ import annotations

import numpy as np

from data.flights import Flights
from load.reports.plots import batches, cores, engines, over_time
from load.scenarios.steady import _summaries
from load.tools.measure import booster_alone
from model.inference.bundle import Bundle


def test_the_booster_is_called_at_least_once(bundle: Bundle) -> None:
    """The rate is positive whatever the time limit is."""
    flights = Flights(["LAN"], ["120"], ["SCFA"], ["N"], np.array([25_000_000]))
    assert booster_alone(bundle.predictor, flights, 1e-9) > 0


def test_every_figure_of_the_rounds_is_summarised() -> None:
    """The summary has the same keys as the rounds."""
    found = _summaries([{"rate": 1.0, "failed": 0.0}, {"rate": 3.0, "failed": 2.0}])
    assert found["rate"]["median"] == 2.0
    assert found["failed"]["high"] == 2.0


def test_pictures_can_be_drawn_of_one_run() -> None:
    """One run, one second and no batch cause no division by zero."""
    run = {
        "connections": 1,
        "cores": {"worker": 1.0},
        "batches": {"up_to": {"1.0": 0, "+Inf": 0}, "count": 0},
        "share": 0.5,
        "seconds": [{"second": 0, "p50": 1.0, "p99": 2.0}],
    }
    engine = {"engine": "off", "connections": 64, "rate": {"median": 2.0, "low": 1.0, "high": 3.0}}
    for picture in (cores([run]), batches([run]), over_time([run]), engines([engine])):
        assert picture.startswith("<svg")
