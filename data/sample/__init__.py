"""Embedded sample: generated flights that resemble the real ones in form only."""

from data.sample.generate import generate_flights

__all__ = ["generate_flights"]
