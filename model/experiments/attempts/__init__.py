"""Declare every attempt at a better model."""
