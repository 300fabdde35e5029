"""Combine the registered model, its prediction log and the flights with outcomes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from data.airports.config import mismatch
from data.flights import Flights
from data.frame import data_hash
from data.load import Dataset
from model.inference.bundle import Bundle
from model.training.fit import TrainingConfig
from monitor import MonitorError
from monitor.history import History, Progress, silent
from monitor.log import read_log
from monitor.outcomes import join, latest_per_flight
from monitor.weekly_flights import ScoredFlights, week_of
from serving.prediction_log.record import digests

CHECKED = 2000
"""Number of latest predictions whose features are computed again."""
PROJECT = Path(__file__).parents[1]


@dataclass
class MonitoredModel:
    """Registered model with its scores since the fit.

    Attributes
    ----------
    fitted_before
        Day after its last training flight, days since 1970-01-01.
    flights, scored
        Flights after the training, and their scores in the same order.
    counts, notes
        Numbers of log rows by use (empty without a log), and remarks for the report.
    """

    tag: str
    bundle: Bundle
    history: History
    fitted_before: int
    flights: Flights
    scored: ScoredFlights
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def newcomers(self, week: int) -> dict[str, dict[str, int]]:
        """Count a week's flights by airline and destination missing in the training."""
        flights = self.flights.pick(np.flatnonzero(week_of(self.flights.day) == week))
        unknown = self.bundle.predictor.builder.unknown(flights)
        columns = {"airline": flights.airline, "destination": flights.destination}
        counts = {
            name: Counter(code for code, names in zip(codes, unknown, strict=True) if name in names)
            for name, codes in columns.items()
        }
        return {name: dict(each.most_common()) for name, each in counts.items()}


def monitored_model(
    tag: str, bundle: Bundle, dataset: Dataset, log: str | None, progress: Progress = silent
) -> MonitoredModel:
    """Collect the inputs of the judgement.

    Parameters
    ----------
    dataset
        All flights with outcomes so far: those of the training, and later ones.
    log
        Address of the prediction log. Without one, the model scores each later flight once.

    Raises
    ------
    MonitorError
        If there is no flight to judge.
    """
    home = bundle.predictor.builder.airport_config
    if reason := mismatch(home, dataset.airport_config, "and these leave"):
        message = f"{reason}: describe its file with --mapping"
        raise MonitorError(message)
    last = np.datetime64(bundle.card["data"]["last_departure"][:10], "D")
    fitted_before = int(last.astype(np.int64)) + 1
    training = bundle.card["training"]
    config = TrainingConfig(training["seed"], training["parameters"], training["trees"], home=home)
    history = History(dataset.frame, config, progress)
    source = _logged(tag, bundle, history, fitted_before, log) if log is not None else None
    flights, scored, counts = source or _scored_again(bundle, history, fitted_before)
    notes = []
    trained_on = history.frame[history.day < fitted_before]
    if not len(trained_on) or data_hash(trained_on) != bundle.card["data"]["sha256"]:
        notes.append("The earlier flights are not exactly those that the model was trained on.")
    if not counts:
        notes.append("No log was given: the model scored the later flights again, each once.")
    elif changed := counts["features_changed"]:
        notes.append(
            f"The features of {changed} of {counts['features_checked']} logged predictions differ "
            "from those computed now: service and monitoring use different versions."
        )
    return MonitoredModel(tag, bundle, history, fitted_before, flights, scored, counts, notes)


def refit(data: str | None, mapping: Path | None, name: str, reports: Path) -> int:
    """Train a challenger on all flights with `train.py`, which applies the champion gate.

    Returns its exit code: 0 registered, 2 unusable data, 3 refused by the gate.
    """
    command = [sys.executable, "train.py", "--name", name, "--reports", str(reports.resolve())]
    if data:  # a path must be valid in another working directory
        command += ["--data", str(Path(data).resolve()) if Path(data).exists() else data]
    command += ["--mapping", str(mapping.resolve())] if mapping else []
    return subprocess.run(command, cwd=PROJECT, check=False).returncode  # noqa: S603 - our own program


def _scored_again(
    bundle: Bundle, history: History, fitted_before: int
) -> tuple[Flights, ScoredFlights, dict[str, int]]:
    rows = np.flatnonzero(history.day >= fitted_before)
    if not len(rows):
        message = (
            "the model was trained on all given flights: there is nothing to judge yet. Give later "
            "flights with --data, or a log with --log"
        )
        raise MonitorError(message)
    flights, predictor = history.flights.pick(rows), bundle.predictor
    late, scores = history.late[rows], predictor.score(flights)
    return flights, ScoredFlights.of(predictor.builder, flights, scores, late, rows), {}


def _logged(
    tag: str, bundle: Bundle, history: History, fitted_before: int, log: str
) -> tuple[Flights, ScoredFlights, dict[str, int]]:
    logged, repeated = read_log(log)
    joined, counts = join(logged, history.frame, repeated)
    ours = joined[joined["model"] == tag]
    from_schedule = ours[~ours["with_airport"]]
    unique = latest_per_flight(from_schedule)
    flights = Flights.from_columns(unique)
    after = flights.day >= fitted_before
    kept, flights = unique[after], flights.pick(np.flatnonzero(after))
    if kept.empty:
        message = (
            f"the log has no prediction of {tag} from the schedule alone for a flight after its "
            "training"
        )
        raise MonitorError(message)
    latest = kept.tail(CHECKED)
    now = digests(bundle.predictor, Flights.from_columns(latest))
    found = asdict(counts) | {
        "of_other_models": len(joined) - len(ours),
        "with_airport_state": len(ours) - len(from_schedule),
        "asked_again": len(from_schedule) - len(unique),
        "before_training_ended": len(unique) - len(kept),
        "watched": len(kept),
        "features_checked": len(latest),
        "features_changed": int(np.sum(latest["features"].to_numpy() != np.array(now))),
    }
    late = np.array(kept["delayed"].astype("float64"), dtype=np.float64)
    row = kept["row"].fillna(-1).to_numpy(dtype=np.int64)
    scores = kept["probability"].to_numpy(dtype=np.float64)
    builder = bundle.predictor.builder
    return flights, ScoredFlights.of(builder, flights, scores, late, row), found
