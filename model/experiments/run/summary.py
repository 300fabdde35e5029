"""Summarise single results in `results.json`: means, spreads and standard errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.experiments.attempts.attempt import Attempt
from model.experiments.attempts.catalogue import ALONE, ATTEMPTS
from model.experiments.evidence.steps import STEPS
from model.experiments.evidence.thresholds import RULES
from model.experiments.methods.table import method_id
from model.experiments.run.attempt import THRESHOLD_FREE
from model.experiments.run.folds import GROUPS
from model.experiments.run.results import Record, ResultStore
from model.experiments.run.work_list import FoldCache, key_of, runs

RESULTS_FILE = "results.json"
MAXIMUM_SEEDS = 20
"""Upper bound of the seeds, so that all stored results are included."""
_DIGITS = 5
_FIGURES = (*THRESHOLD_FREE, "n")


def summarise(cache: FoldCache, store: ResultStore) -> Record:
    """Return everything the page shows, from all stored results.

    Returns
    -------
    ``data`` (flights and their fingerprint), ``attempts`` (one entry each, in the order of the
    catalogue) and ``evidence`` (results of the steps by id).
    """
    records = {attempt.id: _records(attempt, cache, store) for attempt in ATTEMPTS}
    evidence = {step.id: _without_key(store.get(key_of(step, cache))) for step in STEPS}
    data = {"flights": len(cache.frame), "late_share": float(cache.frame["delayed"].mean())}
    found = {
        "data": data | {"version": cache.version},
        "attempts": [_entry(attempt, records[attempt.id], records[ALONE]) for attempt in ATTEMPTS],
        "evidence": {name: record for name, record in evidence.items() if record},
    }
    rounded: Record = _rounded(found)
    return rounded


def write_results(docs: Path, results: Record) -> Path:
    """Write `results.json` into an existing folder."""
    path = docs / RESULTS_FILE
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _records(attempt: Attempt, cache: FoldCache, store: ResultStore) -> list[Record]:
    """Return the attempt's results, by seed within each group."""
    found = (store.get(key_of(run, cache)) for run in runs([attempt], MAXIMUM_SEEDS))
    return [record for record in found if record]


def _entry(attempt: Attempt, records: Sequence[Record], alone: Sequence[Record]) -> Record:
    protocols = {
        protocol: _protocol(protocol, records, alone)
        for group in GROUPS.values()
        for protocol in group
        if any(protocol in record["protocols"] for record in records)
    }
    return {
        "id": attempt.id,
        "kind": attempt.kind,
        "title": attempt.title,
        "why": attempt.why,
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "method": method_id(attempt.method),
        "fit_seconds": _mean_by_group(records),
        "microseconds": _microseconds(records),
        "protocols": protocols,
    }


def _protocol(protocol: str, records: Sequence[Record], alone: Sequence[Record]) -> Record:
    """Return means over the seeds, their spread, and the difference to the Booster alone."""
    runs_ = [record["protocols"][protocol] for record in records if protocol in record["protocols"]]
    table = {name: np.array([each[name] for each in runs_]) for name in _FIGURES}
    return {
        **{name: float(values.mean()) for name, values in table.items()},
        "seeds": len(runs_),
        "spread": {name: float(table[name].std()) for name in THRESHOLD_FREE},
        "rules": _rules(runs_),
        "against_booster": against(protocol, records, alone),
    }


def against(protocol: str, records: Sequence[Record], alone: Sequence[Record]) -> Record | None:
    """Return the difference in log loss per flight to the Booster alone, and its standard error.

    Flights of one day share weather and strikes, so days are the independent observations, as in
    `model.evaluation.gate`. Only seeds that both have run are compared.
    """
    ours, theirs = (
        {r["seed"]: r["protocols"][protocol] for r in each if protocol in r["protocols"]}
        for each in (records, alone)
    )
    shared = [seed for seed in ours if seed in theirs]
    if not shared:
        return None
    days = list(ours[shared[0]]["by_day"])
    flights = np.array([ours[shared[0]]["by_day"][day][0] for day in days], dtype=float)
    gaps = [
        [ours[seed]["by_day"][day][1] - theirs[seed]["by_day"][day][1] for day in days]
        for seed in shared
    ]
    difference = np.mean(gaps, axis=0) / flights.sum()
    error = difference.std(ddof=1) * np.sqrt(len(days)) if len(days) > 1 else np.nan
    return {"log_loss": float(difference.sum()), "error": float(error), "seeds": len(shared)}


def _rules(runs_: Sequence[Mapping[str, Any]]) -> Record:
    found = {}
    for rule in RULES:
        each = [run["rules"][rule] for run in runs_ if rule in run["rules"]]
        if each:
            found[rule] = {name: float(np.mean([e[name] for e in each])) for name in each[0]}
    return found


def _mean_by_group(records: Sequence[Record]) -> dict[str, float]:
    return {
        group: float(np.mean([r["fit_seconds"] for r in records if r["group"] == group]))
        for group in GROUPS
        if any(record["group"] == group for record in records)
    }


def _microseconds(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    return {r["group"]: r["microseconds"] for r in records if r["microseconds"]}


def _without_key(record: Record | None) -> Record:
    return {name: value for name, value in (record or {}).items() if name != "key"}


def _rounded(value: Any) -> Any:
    """Round all numbers to `_DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
