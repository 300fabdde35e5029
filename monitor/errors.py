"""What can go wrong while watching; the text is for people."""

from __future__ import annotations


class MonitorError(Exception):
    """Nothing can be judged: what is missing, and what to do."""
