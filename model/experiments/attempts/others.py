"""Attempts with other models, class weights and resampling."""

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
from model.experiments.methods.logistic_regression import ServedLogistic, TreesAndLogistic
from model.experiments.methods.wrappers import Blended, Resampled

SERVED = "trees-and-line"
"""Id of the served model."""

NOTEBOOK = (
    Attempt(
        "notebook-logistic",
        Kind.NOTEBOOK,
        "Logistic regression on airline, flight type and month",
        "The notebook's first model. It used a threshold of .5; here its probabilities are scored "
        "too.",
        Notebook("logistic"),
        Verdict.REFERENCE,
        "At .5 it predicts almost no late flight; its probabilities are the baseline.",
        ONCE,
    ),
    Attempt(
        "notebook-xgboost",
        Kind.NOTEBOOK,
        "XGBoost on airline, flight type and month",
        "The notebook's second model, with its parameters.",
        Notebook("xgboost"),
        Verdict.REFERENCE,
        "With three columns, trees are no better than logistic regression.",
        ONCE,
    ),
    Attempt(
        "notebook-logistic-balanced",
        Kind.NOTEBOOK,
        "The same logistic regression with class weights",
        "The notebook's way to a higher recall.",
        Notebook("logistic", balanced=True),
        Verdict.REFERENCE,
        "The ranking of flights is the same: weights move the threshold and make the "
        "probabilities about three times too high.",
        ONCE,
    ),
    Attempt(
        "notebook-xgboost-balanced",
        Kind.NOTEBOOK,
        "The same XGBoost with scale_pos_weight",
        "The choice of most published solutions.",
        Notebook("xgboost", balanced=True),
        Verdict.REFERENCE,
        "As with logistic regression: another threshold, wrong probabilities.",
        ONCE,
    ),
)

IMBALANCE = (
    Attempt(
        "weights",
        Kind.IMBALANCE,
        "LightGBM with equal total weights of late and punctual flights",
        "One flight in five is late; class weights are the usual answer.",
        Boosted(labels="hard", late_weight=0.0),
        Verdict.DROPPED,
        "No better ranking, and probabilities that are far too high.",
        USUAL_AND_DAYS,
    ),
    Attempt(
        "under-sampling",
        Kind.IMBALANCE,
        "LightGBM on as many punctual flights as late ones, drawn at random",
        "The effect of weights with less data to fit.",
        Resampled(HARD, "under"),
        Verdict.DROPPED,
        "At best the ranking of the Booster, and probabilities that are far too high.",
    ),
    Attempt(
        "over-sampling",
        Kind.IMBALANCE,
        "LightGBM on late flights repeated at random",
        "The effect of weights without losing flights.",
        Resampled(HARD, "over"),
        Verdict.DROPPED,
        "Equivalent to class weights: the same ranking, wrong probabilities, and slower.",
    ),
    Attempt(
        "smote",
        Kind.IMBALANCE,
        "LightGBM with late flights made up between neighbours (SMOTE)",
        "Often recommended for rare classes.",
        Resampled(HARD, "smote"),
        Verdict.DROPPED,
        "The ranking is worse too: made-up flights have codes and days that do not exist.",
    ),
)

MODELS = (
    Attempt(
        "logistic",
        Kind.FAMILY,
        "Logistic regression on all features",
        "How much of the signal is additive?",
        Logistic(),
        Verdict.DROPPED,
        "At the schedule level all of it: it ranks as well as the trees. Its probabilities are "
        "worse because of the hard labels.",
        ONCE,
    ),
    Attempt(
        "logistic-soft",
        Kind.FAMILY,
        "Logistic regression on all features and the Booster's soft labels",
        "The comparison on the same labels.",
        Logistic(soft=True),
        Verdict.DROPPED,
        "As good as the Booster at the schedule level; see the blend.",
        {**ONCE, "E3.fresh": 1},
    ),
    Attempt(
        "blend",
        Kind.FAMILY,
        "Mean of that logistic regression and the Booster",
        "Two equally good models with different errors.",
        Blended(Logistic(soft=True), Boosted()),
        Verdict.DROPPED,
        "Better than either at the schedule level, without a tuned weight. Missing values become "
        "medians, which costs quality at the daily level. The next rows follow from it.",
        EVERYWHERE,
    ),
    Attempt(
        "line",
        Kind.FAMILY,
        "The served logistic regression alone, with monotone constraints on rates",
        "Weekdays as codes; the airport's state masked for a quarter of the flights, as for the "
        "trees.",
        ServedLogistic(),
        Verdict.HALF,
        "It ranks as well as the trees at the schedule level and costs almost nothing to score.",
        {**ONCE, "E3.fresh": 1},
        once=True,
    ),
    Attempt(
        "trees-and-line-free",
        Kind.FAMILY,
        "Mean log-odds of the Booster and a logistic regression without these constraints",
        "The cost of the constraints.",
        TreesAndLogistic(logistic=ServedLogistic(monotone=False)),
        Verdict.DROPPED,
        "It ranks slightly better, but with fresh outcomes its calibration is worse; and a higher "
        "late share in the past would lower some probabilities, which cannot be explained.",
        {"E1": 1, "E3.schedule": 3, "E3.fresh": 1},
    ),
    Attempt(
        SERVED,
        Kind.FAMILY,
        "The served model: mean log-odds of the Booster and the logistic regression",
        "Two equally good models with different errors. The weights are equal to avoid one more "
        "tuned parameter.",
        TreesAndLogistic(),
        Verdict.KEPT,
        "It ranks better than either half in every protocol and takes a twentieth more time to "
        "score. Its calibration is slightly worse than that of the trees and within the limit.",
        FULL,
    ),
    Attempt(
        "forest",
        Kind.FAMILY,
        "Random forest on all features",
        "The standard method without tuning.",
        Forest(),
        Verdict.DROPPED,
        "Worse than the boosted trees, and many times slower to score.",
        {"E1": 1, "E2": 1, "E3.schedule": 2},
    ),
    Attempt(
        "network",
        Kind.FAMILY,
        "Small neural network on all features",
        "Interactions without trees.",
        Network(),
        Verdict.DROPPED,
        "Worse than logistic regression on the same inputs.",
        {"E1": 1, "E2": 1, "E3.schedule": 3},
    ),
    Attempt(
        "catboost",
        Kind.FAMILY,
        "CatBoost on all features",
        "Its ordered encoding is designed for columns of codes.",
        CatBoost(),
        Verdict.DROPPED,
        "No better than LightGBM on the same hard labels, and slower to fit.",
        {"E1": 1, "E3.schedule": 1},
    ),
    Attempt(
        "xgboost",
        Kind.FAMILY,
        "XGBoost on all features",
        "The notebook's choice, with all features.",
        XGBoost(),
        Verdict.DROPPED,
        "As good as LightGBM on the same hard labels: the features make the difference.",
        USUAL_AND_DAYS,
    ),
)
