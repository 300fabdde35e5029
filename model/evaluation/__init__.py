"""Evaluate models: protocols, metrics, slices, drift, and the gate before registration."""
