"""Measure figures by the age of the daily tables: `python -m model.evaluation.staleness`.

In each walk-forward month the fresh level scores every flight without the airport's state, from
tables that end `age` days before the day of the flight. The schedule level is scored beside it.
docs/decisions/0009-refresh.md uses the result.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from data.flights import Flights, Outcomes
from data.load import load_flights
from features.builder import Level
from model.evaluation.metrics import calibration_error, flight_log_loss
from model.evaluation.protocols import walk_forward
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import TrainingConfig, fit_scorer, prepare

AGES = (0, 1, 3, 7, 14, 28)
"""Days between the end of the tables and the day of the flight."""


def staleness(
    frame: pd.DataFrame, config: TrainingConfig, ages: tuple[int, ...] = AGES
) -> pd.DataFrame:
    """Return AUC, log loss and calibration error by age of the tables.

    Returns
    -------
    One row for the schedule level, whose tables end with the month before, and one for each age:
    columns `auc`, `log_loss`, `ece`.
    """
    late, scores = [], {name: list[FloatArray]() for name in ("schedule", *map(str, ages))}
    for test, probabilities in _months(frame, config, ages):
        late.append(frame["delayed"].to_numpy(dtype=bool)[test])
        for name, probability in zip(scores, probabilities, strict=True):
            scores[name].append(probability)
    outcome = np.concatenate(late)
    pooled = {name: np.concatenate(parts) for name, parts in scores.items()}
    return pd.DataFrame(
        {
            name: {
                "auc": roc_auc_score(outcome, probability),
                "log_loss": flight_log_loss(outcome, probability).mean(),
                "ece": calibration_error(outcome, probability),
            }
            for name, probability in pooled.items()
        }
    ).T


def _months(
    frame: pd.DataFrame, config: TrainingConfig, ages: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, list[FloatArray]]]:
    for fold in walk_forward(frame):
        train, known = frame.iloc[fold.train], frame.iloc[: fold.test.max() + 1]
        flights = Flights.from_columns(frame.iloc[fold.test])
        schedule = fit_scorer(prepare(train, Level.SCHEDULE, config.home), config)
        fresh = fit_scorer(prepare(train, Level.FRESH, config.home), config)
        builder = fresh.builder.refreshed(known, Outcomes.from_columns(known))
        aged = [builder.point_in_time(flights, flights.day - age) for age in ages]
        margins = [schedule.raw_scores(flights), *map(fresh.margins, aged)]
        yield fold.test, [sigmoid(margin) for margin in margins]


if __name__ == "__main__":
    print(staleness(load_flights().frame, TrainingConfig()).round(4).to_string())  # noqa: T201 - its output
