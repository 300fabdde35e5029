"""Collect flights of many requests into batches and score them."""
