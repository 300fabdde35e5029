"""Attempts with features removed or added, and with other numbers of trees and leaves."""

from __future__ import annotations

from model.experiments.attempts.attempt import (
    FORWARD,
    USUAL,
    USUAL_AND_DAYS,
    Attempt,
    Kind,
    Verdict,
)
from model.experiments.attempts.more_columns import TargetEncoded, WithMonth, WithSeason, WithShares
from model.experiments.methods.boosted import Boosted
from model.experiments.methods.logistic_regression import TreesAndLogistic

_NO_HISTORY = Boosted(drop=("history",))


def _size(trees: int, leaves: int) -> Attempt:
    return Attempt(
        f"trees-{trees}-leaves-{leaves}",
        Kind.SIZE,
        f"{trees} trees of {leaves} leaves",
        "Quality against time to score; the learning rate depends on the number of trees.",
        Boosted(
            change=(("num_leaves", leaves), ("learning_rate", round(0.05 * 250 / trees, 4))),
            rounds=trees,
        ),
        Verdict.DROPPED,
        "See the plot: quality hardly changes, cost does.",
        {"E3.schedule": 2, "E1": 1},
    )


SIZES = tuple(
    _size(trees, leaves)
    for trees, leaves in ((60, 15), (120, 7), (120, 31), (250, 7), (250, 31), (600, 15), (600, 31))
)


def _without(
    name: str, title: str, reason: str, transformers: tuple[str, ...], fresh: int = 1
) -> Attempt:
    seeds = dict(USUAL_AND_DAYS if fresh else USUAL)
    if "airport_now" in transformers:
        seeds = {}
    return Attempt(
        f"without-{name}",
        Kind.TAKEN,
        f"Without {title}",
        "The value of these features.",
        Boosted(drop=transformers),
        Verdict.REFERENCE,
        reason,
        {**seeds, "E3.fresh": fresh} if fresh else seeds,
    )


TAKEN = (
    _without("codes", "airline, destination and flight number as codes", "Kept.", ("codes",)),
    _without("clock", "time of day and weekday", "Kept.", ("clock",)),
    _without("holidays", "holidays, long weekends and school holidays", "Kept.", ("holidays",)),
    _without("school-holidays", "school holidays alone", "Kept.", ("school_holidays",), fresh=0),
    _without("timetable", "the timetable's congestion", "Kept.", ("timetable",)),
    _without("history", "late shares of the past", "Kept.", ("history",)),
    _without("route", "distance", "Kept.", ("route",), fresh=0),
    _without("airport-state", "the airport's state", "Kept.", ("airport_now",)),
    Attempt(
        "without-season",
        Kind.TAKEN,
        "Without day of year and high season (only E1 and E2 have them)",
        "The value of these features.",
        Boosted(drop=("season",)),
        Verdict.REFERENCE,
        "Kept where the scored days are between training days.",
        {"E1": 1, "E2": 1},
    ),
    Attempt(
        "without-neighbours",
        Kind.TAKEN,
        "Without flights minutes away (only E1 has them)",
        "The value of these features.",
        Boosted(drop=("neighbours",)),
        Verdict.REFERENCE,
        "Kept in the random split (E1), where flights before and after a scored one are known.",
        {"E1": 1},
    ),
)

ADDED = (
    Attempt(
        "season",
        Kind.ADDED,
        "Day of year and high season at the schedule level",
        "They help between training days.",
        WithSeason(Boosted()),
        Verdict.DROPPED,
        "A season that was never seen cannot be extrapolated.",
        FORWARD,
    ),
    Attempt(
        "month",
        Kind.ADDED,
        "The month as a code at the schedule level",
        "The notebook's only calendar feature.",
        WithMonth(Boosted()),
        Verdict.DROPPED,
        "The scored month is always an unknown code; the column only removes the year's drift from "
        "the other columns during training. A gain within noise; see the next row.",
        FORWARD,
    ),
    Attempt(
        "month-and-line",
        Kind.ADDED,
        "The served model with the month as a code",
        "Does the mean of both models gain too?",
        WithMonth(TreesAndLogistic()),
        Verdict.DROPPED,
        "Worse than the served model: the logistic regression loses more than the trees gain.",
        FORWARD,
    ),
    Attempt(
        "recent-shares",
        Kind.ADDED,
        "Late shares with half-lives of 60, 10 and 2 days at the schedule level",
        "The daily level relies on them.",
        WithShares(Boosted()),
        Verdict.DROPPED,
        "They are frozen at the last fit: their level is out of date.",
        FORWARD,
    ),
    Attempt(
        "target-encoding",
        Kind.ADDED,
        "scikit-learn's target encoding within folds instead of history",
        "The textbook method for late shares by group.",
        TargetEncoded(_NO_HISTORY),
        Verdict.DROPPED,
        "It ignores time: shares of the whole past, without decay and without the airport's drift.",
        USUAL_AND_DAYS,
    ),
    Attempt(
        "target-encoding-beside",
        Kind.ADDED,
        "scikit-learn's target encoding in addition to history",
        "Both may be better than one.",
        TargetEncoded(Boosted()),
        Verdict.DROPPED,
        "No gain over history alone.",
        FORWARD,
    ),
)
