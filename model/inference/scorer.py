"""Score flights at one level of information: features, trees and logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

from data.flights import Flights
from features.builder import FeatureBuilder
from model.inference.booster import Booster, FloatArray
from model.inference.logistic_regression import LogisticModel


@dataclass(frozen=True, slots=True)
class Scorer:
    """Mean, in log-odds, of a Booster and a logistic regression on the same features.

    Trees model interactions, but cut every slope into steps and split one category from the
    others. The regression keeps the slopes and gives each category a weight of its own. Their
    errors differ, so their mean is better than either: docs/decisions/0007-linear-half.md.

    Attributes
    ----------
    builder
        Makes the features of the level.
    booster, regression
        Models that both read all columns of the builder.
    """

    builder: FeatureBuilder
    booster: Booster
    regression: LogisticModel

    def raw_scores(self, flights: Flights) -> FloatArray:
        """Return the log-odds of each flight, shape ``(n,)``."""
        return self.margins(self.builder.transform(flights))

    def margins(self, matrix: FloatArray) -> FloatArray:
        """Return the log-odds of each row of the builder's features, shape ``(n,)``."""
        return 0.5 * (self.booster.raw_scores(matrix) + self.regression.raw_scores(matrix))

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Return contributions to the log-odds, shape ``(n, features + 1)``, the base value last.

        They add up to the margin: Shapley values of a mean are the mean of Shapley values.
        """
        return 0.5 * (self.booster.contributions(matrix) + self.regression.contributions(matrix))
