"""What can go wrong when a file is scored.

ScoreError
├── InputError      the input is no table of flights that can be read
├── OutputError     the output cannot be written there, or somebody else is at it
└── EngineError     the engine that was asked for is not there, or gave up
"""


class ScoreError(Exception):
    """Base of this package's errors; its text is meant for people."""


class InputError(ScoreError):
    """The input is no table of flights that can be read."""


class OutputError(ScoreError):
    """The output cannot be written there, or somebody else is at it."""


class EngineError(ScoreError):
    """The engine that was asked for is not there, or gave up."""
