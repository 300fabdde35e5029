"""The watch over a served model: whether it has gone stale, and whether a refit would help."""
