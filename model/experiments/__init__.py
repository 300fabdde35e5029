"""Experiments: declared attempts at a better model, run on the protocols' folds and reported."""
