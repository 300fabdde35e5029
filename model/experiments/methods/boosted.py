"""LightGBM with variants; without any change it is the served Booster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np

from model.experiments.methods.table import Score, Table, Training
from model.inference.booster import Booster
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import HIDDEN_SHARE, PARAMETERS, REPRODUCIBLE, ROUNDS, masked
from model.training.labels import LIMIT, SOFTNESS_MINUTES, soft_labels

Pairs = tuple[tuple[str, Any], ...]
"""Parameters as pairs: unlike a dictionary, a tuple is hashable and has one ``repr``."""

MOST_ROUNDS = 1000
STOPPING_ROUNDS = 50
"""Trees without a gain after which early stopping ends."""


@dataclass(frozen=True)
class Boosted:
    """Served Booster with optional changes.

    Attributes
    ----------
    change
        Parameters of LightGBM other than those of `model.training.fit.PARAMETERS`.
    rounds
        Number of trees.
    labels
        ``"soft"``, ``"hard"``, or ``"limit"`` for soft ones around 15.5 minutes at any level.
    softness
        Minutes over which a label around the limit passes from 0 to 1.
    monotone
        Whether history and the airport's state may only raise the risk.
    drop
        Names of columns, or keys of transformers, that are left out.
    half_life
        Days after which a training flight has half the weight; 0 for equal weights.
    late_weight
        Weight of a late flight; 0 for a weight that makes both classes equal in sum.
    early_stopping
        Last weeks of the training flights, used to choose the number of trees; 0 for a fixed
        number.
    hidden
        Share of training flights whose airport state is masked.
    """

    kind: ClassVar[str] = "boosted"

    change: Pairs = ()
    rounds: int = ROUNDS
    labels: str = "soft"
    softness: float = SOFTNESS_MINUTES
    monotone: bool = True
    drop: tuple[str, ...] = ()
    half_life: float = 0.0
    late_weight: float = 1.0
    early_stopping: int = 0
    hidden: float = HIDDEN_SHARE

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the trees on the remaining columns."""
        return _score(self.booster(training, seed), self.drop)

    def booster(self, training: Training, seed: int) -> Booster:
        """Fit the trees and return the Booster, whose inputs are the remaining columns."""
        training = training.on(training.table.without(self.drop))
        rounds = self._rounds(training, seed) if self.early_stopping else self.rounds
        return Booster(self._train(training, seed, rounds).model_to_string(), threads=1)

    def _train(
        self, training: Training, seed: int, rounds: int, validation: Training | None = None
    ) -> Any:
        table = training.table
        parameters = {
            **REPRODUCIBLE,
            **PARAMETERS,
            **dict(self.change),
            "seed": seed,
            "monotone_constraints": [int(c.monotone and self.monotone) for c in table.columns],
        }
        return lgb.train(
            parameters,
            self._dataset(training, seed),
            num_boost_round=rounds,
            valid_sets=[self._dataset(validation, seed)] if validation else None,
            callbacks=[lgb.early_stopping(STOPPING_ROUNDS, verbose=False)] if validation else None,
        )

    def _dataset(self, training: Training, seed: int) -> Any:
        table = training.table
        # linear trees need the raw values, which LightGBM frees after binning
        raw = {"linear_tree": True} if dict(self.change).get("linear_tree") else {}
        return lgb.Dataset(
            masked(table.matrix, table.positions("airport_now"), seed, self.hidden),
            self._label(training),
            weight=self._weight(training),
            feature_name=[column.name for column in table.columns],
            categorical_feature=table.categorical(),
            params={"verbosity": -1, **raw},
        )

    def _label(self, training: Training) -> FloatArray:
        if self.labels == "hard":
            return training.late.astype(float)
        if self.labels == "limit":
            return soft_labels(training.outcomes.delay_minutes, LIMIT, self.softness)
        return training.label

    def _weight(self, training: Training) -> FloatArray | None:
        if not self.half_life and self.late_weight == 1.0:
            return None
        weight = np.ones(len(training))
        if self.half_life:
            weight = np.exp2((training.day - training.day.max()) / self.half_life)
        return np.where(training.late, weight * self._late_weight(training), weight)

    def _late_weight(self, training: Training) -> float:
        return self.late_weight or float((~training.late).sum() / training.late.sum())

    def _rounds(self, training: Training, seed: int) -> int:
        before, recent = training.split_last(self.early_stopping)
        return int(self._train(before, seed, MOST_ROUNDS, recent).best_iteration)


HARD = Boosted(labels="hard")
"""The served Booster with hard labels: the outcomes themselves."""


def booster_score(text: str) -> Score:
    """Return a function that scores as the service does: through the C API, on one thread."""
    return _score(Booster(text, threads=1))


def _score(booster: Booster, drop: tuple[str, ...] = ()) -> Score:
    def score(table: Table) -> FloatArray:
        return sigmoid(booster.raw_scores(table.without(drop).matrix if drop else table.matrix))

    return score
