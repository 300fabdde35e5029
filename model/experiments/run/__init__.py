"""Run attempts on the folds of the protocols and keep their results."""
