"""Fit the model: labels, Booster, logistic regression, fits on a Dask cluster, refresh."""
