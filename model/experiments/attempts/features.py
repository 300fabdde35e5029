"""Attempts with features taken away and added, and with the number of trees and leaves."""

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
from model.experiments.methods.logistic_regression import TreesAndLine

_NO_HISTORY = Boosted(drop=("history",))


def _size(trees: int, leaves: int) -> Attempt:
    return Attempt(
        f"trees-{trees}-leaves-{leaves}",
        Kind.SIZE,
        f"{trees} trees of {leaves} leaves",
        "Quality against microseconds; the learning rate follows the number of trees.",
        Boosted(
            change=(("num_leaves", leaves), ("learning_rate", round(0.05 * 250 / trees, 4))),
            rounds=trees,
        ),
        Verdict.DROPPED,
        "See the picture: quality hardly moves, cost does.",
        {"E3.schedule": 2, "E1": 1},
    )


SIZES = tuple(
    _size(trees, leaves)
    for trees, leaves in ((60, 15), (120, 7), (120, 31), (250, 7), (250, 31), (600, 15), (600, 31))
)


def _taken(
    name: str, title: str, reason: str, families: tuple[str, ...], fresh: int = 1
) -> Attempt:
    seeds = dict(USUAL_AND_DAYS if fresh else USUAL)
    if "airport_now" in families:
        seeds = {}
    return Attempt(
        f"without-{name}",
        Kind.TAKEN,
        f"Without {title}",
        "What is this family worth?",
        Boosted(drop=families),
        Verdict.REFERENCE,
        reason,
        {**seeds, "E3.fresh": fresh} if fresh else seeds,
    )


TAKEN = (
    _taken("codes", "airline, destination and flight number as codes", "Kept.", ("codes",)),
    _taken("clock", "time of day and weekday", "Kept.", ("clock",)),
    _taken("holidays", "holidays, long weekends and school holidays", "Kept.", ("holidays",)),
    _taken("school-holidays", "school holidays alone", "Kept.", ("school_holidays",), fresh=0),
    _taken("timetable", "the timetable's congestion", "Kept.", ("timetable",)),
    _taken("history", "late shares of the past", "Kept.", ("history",)),
    _taken("route", "distance", "Kept.", ("route",), fresh=0),
    _taken("airport-state", "the airport's state", "Kept.", ("airport_now",)),
    Attempt(
        "without-season",
        Kind.TAKEN,
        "Without day of year and high season (E1 and E2 alone have them)",
        "What is this family worth?",
        Boosted(drop=("season",)),
        Verdict.REFERENCE,
        "Kept where days lie between training days.",
        {"E1": 1, "E2": 1},
    ),
    Attempt(
        "without-neighbours",
        Kind.TAKEN,
        "Without flights minutes away (E1 alone has them)",
        "What is this family worth?",
        Boosted(drop=("neighbours",)),
        Verdict.REFERENCE,
        "Kept in E1, which asks about flights between flights.",
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
        "The notebook's only calendar.",
        WithMonth(Boosted()),
        Verdict.DROPPED,
        "The month to come is always an unknown code; what it does is to take the year's drift off "
        "the other columns while they are learned. A lead within noise; see the next row.",
        FORWARD,
    ),
    Attempt(
        "month-and-line",
        Kind.ADDED,
        "The same beside what is served: trees and line with the month as a code",
        "Does the mean still gain by it?",
        WithMonth(TreesAndLine()),
        Verdict.DROPPED,
        "Behind what is served: the line loses more by it than the trees gain.",
        FORWARD,
    ),
    Attempt(
        "recent-shares",
        Kind.ADDED,
        "Late shares with memories of 60, 10 and 2 days at the schedule level",
        "They carry the daily level.",
        WithShares(Boosted()),
        Verdict.DROPPED,
        "Frozen at the last fit they tell of a level that has passed.",
        FORWARD,
    ),
    Attempt(
        "target-encoding",
        Kind.ADDED,
        "scikit-learn's target encoding within folds in place of history",
        "The textbook's way to late shares by group.",
        TargetEncoded(_NO_HISTORY),
        Verdict.DROPPED,
        "Blind to time: shares of the whole past, without fading and without the airport's drift.",
        USUAL_AND_DAYS,
    ),
    Attempt(
        "target-encoding-beside",
        Kind.ADDED,
        "The same beside history",
        "Perhaps both.",
        TargetEncoded(Boosted()),
        Verdict.DROPPED,
        "Adds nothing to history.",
        FORWARD,
    ),
)
