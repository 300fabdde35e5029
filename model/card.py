"""The model card: what the model is, what it was made from and how well it does."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import lightgbm as lgb
import pandas as pd

from data.catalogue import AIRLINES, DELAY_MINUTES, HOME_AIRPORT, TIME_ZONE, airport
from data.frame import data_hash
from model.predictor import Predictor
from model.training import Recipe

LIBRARIES = ("bentoml", "lightgbm", "numpy", "pandas", "scikit-learn")

JsonObject = dict[str, Any]

_LONG_KEYS = ("by_day",)


def make_card(
    frame: pd.DataFrame,
    *,
    is_sample: bool,
    predictor: Predictor,
    recipe: Recipe,
    evaluation: JsonObject,
) -> JsonObject:
    """Return the card of a model fitted on `frame`, as plain JSON values.

    Nothing in it depends on when or where the model was trained: the same flights and recipe
    give the same card.
    """
    return {
        "predicts": f"departure more than {DELAY_MINUTES} minutes after schedule",
        "airport": HOME_AIRPORT,
        "time_zone": TIME_ZONE,
        "data": _data(frame, is_sample=is_sample),
        "training": {
            "seed": recipe.seed,
            "trees": predictor.booster.trees,
            "parameters": recipe.parameters,
        },
        "features": list(predictor.builder.feature_names),
        "fresh_features": list(predictor.fresh.builder.feature_names),
        "importance": _importance(predictor),
        "airlines": _airlines(predictor),
        "destinations": _destinations(predictor),
        "evaluation": headline(evaluation),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


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
    """Share of the total gain that each feature brought, largest first."""
    gain = lgb.Booster(model_str=predictor.booster.text).feature_importance("gain")
    total = gain.sum() or 1.0  # trees that found no split have no gain to share
    shares = zip(predictor.builder.feature_names, (gain / total).tolist(), strict=True)
    return {name: round(share, 4) for name, share in sorted(shares, key=lambda item: -item[1])}


def _airlines(predictor: Predictor) -> dict[str, str]:
    return {code: AIRLINES.get(code, code) for code in sorted(predictor.builder.codes.airline_)}


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
