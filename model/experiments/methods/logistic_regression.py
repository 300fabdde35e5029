"""The line that is served, alone and beside the trees."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.experiments.methods.boosted import Boosted
from model.experiments.methods.table import Score, Table, Training
from model.inference.calibration import FloatArray, sigmoid
from model.inference.logistic_regression import LogisticModel
from model.training.fit import LINE_SEED, line_on, masked


@dataclass(frozen=True)
class Line:
    """The logistic regression of the served model, alone.

    Attributes
    ----------
    rising
        Whether history and the airport's state may only raise the risk.
    """

    rising: bool = True

    def fit(self, training: Training, seed: int) -> Score:  # noqa: ARG002 - there is no chance in it
        """Fit by maximum likelihood."""
        line = self.line(training)
        return lambda table: sigmoid(line.raw_scores(table.matrix))

    def line(self, training: Training) -> LogisticModel:
        """Fit on the rows and labels of the trees."""
        table = training.table
        codes = [column.name for column in table.columns if column.categorical]
        rising = [column.name for column in table.columns if column.monotone and self.rising]
        matrix = masked(table.matrix, table.positions("airport_now"), LINE_SEED)
        names = [column.name for column in table.columns]
        return line_on(matrix, training.label, names, codes, rising)


@dataclass(frozen=True)
class TreesAndLine:
    """The served model: the mean of the log-odds of a Booster and of a line."""

    trees: Boosted = field(default_factory=Boosted)
    line: Line = field(default_factory=Line)

    def fit(self, training: Training, seed: int) -> Score:
        """Fit both."""
        booster = self.trees.booster(training, seed)
        line = self.line.line(training)

        def score(table: Table) -> FloatArray:
            margins = booster.raw_scores(table.matrix) + line.raw_scores(table.matrix)
            return sigmoid(0.5 * margins)

        return score
