"""The service beside what else one could serve the same model with: `python -m load.baselines`."""
