"""Measure what decisions rest on: limits, learning curve, leaks, thresholds."""
