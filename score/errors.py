"""Errors of scoring a file.

ScoreError
├── InputError      the input is not a readable table of flights
├── OutputError     the output cannot be written, or another run writes it
└── EngineError     the engine is not available, or failed
"""


class ScoreError(Exception):
    """Base of this package's errors; the message is meant for users."""


class InputError(ScoreError):
    """Input that is not a readable table of flights."""


class OutputError(ScoreError):
    """Output that cannot be written, or that another run writes."""


class EngineError(ScoreError):
    """Engine that is not available, or that failed."""
