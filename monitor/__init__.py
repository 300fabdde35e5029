"""Monitoring of a served model: whether it has gone stale, and whether a refit would help."""


class MonitorError(Exception):
    """Error that nothing can be judged, with the missing input and the remedy."""
