"""Answers requests: contract, batching, errors, metrics, settings and the store of models."""
