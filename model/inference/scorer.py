"""The features of one level of information, and what reads them."""

from __future__ import annotations

from dataclasses import dataclass

from data.flights import Flights
from features.builder import FeatureBuilder
from model.inference.booster import Booster, FloatArray
from model.inference.logistic_regression import LogisticModel


@dataclass(frozen=True, slots=True)
class Scorer:
    """The mean of trees and a line on the same features, in log-odds.

    Trees find how features act together, but cut every slope into steps and look at one
    category against the others; the line keeps the slopes and gives each category a weight of
    its own. They err differently, so their mean is better than either:
    docs/decisions/0007-linear-half.md.

    Attributes
    ----------
    builder
        Makes the features of a level.
    booster, linear
        Both read the builder's columns.
    """

    builder: FeatureBuilder
    booster: Booster
    linear: LogisticModel

    def raw_scores(self, flights: Flights) -> FloatArray:
        """Log-odds of each flight, shape ``(n,)``."""
        return self.margins(self.builder.transform(flights))

    def margins(self, matrix: FloatArray) -> FloatArray:
        """Log-odds of each row of the builder's features, shape ``(n,)``."""
        return 0.5 * (self.booster.raw_scores(matrix) + self.linear.raw_scores(matrix))

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Contributions to the log-odds, shape ``(n, features + 1)``, the base last.

        They add up to the margin: Shapley values of a mean are the mean of Shapley values.
        """
        return 0.5 * (self.booster.contributions(matrix) + self.linear.contributions(matrix))
