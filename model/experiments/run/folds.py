"""Make the folds of the protocols with their features, shared by all attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from data.flights import Outcomes
from data.schema import SCHEDULE_COLUMNS
from features.builder import FeatureBuilder
from model.evaluation.protocols import LEVELS, PROTOCOLS, Fold, scored_matrix
from model.experiments.methods.table import Column, Table, Training
from model.inference.calibration import FloatArray
from model.training.fit import TrainingSet, prepare

GROUPS: dict[str, tuple[str, ...]] = {
    "E1": ("E1",),
    "E2": ("E2",),
    "E3.schedule": ("E3.schedule",),
    "E3.fresh": ("E3.daily", "E3.live"),
}
"""Protocols that share their folds and fits, by the name of the group."""


@dataclass(frozen=True, slots=True)
class FoldData:
    """Training flights and flights to score of one fold.

    Attributes
    ----------
    rows
        Positions of its flights in the frame.
    training
        Flights with features and outcomes to learn from.
    scored
        The flights to score, by protocol; without outcomes.
    """

    rows: Fold
    training: Training
    scored: Mapping[str, Table]


def make_folds(frame: pd.DataFrame, group: str) -> Iterator[FoldData]:
    """Yield the folds of a group of protocols."""
    protocols = GROUPS[group]
    for fold in PROTOCOLS[protocols[0]](frame):
        yield make_fold(frame, fold, protocols)


def make_fold(frame: pd.DataFrame, fold: Fold, protocols: Sequence[str] = ()) -> FoldData:
    """Build one fold, for its own protocol or for several that share its fit."""
    rows = frame.iloc[fold.train]
    training_set = prepare(rows, LEVELS[fold.protocol])
    scored = {
        name: _table(
            training_set.builder,
            frame.iloc[fold.test],
            scored_matrix(frame, replace(fold, protocol=name), training_set.builder),
        )
        for name in protocols or (fold.protocol,)
    }
    return FoldData(fold, as_training(rows, training_set), scored)


def as_training(rows: pd.DataFrame, training_set: TrainingSet) -> Training:
    """Convert the result of `model.training.fit.prepare` for these rows."""
    table = _table(training_set.builder, rows, training_set.matrix)
    return Training(table, training_set.label, Outcomes.from_columns(rows))


def make_oracle_fold(everything: Training, fold: Fold) -> FoldData:
    """Build a fold whose scored flights have the features of training: for oracles only."""
    scored = {fold.protocol: everything.table.pick(fold.test)}
    return FoldData(fold, everything.pick(fold.train), scored)


def columns_of(builder: FeatureBuilder) -> tuple[Column, ...]:
    """Describe the columns of a builder's matrix."""
    return tuple(
        Column(name, transformer.key, name in builder.categorical, name in builder.monotone)
        for transformer in builder.transformers
        for name in transformer.names
    )


def _table(builder: FeatureBuilder, rows: pd.DataFrame, matrix: FloatArray) -> Table:
    return Table(rows[list(SCHEDULE_COLUMNS)], matrix, columns_of(builder))
