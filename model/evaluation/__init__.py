"""Evaluate models: protocols, metrics, diagnostics, drift, staleness, and the champion gate."""
