"""Bring flights of different requests together and score them."""
