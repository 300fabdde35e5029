"""Make the model card: the model's data, parameters, uses, limits and figures, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import lightgbm as lgb
import pandas as pd

from data.airports.config import AirportConfig
from data.frame import data_hash
from data.reference import AIRLINES, DELAY_MINUTES, airport
from model.inference.predictor import Predictor
from model.training.fit import TrainingConfig
from model.training.logistic_regression import PENALTY

LIBRARIES = ("bentoml", "lightgbm", "numpy", "pandas", "scikit-learn")

JsonObject = dict[str, Any]

USUAL_NUMBERS = 3
"""Number of flight numbers that the card lists for an airline on a route."""

INTENDED_USE = (
    (
        "Rank and warn: which of this week's departures from {home.place} deserve attention or a "
        "buffer."
    ),
    "Planning with probabilities: expected numbers of late departures by hour, airline or route.",
    "With the airport's state: the same for the next three hours.",
)
MISUSE = (
    "Decisions about a single passenger or employee, or proof of fault: a probability is no cause.",
    "Comparing airlines: their late shares say more, and the model uses those shares.",
    "Safety, slots or fuel: the model has no data about operations.",
    "Airports other than {home.place}, or other definitions of late.",
)
LIMITS = (
    "One year of flights: no season occurs twice, and no later year was tested.",
    "The late share varies over the year by more than a schedule can explain; see the months.",
    "Weather, strikes, aircraft and crews are not in the data; they differ most from day to day.",
    "Public holidays are {home.country_name}'s; school holidays are {school_holidays}.",
)
"""Intended uses, misuses and limits for `GET /model` and the card; `for_airport` fills them in."""

_LONG_KEYS = ("by_day",)


def make_card(
    frame: pd.DataFrame,
    *,
    is_sample: bool,
    predictor: Predictor,
    config: TrainingConfig,
    evaluation: JsonObject,
) -> JsonObject:
    """Return the card of a model fitted on `frame`, as plain JSON values.

    The same flights and config give the same card, at any time and on any machine.
    """
    home = predictor.builder.airport_config
    return {
        "predicts": f"departure more than {DELAY_MINUTES} minutes after schedule",
        "airport": home.airport,
        "place": home.place,
        "time_zone": home.time_zone,
        "data": _data(frame, is_sample=is_sample),
        "training": {
            "seed": config.seed,
            "trees": predictor.booster.trees,
            "parameters": config.parameters,
            "line": {"penalty": PENALTY, "weights": predictor.schedule.regression.weights},
        },
        "features": list(predictor.builder.feature_names),
        "fresh_features": list(predictor.fresh.builder.feature_names),
        "importance": _importance(predictor),
        "airlines": _airlines(predictor),
        "destinations": _destinations(predictor),
        "flight_numbers": _flight_numbers(frame),
        "decision": _decision(predictor),
        "intended_use": for_airport(home, INTENDED_USE),
        "misuse": for_airport(home, MISUSE),
        "limits": for_airport(home, LIMITS),
        "evaluation": headline(evaluation),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def for_airport(home: AirportConfig, sentences: Sequence[str]) -> list[str]:
    """Return sentences of the card with the names of the home airport filled in."""
    known = "approximated by fixed dates" if home.school_holidays else "not in the data"
    return [sentence.format(home=home, school_holidays=known) for sentence in sentences]


def headline(evaluation: JsonObject) -> JsonObject:
    """Return the evaluation without the lists by day, which only the gate needs."""
    return {
        protocol: {key: value for key, value in figures.items() if key not in _LONG_KEYS}
        for protocol, figures in evaluation.items()
    }


def _data(frame: pd.DataFrame, *, is_sample: bool) -> JsonObject:
    departure = frame["scheduled_departure"]
    return {
        "is_sample": is_sample,
        "flights": len(frame),
        "first_departure": departure.min().isoformat(),
        "last_departure": departure.max().isoformat(),
        "late_share": round(float(frame["delayed"].mean()), 5),
        "sha256": data_hash(frame),
    }


def _importance(predictor: Predictor) -> dict[str, float]:
    """Return the share of each feature in the trees' total gain, largest first."""
    gain = lgb.Booster(model_str=predictor.booster.text).feature_importance("gain")
    total = gain.sum() or 1.0  # trees without a split have no gain
    shares = zip(predictor.builder.feature_names, (gain / total).tolist(), strict=True)
    return {name: round(share, 4) for name, share in sorted(shares, key=lambda item: -item[1])}


def _airlines(predictor: Predictor) -> dict[str, str]:
    return {code: AIRLINES.get(code, code) for code in sorted(predictor.builder.codes.airline_)}


def _flight_numbers(frame: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """Return the usual flight numbers by airline and destination, the most frequent first."""
    route = ["airline", "destination"]
    counts = frame.groupby([*route, "flight_number"], observed=True).size().rename("n")
    ranked = counts.reset_index().sort_values(
        [*route, "n", "flight_number"], ascending=[True, True, False, True]
    )
    usual: dict[str, dict[str, list[str]]] = {}
    columns = (ranked[name].tolist() for name in (*route, "flight_number"))
    for airline, destination, number in zip(*columns, strict=True):
        numbers = usual.setdefault(airline, {}).setdefault(destination, [])
        if len(numbers) < USUAL_NUMBERS:
            numbers.append(number)
    return usual


def _decision(predictor: Predictor) -> JsonObject:
    """Return the reason for the threshold, which itself is published beside the card."""
    cost_ratio = round(1.0 / predictor.decision.threshold - 1.0, 4)
    return {
        "cost_ratio": cost_ratio,
        "reason": f"a missed delay is assumed to cost {cost_ratio:g} times a false alarm; with "
        f"calibrated probabilities an alarm then pays from 1 / (1 + {cost_ratio:g}) on. The "
        "threshold follows from the costs alone and is not tuned on data",
    }


def _destinations(predictor: Predictor) -> dict[str, JsonObject]:
    """Return name, city, country and flight type of each destination."""
    known = {}
    for code in sorted(predictor.builder.codes.destination_):
        facts = airport(code)
        known[code] = {
            "name": facts.name if facts else code,
            "city": facts.city if facts else code,
            "country": facts.country if facts else "",
            "flight_type": predictor.builder.codes.type_of(code),
        }
    return known
