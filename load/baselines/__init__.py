"""Compare the service with other servers of the same model: `python -m load.baselines`."""
