"""Attempts with the way LightGBM learns, and with calibrations on top of it."""

from __future__ import annotations

from model.experiments.attempts.attempt import (
    EVERYWHERE,
    FORWARD,
    FORWARD_ONCE,
    FRESH,
    FULL,
    Attempt,
    Kind,
    Verdict,
)
from model.experiments.methods.boosted import HARD, Boosted
from model.experiments.methods.wrappers import Bagged, Calibrated, Distilled

ALONE = "lightgbm"
"""Id of the served Booster alone, against which all others are measured."""

LEARNING = (
    Attempt(
        ALONE,
        Kind.LEARNING,
        "The served Booster alone",
        "250 trees of 15 leaves on soft labels; history and the airport's state may only raise "
        "the risk.",
        Boosted(),
        Verdict.HALF,
        "Half of what is served, and what every other row is measured against: cheap to score, "
        "calibrated without a step of its own.",
        FULL,
    ),
    Attempt(
        "hard-labels",
        Kind.LEARNING,
        "Hard labels",
        "The outcome itself instead of how clearly a flight was late.",
        HARD,
        Verdict.DROPPED,
        "A little worse order, and at the schedule level worse probabilities.",
        EVERYWHERE,
    ),
    Attempt(
        "softness-2",
        Kind.LEARNING,
        "Soft labels over 2 minutes instead of 4",
        "How soft should they be?",
        Boosted(labels="limit", softness=2.0),
        Verdict.DROPPED,
        "Between hard labels and the kept ones.",
        FORWARD,
    ),
    Attempt(
        "softness-8",
        Kind.LEARNING,
        "Soft labels over 8 minutes instead of 4",
        "How soft should they be?",
        Boosted(labels="limit", softness=8.0),
        Verdict.DROPPED,
        "The labels' mean is far above the late share, and calibration goes with it.",
        FORWARD,
    ),
    Attempt(
        "limit-everywhere",
        Kind.LEARNING,
        "Soft labels centred on the limit at every level",
        "Only the schedule level has them there.",
        Boosted(labels="limit"),
        Verdict.DROPPED,
        "Same order; probabilities too high wherever the model knows the days around.",
        {"E1": 1, "E2": 1, "E3.fresh": 1},
    ),
    Attempt(
        "no-constraints",
        Kind.LEARNING,
        "Without monotone constraints",
        "What does it cost to forbid that more lateness lowers the risk?",
        Boosted(monotone=False),
        Verdict.DROPPED,
        "A little behind at the schedule level; they were made for the fresh levels.",
        EVERYWHERE,
    ),
    Attempt(
        "linear-trees",
        Kind.LEARNING,
        "A line in every leaf",
        "Smooth effects of distance and time with fewer leaves.",
        Boosted(change=(("linear_tree", True), ("linear_lambda", 10.0)), monotone=False),
        Verdict.DROPPED,
        "No better, and LightGBM cannot constrain them.",
        FORWARD,
    ),
    Attempt(
        "extra-trees",
        Kind.LEARNING,
        "Extremely randomised thresholds",
        "Regularisation by chance.",
        Boosted(change=(("extra_trees", True),)),
        Verdict.DROPPED,
        "As good as the Booster at the schedule level, within noise; no reason to change.",
    ),
    Attempt(
        "dart",
        Kind.LEARNING,
        "Trees that drop out while boosting (DART)",
        "Keeps the first trees from deciding everything.",
        Boosted(change=(("boosting", "dart"), ("drop_rate", 0.1)), rounds=250),
        Verdict.DROPPED,
        "Behind, at three times the time to fit.",
        FORWARD,
    ),
    Attempt(
        "fading-60",
        Kind.LEARNING,
        "Training flights fade with a half-life of 60 days",
        "The base rate drifts: recent months should count more.",
        Boosted(half_life=60.0),
        Verdict.DROPPED,
        "Fewer flights to learn from cost as much as the drift, or more.",
        FORWARD,
    ),
    Attempt(
        "fading-120",
        Kind.LEARNING,
        "Training flights fade with a half-life of 120 days",
        "The same, more gently.",
        Boosted(half_life=120.0),
        Verdict.DROPPED,
        "Within noise.",
        FORWARD,
    ),
    Attempt(
        "early-stopping",
        Kind.LEARNING,
        "Trees by early stopping on the last four weeks",
        "A number of trees for each month instead of one for all.",
        Boosted(early_stopping=4),
        Verdict.DROPPED,
        "Four weeks are a noisy judge.",
        FORWARD,
    ),
    Attempt(
        "bag-5",
        Kind.LEARNING,
        "Mean of five seeds",
        "Averages the noise of row and column sampling away.",
        Bagged(Boosted()),
        Verdict.DROPPED,
        "A gain within noise for five times the cost of scoring.",
        {"E1": 1, "E3.schedule": 1},
    ),
    Attempt(
        "distilled-bag",
        Kind.LEARNING,
        "One Booster that learns from the bag of five and from the labels",
        "The bag's gain at the cost of one fit.",
        Distilled(Bagged(Boosted())),
        Verdict.DROPPED,
        "No better than a single fit; five more fits for nothing.",
        FORWARD_ONCE,
    ),
    Attempt(
        "always-told",
        Kind.LEARNING,
        "Fresh Booster that always sees the airport's state",
        "It need not learn to do without.",
        Boosted(hidden=0.0),
        Verdict.DROPPED,
        "Told nothing, it is badly wrong (the daily column).",
        FRESH,
    ),
    Attempt(
        "half-told",
        Kind.LEARNING,
        "Fresh Booster that sees the airport's state of every second flight",
        "More practice in doing without.",
        Boosted(hidden=0.5),
        Verdict.DROPPED,
        "Nothing won without the state, a little lost with it.",
        FRESH,
    ),
)


_CALIBRATED = tuple(
    Attempt(
        f"calibration-{how}",
        Kind.CALIBRATION,
        title,
        why,
        Calibrated(method, how),
        Verdict.DROPPED,
        reason,
        FORWARD_ONCE,
    )
    for how, title, why, reason, method in (
        (
            "none",
            "Hard labels, the last six weeks left out, no calibration",
            "What leaving weeks out costs: the line for the next three.",
            "The weeks are missed.",
            HARD,
        ),
        (
            "platt",
            "Hard labels, Platt scaling on the last six weeks",
            "Two numbers, drawn towards no change.",
            "Follows the last weeks' base rate, which the next month need not share.",
            HARD,
        ),
        (
            "isotonic",
            "Hard labels, isotonic regression on the last six weeks",
            "Any rising curve.",
            "The same, with more freedom to follow chance.",
            HARD,
        ),
        (
            "beta",
            "Hard labels, beta calibration on the last six weeks",
            "Three numbers.",
            "The same.",
            HARD,
        ),
    )
)

CALIBRATION = (
    *_CALIBRATED,
    Attempt(
        "calibration-soft-platt",
        Kind.CALIBRATION,
        "Soft labels, Platt scaling on the last six weeks",
        "A calibration on top of the Booster.",
        Calibrated(Boosted(), "platt"),
        Verdict.DROPPED,
        "Takes back what the labels' centre gives.",
        FORWARD_ONCE,
    ),
)
