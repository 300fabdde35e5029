"""Fit the model: labels, Booster, logistic regression, calibration, refresh."""
