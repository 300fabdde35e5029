"""Attempts with settings of LightGBM's training and with calibrations."""

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
"""Id of the served Booster alone, the baseline of all others."""

LEARNING = (
    Attempt(
        ALONE,
        Kind.LEARNING,
        "The served Booster alone",
        "250 trees of 15 leaves on soft labels; history and the airport's state may only raise "
        "the risk.",
        Boosted(),
        Verdict.HALF,
        "Half of the served model and the baseline of every other row: cheap to score, and "
        "calibrated without an extra step.",
        FULL,
    ),
    Attempt(
        "hard-labels",
        Kind.LEARNING,
        "Hard labels",
        "The outcome itself instead of a soft label.",
        HARD,
        Verdict.DROPPED,
        "A slightly worse ranking, and worse probabilities at the schedule level.",
        EVERYWHERE,
    ),
    Attempt(
        "softness-2",
        Kind.LEARNING,
        "Soft labels over 2 minutes instead of 4",
        "Which softness is best?",
        Boosted(labels="limit", softness=2.0),
        Verdict.DROPPED,
        "Between hard labels and the kept ones.",
        FORWARD,
    ),
    Attempt(
        "softness-8",
        Kind.LEARNING,
        "Soft labels over 8 minutes instead of 4",
        "Which softness is best?",
        Boosted(labels="limit", softness=8.0),
        Verdict.DROPPED,
        "The labels' mean is far above the late share, and so are the probabilities.",
        FORWARD,
    ),
    Attempt(
        "limit-everywhere",
        Kind.LEARNING,
        "Soft labels centred on the limit at every level",
        "Only the schedule level has them centred there.",
        Boosted(labels="limit"),
        Verdict.DROPPED,
        "The same ranking; probabilities too high wherever outcomes of the days around are known.",
        {"E1": 1, "E2": 1, "E3.fresh": 1},
    ),
    Attempt(
        "no-constraints",
        Kind.LEARNING,
        "Without monotone constraints",
        "The cost of forbidding that a higher late share lowers the risk.",
        Boosted(monotone=False),
        Verdict.DROPPED,
        "Slightly worse at the schedule level; the constraints matter at the fresh levels.",
        EVERYWHERE,
    ),
    Attempt(
        "linear-trees",
        Kind.LEARNING,
        "A linear model in every leaf",
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
        "Regularisation by random thresholds.",
        Boosted(change=(("extra_trees", True),)),
        Verdict.DROPPED,
        "As good as the Booster at the schedule level, within noise; no reason to change.",
    ),
    Attempt(
        "dart",
        Kind.LEARNING,
        "Dropout of trees while boosting (DART)",
        "Reduces the weight of the first trees.",
        Boosted(change=(("boosting", "dart"), ("drop_rate", 0.1)), rounds=250),
        Verdict.DROPPED,
        "Worse, with three times the time to fit.",
        FORWARD,
    ),
    Attempt(
        "fading-60",
        Kind.LEARNING,
        "Training flights weighted with a half-life of 60 days",
        "The base rate drifts: recent months may be more relevant.",
        Boosted(half_life=60.0),
        Verdict.DROPPED,
        "The loss of training data costs as much as the drift, or more.",
        FORWARD,
    ),
    Attempt(
        "fading-120",
        Kind.LEARNING,
        "Training flights weighted with a half-life of 120 days",
        "A weaker form of the same weights.",
        Boosted(half_life=120.0),
        Verdict.DROPPED,
        "Within noise.",
        FORWARD,
    ),
    Attempt(
        "early-stopping",
        Kind.LEARNING,
        "Number of trees by early stopping on the last four weeks",
        "A number of trees for each month instead of one for all.",
        Boosted(early_stopping=4),
        Verdict.DROPPED,
        "Four weeks are too noisy as validation data.",
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
        "The bag's gain at the cost of one model.",
        Distilled(Bagged(Boosted())),
        Verdict.DROPPED,
        "No better than a single fit, for five more fits.",
        FORWARD_ONCE,
    ),
    Attempt(
        "always-told",
        Kind.LEARNING,
        "Fresh Booster without masking of the airport's state",
        "Every training flight then has the state to learn from.",
        Boosted(hidden=0.0),
        Verdict.DROPPED,
        "Without the airport's state its probabilities are wrong (the daily column).",
        FRESH,
    ),
    Attempt(
        "half-told",
        Kind.LEARNING,
        "Fresh Booster with the airport's state masked for half of the flights",
        "More training data without the state.",
        Boosted(hidden=0.5),
        Verdict.DROPPED,
        "No gain without the state, a small loss with it.",
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
            "The cost of leaving weeks out: the baseline of the next three rows.",
            "The fit is worse without these weeks.",
            HARD,
        ),
        (
            "platt",
            "Hard labels, Platt scaling on the last six weeks",
            "Two parameters, shrunken towards no change.",
            "It follows the base rate of the last weeks, and that of the next month differs.",
            HARD,
        ),
        (
            "isotonic",
            "Hard labels, isotonic regression on the last six weeks",
            "Any increasing function.",
            "As Platt scaling, with more overfitting.",
            HARD,
        ),
        (
            "beta",
            "Hard labels, beta calibration on the last six weeks",
            "Three parameters.",
            "As Platt scaling.",
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
        "A calibration of the Booster.",
        Calibrated(Boosted(), "platt"),
        Verdict.DROPPED,
        "It cancels the gain of the labels' centre.",
        FORWARD_ONCE,
    ),
)
