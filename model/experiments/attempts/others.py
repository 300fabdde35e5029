"""Attempts with other models than ours, and with weights and resampling."""

from __future__ import annotations

from model.experiments.attempts.attempt import (
    EVERYWHERE,
    FULL,
    ONCE,
    USUAL_AND_DAYS,
    Attempt,
    Kind,
    Verdict,
)
from model.experiments.methods.boosted import HARD, Boosted
from model.experiments.methods.estimators import (
    CatBoost,
    Forest,
    Logistic,
    Network,
    Notebook,
    XGBoost,
)
from model.experiments.methods.logistic_regression import Line, TreesAndLine
from model.experiments.methods.wrappers import Blended, Resampled

SERVED = "trees-and-line"
"""Id of what is served."""

NOTEBOOK = (
    Attempt(
        "notebook-logistic",
        Kind.NOTEBOOK,
        "Logistic regression on airline, flight type and month",
        "The notebook's first model; as it stood it said late from .5 on, here its probabilities "
        "are scored too.",
        Notebook("logistic"),
        Verdict.REFERENCE,
        "From .5 on it calls almost no flight late; as probabilities it is the line to beat.",
        ONCE,
    ),
    Attempt(
        "notebook-xgboost",
        Kind.NOTEBOOK,
        "XGBoost on airline, flight type and month",
        "The notebook's second model, with its parameters.",
        Notebook("xgboost"),
        Verdict.REFERENCE,
        "Three columns hold no more for trees than for a line.",
        ONCE,
    ),
    Attempt(
        "notebook-logistic-balanced",
        Kind.NOTEBOOK,
        "The same logistic regression with class weights",
        "The notebook's remedy for its recall.",
        Notebook("logistic", balanced=True),
        Verdict.REFERENCE,
        "The order of flights stays as it was: weights move the threshold, at the price of "
        "probabilities that are about three times too high.",
        ONCE,
    ),
    Attempt(
        "notebook-xgboost-balanced",
        Kind.NOTEBOOK,
        "The same XGBoost with scale_pos_weight",
        "What most published solutions chose.",
        Notebook("xgboost", balanced=True),
        Verdict.REFERENCE,
        "As with logistic regression: another threshold, spoiled probabilities.",
        ONCE,
    ),
)

IMBALANCE = (
    Attempt(
        "weights",
        Kind.IMBALANCE,
        "LightGBM, late flights weigh as much as all punctual ones",
        "Late flights are one in five; weights are the usual answer.",
        Boosted(labels="hard", late_weight=0.0),
        Verdict.DROPPED,
        "No better order, and probabilities that no longer mean anything.",
        USUAL_AND_DAYS,
    ),
    Attempt(
        "under-sampling",
        Kind.IMBALANCE,
        "LightGBM on as many punctual flights as late ones, drawn at random",
        "The same with less to fit.",
        Resampled(HARD, "under"),
        Verdict.DROPPED,
        "The order of the Booster at best, and probabilities that are far too high.",
    ),
    Attempt(
        "over-sampling",
        Kind.IMBALANCE,
        "LightGBM on late flights repeated at random",
        "The same without losing flights.",
        Resampled(HARD, "over"),
        Verdict.DROPPED,
        "Class weights by another name: the same order, spoiled probabilities, and slower.",
    ),
    Attempt(
        "smote",
        Kind.IMBALANCE,
        "LightGBM with late flights made up between neighbours (SMOTE)",
        "Often recommended for rare classes.",
        Resampled(HARD, "smote"),
        Verdict.DROPPED,
        "Loses order as well: made-up flights stand between codes and days that do not exist.",
    ),
)

FAMILIES = (
    Attempt(
        "logistic",
        Kind.FAMILY,
        "Logistic regression on all features",
        "How much of the signal is additive?",
        Logistic(),
        Verdict.DROPPED,
        "At the schedule level all of it: the order is as good as that of the trees. Its "
        "probabilities suffer from the hard labels.",
        ONCE,
    ),
    Attempt(
        "logistic-soft",
        Kind.FAMILY,
        "Logistic regression on all features and the Booster's soft labels",
        "The same comparison on equal terms.",
        Logistic(soft=True),
        Verdict.DROPPED,
        "Its equal at the schedule level; see the blend.",
        {**ONCE, "E3.fresh": 1},
    ),
    Attempt(
        "blend",
        Kind.FAMILY,
        "Mean of that logistic regression and the Booster",
        "Two models of one quality that err differently.",
        Blended(Logistic(soft=True), Boosted()),
        Verdict.DROPPED,
        "Ahead of either at the schedule level, with no weight tuned; but what is missing reads as "
        "its median, and the daily level pays for it. The next rows came from it.",
        EVERYWHERE,
    ),
    Attempt(
        "line",
        Kind.FAMILY,
        "The line: that logistic regression, its rates bound to raise the risk",
        "Weekdays as codes, the airport's state hidden from a quarter of the flights, as from the "
        "trees.",
        Line(),
        Verdict.HALF,
        "Ranks as well as the trees at the schedule level, and costs next to nothing to score.",
        {**ONCE, "E3.fresh": 1},
        once=True,
    ),
    Attempt(
        "trees-and-line-free",
        Kind.FAMILY,
        "Mean log-odds of the Booster and a line without that bound",
        "What the bound costs.",
        TreesAndLine(line=Line(rising=False)),
        Verdict.DROPPED,
        "Orders flights a little better, but with fresh outcomes it is calibrated worse; and a "
        "later past would lower some scores, which nobody could explain.",
        {"E1": 1, "E3.schedule": 3, "E3.fresh": 1},
    ),
    Attempt(
        SERVED,
        Kind.FAMILY,
        "What is served: mean log-odds of the Booster and the line",
        "Two models of one quality that err differently; equal weights, because nothing was tuned "
        "that need not be.",
        TreesAndLine(),
        Verdict.KEPT,
        "Ranks ahead of either half in every protocol, for a twentieth more time to score; "
        "calibrated a little worse than the trees, far within what is asked.",
        FULL,
    ),
    Attempt(
        "forest",
        Kind.FAMILY,
        "Random forest on all features",
        "The standard that needs no tuning.",
        Forest(),
        Verdict.DROPPED,
        "Behind the boosted trees, and many times dearer to score.",
        {"E1": 1, "E2": 1, "E3.schedule": 2},
    ),
    Attempt(
        "network",
        Kind.FAMILY,
        "Small neural network on all features",
        "Interactions without trees.",
        Network(),
        Verdict.DROPPED,
        "Behind logistic regression on the same inputs.",
        {"E1": 1, "E2": 1, "E3.schedule": 3},
    ),
    Attempt(
        "catboost",
        Kind.FAMILY,
        "CatBoost on all features",
        "Its ordered encoding is made for columns of codes like these.",
        CatBoost(),
        Verdict.DROPPED,
        "On the same hard labels no better than LightGBM, and slower to fit.",
        {"E1": 1, "E3.schedule": 1},
    ),
    Attempt(
        "xgboost",
        Kind.FAMILY,
        "XGBoost on all features",
        "The notebook's own choice, with everything that is known.",
        XGBoost(),
        Verdict.DROPPED,
        "On the same hard labels as good as LightGBM: the features make the difference.",
        USUAL_AND_DAYS,
    ),
)
