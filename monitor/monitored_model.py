"""What the watch is given: the registered model, its log, and the flights with outcomes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.airports.config import mismatch
from data.flights import Flights, IntArray
from data.frame import data_hash
from data.load import Dataset
from features.builder import FeatureBuilder
from model.inference.bundle import Bundle
from model.training.fit import TrainingConfig
from monitor.errors import MonitorError
from monitor.history import History, Progress, silent
from monitor.log import read_log
from monitor.outcomes import join, latest_per_flight
from monitor.weekly_flights import Watched, week_of
from serving.prediction_log.record import digests

CHECKED = 2000
"""Logged predictions, the latest, whose features are made again."""
PROJECT = Path(__file__).parents[1]


@dataclass
class Subject:
    """A model under watch, with what it said since its fit.

    Attributes
    ----------
    fitted_before
        The day after its last training flight, days since 1970-01-01.
    flights
        What `watched` is of, in its order.
    counts
        Where the rows of the log went; empty where there is none.
    notes
        What a reader of the report should know besides.
    """

    tag: str
    bundle: Bundle
    history: History
    fitted_before: int
    flights: Flights
    watched: Watched
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def subject(
    tag: str, bundle: Bundle, dataset: Dataset, log: str | None, progress: Progress = silent
) -> Subject:
    """Bring together what is known of a model.

    Parameters
    ----------
    dataset
        All flights with outcomes so far: those that the model was trained on, and later ones.
    log
        Address of the prediction log. Without one, the model scores all later flights here, as
        if each had been asked about once.

    Raises
    ------
    MonitorError
        If there is nothing to watch.
    """
    home = bundle.predictor.builder.airport_config
    refusal = mismatch(home, dataset.airport_config, "and these leave")
    if refusal:
        message = f"{refusal}: describe its file with --mapping"
        raise MonitorError(message)
    last = np.datetime64(bundle.card["data"]["last_departure"][:10], "D")
    fitted_before = int(last.astype(np.int64)) + 1
    training = bundle.card["training"]
    recipe = TrainingConfig(training["seed"], training["parameters"], training["trees"], home=home)
    history = History(dataset.frame, recipe, progress)
    notes = _same_flights(history, fitted_before, bundle)
    if log is None:
        notes.append("No log was given: the model scored the later flights again, each once.")
        later = _later(history, fitted_before)
        flights = history.flights.pick(later)
        watched = _scored_again(bundle, history, flights, later)
        return Subject(tag, bundle, history, fitted_before, flights, watched, notes=notes)
    flights, watched, counts = _logged(tag, bundle, history, fitted_before, log)
    changed = counts["features_changed"]
    if changed:
        notes.append(
            f"The features of {changed} of {counts['features_checked']} logged predictions are not "
            "what the model makes of these flights now: service and monitor have come apart."
        )
    return Subject(tag, bundle, history, fitted_before, flights, watched, counts, notes)


def newcomers(watched: Subject, week: int) -> dict[str, dict[str, int]]:
    """Flights of a week by each airline and destination that training never saw, the most first."""
    flights = watched.flights.pick(np.flatnonzero(week_of(watched.flights.day) == week))
    counts: dict[str, Counter[str]] = {"airline": Counter(), "destination": Counter()}
    unknown = watched.bundle.predictor.builder.unknown(flights)
    for airline, destination, fields in zip(
        flights.airline, flights.destination, unknown, strict=True
    ):
        for field_name in fields:
            counts[field_name][airline if field_name == "airline" else destination] += 1
    return {name: dict(each.most_common()) for name, each in counts.items()}


def refit(data: str | None, mapping: Path | None, name: str, reports: Path) -> int:
    """Train a challenger on all flights and put it before the champion gate: `train.py`'s way.

    Returns its exit code: 0 registered, 2 unusable data, 3 refused by the gate.
    """
    command = [sys.executable, "train.py", "--name", name, "--reports", str(reports.resolve())]
    command += ["--data", _anywhere(data)] if data else []
    command += ["--mapping", str(mapping.resolve())] if mapping else []
    return subprocess.run(command, cwd=PROJECT, check=False).returncode  # noqa: S603 - our own program


def _anywhere(data: str) -> str:
    """A source of flights that means the same in another working directory."""
    return str(Path(data).resolve()) if Path(data).exists() else data


def _same_flights(history: History, fitted_before: int, bundle: Bundle) -> list[str]:
    trained_on = history.frame[history.day < fitted_before]
    if len(trained_on) and data_hash(trained_on) == bundle.card["data"]["sha256"]:
        return []
    return ["The earlier flights at hand are not exactly those that the model was trained on."]


def _later(history: History, fitted_before: int) -> IntArray:
    """Rows of the flights after the training."""
    rows: IntArray = np.flatnonzero(history.day >= fitted_before)
    if not len(rows):
        message = (
            "the model was trained on every flight at hand: there is nothing to watch yet. Give "
            "later flights with --data, or a log with --log"
        )
        raise MonitorError(message)
    return rows


def _scored_again(bundle: Bundle, history: History, flights: Flights, rows: IntArray) -> Watched:
    predictor = bundle.predictor
    said = predictor.score(flights)
    return Watched.of(predictor.builder, flights, said, history.late[rows], rows)


def _logged(
    tag: str, bundle: Bundle, history: History, fitted_before: int, log: str
) -> tuple[Flights, Watched, dict[str, int]]:
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
            f"the log holds no prediction of {tag} from the schedule alone, for a flight after "
            "its training"
        )
        raise MonitorError(message)
    checked, changed = _check_features(bundle, kept)
    found = counts.to_json() | {
        "of_other_models": len(joined) - len(ours),
        "with_airport_state": len(ours) - len(from_schedule),
        "asked_again": len(from_schedule) - len(unique),
        "before_training_ended": len(unique) - len(kept),
        "watched": len(kept),
        "features_checked": checked,
        "features_changed": changed,
    }
    return flights, _watched(bundle.predictor.builder, kept, flights), found


def _watched(builder: FeatureBuilder, kept: pd.DataFrame, flights: Flights) -> Watched:
    late = np.array(kept["delayed"].astype("float64"), dtype=np.float64)
    row = kept["row"].fillna(-1).to_numpy(dtype=np.int64)
    said = kept["probability"].to_numpy(dtype=np.float64)
    return Watched.of(builder, flights, said, late, row)


def _check_features(bundle: Bundle, kept: pd.DataFrame) -> tuple[int, int]:
    """How many of the latest predictions were checked, and how many have other features now."""
    latest = kept.tail(CHECKED)
    made: Any = digests(bundle.predictor, Flights.from_columns(latest))
    return len(latest), int(np.sum(latest["features"].to_numpy() != np.array(made)))
