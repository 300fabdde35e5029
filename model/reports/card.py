"""The model card: what the model is, what it was made from and how well it does."""

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
"""Flight numbers that are told of an airline on a route."""

INTENDED_USE = (
    (
        "Rank and warn: which of this week's departures from {home.place} deserve attention or a "
        "buffer."
    ),
    "Planning with probabilities: expected numbers of late departures by hour, airline or route.",
    "With the airport's state: the same for the next three hours.",
)
MISUSE = (
    "Deciding about a single passenger or employee, or proving fault: a probability is no cause.",
    "Judging or comparing airlines: the late share says more, and this model leans on it.",
    "Safety, slots or fuel: nothing of the operation is known to it.",
    "Airports other than {home.place}, or other meanings of late.",
)
LIMITS = (
    "One year of flights: no season was seen twice, and no later year at all.",
    "The late share moves through the year by more than any schedule can tell; see the months.",
    "Weather, strikes, aircraft and crews are unknown to it: most of what is missing is the day.",
    "Public holidays are {home.country_name}'s; school holidays are {school_holidays}.",
)
"""What the model is for, what not, and where it ends. Told by `GET /model` and the card, after
`told_of` has filled in the home airport."""

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

    Nothing in it depends on when or where the model was trained: the same flights and config
    give the same card.
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
        "intended_use": told_of(home, INTENDED_USE),
        "misuse": told_of(home, MISUSE),
        "limits": told_of(home, LIMITS),
        "evaluation": headline(evaluation),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def told_of(home: AirportConfig, lines: Sequence[str]) -> list[str]:
    """Fill the home airport into lines of the card."""
    known = "approximated by fixed dates" if home.school_holidays else "unknown to it"
    return [line.format(home=home, school_holidays=known) for line in lines]


def headline(evaluation: JsonObject) -> JsonObject:
    """Return the evaluation without the day-by-day lists that only the gate needs."""
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
    """Share of the trees' total gain that each feature brought, largest first."""
    gain = lgb.Booster(model_str=predictor.booster.text).feature_importance("gain")
    total = gain.sum() or 1.0  # trees that found no split have no gain to share
    shares = zip(predictor.builder.feature_names, (gain / total).tolist(), strict=True)
    return {name: round(share, 4) for name, share in sorted(shares, key=lambda item: -item[1])}


def _airlines(predictor: Predictor) -> dict[str, str]:
    return {code: AIRLINES.get(code, code) for code in sorted(predictor.builder.codes.airline_)}


def _flight_numbers(frame: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """By airline and destination, the usual flight numbers: the most frequent first."""
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
    """The reason of the published threshold; the threshold itself stands beside the card."""
    cost_ratio = round(1.0 / predictor.decision.threshold - 1.0, 4)
    return {
        "cost_ratio": cost_ratio,
        "reason": f"a missed delay is taken to cost {cost_ratio:g} times a false alarm; with "
        f"calibrated probabilities an alarm pays from 1 / (1 + {cost_ratio:g}) on. It follows "
        "from the costs alone and is tuned on no data",
    }


def _destinations(predictor: Predictor) -> dict[str, JsonObject]:
    """Name, city and country of each destination, for people who do not think in codes."""
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
