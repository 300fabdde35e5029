"""Estimators that the attempts compare."""
