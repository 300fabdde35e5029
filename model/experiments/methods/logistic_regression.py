"""Served logistic regression, alone and averaged with the trees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from model.experiments.methods.boosted import Boosted
from model.experiments.methods.table import Score, Table, Training
from model.inference.calibration import FloatArray, sigmoid
from model.inference.logistic_regression import LogisticModel
from model.training.fit import REGRESSION_SEED, fit_regression_on, masked


@dataclass(frozen=True)
class ServedLogistic:
    """Logistic regression of the served model, alone.

    Attributes
    ----------
    monotone
        Whether history and the airport's state may only raise the risk.
    """

    kind: ClassVar[str] = "served-logistic"

    monotone: bool = True

    def fit(self, training: Training, seed: int) -> Score:  # noqa: ARG002 - it is deterministic
        """Fit by maximum likelihood."""
        model = self.model(training)
        return lambda table: sigmoid(model.raw_scores(table.matrix))

    def model(self, training: Training) -> LogisticModel:
        """Fit on the rows and labels of the trees and return the model."""
        table = training.table
        codes = [column.name for column in table.columns if column.categorical]
        rising = [column.name for column in table.columns if column.monotone and self.monotone]
        matrix = masked(table.matrix, table.positions("airport_now"), REGRESSION_SEED)
        names = [column.name for column in table.columns]
        return fit_regression_on(matrix, training.label, names, codes, rising)


@dataclass(frozen=True)
class TreesAndLogistic:
    """Served model: the mean log-odds of a Booster and a logistic regression."""

    kind: ClassVar[str] = "trees-and-logistic"

    trees: Boosted = field(default_factory=Boosted)
    logistic: ServedLogistic = field(default_factory=ServedLogistic)

    def fit(self, training: Training, seed: int) -> Score:
        """Fit both."""
        booster = self.trees.booster(training, seed)
        logistic = self.logistic.model(training)

        def score(table: Table) -> FloatArray:
            margins = booster.raw_scores(table.matrix) + logistic.raw_scores(table.matrix)
            return sigmoid(0.5 * margins)

        return score
