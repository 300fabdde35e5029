"""Test that figures on the real flights stay within their noise of the published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from model.evaluation.metrics import calibration_error, flight_log_loss
from model.evaluation.protocols import PROTOCOLS, Scored, _run
from model.training.fit import TrainingConfig

E3_AUC, E3_LOG_LOSS = 0.6907, 0.4614
SEED_NOISE = 0.004
"""About four standard deviations over seeds."""
MINIMUM_AUC = 0.55
"""Least AUC that every large slice must reach."""
SLICE_FLIGHTS = 3000


@pytest.fixture(scope="module")
def walked(real_data: None, frame: pd.DataFrame) -> Scored:
    """Return the walk-forward scores (E3) of the schedule level, with one seed."""
    folds = list(PROTOCOLS["E3.schedule"](frame))
    return _run(frame, folds, TrainingConfig(), [0], lambda _fold: None)[0]


def test_the_walk_forward_figures_hold(walked: Scored) -> None:
    """ROC AUC and log loss are those of the decision record; an AUC above .78 would be a leak."""
    auc = roc_auc_score(walked.late, walked.probability)
    assert E3_AUC - SEED_NOISE < auc < 0.78
    loss = flight_log_loss(walked.late, walked.probability).mean()
    assert loss == pytest.approx(E3_LOG_LOSS, abs=0.002)
    assert calibration_error(walked.late, walked.probability) < 0.025


@pytest.mark.parametrize("column", ["airline", "destination", "flight_type", "month", "hour"])
def test_every_large_slice_is_ranked_better_than_at_random(
    walked: Scored, frame: pd.DataFrame, column: str
) -> None:
    """The AUC of each large airline, destination, month and time of day is above .55."""
    departure = frame["scheduled_departure"]
    keys = frame.assign(month=departure.dt.month, hour=departure.dt.hour // 3)[column]
    slices = keys.to_numpy()[walked.row]
    weak = {}
    for each in np.unique(slices):
        rows = slices == each
        if rows.sum() >= SLICE_FLIGHTS:
            weak[str(each)] = roc_auc_score(walked.late[rows], walked.probability[rows])
    assert weak
    assert min(weak.values()) > MINIMUM_AUC, weak


@pytest.mark.parametrize("protocol", ["E1", "E2"])
def test_a_shuffled_target_is_not_learned(
    real_data: None, frame: pd.DataFrame, protocol: str
) -> None:
    """After shuffling the outcomes, the AUC on held-out rows is .5."""
    order = np.random.default_rng(1).permutation(len(frame))
    minutes = frame["delay_minutes"].to_numpy()[order]
    moved = pd.to_timedelta(pd.Series(minutes), unit="m").astype("timedelta64[s]")
    shuffled = frame.assign(
        delay_minutes=minutes,
        delayed=minutes > 15,
        actual_departure=frame["scheduled_departure"] + moved.to_numpy(),
    )
    fold = next(iter(PROTOCOLS[protocol](shuffled)))
    (run,) = _run(shuffled, [fold], TrainingConfig(), [0], lambda _fold: None)
    assert roc_auc_score(run.late, run.probability) == pytest.approx(0.5, abs=0.015)
