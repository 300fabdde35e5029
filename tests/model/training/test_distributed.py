"""Test that a Booster fitted on a cluster is as good as one fitted on one machine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from data.flights import Flights
from features.builder import Level
from model.errors import ClusterError
from model.inference.booster import Booster
from model.inference.calibration import FloatArray, sigmoid
from model.training.distributed import cluster_trainer, connected
from model.training.fit import TrainingConfig, TrainingSet, fit_booster, prepare

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Creating scratch directories:UserWarning"),
]

CONFIG = TrainingConfig(rounds=40)
WORKERS, MEMORY_MB = 2, 2000


@pytest.fixture(scope="module")
def past(frame: pd.DataFrame) -> TrainingSet:
    """Return the training set of the flights until September."""
    return prepare(frame[frame["scheduled_departure"] < "2017-10-01"], Level.SCHEDULE)


@pytest.fixture(scope="module")
def future(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the flights from October on."""
    return frame[frame["scheduled_departure"] >= "2017-10-01"]


def test_quality_is_that_of_one_machine(past: TrainingSet, future: pd.DataFrame) -> None:
    """AUC and log loss on later flights agree within what another seed changes."""
    here = fit_booster(past, CONFIG)
    with cluster_trainer(WORKERS, f"{MEMORY_MB}MB") as train_booster:
        there = train_booster(past, CONFIG)
    late = future["delayed"].to_numpy()
    matrix = past.builder.transform(Flights.from_columns(future))
    one, other = (sigmoid(booster.raw_scores(matrix)) for booster in (here, there))
    assert abs(roc_auc_score(late, one) - roc_auc_score(late, other)) < 0.01
    assert abs(log_loss(late, one) - log_loss(late, other)) < 0.005
    assert there.trees == here.trees
    _check_rising(there, past)


def _check_rising(booster: Booster, training_set: TrainingSet) -> None:
    """Check that the cluster's trees keep the monotone constraints."""
    rows: FloatArray = training_set.matrix[:200]
    for name in training_set.builder.monotone:
        higher = rows.copy()
        higher[:, training_set.builder.feature_names.index(name)] += 0.5
        assert np.all(booster.raw_scores(higher) >= booster.raw_scores(rows) - 1e-12), name


def test_the_model_text_has_no_address_of_the_cluster(past: TrainingSet) -> None:
    """Addresses and ports of the workers are removed from the model."""
    with cluster_trainer(1, f"{MEMORY_MB}MB") as train_booster:
        text = train_booster(past, TrainingConfig(rounds=2)).text
    assert "127.0.0.1" not in text
    assert "[num_machines" not in text


def test_a_missing_scheduler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a scheduler gives an error that says so."""
    monkeypatch.setattr("model.training.distributed.CONNECT_SECONDS", "1s")
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers"),
        connected(1, "1GB", "tcp://127.0.0.1:9"),
    ):
        pass
