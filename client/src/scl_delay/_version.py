"""The version of the package; stands here alone."""

__version__ = "0.1.0"
