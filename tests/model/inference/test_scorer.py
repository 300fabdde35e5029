"""A level of the model is the mean of its trees and its line, in scores and in reasons."""

from __future__ import annotations

import numpy as np

from data.flights import Flights
from model.inference.predictor import Predictor


def test_margins_and_contributions_are_means(predictor: Predictor, few_flights: Flights) -> None:
    """Of both levels: the mean of both halves, and contributions that add up to it."""
    for scorer in (predictor.schedule, predictor.fresh):
        matrix = scorer.builder.transform(few_flights.slice(0, 60))
        trees, line = scorer.booster.raw_scores(matrix), scorer.regression.raw_scores(matrix)
        margins = scorer.margins(matrix)
        np.testing.assert_allclose(margins, (trees + line) / 2, atol=1e-12)
        assert np.abs(trees - line).max() > 0.05
        np.testing.assert_allclose(scorer.contributions(matrix).sum(axis=1), margins, atol=1e-9)
