"""Transformers that use outcomes before and after a flight: for evaluation only."""
