"""Smoke test: a trained model passes, and each kind of unfit one is refused with its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.calibration import Calibration, FloatArray
from model.inference.predictor import Predictor
from serving.errors import ModelRefused
from serving.models import smoke_test


class Changed(Predictor):
    """Model whose scores are changed in the way that `change` names."""

    change: str = ""

    def score(self, flights: Flights) -> FloatArray:
        """Return the changed scores."""
        scores = super().score(flights)
        match self.change:
            case "missing":
                scores[0] = np.nan
            case "above one":
                scores[-1] = 1.0001
            case "lone":
                scores = scores + (1e-6 if len(flights) == 1 else 0)
            case "constant":
                scores = np.full(len(flights), 0.2)
        return scores


def changed(predictor: Predictor, change: str) -> Predictor:
    """Return the model with changed scores."""
    made = Changed(
        predictor.schedule,
        predictor.fresh,
        predictor.calibration,
        predictor.decision,
    )
    object.__setattr__(made, "change", change)
    return made


def test_a_trained_model_passes(bundle: Bundle) -> None:
    """A trained model passes, without a served model and compared with itself."""
    smoke_test.check("m:1", bundle.predictor, None)
    smoke_test.check("m:1", bundle.predictor, bundle.predictor)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("missing", "missing or outside"),
        ("above one", "missing or outside"),
        ("lone", "alone otherwise"),
        ("constant", "same probability"),
    ],
)
def test_an_unfit_model_is_refused(bundle: Bundle, change: str, reason: str) -> None:
    """The error names the fault and the tag of the model."""
    with pytest.raises(ModelRefused, match=f"m:1 .*{reason}"):
        smoke_test.check("m:1", changed(bundle.predictor, change), None)


@pytest.mark.parametrize(
    ("shift", "passes"), [(0.9, True), (-0.9, True), (1.5, False), (-1.5, False)]
)
def test_the_mean_may_move_a_little(bundle: Bundle, shift: float, passes: bool) -> None:
    """A model whose mean odds are up to three times those of the served one passes."""
    there = bundle.predictor
    flights = smoke_test.probe_flights(there.builder.codes)
    only_schedule = replace(flights, airport=None)
    moved = replace(there, calibration=Calibration(1.0, there.calibration.intercept + shift))
    mean = float(moved.score(only_schedule).mean())
    if passes:
        smoke_test._compare("m:2", mean, float(there.score(only_schedule).mean()))
    else:
        with pytest.raises(ModelRefused, match="mean probability"):
            smoke_test._compare("m:2", mean, float(there.score(only_schedule).mean()))
